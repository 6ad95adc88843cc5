#include "proto/arena.h"
#include "common/base/mem.h"
#include <stdalign.h>

#define BLOCK_MIN ((size_t)4096)

struct block {
    struct block *next;
    size_t used, cap;
    alignas(max_align_t) unsigned char data[];
};

struct arena {
    struct block *top;
    size_t budget, used;
    bool exhausted;
};

struct arena *arena_new(size_t budget)
{
    struct arena *a = xcalloc(1, sizeof *a);
    a->budget = budget;
    return a;
}

static struct block *add_block(struct arena *a, size_t n)
{
    size_t cap = n > BLOCK_MIN ? n : BLOCK_MIN;
    struct block *b = xmalloc(sizeof *b + cap);
    *b = (struct block){.next = a->top, .cap = cap};
    a->top = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (n > a->budget || (n = (n + align - 1) / align * align) > a->budget - a->used) {
        a->exhausted = true;
        return NULL;
    }
    a->used += n;
    struct block *b = a->top;
    if (b == NULL || n > b->cap - b->used)
        b = add_block(a, n);
    void *p = b->data + b->used;
    b->used += n;
    return p;
}

bool arena_exhausted(const struct arena *a)
{
    return a->exhausted;
}

size_t arena_used(const struct arena *a)
{
    return a->used;
}

void arena_free(struct arena *a)
{
    if (a == NULL)
        return;
    for (struct block *b = a->top, *next; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
    free(a);
}

static void *pb_alloc(void *arena, size_t n)
{
    return arena_alloc(arena, n);
}

static void pb_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

ProtobufCAllocator arena_allocator(struct arena *a)
{
    return (ProtobufCAllocator){.alloc = pb_alloc, .free = pb_free, .allocator_data = a};
}
