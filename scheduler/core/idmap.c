/* Linear probing, at most thirteen sixteenths full; a deletion moves the followers of the run back.
 *
 * A map of many records is split into tables by the first bits of the hash. Each grows by itself,
 * so that no step pays for a farm's worth of records at once. */
#include "scheduler/core/idmap.h"

#include "common/base/mem.h"

#define SHARDS 256
#define MANY 4096
#define MOST \
    65536 /* slots of a table: thirteen million records, and a hash of 16 bits says where */

/* Ids come one after the other: each bit of the hash must hang on all of theirs. */
static uint64_t hash(int64_t id)
{
    uint64_t h = (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15);
    h = (h ^ (h >> 32)) * UINT64_C(0xd6e8feb86659fd93);
    return h ^ (h >> 32);
}

static uint16_t short_hash(int64_t id)
{
    return (uint16_t)(hash(id) >> 32);
}

static struct id_table *table_of(const struct idmap *m, int64_t id)
{
    return &m->table[m->n_tables > 1 ? hash(id) >> 56 : 0];
}

/* Where it stands, or would. */
static size_t find(const struct id_table *t, int64_t id)
{
    uint16_t h = short_hash(id);
    size_t i = h & (t->cap - 1);
    while (t->v[i] && (t->hash[i] != h || *t->v[i] != id))
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

static void set(struct id_table *t, size_t i, int64_t *record, uint16_t h)
{
    t->v[i] = record;
    t->hash[i] = h;
}

/* Its records are not touched: the hash says where each stands, and no two are equal. */
static void grow(struct id_table *t)
{
    struct id_table old = *t;
    t->cap = old.cap ? old.cap * 2 : 8;
    BUG_ON(t->cap > MOST);
    t->v = xcalloc(t->cap, sizeof(*t->v));
    t->hash = xcalloc(t->cap, sizeof(*t->hash));
    for (size_t k = 0; k < old.cap; k++) {
        if (!old.v[k])
            continue;
        size_t i = old.hash[k] & (t->cap - 1);
        while (t->v[i])
            i = (i + 1) & (t->cap - 1);
        set(t, i, old.v[k], old.hash[k]);
    }
    free(old.v);
    free(old.hash);
}

static void put(struct id_table *t, int64_t *record)
{
    if ((t->n + 1) * 16 > t->cap * 13)
        grow(t);
    size_t i = find(t, *record);
    BUG_ON(t->v[i]);
    set(t, i, record, short_hash(*record));
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
    free(all.hash);
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
        size_t from_home = (i - t->hash[i]) & mask;
        if (from_home < ((i - gap) & mask))
            continue;
        set(t, gap, t->v[i], t->hash[i]);
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
    for (size_t i = 0; i < m->n_tables; i++) {
        free(m->table[i].v);
        free(m->table[i].hash);
    }
    free(m->table);
    *m = (struct idmap){0};
}
