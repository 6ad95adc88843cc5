/* ship.h - which files travel to the worker: the build context as shipped, and the test scripts.
 *
 * What is hashed is what is shipped: the key of a list covers the path inside the tar, the mode and
 * the content of every entry, and nothing else. Paths below ".bootfarm/" are not part of the
 * context: the worker moves that folder away before it builds. */
#ifndef BF_PLAN_SHIP_H
#define BF_PLAN_SHIP_H

#include "common/base/hash.h"
#include "scheduler/plan/ignore.h"
#include "scheduler/plan/settings.h"
#include "scheduler/plan/tree.h"

#define SHIP_PRIVATE ".bootfarm"

struct ship_entry {
    const char *path;               /* inside the tar */
    const struct tree_entry *entry; /* its content; a link stays a link when `kind` says so */
    enum tree_kind kind;
    const char *text; /* NULL: the entry's content; else this, which the planner made of it */
    size_t text_len;
};

struct ship_list {
    const struct ship_entry *v; /* by path */
    size_t n;
    struct sha256 key;
};

struct ship_context {
    const struct tree *tree;
    hash_fn *hash;
    const char *dir;           /* of the context, links resolved */
    const char *containerfile; /* its path in the tree, links resolved */
    const char *made; /* what the planner made of it and travels in its place; NULL: nothing */
    size_t made_len;
    const struct ignore *ignore;
    const struct smap *not_shipped; /* paths in the tree: configuration of the farm */
    const struct smap *tests;       /* paths in the tree: this image's test scripts */
    bool narrowed;                  /* only `source` is needed of the context */
    const char *const *source;      /* as in cf_result */
    size_t sources;
    const struct named *contexts; /* named contexts that are folders: name and folder in the tree */
    size_t n_contexts;
};

/* Where the Containerfile stands in the context, if it travels there; else NULL. */
const char *ship_place(const struct ship_context *c);
/* *containerfile gets the Containerfile's path inside the tar. */
void ship_context(struct arena *a, const struct ship_context *c, struct ship_list *out,
                  const char **containerfile);
/* Makes the key of a list whose entries are in order. */
void ship_seal(struct ship_list *list, hash_fn *hash);
/* The test scripts: paths in the tree, and the names under which they travel, by turns. */
void ship_scripts(struct arena *a, const struct tree *t, hash_fn *hash,
                  const struct ship_entry *script, size_t n, struct ship_list *out);

#endif
