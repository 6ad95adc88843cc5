/* heap.h - a binary heap of records that embed a node, so that any of them can leave at any time.
 *
 * The least key comes
 * first; `less` orders nodes of equal keys totally (at last by id), so that the order of removal is
 * deterministic. All-zero
 * but for `less` is an empty heap. */
#ifndef BF_CORE_HEAP_H
#define BF_CORE_HEAP_H

#include "common/base/list.h"

struct heap_node {
    uint32_t pos; /* 1-based; 0: in no heap */
};

/* The record around a node, for `less`. */
#define heap_item(node, type, member) \
    ((const type *)(const void *)((const char *)(node)-offsetof(type, member)))

typedef bool heap_less(const struct heap_node *a, const struct heap_node *b);

/* The key stands in the array, so that most comparisons touch no record. */
struct heap_slot {
    int64_t key;
    struct heap_node *node;
};

struct heap {
    struct heap_slot *v;
    size_t n, cap;
    heap_less *less; /* where keys are equal */
};

void heap_add(struct heap *h, struct heap_node *n, int64_t key);
void heap_del(struct heap *h, struct heap_node *n); /* it is in this heap */
/* It is in this heap, and stands there by another key, or `less` says otherwise than before. */
void heap_moved(struct heap *h, struct heap_node *n, int64_t key);
struct heap_node *heap_top(const struct heap *h); /* NULL: empty */
void heap_release(struct heap *h);

#endif
