/* hash.h - SHA-256 as an interface, so that pure code needs no library.
 *
 * Shells pass hash_openssl (common/loop/hash.c); tests may pass a fake. */
#ifndef BF_HASH_H
#define BF_HASH_H

#include "common/base/base.h"

struct span {
    const void *p;
    size_t n;
};

/* SHA-256 of the concatenation of `n` spans. */
typedef void hash_fn(const struct span *parts, size_t n, struct sha256 *out);

/* An incremental hash, for callers that stream. */
struct hasher; /* opaque */
struct hasher *hasher_new(void);
void hasher_add(struct hasher *h, const void *p, size_t n);
void hasher_finish(struct hasher *h, struct sha256 *out); /* frees h */

extern hash_fn hash_openssl;

#endif
