/* slab.h - records of one size, many of them, that come and go.
 *
 * Blocks of records and a list of free ones: no bytes between records, and nothing for malloc to
 * tidy up when a hundred thousand of them have gone (which it does all at once). Blocks stay until
 * the end. Under AddressSanitizer each record is malloc's own, so that it is watched. */
#ifndef BF_CORE_SLAB_H
#define BF_CORE_SLAB_H

#include "common/base/vec.h"

struct slab {
    size_t size; /* of a record, a multiple of eight */
    void *free;
    VEC(void *) blocks;
};

void *slab_get(struct slab *s); /* all zero */
void slab_put(struct slab *s, void *record);
void slab_release(struct slab *s); /* with everything that came from it */

#endif
