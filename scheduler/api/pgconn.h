/* pgconn.h - one connection to PostgreSQL on a libuv loop: connects without waiting, runs one query
 * at a time, reports notifications.
 *
 * Happy path: pgconn_start → up → pgconn_send → result → … Failure modes: the connection cannot be
 * made within CONNECT_TIMEOUT, is lost, or a query overruns its time: `down` says why, everything
 * is let go, and pgconn_start may be called again. After pgconn_close no callback comes. */
#ifndef BF_API_PGCONN_H
#define BF_API_PGCONN_H

#include "common/base/err.h"
#include <libpq-fe.h>
#include <uv.h>

enum pgconn_state { PGCONN_DOWN, PGCONN_CONNECTING, PGCONN_IDLE, PGCONN_BUSY };

struct pgconn_ops {
    void (*up)(void *arg);
    void (*result)(void *arg, PGresult *r); /* the last one of the query; the callee clears it */
    void (*notify)(void *arg, const char *channel, const char *payload); /* may be NULL */
    void (*down)(void *arg, const char *why);
};

struct pgconn;

struct pgconn *pgconn_new(uv_loop_t *loop, const char *database, bf_time query_timeout,
                          const struct pgconn_ops *ops, void *arg);
enum pgconn_state pgconn_state(const struct pgconn *c);
void pgconn_start(struct pgconn *c); /* in PGCONN_DOWN only; up or down comes later */
/* In PGCONN_IDLE only. n == 0: may be several statements. */
void pgconn_send(struct pgconn *c, const char *sql, size_t n, const char *const *values);
void pgconn_drop(struct pgconn *c); /* ends the connection without a callback; PGCONN_DOWN */
void pgconn_close(struct pgconn *c);

#endif
