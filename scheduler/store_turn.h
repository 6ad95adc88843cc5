/* store_turn.h - one hot turn: the brain's ops as calls of the schema's hot functions.
 *
 * turn_add() encodes an op at once (what it borrows may be gone at the next brain_step); ops of one
 * type that follow each other become one call. turn_submit() sends them behind check_term;
 * turn_each() walks the answers in the order of the ops. */
#ifndef BF_STORE_TURN_H
#define BF_STORE_TURN_H

#include "scheduler/store_pg.h"

struct turn; /* opaque */

struct turn *turn_new(void);
void turn_free(struct turn *t); /* accepts NULL */
void turn_clear(struct turn *t);
/* What an op carries beside itself; all borrowed. */
struct op_payload {
    const char *json; /* result of an OP_FINISH, facts of an OP_WORKER_SEEN; NULL: none */
    /* An OP_FINISH that is a plain success goes to the schema as columns, and json is not read. */
    bool success;
    const char *digest;  /* may be NULL */
    int64_t size;        /* bytes; 0: not said */
    int64_t started_ago; /* us */
    const char *detail;  /* JSON, or NULL */
};

/* Ops of one type become one statement, whatever came between them, as long as each job's own ops
 * keep their order and nothing that is claimed or made ready overtakes what ends. */
void turn_add(struct turn *t, const struct op *op, const struct op_payload *p);
size_t turn_statements(const struct turn *t);
/* Adds the calls to a transaction that is behind check_term already. */
void turn_calls(const struct turn *t, struct db_tx *tx);
/* Whether the turn may leave as two transactions at the same time, its claims and the rest: both
 * are many, no job is in both, and what is claimed are builds and tests, which wait for nothing
 * that another job's end could free in the same turn. */
bool turn_splits(const struct turn *t);
/* As one transaction on `db`; where it splits, the claims on `claims`: PostgreSQL has a processor
 * for each. `cb` comes when both have ended, with the answers as those of one transaction would
 * stand, or with the end of the one that failed first; the other may be committed then. */
void turn_submit(const struct turn *t, struct db *db, struct db *claims, int64_t term,
                 db_reply_cb *cb, void *arg);

struct op_answer {
    size_t index; /* of the op: how many turn_add()s came before it */
    enum op_status status;
    struct sha256 digest;
    const char *repository, *work; /* may be NULL */
    const char *state;             /* OP_FINISH: where the job really went; may be NULL */
    const char *created;           /* OP_FINISH: array of the jobs that it made; may be NULL */
};
/* -1: an answer does not have one row for each op; the schema and this binary do not fit. */
int turn_each(const struct turn *t, const struct db_reply *r,
              void (*fn)(void *arg, const struct op_answer *), void *arg,
              struct err *e) BF_MUST_CHECK;

#endif
