/* pool.h - queries to PostgreSQL on a libuv loop that never waits.
 *
 * A fixed number of connections for queries, opened when first needed, and one that LISTENs. While
 * PostgreSQL is away every query fails at once with ERR_TEMPORARY, and the listening connection
 * tries again with back-off (0.1 s to 5 s); when it is up, so is the pool. A query that takes
 * longer than the time-out fails and takes its connection with it: nothing stays locked behind a
 * server that stopped answering.
 *
 *     DOWN ──timer──► CONNECTING ──► IDLE ◄──► BUSY
 *      ▲                  └───────────┴─────────┴──── any failure */
#ifndef BF_API_POOL_H
#define BF_API_POOL_H

#include "common/base/err.h"
#include <libpq-fe.h>
#include <uv.h>

struct pool;

/* How a query ended: `r` has the rows (the callback must PQclear it), or it is NULL and `e` says
 * why: ERR_INPUT, PostgreSQL refused what was asked (SQLSTATE class 22, its message);
 * ERR_TEMPORARY, it is away or too slow; ERR_SYSTEM, anything else. */
typedef void pool_cb(void *arg, PGresult *r, const struct err *e);

struct pool_config {
    const char *database; /* connection string that parses; "": PG* variables. Copied */
    unsigned connections;
    bf_time query_timeout;
    const char *const *channels; /* names to LISTEN to, NULL-terminated; kept by pointer */
    /* A notification, or (channel NULL) some may have been missed: look at everything. */
    void (*on_notify)(void *arg, const char *channel, const char *payload);
    void *arg;
};

#define POOL_PARAMS_MAX 40
#define POOL_QUEUE_MAX 512 /* queries that wait for a connection; more fail at once */

struct pool *pool_new(uv_loop_t *loop, const struct pool_config *config);
/* Text parameters, copied; the callback comes later, never during the call, and always. */
void pool_query(struct pool *p, const char *sql, size_t n, const char *const *values, pool_cb *cb,
                void *arg);
bool pool_is_up(const struct pool *p);
/* Fails every open query now; memory goes with the last close callback of the loop. */
void pool_close(struct pool *p);

#endif
