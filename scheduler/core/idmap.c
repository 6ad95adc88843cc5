/* Linear probing, at most thirteen sixteenths full; a deletion moves the followers of the run back.
 */
#include "scheduler/core/idmap.h"

#include "common/base/mem.h"

static size_t home(const struct idmap *m, int64_t id)
{
    uint64_t h = (uint64_t)id * UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(h >> 32) & (m->cap - 1);
}

/* Where it stands, or would. */
static size_t find(const struct idmap *m, int64_t id)
{
    size_t i = home(m, id);
    while (m->v[i] && *m->v[i] != id)
        i = (i + 1) & (m->cap - 1);
    return i;
}

void *idmap_get(const struct idmap *m, int64_t id)
{
    return m->n ? m->v[find(m, id)] : NULL;
}

static void grow(struct idmap *m)
{
    struct idmap old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->v = xcalloc(m->cap, sizeof(*m->v));
    for (size_t i = 0; i < old.cap; i++) {
        if (old.v[i])
            m->v[find(m, *old.v[i])] = old.v[i];
    }
    free(old.v);
}

void idmap_put(struct idmap *m, void *record)
{
    if ((m->n + 1) * 16 > m->cap * 13)
        grow(m);
    int64_t *r = record;
    size_t i = find(m, *r);
    BUG_ON(m->v[i]);
    m->v[i] = r;
    m->n++;
}

void idmap_del(struct idmap *m, int64_t id)
{
    size_t gap = m->n ? find(m, id) : 0, mask = m->cap - 1;
    if (m->n == 0 || !m->v[gap])
        return;
    for (size_t i = (gap + 1) & mask; m->v[i]; i = (i + 1) & mask) {
        size_t from_home = (i - home(m, *m->v[i])) & mask;
        if (from_home < ((i - gap) & mask))
            continue;
        m->v[gap] = m->v[i];
        gap = i;
    }
    m->v[gap] = NULL;
    m->n--;
}

void *idmap_next(const struct idmap *m, size_t *pos)
{
    while (*pos < m->cap) {
        int64_t *r = m->v[(*pos)++];
        if (r)
            return r;
    }
    return NULL;
}

void idmap_release(struct idmap *m)
{
    free(m->v);
    *m = (struct idmap){0};
}
