#include "scheduler/plan/update.h"

#include "scheduler/plan/build.h"

struct updater {
    const struct plan_input *in;
    const struct plan *before;
    struct plan *now;
    bool *changed;    /* per entry of the tree */
    struct map lists; /* address of an earlier list's entries → struct ship_list; many share one */
};

static bool was_read(const struct plan *before, size_t i)
{
    return before->read[i] || plan_layer_id(before, before->tree->entry[i].path) != NULL;
}

/* Index of the entry in the tree; SIZE_MAX for what the planner made itself. */
static size_t entry_index(const struct updater *u, const struct tree_entry *entry)
{
    uintptr_t first = (uintptr_t)u->before->tree->entry, at = (uintptr_t)entry;
    if (at < first || at >= first + u->before->tree->n * sizeof *entry)
        return SIZE_MAX;
    return (at - first) / sizeof *entry;
}

static struct ship_list *make_list(struct updater *u, const struct ship_list *before)
{
    struct ship_list *l = arena_memdup(&u->now->arena, before, sizeof *before);
    struct ship_entry *copy = NULL;
    for (size_t i = 0; i < l->n; i++) {
        size_t at = entry_index(u, l->v[i].entry);
        if (at == SIZE_MAX || !u->changed[at])
            continue;
        if (copy == NULL)
            copy = arena_memdup(&u->now->arena, l->v, l->n * sizeof *l->v);
        copy[i].entry = &u->in->tree->entry[at];
        copy[i].kind = copy[i].entry->kind;
    }
    if (copy != NULL) {
        l->v = copy;
        ship_seal(l, u->in->hash);
    }
    return l;
}

/* True when the list is another one now. */
static bool update_list(struct updater *u, struct ship_list *l)
{
    if (l->n == 0)
        return false;
    const struct ship_entry *before = l->v;
    struct ship_list *now = map_get(&u->lists, (uintptr_t)before);
    if (now == NULL) {
        now = make_list(u, l);
        map_put(&u->lists, (uintptr_t)before, now);
    }
    *l = *now;
    return l->v != before;
}

static bool parent_changed(const struct updater *u, const struct image *image)
{
    for (size_t i = 0; i < image->needs; i++) {
        size_t p = image->need[i].parent;
        if (p != PLAN_EXTERNAL &&
            !sha256_eq(&u->now->image[p].recipe_key, &u->before->image[p].recipe_key))
            return true;
    }
    return false;
}

static void update_image(struct updater *u, struct image *image)
{
    bool recipe = update_list(u, &image->context_files);
    recipe |= update_list(u, &image->inputs);
    if (recipe || parent_changed(u, image)) {
        const struct sha256 **parent =
            arena_array(&u->now->arena, image->needs, sizeof(const struct sha256 *));
        for (size_t i = 0; i < image->needs; i++) {
            if (image->need[i].parent != PLAN_EXTERNAL)
                parent[i] = &u->now->image[image->need[i].parent].recipe_key;
        }
        make_recipe_key(u->in->hash, image, parent);
    }
    if (update_list(u, &image->scripts))
        make_tests_key(u->in->hash, image);
}

static void copy_diags(struct diags *to, const struct diags *from, struct arena *a)
{
    to->a = a;
    vec_for_each (i, &from->list)
        *vec_push(&to->list) = from->list.v[i];
}

/* All but the keys. */
static void copy_plan(const struct plan_input *in, const struct plan *before, struct plan *out)
{
    *out = (struct plan){.tree = in->tree,
                         .images = before->images,
                         .order = before->order,
                         .layer = before->layer,
                         .layers = before->layers};
    out->image = arena_memdup(&out->arena, before->image, before->images * sizeof *out->image);
    copy_diags(&out->errors, &before->errors, &out->arena);
    copy_diags(&out->warnings, &before->warnings, &out->arena);
}

bool plan_update(const struct plan_input *in, const struct plan *before, const size_t *changed,
                 size_t n, struct plan *out)
{
    if (before->read == NULL) /* an updated plan itself: its files are of two trees */
        return false;
    for (size_t i = 0; i < n; i++) {
        if (was_read(before, changed[i]))
            return false;
    }
    copy_plan(in, before, out);
    struct updater u = {.in = in, .before = before, .now = out};
    u.changed = arena_array(&out->arena, in->tree->n, sizeof *u.changed);
    for (size_t i = 0; i < n; i++)
        u.changed[changed[i]] = true;
    for (size_t i = 0; i < out->images; i++)
        update_image(&u, &out->image[out->order[i]]);
    map_release(&u.lists);
    return true;
}
