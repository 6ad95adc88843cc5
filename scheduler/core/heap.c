#include "scheduler/core/heap.h"

#include "common/base/vec.h"

static void place(struct heap *h, size_t i, struct heap_node *n)
{
    h->v[i] = n;
    n->pos = (uint32_t)i + 1;
}

static void up(struct heap *h, size_t i, struct heap_node *n)
{
    while (i > 0) {
        size_t parent = (i - 1) / 2;
        if (!h->less(n, h->v[parent]))
            break;
        place(h, i, h->v[parent]);
        i = parent;
    }
    place(h, i, n);
}

static void down(struct heap *h, size_t i, struct heap_node *n)
{
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= h->n)
            break;
        if (child + 1 < h->n && h->less(h->v[child + 1], h->v[child]))
            child++;
        if (!h->less(h->v[child], n))
            break;
        place(h, i, h->v[child]);
        i = child;
    }
    place(h, i, n);
}

void heap_add(struct heap *h, struct heap_node *n)
{
    BUG_ON(n->pos != 0);
    BUG_ON(h->n >= UINT32_MAX - 1);
    *vec_push(h) = n;
    up(h, h->n - 1, n);
}

void heap_del(struct heap *h, struct heap_node *n)
{
    BUG_ON(n->pos == 0 || n->pos > h->n || h->v[n->pos - 1] != n);
    size_t i = n->pos - 1;
    struct heap_node *last = h->v[--h->n];
    n->pos = 0;
    if (last == n)
        return;
    if (i > 0 && h->less(last, h->v[(i - 1) / 2]))
        up(h, i, last);
    else
        down(h, i, last);
}

void heap_moved(struct heap *h, struct heap_node *n)
{
    BUG_ON(n->pos == 0 || n->pos > h->n || h->v[n->pos - 1] != n);
    size_t i = n->pos - 1;
    if (i > 0 && h->less(n, h->v[(i - 1) / 2]))
        up(h, i, n);
    else
        down(h, i, n);
}

struct heap_node *heap_top(const struct heap *h)
{
    return h->n ? h->v[0] : NULL;
}

void heap_release(struct heap *h)
{
    vec_release(h);
}
