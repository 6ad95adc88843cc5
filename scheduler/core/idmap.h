/* idmap.h - records by their id: a hash table of nothing but pointers.
 *
 * A record begins with its id (int64_t), so a slot is eight bytes. Ids are those of PostgreSQL,
 * counted and not chosen by strangers. Nothing is owned. All-zero is empty; the order of a walk is
 * unspecified. */
#ifndef BF_CORE_IDMAP_H
#define BF_CORE_IDMAP_H

#include "common/base/base.h"

struct idmap {
    int64_t **v;
    size_t n, cap;
};

void *idmap_get(const struct idmap *m, int64_t id);
void idmap_put(struct idmap *m, void *record); /* its id is not there yet */
void idmap_del(struct idmap *m, int64_t id);
void *idmap_next(const struct idmap *m, size_t *pos); /* *pos starts at 0; NULL: the end */
void idmap_release(struct idmap *m);

#endif
