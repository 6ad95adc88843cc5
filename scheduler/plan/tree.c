#include "scheduler/plan/tree.h"

#include "common/base/vec.h"

#define LINK_MAX 4096
#define LINK_HOPS 40

/* Index of the first entry whose path is not below `key` in order. */
static size_t lower_bound(const struct tree *t, const char *key)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(t->entry[mid].path, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct tree_entry *tree_find(const struct tree *t, const char *path)
{
    size_t i = lower_bound(t, path);
    return i < t->n && strcmp(t->entry[i].path, path) == 0 ? &t->entry[i] : NULL;
}

/* First entry at or after dir + '/' (or, one up, dir + '0': the character after '/'). */
static size_t bound_below(const struct tree *t, const char *dir, char end)
{
    size_t n = strlen(dir), lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const char *p = t->entry[mid].path;
        int c = strncmp(p, dir, n);
        if (c == 0)
            c = (unsigned char)p[n] < (unsigned char)end ? -1 : 1;
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

void tree_range(const struct tree *t, const char *dir, size_t *from, size_t *to)
{
    *from = 0;
    *to = t->n;
    if (*dir == '\0')
        return;
    *from = bound_below(t, dir, '/');
    *to = bound_below(t, dir, '/' + 1);
}

bool tree_is_dir(const struct tree *t, const char *dir)
{
    size_t from, to;
    tree_range(t, dir, &from, &to);
    return *dir == '\0' || from < to;
}

const char *tree_link_target(const struct tree *t, struct arena *a, const struct tree_entry *link)
{
    struct str text = STR_INIT;
    const char *target = NULL;
    if (t->read(t->arg, link, LINK_MAX, &text, NULL) == 0 && strlen(text.p) == text.len)
        target = arena_strn(a, text.p, text.len);
    str_release(&text);
    return target;
}

/* The shortest prefix of `path` that is a link, or NULL; *rest is what follows it. */
static const struct tree_entry *first_link(const struct tree *t, struct arena *a, const char *path,
                                           const char **rest)
{
    for (const char *p = path;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        const struct tree_entry *hit = tree_find(t, arena_strn(a, path, (size_t)(p - path)));
        if (hit != NULL && hit->kind == TREE_LINK) {
            *rest = *p == '/' ? p + 1 : p;
            return hit;
        }
        if (*p == '\0')
            return NULL;
    }
}

enum tree_found tree_resolve(const struct tree *t, struct arena *a, const char *path,
                             const char **real)
{
    for (int hop = 0; hop <= LINK_HOPS; hop++) {
        const struct tree_entry *hit = tree_find(t, path);
        *real = path;
        if (hit != NULL && hit->kind != TREE_LINK)
            return TREE_FOUND_FILE;
        if (hit == NULL && tree_is_dir(t, path))
            return TREE_FOUND_DIR;
        const char *rest;
        const struct tree_entry *link = first_link(t, a, path, &rest);
        const char *target = link != NULL ? tree_link_target(t, a, link) : NULL;
        if (target == NULL || *target == '/') /* an absolute link leads out of the tree */
            return TREE_FOUND_NONE;
        path = path_join(a, path_dir(a, link->path), target);
        if (path != NULL && *rest != '\0')
            path = path_join(a, path, rest);
        if (path == NULL)
            return TREE_FOUND_NONE;
    }
    return TREE_FOUND_NONE;
}

const struct tree_entry *tree_open(const struct tree *t, struct arena *a, const char *path)
{
    const struct tree_entry *hit = tree_find(t, path);
    if (hit != NULL && hit->kind != TREE_LINK)
        return hit;
    const char *real;
    return tree_resolve(t, a, path, &real) == TREE_FOUND_FILE ? tree_find(t, real) : NULL;
}

const char *path_join(struct arena *a, const char *dir, const char *path)
{
    size_t base = *path == '/' ? 0 : strlen(dir);
    char *out = arena_alloc(a, base + strlen(path) + 2);
    memcpy(out, dir, base);
    size_t n = base;
    while (*path != '\0') {
        size_t len = strcspn(path, "/");
        if (len == 2 && path[0] == '.' && path[1] == '.') {
            if (n == 0)
                return NULL;
            while (n > 0 && out[--n] != '/')
                ;
        } else if (len > 0 && !(len == 1 && path[0] == '.')) {
            if (n > 0)
                out[n++] = '/';
            memcpy(out + n, path, len);
            n += len;
        }
        path += len;
        path += *path == '/';
    }
    out[n] = '\0';
    return out;
}

const char *path_dir(struct arena *a, const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? "" : arena_strn(a, path, (size_t)(slash - path));
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

const char *path_below(const char *dir, const char *path)
{
    size_t n = strlen(dir);
    if (n == 0)
        return path;
    if (strncmp(dir, path, n) != 0)
        return NULL;
    return path[n] == '/' ? path + n + 1 : path[n] == '\0' ? path + n : NULL;
}
