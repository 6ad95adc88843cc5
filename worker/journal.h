/* journal.h - what this worker must not forget: the attempts it took, their results, the highest
 * term. SQLite, write-ahead log, synchronous=FULL: what returned 0 survives a power cut.
 *
 *     open → journal_abandon → journal_load → per attempt: accept → finish → acked → forget
 *
 * The journal holds no orders and no log: an attempt whose daemon ended is never continued, it is
 * reported as failed (infra, worker-restarted). Calls block for the time of an fsync. */
#ifndef BF_WORKER_JOURNAL_H
#define BF_WORKER_JOURNAL_H

#include "common/base/err.h"
#include "worker/result.h"

struct journal;

/* Creates the file (mode 0600) where absent. Refuses a journal of a newer layout. */
int journal_open(const char *path, struct journal **out, struct err *e) BF_MUST_CHECK;
void journal_close(struct journal *j); /* accepts NULL */

/* Several calls in one transaction (one fsync). A failed commit undoes all of them. */
int journal_begin(struct journal *j, struct err *e) BF_MUST_CHECK;
int journal_commit(struct journal *j, struct err *e) BF_MUST_CHECK;
void journal_rollback(struct journal *j);

uint64_t journal_term(const struct journal *j); /* highest ever stored */
int journal_set_term(struct journal *j, uint64_t term, struct err *e) BF_MUST_CHECK;

/* Every attempt without a result gets `r`; *n says how many. */
int journal_abandon(struct journal *j, const struct result *r, bf_time now, size_t *n,
                    struct err *e) BF_MUST_CHECK;

struct journal_row {
    struct id128 id;
    const char *job, *kind;
    bf_time started, ended; /* wall clock */
    bool acked;
    const struct result *result;
};
/* Every attempt, oldest first; call after journal_abandon. Rows are valid during the call. */
int journal_load(struct journal *j, void (*row)(void *arg, const struct journal_row *r), void *arg,
                 struct err *e) BF_MUST_CHECK;

/* -1 also when the attempt was taken before. */
int journal_accept(struct journal *j, struct id128 id, const char *job, const char *kind,
                   bf_time now, struct err *e) BF_MUST_CHECK;
/* `started`: of the executor, where it differs from when the attempt was taken; 0: leave it. */
int journal_finish(struct journal *j, struct id128 id, const struct result *r, bf_time started,
                   bf_time ended, struct err *e) BF_MUST_CHECK;
int journal_set_acked(struct journal *j, struct id128 id, bool acked, struct err *e) BF_MUST_CHECK;
int journal_forget(struct journal *j, struct id128 id, struct err *e) BF_MUST_CHECK;

#endif
