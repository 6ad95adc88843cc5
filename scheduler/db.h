/* db.h - PostgreSQL on a libuv loop: a connection that comes back by itself, and transactions that
 * travel as one pipeline. Knows no statement.
 *
 * Happy path: db_open → on_up(true) → db_tx_new, db_add..., db_submit → BEGIN, the statements and
 * COMMIT leave in one flush → the answers come back → the callback, once, with DB_DONE and one
 * result for each statement. One transaction is in flight, others wait in order. A transaction
 * whose later statements follow from the answers of the first stays open between them (db_tx_more).
 *
 * A statement is parsed and planned once in a session: it is prepared when it is first sent, in the
 * same flush, and known by its pointer.
 *
 * Failure modes, each told by the callback's `end`:
 *   a statement fails, or COMMIT answers ROLLBACK   DB_REFUSED; rolled back
 *   serialisation failure, deadlock, or a prepared  sent again, three times, then DB_REFUSED; never
 *   statement that a migration made void            after db_more_cb was called
 *   the connection breaks, or the deadline passes   DB_UNKNOWN for the one in flight: it may have
 *                                                   happened; those that wait go on waiting
 *   the same while it is open, before COMMIT        DB_NOT_SENT: nothing happened
 *   no connection until the deadline, queue full    DB_NOT_SENT: nothing happened
 *   db_close                                        the same two, from within db_close
 * A dead peer is noticed by the deadline, by TCP (tcp_user_timeout, keepalives) and by the renewal
 * that somebody sends each second on every connection that listens. Host names are resolved on the
 * loop: libpq would block. */
#ifndef BF_DB_H
#define BF_DB_H

#include "common/base/err.h"
#include <libpq-fe.h>
#include <uv.h>

struct db;    /* opaque */
struct db_tx; /* opaque; belongs to the caller until db_submit or db_tx_free */

struct db_config {
    const char *conninfo;
    const char *name;         /* application_name, and in log lines */
    const char *settings;     /* server settings, "-c name=value ..."; may be NULL */
    const char *const *first; /* statements that begin each session ("LISTEN x"); NULL-terminated,
                                 kept by pointer; may be NULL */
    size_t max_queue;         /* transactions that wait */
    bf_time deadline;         /* default of a transaction, from db_submit to its last answer */
    /* Connected and `first` done (true), or the connection was lost (false). May be NULL. */
    void (*on_up)(void *arg, bool up);
    void (*on_notify)(void *arg, const char *channel, const char *payload);
    void *arg;
};

enum db_end { DB_DONE, DB_REFUSED, DB_NOT_SENT, DB_UNKNOWN };

struct db_reply {
    enum db_end end;
    const char *sqlstate; /* DB_REFUSED; "" where PostgreSQL gave none */
    const char *message;  /* one line */
    PGresult **result;    /* DB_DONE: one for each statement; freed after the callback, but those
                             that it takes, leaving NULL */
    size_t n;
};

typedef void db_reply_cb(void *arg, const struct db_reply *r);

struct db_param {
    const char *p; /* NULL: SQL NULL. Text ends with NUL */
    size_t n;      /* bytes; for binary only */
    bool binary;
};

enum db_mode {
    DB_WRITE,   /* read committed */
    DB_SNAPSHOT /* repeatable read, read only: all statements see one state */
};

/* -1 with ERR_CONFIG: the connection string does not parse. Connecting begins on the loop. */
int db_open(uv_loop_t *loop, const struct db_config *config, struct db **out,
            struct err *e) BF_MUST_CHECK;
bool db_is_up(const struct db *db);
/* Memory goes with the last close callback of the loop. Accepts NULL. */
void db_close(struct db *db);

struct db_tx *db_tx_new(struct db *db, enum db_mode mode);
/* `sql` is a string literal, kept by pointer; parameters are copied. */
void db_add(struct db_tx *tx, const char *sql, const struct db_param *params, size_t n);
/* The same without parameters, and without a result in the reply. */
void db_do(struct db_tx *tx, const char *sql);
void db_tx_deadline(struct db_tx *tx, bf_time deadline);
/* Called once, with db_submit's `arg`, when all statements that were added before were answered and
 * none was refused: adds others by db_add(), and COMMIT follows. `r` has the results so far, which
 * stay until the end. False: it is rolled back, and ends as DB_REFUSED. The server's time-out for
 * sessions that are idle in a transaction runs meanwhile. */
typedef bool db_more_cb(void *arg, struct db_tx *tx, const struct db_reply *r);
void db_tx_more(struct db_tx *tx, db_more_cb *more);
/* Called with db_submit's `arg` for each row (or a few) when it comes, of the statement with that
 * number; the reply's results have no rows then. What is large is never in memory as a whole. Rows
 * that were told come again when the transaction is sent again, and they are there even if it fails
 * later. */
typedef void db_row_cb(void *arg, size_t stmt, const PGresult *row);
void db_tx_rows(struct db_tx *tx, db_row_cb *row);
void db_tx_free(struct db_tx *tx); /* one that was not submitted; accepts NULL */
/* `cb` is called later from the loop, never from within. */
void db_submit(struct db_tx *tx, db_reply_cb *cb, void *arg);

/* Is this SQLSTATE a refusal of the content (class 22, 23, 42), which would come again? */
bool db_is_content_error(const char *sqlstate);

#endif
