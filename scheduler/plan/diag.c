#include "scheduler/plan/diag.h"

#include <stdarg.h>
#include <stdio.h>

static int diag_order(const struct diag *x, const struct diag *y)
{
    int c = strcmp(x->at.file, y->at.file);
    if (c == 0)
        c = (x->at.line > y->at.line) - (x->at.line < y->at.line);
    if (c == 0)
        c = (x->at.column > y->at.column) - (x->at.column < y->at.column);
    return c != 0 ? c : strcmp(x->code, y->code);
}

static int diag_compare(const void *x, const void *y)
{
    const struct diag *a = *(struct diag *const *)x, *b = *(struct diag *const *)y;
    int c = diag_order(a, b);
    return c != 0 ? c : strcmp(a->message, b->message);
}

struct diag *diag_add(struct diags *d, struct diag_at at, const char *code, const char *hint,
                      const char *fmt, ...)
{
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    char *key = arena_fmt(d->a, "%s\n%u\n%u\n%s\n%s", at.file, at.line, at.column, code, message);
    struct diag *g = smap_get(&d->seen, key);
    if (g != NULL)
        return g;
    g = arena_alloc(d->a, sizeof *g);
    *g = (struct diag){.at = at, .code = code, .message = arena_str(d->a, message)};
    g->at.file = arena_str(d->a, at.file);
    g->hint = hint != NULL ? arena_str(d->a, hint) : NULL;
    smap_put(&d->seen, key, g);
    *vec_push(&d->list) = g;
    return g;
}

void diag_add_image(struct diags *d, struct diag *g, const char *image)
{
    if (g->images > 0 && strcmp(g->image[g->images - 1], image) == 0)
        return;
    /* Grown at powers of two, so that the capacity needs no member. */
    if ((g->images & (g->images - 1)) == 0) {
        const char **more = arena_array(d->a, g->images ? 2 * g->images : 1, sizeof *more);
        if (g->images > 0)
            memcpy(more, g->image, g->images * sizeof *more);
        g->image = more;
    }
    g->image[g->images++] = image;
}

void diags_absorb(struct diags *d, const struct diags *from, const char *image)
{
    vec_for_each (i, &from->list) {
        const struct diag *g = from->list.v[i];
        struct diag *added = diag_add(d, g->at, g->code, g->hint, "%s", g->message);
        if (image != NULL)
            diag_add_image(d, added, image);
    }
}

void diags_sort(struct diags *d)
{
    if (d->list.n > 1)
        qsort(d->list.v, d->list.n, sizeof *d->list.v, diag_compare);
}

void diags_release(struct diags *d)
{
    vec_release(&d->list);
    smap_release(&d->seen);
}
