/* cache.h - STATE/cache/KIND/HEX: directories named by the digest they were asked for, made once,
 * evicted when the whole is larger than cache_size, least recently used first. Safe between
 * processes: an entry appears by rename, and a reader links or copies what it uses. */
#ifndef BF_EXEC_CACHE_H
#define BF_EXEC_CACHE_H

#include "worker/exec/executor.h"

/* The path of an entry (the caller frees); `digest` is sha256:HEX. Makes the directory. */
char *cache_path(const struct exec *x, const char *kind, const char *digest,
                 struct err *e) BF_MUST_CHECK;
/* There, and now the most recently used. */
bool cache_has(const char *path);
/* Moves a finished directory into its place. Somebody else's, equal by name, may win. */
int cache_put(const char *made, const char *path, struct err *e) BF_MUST_CHECK;
/* Evicts until all entries together take at most `max` bytes. */
int cache_trim(const char *state_dir, uint64_t max, struct err *e) BF_MUST_CHECK;

#endif
