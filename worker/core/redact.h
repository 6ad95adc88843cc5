/* redact.h - takes secrets out of a stream before its first byte leaves.
 *
 * Knows the secrets' texts: each line of a secret that has at least REDACT_MIN bytes, and the
 * whole. Holds back as many bytes as could still be the beginning of one. */
#ifndef BF_WORKER_REDACT_H
#define BF_WORKER_REDACT_H

#include "common/base/str.h"
#include "common/base/vec.h"

#define REDACT_MIN 6
#define REDACT_MAX_BYTES 65536 /* of one secret */

struct redact {
    VEC(char *) words; /* longest first */
    bool first[256];   /* bytes with which a word begins */
    struct str held;
};

/* All zero but for `held`: use redact_init. */
void redact_init(struct redact *r);
void redact_release(struct redact *r);
void redact_learn(struct redact *r, const char *secret, size_t n);
/* Appends to *out what may leave. */
void redact_feed(struct redact *r, const char *p, size_t n, struct str *out);
void redact_end(struct redact *r, struct str *out);
/* One complete text, apart from the stream. */
void redact_text(const struct redact *r, const char *p, size_t n, struct str *out);

#endif
