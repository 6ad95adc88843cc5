#include "scheduler/plan/ship.h"

#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"
#include <stdio.h>

#define LINK_DEPTH 8
#define LINK_HOPS 40

struct shipper {
    struct arena *a;
    const struct ship_context *c;
    VEC(struct ship_entry) list;
    struct smap taken;  /* paths inside the tar */
    struct smap on_way; /* of these, links that a source only goes through */
};

static void put(struct shipper *s, const char *path, const struct tree_entry *entry,
                enum tree_kind kind)
{
    /* Sources meet at the same files; a folder that is taken as it is has each path once. */
    if (!s->c->narrowed || smap_put(&s->taken, path, s) == NULL)
        *vec_push(&s->list) = (struct ship_entry){.path = path, .entry = entry, .kind = kind};
}

/* A link that leads out of `dir`, but not out of the tree, is shipped as what it leads to: the
 * worker has only `dir`. Every other link stays a link, dangling or absolute ones too. */
static bool leaves(struct shipper *s, const char *dir, const struct tree_entry *link,
                   const char **real, enum tree_found *found)
{
    *found = tree_resolve(s->c->tree, s->a, link->path, real);
    return *found != TREE_FOUND_NONE && path_below(dir, *real) == NULL;
}

static void put_entry(struct shipper *s, const char *dir, const char *to,
                      const struct tree_entry *entry, int depth);

static void put_folder(struct shipper *s, const char *from, const char *to, int depth)
{
    size_t i, end;
    tree_range(s->c->tree, from, &i, &end);
    for (; i < end; i++) {
        const struct tree_entry *entry = &s->c->tree->entry[i];
        const char *rest = path_below(from, entry->path);
        put_entry(s, from, path_join(s->a, to, rest), entry, depth);
    }
}

static void put_entry(struct shipper *s, const char *dir, const char *to,
                      const struct tree_entry *entry, int depth)
{
    const char *real;
    enum tree_found found;
    if (entry->kind != TREE_LINK || depth >= LINK_DEPTH || !leaves(s, dir, entry, &real, &found)) {
        put(s, to, entry, entry->kind);
    } else if (found == TREE_FOUND_FILE) {
        const struct tree_entry *file = tree_find(s->c->tree, real);
        put(s, to, file, file->kind);
    } else if (path_below(real, entry->path) == NULL) { /* a folder that does not hold the link */
        put_folder(s, real, to, depth + 1);
    }
}

static bool is_git(const char *rest)
{
    for (const char *p = rest; p != NULL; p = strchr(p, '/')) {
        p += *p == '/';
        if (str_starts(p, ".git") && (p[4] == '\0' || p[4] == '/'))
            return true;
    }
    return false;
}

static bool wanted(const struct ship_context *c, const struct tree_entry *entry, const char *rest)
{
    if (path_below(SHIP_PRIVATE, rest) != NULL || is_git(rest))
        return false;
    if (smap_get(c->not_shipped, entry->path) != NULL || smap_get(c->tests, entry->path) != NULL)
        return false;
    return !ignore_has(c->ignore, rest);
}

static void put_wanted(struct shipper *s, size_t i)
{
    const struct tree_entry *entry = &s->c->tree->entry[i];
    const char *rest = path_below(s->c->dir, entry->path);
    if (wanted(s->c, entry, rest))
        put_entry(s, s->c->dir, rest, entry, 0);
}

/* ---- narrowing ---- */

static bool has_wildcard(const char *s)
{
    return strpbrk(s, "*?[\\") != NULL;
}

/* The pattern matches the path or a folder above it, component by component. */
static bool source_covers(struct arena *a, const char *pattern, const char *path)
{
    for (;;) {
        size_t pn = strcspn(pattern, "/"), n = strcspn(path, "/");
        if (!cf_glob(arena_strn(a, pattern, pn), path, n))
            return false;
        if (pattern[pn] == '\0')
            return true;
        if (path[n] == '\0')
            return false;
        pattern += pn + 1;
        path += n + 1;
    }
}

/* Only the part of the tree below the source's literal beginning is looked at. */
static void put_source(struct shipper *s, const char *source)
{
    const struct tree *t = s->c->tree;
    const char *glob = path_join(s->a, s->c->dir, source);
    if (!has_wildcard(source)) {
        const struct tree_entry *file = tree_find(t, glob);
        size_t i, end;
        if (file != NULL)
            put_wanted(s, (size_t)(file - t->entry));
        for (tree_range(t, glob, &i, &end); file == NULL && i < end; i++)
            put_wanted(s, i);
        return;
    }
    size_t n = strcspn(glob + strlen(s->c->dir), "*?[\\") + strlen(s->c->dir);
    while (n > 0 && glob[n - 1] != '/')
        n--;
    size_t i, end;
    tree_range(t, arena_strn(s->a, glob, n > 0 ? n - 1 : 0), &i, &end);
    for (; i < end; i++) {
        const char *rest = path_below(s->c->dir, t->entry[i].path);
        if (rest != NULL && source_covers(s->a, source, rest))
            put_wanted(s, i);
    }
}

/* The links that stand on the way of a source, themselves. */
static void put_links_on_way(struct shipper *s, const char *source)
{
    for (const char *p = strchr(source, '/'); p != NULL; p = strchr(p + 1, '/')) {
        const char *part = arena_strn(s->a, source, (size_t)(p - source));
        const struct tree_entry *hit = tree_find(s->c->tree, path_join(s->a, s->c->dir, part));
        if (hit == NULL || hit->kind != TREE_LINK || !wanted(s->c, hit, part) ||
            smap_get(&s->taken, part) != NULL)
            continue;
        smap_put(&s->on_way, part, s);
        put_entry(s, s->c->dir, part, hit, 0);
    }
}

/* `path` (in the tree) with the links of its folders resolved; NULL when that leaves the context.
 */
static const char *real_place(struct shipper *s, const char *path)
{
    const char *folder;
    if (tree_resolve(s->c->tree, s->a, path_dir(s->a, path), &folder) != TREE_FOUND_DIR)
        return NULL;
    const char *real = path_join(s->a, folder, path_base(path));
    return real != NULL && path_below(s->c->dir, real) != NULL ? real : NULL;
}

/* What a source or a link leads to inside the context, with each link on the way: as a builder
 * walks. */
static void follow(struct shipper *s, const char *source)
{
    const struct tree *t = s->c->tree;
    const char *path = path_join(s->a, s->c->dir, source);
    for (int hop = 0; hop < LINK_HOPS && path != NULL; hop++) {
        put_links_on_way(s, path_below(s->c->dir, path));
        const char *real = real_place(s, path);
        const struct tree_entry *hit = real != NULL ? tree_find(t, real) : NULL;
        size_t i, end;
        if (real == NULL)
            return;
        if (hit == NULL) {
            for (tree_range(t, real, &i, &end); i < end; i++)
                put_wanted(s, i);
            return;
        }
        put_wanted(s, (size_t)(hit - t->entry));
        const char *target = hit->kind == TREE_LINK ? tree_link_target(t, s->a, hit) : NULL;
        path =
            target != NULL && *target != '/' ? path_join(s->a, path_dir(s->a, real), target) : NULL;
        if (path != NULL && path_below(s->c->dir, path) == NULL)
            return;
    }
}

static void complete_links(struct shipper *s)
{
    for (size_t i = 0; i < s->c->sources; i++) {
        if (has_wildcard(s->c->source[i]))
            put_links_on_way(s, s->c->source[i]);
        else
            follow(s, s->c->source[i]);
    }
    /* Links that were added bring their targets as well; the list grows while it is walked. */
    for (size_t i = 0; i < s->list.n; i++) {
        if (s->list.v[i].kind == TREE_LINK && smap_get(&s->on_way, s->list.v[i].path) == NULL)
            follow(s, s->list.v[i].path);
    }
}

/* ---- the lists ---- */

/* Of one path the entry that was put first. */
static int by_path(const void *x, const void *y)
{
    const struct ship_entry *a = *(const struct ship_entry *const *)x;
    const struct ship_entry *b = *(const struct ship_entry *const *)y;
    int c = strcmp(a->path, b->path);
    return c != 0 ? c : (a > b) - (a < b);
}

static bool in_order(const struct ship_entry *v, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (strcmp(v[i - 1].path, v[i].path) >= 0)
            return false;
    }
    return true;
}

/* By path, each path once: into the arena. */
static void sort_list(struct shipper *s, struct ship_list *out)
{
    size_t n = s->list.n;
    const struct ship_entry **at = xcalloc(n, sizeof(const struct ship_entry *));
    struct ship_entry *v = arena_array(s->a, n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        at[i] = &s->list.v[i];
    qsort(at, n, sizeof(const struct ship_entry *), by_path);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(at[i - 1]->path, at[i]->path) != 0)
            v[out->n++] = *at[i];
    }
    out->v = v;
    free(at);
    vec_release(&s->list);
}

void ship_seal(struct ship_list *list, hash_fn *hash)
{
    struct str text = STR_INIT;
    str_add(&text, "bootfarm-tree-1\n");
    for (size_t i = 0; i < list->n; i++) {
        static const char mode[] = {[TREE_FILE] = 'f', [TREE_EXEC] = 'x', [TREE_LINK] = 'l'};
        const struct ship_entry *x = &list->v[i];
        str_addch(&text, mode[x->kind]);
        str_addmem(&text, x->entry->id.b, sizeof x->entry->id.b);
        str_addmem(&text, x->path, strlen(x->path) + 1);
    }
    struct span span = {.p = text.p, .n = text.len};
    hash(&span, 1, &list->key);
    str_release(&text);
}

static void seal(struct shipper *s, hash_fn *hash, struct ship_list *out)
{
    *out = (struct ship_list){.v = NULL};
    if (in_order(s->list.v, s->list.n))
        arena_take(s->a, &s->list, &out->v, &out->n);
    else
        sort_list(s, out);
    ship_seal(out, hash);
    smap_release(&s->taken);
    smap_release(&s->on_way);
}

/* A text of the planner's: its name in keys is a hash of the content, as Git's are. */
static const char *put_made(struct shipper *s, const struct tree_entry *file)
{
    static const char path[] = SHIP_PRIVATE "/Containerfile";
    struct tree_entry *entry = arena_memdup(s->a, file, sizeof *file);
    struct span span[] = {{.p = "made\n", .n = 5}, {.p = s->c->made, .n = s->c->made_len}};
    struct sha256 hash;
    s->c->hash(span, ARRAY_SIZE(span), &hash);
    memcpy(entry->id.b, hash.b, sizeof entry->id.b);
    entry->kind = TREE_FILE;
    put(s, path, entry, TREE_FILE);
    s->list.v[s->list.n - 1].text = s->c->made;
    s->list.v[s->list.n - 1].text_len = s->c->made_len;
    return path;
}

const char *ship_place(const struct ship_context *c)
{
    const struct tree_entry *file = tree_find(c->tree, c->containerfile);
    const char *inside = path_below(c->dir, c->containerfile);
    return c->made == NULL && inside != NULL && wanted(c, file, inside) ? inside : NULL;
}

/* At its own place in the context, if that is shipped: a narrowed context has it there as well,
 * since no source covers it. Else where no COPY sees it. */
static const char *put_containerfile(struct shipper *s)
{
    const struct tree_entry *file = tree_find(s->c->tree, s->c->containerfile);
    if (s->c->made != NULL)
        return put_made(s, file);
    const char *inside = ship_place(s->c);
    if (inside != NULL && !s->c->narrowed)
        return inside; /* it is there */
    if (inside == NULL)
        inside = SHIP_PRIVATE "/Containerfile";
    put(s, inside, file, TREE_FILE);
    return inside;
}

void ship_context(struct arena *a, const struct ship_context *c, struct ship_list *out,
                  const char **containerfile)
{
    struct shipper s = {.a = a, .c = c};
    size_t i, end;
    if (!c->narrowed) {
        for (tree_range(c->tree, c->dir, &i, &end); i < end; i++)
            put_wanted(&s, i);
    } else {
        for (size_t k = 0; k < c->sources; k++)
            put_source(&s, c->source[k]);
        complete_links(&s);
    }
    for (size_t k = 0; k < c->n_contexts; k++)
        put_folder(&s, c->contexts[k].value.text,
                   arena_fmt(a, SHIP_PRIVATE "/contexts/%s", c->contexts[k].name), 0);
    *containerfile = put_containerfile(&s);
    seal(&s, c->hash, out);
}

void ship_scripts(struct arena *a, const struct tree *t, hash_fn *hash,
                  const struct ship_entry *script, size_t n, struct ship_list *out)
{
    struct ship_context none = {.tree = t, .hash = hash};
    struct shipper s = {.a = a, .c = &none};
    for (size_t i = 0; i < n; i++)
        put(&s, script[i].path, script[i].entry, script[i].kind);
    seal(&s, hash, out);
}
