#include "scheduler/plan/plan.h"

#include "common/base/str.h"
#include "scheduler/plan/build.h"
#include "scheduler/plan/graph.h"

const char *const need_use_names[] = {[NEED_FROM] = "from", [NEED_EMBED] = "needs"};

/* ---- the graph ---- */

struct edges {
    VEC(struct graph_edge) v;
};

static void collect_edges(struct build *b, struct edges *out)
{
    vec_for_each (i, &b->drafts) {
        const struct image *image = &b->drafts.v[i]->image;
        for (size_t k = 0; k < image->needs; k++) {
            if (image->need[k].parent != PLAN_EXTERNAL)
                *vec_push(&out->v) =
                    (struct graph_edge){.child = i, .parent = image->need[k].parent};
        }
    }
}

static const struct need *need_of(const struct draft *d, size_t parent)
{
    for (size_t i = 0; i < d->image.needs; i++) {
        if (d->image.need[i].parent == parent)
            return &d->image.need[i];
    }
    BUG("%s has no edge to %zu", d->image.name, parent);
}

#define CIRCLE_SHOWN 20

static void report_circle(struct build *b, const struct graph_circle *c)
{
    struct str path = STR_INIT;
    for (size_t i = 0; i < c->n && i < CIRCLE_SHOWN; i++)
        str_addf(&path, "%s -> ", b->drafts.v[c->node[i]]->image.name);
    str_addf(&path, "%s%s", c->n > CIRCLE_SHOWN ? "... -> " : "",
             b->drafts.v[c->node[0]]->image.name);
    for (size_t i = 0; i < c->n; i++) {
        struct draft *d = b->drafts.v[c->node[i]];
        const struct need *n = need_of(d, c->node[(i + 1) % c->n]);
        diag_add(&d->errors, n->at, "cycle", NULL, "%s is built from itself: %s", d->image.name,
                 path.p);
    }
    str_release(&path);
}

static void sort_drafts(struct build *b, struct graph_order *order)
{
    struct edges e = {.v = {.v = NULL}};
    struct graph_circle *circle;
    collect_edges(b, &e);
    graph_sort(b->a, b->drafts.n, e.v.v, e.v.n, order);
    size_t n = graph_circles(b->a, b->drafts.n, e.v.v, e.v.n, order, &circle);
    for (size_t i = 0; i < n; i++)
        report_circle(b, &circle[i]);
    vec_for_each (i, &b->drafts)
        b->drafts.v[i]->image.wave = order->wave[i];
    vec_release(&e.v);
}

/* ---- from drafts to images ---- */

static void check_parents(struct build *b, struct draft *d)
{
    for (size_t i = 0; i < d->image.needs; i++) {
        const struct need *n = &d->image.need[i];
        const struct draft *parent = n->parent != PLAN_EXTERNAL ? b->drafts.v[n->parent] : NULL;
        if (parent != NULL && parent->broken)
            diag_add(&d->errors, n->at, "broken-parent", NULL,
                     "%s is built from %s, whose definition has errors", d->image.name,
                     parent->image.name);
    }
}

/* What Debian 12's buildah (1.28) does not know waits for a worker that does. */
static void warn_of_age(struct build *b, const struct draft *d)
{
    if (d->result.heredoc.file != NULL)
        diag_add(&b->plan->warnings, d->result.heredoc, "newer-buildah", NULL,
                 "heredocs need a worker with buildah 1.33 or newer");
    if (d->result.from_after.file != NULL)
        diag_add(&b->plan->warnings, d->result.from_after, "newer-buildah", NULL,
                 "FROM --after needs a worker with buildah 1.44 or newer");
    if (d->result.stage_args.file != NULL)
        diag_add(&b->plan->warnings, d->result.stage_args, "newer-buildah",
                 "write the stage's name out, or give the argument in `args` and use it in FROM",
                 "a stage whose name hangs on variables needs a worker with buildah 1.37 or newer");
    if (d->result.stage_own_args.file != NULL)
        diag_add(&b->plan->warnings, d->result.stage_own_args, "newer-buildah",
                 "write the stage's name out, or declare the argument before the first FROM, too",
                 "a stage whose name hangs on variables of the stage that uses it needs a worker "
                 "with buildah 1.44 or newer");
}

static void finish_draft(struct build *b, struct draft *d)
{
    check_parents(b, d);
    if (d->cf != NULL && d->errors.list.n == 0 && !d->broken)
        find_files(b, d);
    d->broken |= d->errors.list.n > 0;
    if (d->broken)
        return;
    make_keys(b, d);
    warn_of_age(b, d);
}

/* Those behind a circle have no wave and come last, in any order: each has a broken parent. */
static void finish_drafts(struct build *b, const struct graph_order *order)
{
    for (size_t i = 0; i < order->n; i++)
        finish_draft(b, b->drafts.v[order->node[i]]);
    vec_for_each (i, &b->drafts) {
        struct draft *d = b->drafts.v[i];
        if (order->wave[i] != GRAPH_NO_WAVE)
            continue;
        d->broken = true;
        if (d->errors.list.n == 0)
            diag_add(&d->errors, d->image.need[0].at, "broken-parent", NULL,
                     "%s is built from images that are built from themselves", d->image.name);
    }
}

static void keep_images(struct build *b, const struct graph_order *order)
{
    struct plan *p = b->plan;
    p->image = arena_array(b->a, b->drafts.n, sizeof *p->image);
    p->order = arena_array(b->a, b->drafts.n, sizeof *p->order);
    vec_for_each (i, &b->drafts) {
        struct draft *d = b->drafts.v[i];
        diags_absorb(&p->errors, &d->errors, d->image.name);
        if (d->broken)
            continue;
        d->index = p->images;
        p->image[p->images++] = d->image;
    }
    size_t n = 0;
    for (size_t i = 0; i < order->n; i++) {
        if (!b->drafts.v[order->node[i]]->broken)
            p->order[n++] = b->drafts.v[order->node[i]]->index;
    }
    for (size_t i = 0; i < p->images; i++) {
        for (size_t k = 0; k < p->image[i].needs; k++) {
            struct need *need = &p->image[i].need[k];
            if (need->parent != PLAN_EXTERNAL)
                need->parent = b->drafts.v[need->parent]->index;
        }
    }
}

static int by_layer_path(const void *x, const void *y)
{
    return strcmp(((const struct plan_layer *)x)->path, ((const struct plan_layer *)y)->path);
}

static void keep_layers(struct build *b)
{
    VEC(struct plan_layer) list = VEC_INIT;
    size_t pos = 0;
    const char *path;
    void *value;
    while (smap_next(&b->defs.layer_files, &pos, &path, &value)) {
        const struct tree_entry *entry = tree_open(b->in->tree, b->a, path);
        if (entry != NULL)
            *vec_push(&list) = (struct plan_layer){.path = arena_str(b->a, path), .id = entry->id};
    }
    if (list.n > 1)
        qsort(list.v, list.n, sizeof *list.v, by_layer_path);
    arena_take(b->a, &list, &b->plan->layer, &b->plan->layers);
}

/* Errors of preprocessed text stand where it was written. */
static void place_made(struct build *b, struct diags *d)
{
    vec_for_each (i, &d->list) {
        const struct prepro *p = smap_get(&b->made, d->list.v[i]->at.file);
        if (p != NULL)
            prepro_place(p, &d->list.v[i]->at);
    }
}

static void release_build(struct build *b)
{
    size_t pos = 0;
    const char *key;
    void *value;
    while (smap_next(&b->parsed, &pos, &key, &value))
        diags_release(&((struct parsed_file *)value)->errors);
    vec_for_each (i, &b->drafts)
        diags_release(&b->drafts.v[i]->errors);
    vec_release(&b->drafts);
    smap_release(&b->parsed);
    smap_release(&b->made);
    smap_release(&b->shipped);
    smap_release(&b->ignores);
    smap_release(&b->globs);
    smap_release(&b->triggers);
    release_needs(b);
    definitions_release(&b->defs);
}

/* ---- which files were looked at ---- */

static int note_read(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                     struct err *e)
{
    const struct plan *p = arg;
    size_t i = (size_t)(entry - p->tree->entry);
    BUG_ON(i >= p->tree->n);
    p->read[i] = true;
    return p->tree->read(p->tree->arg, entry, max, out, e);
}

void plan_make(const struct plan_input *given, struct plan *out)
{
    *out = (struct plan){.tree = given->tree};
    out->errors.a = out->warnings.a = &out->arena;
    out->read = arena_array(&out->arena, given->tree->n, sizeof *out->read);
    struct tree noted = *given->tree;
    noted.read = note_read;
    noted.arg = out;
    struct plan_input mine = *given;
    const struct plan_input *in = &mine;
    mine.tree = &noted;
    struct build b = {.in = in, .plan = out, .a = &out->arena};
    struct definition_input def = {.tree = in->tree,
                                   .config = in->config,
                                   .config_len = in->config_len,
                                   .config_name = in->config_name};
    struct graph_order order;
    definitions_read(b.a, &def, &out->errors, &out->warnings, &b.defs);
    make_drafts(&b);
    find_needs(&b);
    sort_drafts(&b, &order);
    finish_drafts(&b, &order);
    keep_images(&b, &order);
    keep_layers(&b);
    place_made(&b, &out->errors);
    place_made(&b, &out->warnings);
    diags_sort(&out->errors);
    diags_sort(&out->warnings);
    release_build(&b);
}

void plan_release(struct plan *p)
{
    diags_release(&p->errors);
    diags_release(&p->warnings);
    arena_release(&p->arena);
}

const struct image *plan_find(const struct plan *p, const char *name, const char *arch)
{
    size_t lo = 0, hi = p->images;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(p->image[mid].name, name);
        if (c == 0 && arch != NULL)
            c = strcmp(p->image[mid].arch, arch);
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == p->images || strcmp(p->image[lo].name, name) != 0 ||
        (arch != NULL && strcmp(p->image[lo].arch, arch) != 0))
        return NULL;
    return &p->image[lo];
}

const struct blob_id *plan_layer_id(const struct plan *p, const char *path)
{
    struct plan_layer key = {.path = path}, *hit = NULL;
    if (p->layers > 0)
        hit = bsearch(&key, p->layer, p->layers, sizeof key, by_layer_path);
    return hit != NULL ? &hit->id : NULL;
}
