/* idmap.h - records by their id: a hash table of nothing but pointers.
 *
 * A record begins with its id (int64_t), so a slot is ten bytes, and the search
 * touches few records but the one that it finds. Ids are those of PostgreSQL,
 * counted and not chosen by strangers. It grows in parts, so no call is slow. Nothing is
 * owned. All-zero is empty; the order of a walk is unspecified. */
#ifndef BF_CORE_IDMAP_H
#define BF_CORE_IDMAP_H

#include "common/base/base.h"

struct id_table {
    int64_t **v;
    uint16_t *hash; /* of each, as much of it as its place hangs on */
    size_t n, cap;
};

struct idmap {
    struct id_table *table;
    size_t n, n_tables;
};

struct idmap_pos { /* starts at all zero */
    size_t table, slot;
};

void *idmap_get(const struct idmap *m, int64_t id);
void idmap_put(struct idmap *m, void *record); /* its id is not there yet */
void idmap_del(struct idmap *m, int64_t id);
void *idmap_next(const struct idmap *m, struct idmap_pos *pos); /* NULL: the end */
void idmap_release(struct idmap *m);

#endif
