/* Linear probing in a table of a power of two slots, at most three quarters full. A deletion moves
 * the followers of the run back instead of leaving a tombstone, so that a table through which many
 * jobs pass does not silt up. */
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/siphash.h"

struct map_slot {
    uint64_t key;
    void *value; /* NULL: free */
};

static uint64_t seed[2] = {UINT64_C(0x626f6f746661726d), UINT64_C(0x6d61702073656564)};

void map_seed(uint64_t k0, uint64_t k1)
{
    seed[0] = k0;
    seed[1] = k1;
}

static size_t home(const struct map *m, uint64_t key)
{
    return siphash13(seed, &key, sizeof key) & (m->cap - 1);
}

/* The slot that holds the key, or the free one where it would stand. */
static struct map_slot *find(const struct map *m, uint64_t key)
{
    size_t i = home(m, key);

    while (m->slot[i].value && m->slot[i].key != key)
        i = (i + 1) & (m->cap - 1);
    return &m->slot[i];
}

static void grow(struct map *m)
{
    struct map old = *m;

    m->cap = old.cap ? old.cap * 2 : 16;
    m->slot = xcalloc(m->cap, sizeof *m->slot);
    for (size_t i = 0; i < old.cap; i++) {
        if (old.slot[i].value)
            *find(m, old.slot[i].key) = old.slot[i];
    }
    free(old.slot);
}

void *map_get(const struct map *m, uint64_t key)
{
    return m->n ? find(m, key)->value : NULL;
}

void *map_put(struct map *m, uint64_t key, void *value)
{
    struct map_slot *s;
    void *before;

    BUG_ON(!value);
    if ((m->n + 1) * 4 > m->cap * 3)
        grow(m);
    s = find(m, key);
    before = s->value;
    s->key = key;
    s->value = value;
    m->n += !before;
    return before;
}

/* Closes the gap at i: each follower whose home does not lie behind the gap moves into it. */
static void close_gap(struct map *m, size_t i)
{
    size_t mask = m->cap - 1;

    for (size_t j = (i + 1) & mask; m->slot[j].value; j = (j + 1) & mask) {
        size_t from_home = (j - home(m, m->slot[j].key)) & mask;
        if (from_home < ((j - i) & mask))
            continue;
        m->slot[i] = m->slot[j];
        i = j;
    }
    m->slot[i].value = NULL;
}

void *map_del(struct map *m, uint64_t key)
{
    struct map_slot *s;
    void *before;

    if (m->n == 0)
        return NULL;
    s = find(m, key);
    before = s->value;
    if (before) {
        close_gap(m, (size_t)(s - m->slot));
        m->n--;
    }
    return before;
}

void map_release(struct map *m)
{
    free(m->slot);
    *m = (struct map){.slot = NULL};
}

bool map_next(const struct map *m, size_t *pos, uint64_t *key, void **value)
{
    for (; *pos < m->cap; ++*pos) {
        const struct map_slot *s = &m->slot[*pos];
        if (!s->value)
            continue;
        *key = s->key;
        *value = s->value;
        ++*pos;
        return true;
    }
    return false;
}

/* String keys: the same table; a slot keeps the whole hash, so that growing and most comparisons
 * need not look at the text. */
struct smap_slot {
    char *key; /* NULL: free */
    uint64_t hash;
    void *value;
};

static struct smap_slot *sfind(const struct smap *m, const char *key, size_t n, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct smap_slot *s = &m->slot[i];
        if (!s->key)
            return s;
        if (s->hash == hash && strncmp(s->key, key, n) == 0 && s->key[n] == '\0')
            return s;
    }
}

static void sgrow(struct smap *m)
{
    struct smap old = *m;

    m->cap = old.cap ? old.cap * 2 : 16;
    m->slot = xcalloc(m->cap, sizeof *m->slot);
    for (size_t i = 0; i < old.cap; i++) {
        size_t to = old.slot[i].hash & (m->cap - 1);
        if (!old.slot[i].key)
            continue;
        while (m->slot[to].key)
            to = (to + 1) & (m->cap - 1);
        m->slot[to] = old.slot[i];
    }
    free(old.slot);
}

void *smap_getn(const struct smap *m, const char *key, size_t n)
{
    return m->n ? sfind(m, key, n, siphash13(seed, key, n))->value : NULL;
}

void *smap_get(const struct smap *m, const char *key)
{
    return smap_getn(m, key, strlen(key));
}

void *smap_put(struct smap *m, const char *key, void *value)
{
    size_t n = strlen(key);
    uint64_t hash = siphash13(seed, key, n);
    struct smap_slot *s;
    void *before;

    BUG_ON(!value);
    if ((m->n + 1) * 4 > m->cap * 3)
        sgrow(m);
    s = sfind(m, key, n, hash);
    before = s->value;
    if (!s->key) {
        s->key = xmemdup(key, n + 1);
        s->hash = hash;
        m->n++;
    }
    s->value = value;
    return before;
}

static void sclose_gap(struct smap *m, size_t i)
{
    size_t mask = m->cap - 1;

    for (size_t j = (i + 1) & mask; m->slot[j].key; j = (j + 1) & mask) {
        if (((j - m->slot[j].hash) & mask) < ((j - i) & mask))
            continue;
        m->slot[i] = m->slot[j];
        i = j;
    }
    m->slot[i] = (struct smap_slot){.key = NULL};
}

void *smap_del(struct smap *m, const char *key)
{
    size_t n = strlen(key);
    struct smap_slot *s;
    void *before;

    if (m->n == 0)
        return NULL;
    s = sfind(m, key, n, siphash13(seed, key, n));
    before = s->value;
    if (s->key) {
        free(s->key);
        sclose_gap(m, (size_t)(s - m->slot));
        m->n--;
    }
    return before;
}

void smap_release(struct smap *m)
{
    for (size_t i = 0; i < m->cap; i++)
        free(m->slot[i].key);
    free(m->slot);
    *m = (struct smap){.slot = NULL};
}

bool smap_next(const struct smap *m, size_t *pos, const char **key, void **value)
{
    for (; *pos < m->cap; ++*pos) {
        const struct smap_slot *s = &m->slot[*pos];
        if (!s->key)
            continue;
        *key = s->key;
        *value = s->value;
        ++*pos;
        return true;
    }
    return false;
}
