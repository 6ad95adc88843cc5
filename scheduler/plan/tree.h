/* tree.h - the files of one revision, as pure code sees them: a sorted list and a way to read one.
 *
 * The shell fills it from a Git tree, a working tree or a plain folder; tests fill it from a table.
 * Directories are not listed: a directory exists when a path below it does, as in Git. Submodules
 * are left out. Symbolic links are followed inside the tree only. */
#ifndef BF_PLAN_TREE_H
#define BF_PLAN_TREE_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "scheduler/plan/arena.h"

enum tree_kind { TREE_FILE, TREE_EXEC, TREE_LINK };

/* Git's name of a blob (SHA-1 of "blob N\0" and the content), also where no Git is involved: it
 * stands for the content in keys, so that keys cost no reading. */
struct blob_id {
    uint8_t b[20];
};

struct tree_entry {
    const char *path; /* no leading slash; bytes as in Git */
    enum tree_kind kind;
    struct blob_id id;
};

/* Appends the content to *out; larger than `max` bytes is an error. For a link: its target. */
typedef int tree_read_fn(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                         struct err *e);

struct tree {
    const struct tree_entry *entry; /* sorted by strcmp of path, no path twice */
    size_t n;
    tree_read_fn *read;
    void *arg;
};

/* NULL when there is no such file or link. */
const struct tree_entry *tree_find(const struct tree *t, const char *path);
/* The entries below `dir` ("" is the root) are [*from, *to). */
void tree_range(const struct tree *t, const char *dir, size_t *from, size_t *to);
bool tree_is_dir(const struct tree *t, const char *dir);

enum tree_found {
    TREE_FOUND_NONE, /* nothing there, or it leads out of the tree, or links in a circle */
    TREE_FOUND_FILE,
    TREE_FOUND_DIR
};
/* Follows links in every component. `real` gets the path (arena) of the file or directory reached.
 */
enum tree_found tree_resolve(const struct tree *t, struct arena *a, const char *path,
                             const char **real);
/* The file that `path` leads to after following links; NULL when there is none. */
const struct tree_entry *tree_open(const struct tree *t, struct arena *a, const char *path);
/* What a link says, or NULL when it cannot be read (longer than 4096 bytes, NUL inside). */
const char *tree_link_target(const struct tree *t, struct arena *a, const struct tree_entry *link);

/* "a/b" and "../c" → "a/c"; "/x" → "x" (the root of the tree); "." and "" → dir. NULL when it leads
 * out of the tree. */
const char *path_join(struct arena *a, const char *dir, const char *path);
const char *path_dir(struct arena *a, const char *path); /* "" for a file at the root */
const char *path_base(const char *path);
/* `path` below `dir`: the rest of it; NULL when it is not below. "" for dir itself. */
const char *path_below(const char *dir, const char *path);

#endif
