#include "scheduler/api/pool.h"
#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "scheduler/api/pgconn.h"
#include <stdio.h>

#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 5000
#define TICK_MS 1000
/* libpq's buffer grows to the largest row and stays; a connection that had a larger one is made
 * anew. */
#define RESULT_KEEP ((size_t)1 << 20)

struct query {
    struct list link;
    char *sql;
    size_t n;
    char *values[POOL_PARAMS_MAX];
    pool_cb *cb;
    void *arg;
    bf_time since;
    struct err e; /* of one that fails in the next turn */
};

struct slot {
    struct pool *pool;
    struct pgconn *conn;
    struct query *query; /* NULL: none under way */
};

struct pool {
    struct pool_config config;
    struct slot *slot;
    struct pgconn *listener;
    bool up;       /* the listener listens */
    bool away;     /* its last try failed */
    char why[256]; /* and why */
    uint64_t retry_ms;
    struct list queue, failed;
    size_t n_queued;
    uv_timer_t retry;
    uv_timer_t defer; /* fails what stands in `failed` */
    uv_timer_t tick;  /* while something is queued */
    unsigned open_timers;
    bool closing;
};

/* ---- queries ----------------------------------------------------------------------------------
 */

static void query_end(struct query *q, PGresult *r, const struct err *e)
{
    q->cb(q->arg, r, e);
    for (size_t i = 0; i < q->n; i++)
        free(q->values[i]);
    free(q->sql);
    free(q);
}

static void query_unqueue(struct pool *p, struct query *q)
{
    list_del(&q->link);
    p->n_queued--;
}

static void on_defer(uv_timer_t *t)
{
    struct pool *p = t->data;

    while (!list_is_empty(&p->failed)) {
        struct query *q = container_of(p->failed.next, struct query, link);

        list_del(&q->link);
        query_end(q, NULL, &q->e);
    }
}

static void fail_later(struct pool *p, struct query *q, const char *why)
{
    err_set(&q->e, ERR_TEMPORARY, "%s", why);
    list_add_tail(&p->failed, &q->link);
    uv_timer_start(&p->defer, on_defer, 0, 0);
}

static void fail_queue(struct pool *p, const char *why)
{
    while (!list_is_empty(&p->queue)) {
        struct query *q = container_of(p->queue.next, struct query, link);

        query_unqueue(p, q);
        fail_later(p, q, why);
    }
}

/* Gives queued queries to idle connections and opens one more for those that are left. */
static void dispatch(struct pool *p)
{
    bool opening = false;

    for (unsigned i = 0; i < p->config.connections && !list_is_empty(&p->queue); i++) {
        struct slot *s = &p->slot[i];
        struct query *q = container_of(p->queue.next, struct query, link);

        if (pgconn_state(s->conn) == PGCONN_IDLE) {
            query_unqueue(p, q);
            s->query = q;
            pgconn_send(s->conn, q->sql, q->n, (const char *const *)q->values);
        } else if (pgconn_state(s->conn) == PGCONN_DOWN && !opening) {
            opening = true;
            pgconn_start(s->conn);
        }
    }
    if (list_is_empty(&p->queue))
        uv_timer_stop(&p->tick);
    else if (!uv_is_active((uv_handle_t *)&p->tick))
        uv_timer_start(&p->tick, p->tick.timer_cb, TICK_MS, TICK_MS);
}

static void on_tick(uv_timer_t *t)
{
    struct pool *p = t->data;
    bf_time now = clock_mono();

    list_for_each (it, &p->queue) {
        struct query *q = container_of(it, struct query, link);

        if (now - q->since < p->config.query_timeout)
            continue;
        query_unqueue(p, q);
        fail_later(p, q, "PostgreSQL is busy: no connection was free in time");
    }
    dispatch(p);
}

void pool_query(struct pool *p, const char *sql, size_t n, const char *const *values, pool_cb *cb,
                void *arg)
{
    struct query *q = xcalloc(1, sizeof *q);

    BUG_ON(n > POOL_PARAMS_MAX);
    q->sql = xstrdup(sql);
    q->n = n;
    for (size_t i = 0; i < n; i++)
        q->values[i] = values[i] ? xstrdup(values[i]) : NULL;
    q->cb = cb;
    q->arg = arg;
    q->since = clock_mono();
    if (p->closing)
        fail_later(p, q, "bootfarm-api is stopping");
    else if (p->away)
        fail_later(p, q, p->why);
    else if (p->n_queued >= POOL_QUEUE_MAX)
        fail_later(p, q, "PostgreSQL is busy: too many queries are waiting");
    else {
        list_add_tail(&p->queue, &q->link);
        p->n_queued++;
        dispatch(p);
    }
}

/* ---- connections for queries ------------------------------------------------------------------
 */

static void slot_up(void *arg)
{
    struct slot *s = arg;

    dispatch(s->pool);
}

/* Class 22 is what the caller sent; 57 (cancelled, shutting down), 53 (resources), 25 (a standby)
 * and 40 pass; everything else is a fault of this program or of the schema. */
static enum err_kind kind_of(const char *state)
{
    static const char *const passing[] = {"08", "25", "40", "53", "57", "58"};

    if (!state)
        return ERR_TEMPORARY;
    if (str_starts(state, "22"))
        return ERR_INPUT;
    for (size_t i = 0; i < ARRAY_SIZE(passing); i++)
        if (str_starts(state, passing[i]))
            return ERR_TEMPORARY;
    return ERR_SYSTEM;
}

static void refuse(struct query *q, PGresult *r)
{
    const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
    const char *msg = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const char *hint = PQresultErrorField(r, PG_DIAG_MESSAGE_HINT);
    struct err e = ERR_INIT;

    err_set(&e, kind_of(state), "%s%s%s%s", msg ? msg : "the connection to PostgreSQL ended",
            hint && *hint ? " (" : "", hint ? hint : "", hint && *hint ? ")" : "");
    if (e.kind == ERR_SYSTEM)
        log_error("query refused", "sqlstate", state, "message", e.msg);
    PQclear(r);
    query_end(q, NULL, &e);
}

static void slot_result(void *arg, PGresult *r)
{
    struct slot *s = arg;
    struct pool *p = s->pool;
    struct query *q = s->query;

    s->query = NULL;
    if (PQresultMemorySize(r) > RESULT_KEEP)
        pgconn_drop(s->conn);
    if (PQresultStatus(r) == PGRES_TUPLES_OK)
        query_end(q, r, NULL);
    else
        refuse(q, r);
    dispatch(p);
}

static void slot_down(void *arg, const char *why)
{
    struct slot *s = arg;
    struct query *q = s->query;
    struct err e = ERR_INIT;

    s->query = NULL;
    if (!q)
        return; /* the tick tries again while queries wait */
    err_set(&e, ERR_TEMPORARY, "PostgreSQL is away: %s", why);
    query_end(q, NULL, &e);
    dispatch(s->pool);
}

static const struct pgconn_ops slot_ops = {.up = slot_up, .result = slot_result, .down = slot_down};

/* ---- the connection that listens --------------------------------------------------------------
 */

static void listener_up(void *arg)
{
    struct pool *p = arg;
    BF_CLEANUP(str_release) struct str sql = STR_INIT;

    for (const char *const *c = p->config.channels; *c; c++)
        str_addf(&sql, "LISTEN %s;", *c);
    str_add(&sql, "SELECT 1");
    pgconn_send(p->listener, sql.p, 0, NULL);
}

static void listener_result(void *arg, PGresult *r)
{
    struct pool *p = arg;
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;

    if (!ok)
        log_error("cannot listen", "message", PQresultErrorMessage(r));
    PQclear(r);
    p->up = true;
    p->away = false;
    p->retry_ms = RETRY_MIN_MS;
    log_info("PostgreSQL is there");
    p->config.on_notify(p->config.arg, NULL, NULL);
    dispatch(p);
}

static void listener_notify(void *arg, const char *channel, const char *payload)
{
    struct pool *p = arg;

    p->config.on_notify(p->config.arg, channel, payload);
}

static void listener_down(void *arg, const char *why)
{
    struct pool *p = arg;

    if (!p->away)
        log_warn("PostgreSQL is away", "why", why);
    p->up = false;
    p->away = true;
    snprintf(p->why, sizeof p->why, "PostgreSQL is away: %s", why);
    fail_queue(p, p->why);
    uv_timer_start(&p->retry, p->retry.timer_cb, p->retry_ms, 0);
    p->retry_ms = p->retry_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : p->retry_ms * 2;
}

static const struct pgconn_ops listener_ops = {
    .up = listener_up, .result = listener_result, .notify = listener_notify, .down = listener_down};

static void on_retry(uv_timer_t *t)
{
    struct pool *p = t->data;

    pgconn_start(p->listener);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void add_timer(uv_loop_t *loop, struct pool *p, uv_timer_t *t, uv_timer_cb cb)
{
    uv_timer_init(loop, t);
    t->data = p;
    t->timer_cb = cb;
    p->open_timers++;
}

struct pool *pool_new(uv_loop_t *loop, const struct pool_config *config)
{
    struct pool *p = xcalloc(1, sizeof *p);

    p->config = *config;
    p->retry_ms = RETRY_MIN_MS;
    list_init(&p->queue);
    list_init(&p->failed);
    add_timer(loop, p, &p->retry, on_retry);
    add_timer(loop, p, &p->defer, on_defer);
    add_timer(loop, p, &p->tick, on_tick);
    p->slot = xcalloc(config->connections, sizeof *p->slot);
    for (unsigned i = 0; i < config->connections; i++) {
        struct slot *s = &p->slot[i];

        s->pool = p;
        s->conn = pgconn_new(loop, config->database, config->query_timeout, &slot_ops, s);
    }
    p->listener = pgconn_new(loop, config->database, config->query_timeout, &listener_ops, p);
    pgconn_start(p->listener);
    return p;
}

bool pool_is_up(const struct pool *p)
{
    return p->up;
}

static void on_closed(uv_handle_t *h)
{
    struct pool *p = h->data;

    if (--p->open_timers)
        return;
    free(p->slot);
    free(p);
}

void pool_close(struct pool *p)
{
    struct err e = ERR_INIT;

    p->closing = true;
    err_set(&e, ERR_TEMPORARY, "bootfarm-api is stopping");
    for (unsigned i = 0; i < p->config.connections; i++) {
        struct query *q = p->slot[i].query;

        pgconn_close(p->slot[i].conn);
        if (q)
            query_end(q, NULL, &e);
    }
    pgconn_close(p->listener);
    fail_queue(p, e.msg);
    on_defer(&p->defer); /* callbacks may have asked for more; those have failed, too */
    uv_close((uv_handle_t *)&p->retry, on_closed);
    uv_close((uv_handle_t *)&p->defer, on_closed);
    uv_close((uv_handle_t *)&p->tick, on_closed);
}
