#include "scheduler/core/heap.h"

#include "common/base/vec.h"

static bool before(const struct heap *h, const struct heap_slot *a, const struct heap_slot *b)
{
    return a->key != b->key ? a->key < b->key : h->less(a->node, b->node);
}

static void place(struct heap *h, size_t i, struct heap_slot s)
{
    h->v[i] = s;
    s.node->pos = (uint32_t)i + 1;
}

static void up(struct heap *h, size_t i, struct heap_slot s)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!before(h, &s, &h->v[parent]))
            break;
        place(h, i, h->v[parent]);
        i = parent;
    }
    place(h, i, s);
}

static void down(struct heap *h, size_t i, struct heap_slot s)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && before(h, &h->v[child + 1], &h->v[child]))
            child++;
        if (!before(h, &h->v[child], &s))
            break;
        place(h, i, h->v[child]);
        i = child;
    }
    place(h, i, s);
}

static void sift(struct heap *h, size_t i, struct heap_slot s)
{
    if (i > 0 && before(h, &s, &h->v[(i - 1) / 2]))
        up(h, i, s);
    else
        down(h, i, s);
}

void heap_add(struct heap *h, struct heap_node *n, int64_t key)
{
    BUG_ON(n->pos != 0);
    BUG_ON(h->n >= UINT32_MAX - 1);
    struct heap_slot s = {.key = key, .node = n};
    *vec_push(h) = s;
    up(h, h->n - 1, s);
}

static size_t place_of(const struct heap *h, const struct heap_node *n)
{
    BUG_ON(n->pos == 0 || n->pos > h->n || h->v[n->pos - 1].node != n);
    return n->pos - 1;
}

void heap_del(struct heap *h, struct heap_node *n)
{
    size_t i = place_of(h, n);
    struct heap_slot last = h->v[--h->n];
    n->pos = 0;
    if (last.node != n)
        sift(h, i, last);
}

void heap_moved(struct heap *h, struct heap_node *n, int64_t key)
{
    sift(h, place_of(h, n), (struct heap_slot){.key = key, .node = n});
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->n ? h->v[0].node : NULL;
}

void heap_release(struct heap *h)
{
    vec_release(h);
}
