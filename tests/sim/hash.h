/* hash.h - the hash function of simulated farms. */
#ifndef BF_SIM_HASH_H
#define BF_SIM_HASH_H

#include "common/base/hash.h"

hash_fn sim_hash_fn;
struct sha256 sim_hash(const void *p, size_t n);

#endif
