/* siphash.h - SipHash-1-3, the keyed hash behind map.h. */
#ifndef BF_SIPHASH_H
#define BF_SIPHASH_H

#include "common/base/base.h"

uint64_t siphash13(const uint64_t key[2], const void *p, size_t n);

#endif
