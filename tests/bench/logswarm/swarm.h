/* swarm.h - many workers that only send logs, in one process, each with a connection of its own.
 *
 * Credit, chunks, hash, compression and seal are worker/stream.c and worker/pack.c, as in the
 * daemon. The spool is memory (spool.c): text that was made before, a line at a time at the wanted
 * rate. So that the generator's own cost stays small beside what is measured, a chunk that is a
 * whole piece of that text was compressed ahead by the same function (cache.c); any other is
 * compressed when it is sent. */
#ifndef BF_LOGSWARM_H
#define BF_LOGSWARM_H

#include "common/base/str.h"
#include "worker/spool.h"

#define TEXT_BYTES ((size_t)32 << 20) /* shared by all streams, each begins elsewhere in it */

/* ---- spool.c: worker/spool.h in memory ------------------------------------------------------- */

/* A log over `text`, from its byte `at` on, around and around. `own`: of bytes of its
 * own, so that it can have lines of its own. */
struct spool *source_new(struct id128 id, const struct str *text, size_t at, bool own);
/* So many bytes more were written: whole lines, at least n bytes. */
void source_grow(struct spool *sp, size_t n);
/* A line of its own; `own` logs only. */
void source_line(struct spool *sp, const char *line);
void source_end(struct spool *sp);
uint64_t sources_removed(void);

/* ---- cache.c ----------------------------------------------------------------------------------
 */

/* Compresses every piece of `text`; later packer_pack() finds them. */
void cache_fill(const struct str *text);
void cache_free(void);

struct packed {
    uint64_t chunks, raw, bytes; /* that went through packer_pack(); */
    uint64_t ahead;              /* chunks of them that were there already */
};
struct packed cache_counts(void);

#endif
