/* Names for what may be reused: equal keys mean that the work need not be done again.
 *
 * A key is the SHA-256 of fields, each preceded by its length as eight bytes, big end first, so
 * that no two lists of fields share an encoding. README.md lists the fields. Nothing in them
 * depends on database ids, repository or ref: a new branch with equal content has equal keys. */
#include "scheduler/core/world.h"

#include "common/base/str.h"

static void field(struct str *s, const void *p, size_t n)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)n >> (56 - 8 * i));
    str_addmem(s, length, sizeof length);
    str_addmem(s, p, n);
}

static void field_text(struct str *s, const char *text)
{
    field(s, text, strlen(text));
}

static void field_digest(struct str *s, const struct sha256 *d)
{
    field(s, d->b, sizeof d->b);
}

static void field_number(struct str *s, int64_t v)
{
    uint8_t b[8];
    for (int i = 0; i < 8; i++)
        b[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    field(s, b, sizeof b);
}

static struct str *begin(const struct world *w)
{
    str_clear(w->scratch);
    return w->scratch;
}

static void finish(const struct world *w, const struct str *s, struct sha256 *out)
{
    struct span span = {s->p, s->len};
    w->config.hash(&span, 1, out);
}

static int by_digest(const void *a, const void *b)
{
    const struct pin *const *x = a, *const *y = b;
    return memcmp((*x)->digest.b, (*y)->digest.b, sizeof(*x)->digest.b);
}

/* Bases stand with their reference, since two of them may exchange their digests; parents without
 * a name, since theirs holds the ref (and the recipe already says which parent stands where). */
static void field_pins(const struct world *w, struct str *s, const struct pin *pins, size_t n)
{
    const struct pin **sorted = xcalloc(n ? n : 1, sizeof(*sorted));
    for (size_t i = 0; i < n; i++)
        sorted[i] = &pins[i];
    qsort(sorted, n, sizeof(*sorted), by_digest);
    for (size_t i = 0; i < n; i++) {
        if (sorted[i]->base)
            continue;
        field_text(s, "image");
        field_digest(s, &sorted[i]->digest);
    }
    for (size_t i = 0; i < n; i++) {
        const struct base *b = sorted[i]->base ? idmap_get(&w->bases, sorted[i]->id) : NULL;
        if (!b)
            continue;
        field_text(s, "base");
        field_text(s, b->reference);
        field_digest(s, &sorted[i]->digest);
    }
    free(sorted);
}

void key_build(const struct world *w, const struct job *j, const struct pin *pins, size_t n,
               struct sha256 *out)
{
    struct str *s = begin(w);
    field_text(s, "bootfarm build 1");
    field_digest(s, &j->image->recipe);
    field_text(s, "trusted"); /* the trust domain */
    field_number(s, j->forced);
    field_pins(w, s, pins, n);
    finish(w, s, out);
}

void key_test(const struct world *w, const struct job *j, const struct sha256 *digest,
              struct sha256 *out)
{
    struct str *s = begin(w);
    field_text(s, "bootfarm test 1");
    field_digest(s, digest);
    field_digest(s, &j->image->tests_key);
    finish(w, s, out);
}

void key_publish(const struct world *w, const struct pin *pins, size_t n, struct sha256 *out)
{
    struct str *s = begin(w);
    field_text(s, "bootfarm publish 1");
    field_pins(w, s, pins, n);
    finish(w, s, out);
}

void key_mirror(const struct world *w, const struct sha256 *released, struct sha256 *out)
{
    struct str *s = begin(w);
    field_text(s, "bootfarm mirror 1");
    field_digest(s, released);
    finish(w, s, out);
}
