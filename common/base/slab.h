/* slab.h - records of one size, many of them, that come and go.
 *
 * Blocks of records, each with a list of its free ones: no bytes between records, and nothing for
 * malloc to tidy up when a hundred thousand of them have gone (which it does all at once). A block
 * whose records have all gone is the system's again, but for one. Under AddressSanitizer each
 * record is malloc's own, so that it is watched. */
#ifndef BF_SLAB_H
#define BF_SLAB_H

#include "common/base/list.h"

struct slab {
    size_t size;            /* of a record, a multiple of eight */
    struct list open, full; /* blocks with a free record, and without; zero: none was made yet */
    size_t empty;           /* of the open ones */
};

void *slab_get(struct slab *s); /* all zero */
void slab_put(struct slab *s, void *record);
void slab_release(struct slab *s); /* with everything that came from it */

#endif
