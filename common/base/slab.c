#include "common/base/slab.h"

#include "common/base/mem.h"

#include <stdlib.h>
#include <sys/mman.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BF_CLANG_ASAN
#endif
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(BF_CLANG_ASAN)

void *slab_get(struct slab *s)
{
    return xcalloc(1, s->size);
}

void slab_put(struct slab *s, void *record)
{
    (void)s;
    free(record);
}

void slab_release(struct slab *s)
{
    (void)s;
}

#else

#define BLOCK 65536 /* bytes, and where blocks begin: a record finds its block by its address */

struct block {
    struct list node;
    void *free;  /* records that came back */
    size_t used; /* records */
    size_t cut;  /* bytes that were records once, or the head */
};

static struct block *block_of(void *record)
{
    return (struct block *)(void *)((char *)record - ((uintptr_t)record & (BLOCK - 1)));
}

/* Twice as much, and what is not needed on both sides goes back: mmap knows pages only. */
static struct block *map_block(void)
{
    char *p = mmap(NULL, 2 * BLOCK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        abort(); /* as xmalloc does */
    size_t before = -(uintptr_t)p & (BLOCK - 1);
    if (before)
        munmap(p, before);
    munmap(p + before + BLOCK, BLOCK - before);
    return (struct block *)(void *)(p + before);
}

static struct block *open_block(struct slab *s)
{
    if (!s->open.next) {
        list_init(&s->open);
        list_init(&s->full);
    }
    if (list_is_empty(&s->open)) {
        struct block *b = map_block();
        b->cut = sizeof *b;
        list_init(&b->node);
        list_add_tail(&s->open, &b->node);
        s->empty++;
    }
    return container_of(s->open.next, struct block, node);
}

static bool is_full(const struct slab *s, const struct block *b)
{
    return !b->free && b->cut + s->size > BLOCK;
}

void *slab_get(struct slab *s)
{
    struct block *b = open_block(s);
    void *record = b->free;
    if (record) {
        memcpy(&b->free, record, sizeof b->free);
    } else {
        record = (char *)b + b->cut;
        b->cut += s->size;
    }
    if (b->used++ == 0)
        s->empty--;
    if (is_full(s, b)) {
        list_del(&b->node);
        list_add_tail(&s->full, &b->node);
    }
    return memset(record, 0, s->size);
}

void slab_put(struct slab *s, void *record)
{
    if (!record)
        return;
    struct block *b = block_of(record);
    if (is_full(s, b)) {
        list_del(&b->node);
        list_add_tail(&s->open, &b->node);
    }
    memcpy(record, &b->free, sizeof b->free);
    b->free = record;
    if (--b->used > 0)
        return;
    if (s->empty == 1) {
        list_del(&b->node);
        munmap(b, BLOCK);
    } else {
        s->empty++;
    }
}

static void unmap_all(struct list *blocks)
{
    while (!list_is_empty(blocks)) {
        struct block *b = container_of(blocks->next, struct block, node);
        list_del(&b->node);
        munmap(b, BLOCK);
    }
}

void slab_release(struct slab *s)
{
    if (s->open.next) {
        unmap_all(&s->open);
        unmap_all(&s->full);
    }
    s->empty = 0;
}

#endif
