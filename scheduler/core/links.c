#include "scheduler/core/links.h"

#include "common/base/mem.h"

/* The lowest bit of the word says that it is a block's address. */
#define MANY ((uintptr_t)1)

struct block {
    uint32_t n, cap;
    void *v[];
};

static struct block *block_of(const struct links *l)
{
    return (struct block *)(l->word & ~MANY);
}

static bool is_many(const struct links *l)
{
    return (l->word & MANY) != 0;
}

size_t links_n(const struct links *l)
{
    return is_many(l) ? block_of(l)->n : l->word != 0;
}

void *links_at(const struct links *l, size_t i)
{
    return is_many(l) ? block_of(l)->v[i] : (void *)l->word;
}

static struct block *block_new(struct block *old, uint32_t cap)
{
    struct block *b = xmalloc(sizeof *b + cap * sizeof b->v[0]);
    b->n = old ? old->n : 0;
    b->cap = cap;
    if (old)
        memcpy(b->v, old->v, old->n * sizeof b->v[0]);
    free(old);
    return b;
}

void links_add(struct links *l, void *member)
{
    if (l->word == 0) {
        l->word = (uintptr_t)member;
        return;
    }
    struct block *b = is_many(l) ? block_of(l) : block_new(NULL, 3);
    if (!is_many(l))
        b->v[b->n++] = (void *)l->word;
    else if (b->n == b->cap)
        b = block_new(b, b->cap * 2 + 1);
    b->v[b->n++] = member;
    l->word = (uintptr_t)b | MANY;
}

void links_del(struct links *l, const void *member)
{
    if (!is_many(l)) {
        l->word = l->word == (uintptr_t)member ? 0 : l->word;
        return;
    }
    struct block *b = block_of(l);
    for (uint32_t i = 0; i < b->n; i++) {
        if (b->v[i] != member)
            continue;
        b->v[i] = b->v[--b->n];
        break;
    }
    if (b->n == 0)
        links_release(l);
}

void links_release(struct links *l)
{
    if (is_many(l))
        free(block_of(l));
    l->word = 0;
}
