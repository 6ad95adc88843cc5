/* bases.h - external bases: which platform manifest does a reference name now?
 *
 * A base that was never resolved, or that an operator asked for, is looked at at once (bases_kick),
 * the others when they are older than max_age. One look at a registry serves all architectures of
 * a reference. "Cannot resolve" is not "changed": the digest stays, the error is recorded, and SQL
 * says when it is due again. What follows from a new digest is rebuilds.h's. */
#ifndef BF_BASES_H
#define BF_BASES_H

#include "common/base/hash.h"
#include "scheduler/db.h"
#include "scheduler/registry.h"

struct bases; /* opaque */

struct bases_config {
    bf_time max_age;
    unsigned parallel;
    void (*on_changed)(void *arg); /* a digest is new: read the bases again */
    void *arg;
};

struct bases *bases_new(uv_loop_t *loop, struct db *db, struct registry *registry,
                        const struct bases_config *config);
void bases_start(struct bases *b, int64_t term);
void bases_stop(struct bases *b);
void bases_kick(struct bases *b);
/* After db_close. Accepts NULL. */
void bases_free(struct bases *b);

/* The digest to pin for `arch` (an OCI name): of the manifest itself, or, when it is an index, of
 * its entry for linux/arch. -1: no manifest, or none for that platform. */
int manifest_digest(const char *text, size_t n, const char *arch, struct sha256 *out,
                    struct err *e) BF_MUST_CHECK;

#endif
