/* Linear probing, at most thirteen sixteenths full; a deletion moves the followers of the run back.
 *
 * A map of many records is split into tables by the first bits of the hash. Each grows by itself,
 * so that no step pays for a farm's worth of records at once. */
#include "scheduler/core/idmap.h"

#include "common/base/mem.h"

#define SHARDS 256
#define MANY 4096

static uint64_t hash(int64_t id)
{
    return (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15);
}

static size_t home(const struct id_table *t, int64_t id)
{
    return (size_t)(hash(id) >> 32) & (t->cap - 1);
}

static struct id_table *table_of(const struct idmap *m, int64_t id)
{
    return &m->table[m->n_tables > 1 ? hash(id) >> 56 : 0];
}

/* Where it stands, or would. */
static size_t find(const struct id_table *t, int64_t id)
{
    size_t i = home(t, id);
    while (t->v[i] && *t->v[i] != id)
        i = (i + 1) & (t->cap - 1);
    return i;
}

void *idmap_get(const struct idmap *m, int64_t id)
{
    if (m->n == 0)
        return NULL;
    const struct id_table *t = table_of(m, id);
    return t->cap ? t->v[find(t, id)] : NULL;
}

static void grow(struct id_table *t)
{
    struct id_table old = *t;
    t->cap = old.cap ? old.cap * 2 : 8;
    t->v = xcalloc(t->cap, sizeof(*t->v));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.v[i])
            t->v[find(t, *old.v[i])] = old.v[i];
    }
    free(old.v);
}

static void put(struct id_table *t, int64_t *record)
{
    if ((t->n + 1) * 16 > t->cap * 13)
        grow(t);
    size_t i = find(t, *record);
    BUG_ON(t->v[i]);
    t->v[i] = record;
    t->n++;
}

static void split(struct idmap *m)
{
    struct id_table all = m->table[0];
    free(m->table);
    m->n_tables = SHARDS;
    m->table = xcalloc(SHARDS, sizeof *m->table);
    for (size_t i = 0; i < all.cap; i++) {
        if (all.v[i])
            put(table_of(m, *all.v[i]), all.v[i]);
    }
    free(all.v);
}

void idmap_put(struct idmap *m, void *record)
{
    if (m->n_tables == 0) {
        m->n_tables = 1;
        m->table = xcalloc(1, sizeof *m->table);
    }
    if (m->n == MANY && m->n_tables == 1)
        split(m);
    int64_t *r = record;
    put(table_of(m, *r), r);
    m->n++;
}

static void close_gap(struct id_table *t, size_t gap)
{
    size_t mask = t->cap - 1;
    for (size_t i = (gap + 1) & mask; t->v[i]; i = (i + 1) & mask) {
        size_t from_home = (i - home(t, *t->v[i])) & mask;
        if (from_home < ((i - gap) & mask))
            continue;
        t->v[gap] = t->v[i];
        gap = i;
    }
    t->v[gap] = NULL;
}

void idmap_del(struct idmap *m, int64_t id)
{
    if (!idmap_get(m, id))
        return;
    struct id_table *t = table_of(m, id);
    close_gap(t, find(t, id));
    t->n--;
    m->n--;
}

void *idmap_next(const struct idmap *m, struct idmap_pos *pos)
{
    for (; pos->table < m->n_tables; pos->table++, pos->slot = 0) {
        const struct id_table *t = &m->table[pos->table];
        while (pos->slot < t->cap) {
            int64_t *r = t->v[pos->slot++];
            if (r)
                return r;
        }
    }
    return NULL;
}

void idmap_release(struct idmap *m)
{
    for (size_t i = 0; i < m->n_tables; i++)
        free(m->table[i].v);
    free(m->table);
    *m = (struct idmap){0};
}
