/* map.h - open-addressing hash maps: 64-bit id → pointer, and string → pointer.
 *
 * Values are never NULL and never owned. String keys are copied. Hashing is seeded (map_seed), so
 * that names chosen by a stranger cannot make it slow; iteration order is unspecified: whoever
 * needs an order sorts. All-zero is an empty map. */
#ifndef BF_MAP_H
#define BF_MAP_H

#include "common/base/base.h"

struct map_slot;
struct smap_slot;
struct map {
    struct map_slot *slot;
    size_t n, cap;
};
struct smap {
    struct smap_slot *slot;
    size_t n, cap;
};

/* Once per process before the first map, with random bits (a fixed value in tests). */
void map_seed(uint64_t k0, uint64_t k1);

void *map_get(const struct map *m, uint64_t key);
/* Returns the value that stood there before, or NULL. */
void *map_put(struct map *m, uint64_t key, void *value);
void *map_del(struct map *m, uint64_t key);
void map_release(struct map *m);
/* *pos starts at 0; returns false at the end. Changing the map during the walk is not allowed. */
bool map_next(const struct map *m, size_t *pos, uint64_t *key, void **value);

void *smap_get(const struct smap *m, const char *key);
void *smap_getn(const struct smap *m, const char *key, size_t n);
void *smap_put(struct smap *m, const char *key, void *value);
void *smap_del(struct smap *m, const char *key);
void smap_release(struct smap *m);
bool smap_next(const struct smap *m, size_t *pos, const char **key, void **value);

/* The last eight bytes of an id128 are random: they are its key in a struct map. */
static inline uint64_t id128_key(struct id128 id)
{
    uint64_t k;
    memcpy(&k, id.b + 8, sizeof k);
    return k;
}

#endif
