#include "scheduler/core/slab.h"

#if defined(__SANITIZE_ADDRESS__)

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

#define BLOCK 128 /* records */

static void push(struct slab *s, void *record)
{
    memcpy(record, &s->free, sizeof s->free);
    s->free = record;
}

static void add_block(struct slab *s)
{
    char *block = xmalloc(BLOCK * s->size);
    *vec_push(&s->blocks) = block;
    for (size_t i = BLOCK; i-- > 0;)
        push(s, block + i * s->size);
}

void *slab_get(struct slab *s)
{
    if (!s->free)
        add_block(s);
    void *record = s->free;
    memcpy(&s->free, record, sizeof s->free);
    return memset(record, 0, s->size);
}

void slab_put(struct slab *s, void *record)
{
    if (record)
        push(s, record);
}

void slab_release(struct slab *s)
{
    vec_for_each (i, &s->blocks)
        free(s->blocks.v[i]);
    vec_release(&s->blocks);
    s->free = NULL;
}

#endif
