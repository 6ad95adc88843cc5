/* A hash that needs no library; also for replays of farms of this kind. */
#include "tests/sim/hash.h"

void sim_hash_fn(const struct span *parts, size_t n, struct sha256 *out)
{
    uint64_t h[4] = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x9ae16a3b2f90404f),
                     UINT64_C(0xc3a5c85c97cb3127), UINT64_C(0xb492b66fbe98f273)};
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = parts[i].p;
        for (size_t k = 0; k < parts[i].n; k++) {
            h[k % 4] = (h[k % 4] ^ p[k]) * UINT64_C(0x100000001b3);
            h[(k + 1) % 4] ^= h[k % 4] >> 29;
        }
    }
    for (int round = 0; round < 8; round++) {
        for (int l = 0; l < 4; l++) {
            h[l] ^= h[(l + 3) % 4] >> 31;
            h[l] *= UINT64_C(0xbf58476d1ce4e5b9);
        }
    }
    memcpy(out->b, h, sizeof out->b);
}

struct sha256 sim_hash(const void *p, size_t n)
{
    struct sha256 d;
    sim_hash_fn(&(struct span){p, n}, 1, &d);
    return d;
}
