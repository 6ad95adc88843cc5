/* spool.h - the logs of attempts on disk, until the log store has sealed them.
 *
 * One directory per attempt, STATE/spool/UUID/, of segment files that are named by the offset of
 * their first byte. So the names and sizes say everything: what was written, where the gaps are,
 * and where to go on after a restart. The first segment is the head; once it has `head` bytes,
 * further output goes to tail segments, of which the newest `tail` bytes are kept. A gap also comes
 * from a full disk: logs give way before the journal does.
 *
 * Bytes pass the redactor before they reach the disk. Writing never fails and never blocks an
 * attempt: what cannot be kept is a gap. */
#ifndef BF_WORKER_SPOOL_H
#define BF_WORKER_SPOOL_H

#include "common/base/err.h"
#include "common/base/list.h"
#include "worker/core/redact.h"

struct spools; /* all of them */
struct spool;  /* one attempt's */

struct spool_caps {
    uint64_t head, tail; /* bytes kept of one log, uncompressed */
    uint64_t total;      /* of all logs; beyond it the oldest ended ones are dropped */
};

/* Makes DIR where absent, and finds what an earlier run left (all of it ended). */
int spools_open(const char *dir, const struct spool_caps *caps, struct spools **out,
                struct err *e) BF_MUST_CHECK;
void spools_close(struct spools *s); /* the files stay; accepts NULL */
void spools_set_caps(struct spools *s, const struct spool_caps *caps);
/* False: the disk is nearly full, keep nothing more (until true again). */
void spools_set_room(struct spools *s, bool room);
uint64_t spools_bytes(const struct spools *s);
/* Every spool: NULL begins, NULL ends. */
struct spool *spools_next(const struct spools *s, const struct spool *after);

/* Logs that may wait for their seal at the same time. */
#define SPOOLS_MAX 8192
/* A new log. `secrets` (may be NULL) must live until spool_end. -1: the directory exists or cannot
 * be made, or there are SPOOLS_MAX. */
int spool_create(struct spools *s, struct id128 id, struct redact *secrets, struct spool **out,
                 struct err *e) BF_MUST_CHECK;
void spool_write(struct spool *sp, const void *p, size_t n);
/* A line of our own in the log, "bootfarm-worker: ...". */
void spool_note(struct spool *sp, const char *fmt, ...) BF_PRINTF(2, 3);
/* No more bytes will come. */
void spool_end(struct spool *sp);
/* Deletes the files and frees it. */
void spool_remove(struct spool *sp);

struct id128 spool_id(const struct spool *sp);
bool spool_ended(const struct spool *sp);
uint64_t spool_length(const struct spool *sp); /* gaps included */

/* The next readable run of bytes at or after `at`: where it starts and how long it is (0: nothing
 * yet). *gap: bytes missing just before *start. While the log is being written only its head can be
 * read: which part of the rest stays is known at the end. */
void spool_peek(const struct spool *sp, uint64_t at, uint64_t *start, uint64_t *n, uint64_t *gap);
/* Reads n bytes of a run. */
int spool_read(const struct spool *sp, uint64_t start, void *p, size_t n,
               struct err *e) BF_MUST_CHECK;

#endif
