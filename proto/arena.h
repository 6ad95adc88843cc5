/* arena.h - the memory of one decoded message: bump allocation with a budget, freed at once.
 *
 * protobuf-c allocates by counts that the peer chose; the budget makes it fail instead. */
#ifndef BF_PROTO_ARENA_H
#define BF_PROTO_ARENA_H

#include "common/base/base.h"
#include <protobuf-c/protobuf-c.h>

struct arena;

struct arena *arena_new(size_t budget);
/* NULL once the budget would be passed. Aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);
bool arena_exhausted(const struct arena *a); /* an allocation was refused */
size_t arena_used(const struct arena *a);
void arena_free(struct arena *a);
/* A view of the arena for protobuf-c; freeing single pieces does nothing. */
ProtobufCAllocator arena_allocator(struct arena *a);

#endif
