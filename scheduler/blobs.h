/* blobs.h - artifacts of a plan (contexts, test scripts) into the staging registry.
 *
 * A few uploads at once, in order of asking; a failed one is tried again with back-off, then given
 * up. */
#ifndef BF_BLOBS_H
#define BF_BLOBS_H

#include "scheduler/registry.h"

struct blobs; /* opaque */
struct blobs_batch;

struct blob {
    const char *dir;        /* OCI layout */
    const char *repository; /* HOST/contexts/SLUG */
    const char *tag;
};

/* All are there (error NULL), or one could not be brought there. Once, later, from the loop. */
typedef void blobs_cb(void *arg, const char *error);

struct blobs *blobs_new(uv_loop_t *loop, struct registry *registry, unsigned parallel);
/* Strings are copied. n > 0. */
struct blobs_batch *blobs_put(struct blobs *b, const struct blob *blob, size_t n, blobs_cb *cb,
                              void *arg);
/* The callback does not come. */
void blobs_cancel(struct blobs_batch *batch);
/* Every batch has ended. Accepts NULL. */
void blobs_free(struct blobs *b);

#endif
