/* db_private.h - shared by db.c (transactions), db_conn.c (connection) only. */
#ifndef BF_DB_PRIVATE_H
#define BF_DB_PRIVATE_H

#include "common/base/list.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "scheduler/db.h"
#include "scheduler/db_resolve.h"

#define DB_MAX_PARAMS 8

struct db_stmt {
    const char *sql;
    bool silent; /* its result is nobody's */
    int n;
    char *value[DB_MAX_PARAMS];
    int length[DB_MAX_PARAMS];
    int format[DB_MAX_PARAMS];
};

struct db_tx {
    struct list node;
    struct db *db;
    enum db_mode mode;
    VEC(struct db_stmt) stmts;
    size_t sent; /* of stmts */
    VEC(PGresult *) results;
    db_more_cb *more; /* NULL: all statements are there, or it has added them */
    db_row_cb *row;   /* NULL: results keep their rows */
    bool asked;       /* `more` was called: what it decided must not be sent twice */
    bf_time deadline; /* a duration before db_submit, a monotonic time after it */
    int tries;
    db_reply_cb *cb;
    void *arg;
};

/* A statement that this session has parsed, or that is on its way there. */
struct db_prepared {
    const char *sql;
    unsigned name;
    bool ready; /* the server has answered */
};

/* What an answer is to. */
enum db_awaited { TO_OTHER, TO_PREPARE, TO_STMT, TO_COMMIT };

enum db_state {
    DBS_IDLE,       /* between attempts: the timer starts the next */
    DBS_RESOLVING,  /* host names */
    DBS_CONNECTING, /* PQconnectPoll */
    DBS_UP,
    DBS_CLOSED
};

struct db {
    uv_loop_t *loop;
    char *conninfo, *name, *settings;
    struct db_config cfg;
    enum db_state state;
    struct resolve *resolve;
    PGconn *conn;
    uv_poll_t *poll;     /* of conn's socket */
    int events;          /* that it waits for */
    uv_timer_t *connect; /* back-off, or the deadline of connecting */
    uv_timer_t *watch;   /* the earliest deadline of a transaction */
    int failures;        /* connection attempts in a row */
    bool told_up;
    char last_error[512];

    struct list queue;
    size_t n_queue;
    struct db_tx *flying;
    bool rolling; /* the answers of a ROLLBACK are under way, no transaction is */
    VEC(enum db_awaited) awaited;
    size_t answers; /* of awaited */
    VEC(struct db_prepared) prepared;
    unsigned names; /* of prepared statements, never used twice in a session */
    bool refused;
    char sqlstate[6];
    char message[1024];
};

/* db_conn.c */
void conn_begin(struct db *db);
void conn_lost(struct db *db, const char *why);
/* Polls for what libpq needs now. */
void conn_flush(struct db *db);
void conn_stop(struct db *db);

/* db.c */
void tx_connected(struct db *db);
void tx_disconnected(struct db *db);
void tx_readable(struct db *db);

#endif
