/* yaml.h - YAML text to a tree of nodes that know where they stand.
 *
 * One document a file; anchors, aliases and merge keys ("<<") work. An alias is the same node
 * again, never a copy, so aliases cannot explode; whoever walks the tree bounds what it expands.
 * Scalars stay text: the reader of a key decides what a value means. */
#ifndef BF_PLAN_YAML_H
#define BF_PLAN_YAML_H

#include "scheduler/plan/diag.h"

enum ynode_kind { YNODE_SCALAR, YNODE_MAP, YNODE_LIST };

struct ynode {
    enum ynode_kind kind;
    bool null; /* a plain empty scalar, "~" or "null" */
    struct diag_at at;
    const char *text; /* scalar */
    struct ypair *pair;
    struct ynode **item;
    size_t n; /* pairs or items */
};

struct ypair {
    const char *key;
    struct diag_at at;
    struct ynode *value;
};

#define YAML_MAX_BYTES ((size_t)1024 * 1024)
#define YAML_MAX_NODES 200000 /* nodes and pairs of one file, merged ones counted again */
#define YAML_MAX_DEPTH 32

/* NULL: *d says why (codes "yaml", "duplicate-key", "too-large"). An empty file is an empty map. */
struct ynode *yaml_parse(struct arena *a, const char *file, const char *text, size_t n,
                         struct diags *d);
/* The value of a key of a map, or NULL. */
struct ynode *ynode_get(const struct ynode *map, const char *key);
/* Both maps' pairs: of a key in both, two maps merge `levels` deep, else `over` wins. Either may be
 * NULL. The bound keeps aliases from multiplying; settings have two levels of maps. */
struct ynode *ynode_merge(struct arena *a, struct ynode *under, struct ynode *over, int levels);

#endif
