#include "scheduler/api/pgconn.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "scheduler/db_resolve.h"
#include <stdio.h>

#define CONNECT_TIMEOUT (5 * BF_SEC)
#define STATEMENT_GRACE BF_SEC /* the server ends a slow statement itself; then we keep it */

struct pgconn {
    uv_loop_t *loop;
    char *database, *settings;
    struct resolve *resolve;
    char why[512]; /* it failed in a call where `down` must not come */
    bf_time query_timeout;
    const struct pgconn_ops *ops;
    void *arg;
    enum pgconn_state state;
    PGconn *pg;
    PGresult *last; /* of the query under way */
    /* One handle per descriptor and life: libpq closes and opens descriptors while it connects. */
    uv_poll_t *poll;
    uv_timer_t timer; /* for connecting, or for the query */
};

static void on_ready(uv_poll_t *p, int status, int events);
static void on_timeout(uv_timer_t *t);

static void free_handle(uv_handle_t *h)
{
    free(h);
}

static void unwatch(struct pgconn *c)
{
    if (!c->poll)
        return;
    uv_poll_stop(c->poll);
    uv_close((uv_handle_t *)c->poll, free_handle);
    c->poll = NULL;
}

static int watch(struct pgconn *c, int events)
{
    if (!c->poll) {
        c->poll = xcalloc(1, sizeof *c->poll);
        if (uv_poll_init(c->loop, c->poll, PQsocket(c->pg))) {
            free(c->poll);
            c->poll = NULL;
            return -1;
        }
        c->poll->data = c;
    }
    return uv_poll_start(c->poll, events, on_ready) ? -1 : 0;
}

static void set_timer(struct pgconn *c, bf_time after)
{
    uv_timer_start(&c->timer, on_timeout, (uint64_t)(after / BF_MSEC), 0);
}

static void let_go(struct pgconn *c)
{
    resolve_abandon(&c->resolve);
    unwatch(c);
    uv_timer_stop(&c->timer);
    PQclear(c->last);
    c->last = NULL;
    PQfinish(c->pg);
    c->pg = NULL;
    c->why[0] = '\0';
    c->state = PGCONN_DOWN;
}

static void drop(struct pgconn *c, const char *why)
{
    let_go(c);
    c->ops->down(c->arg, why);
}

/* libpq's messages end in a newline and may have several lines; the first one says it. */
static void first_line(char out[static 512], const char *message)
{
    snprintf(out, 512, "%.*s", (int)strcspn(message, "\n"), message);
    if (!out[0])
        snprintf(out, 512, "the connection ended");
}

static void drop_pg(struct pgconn *c)
{
    char why[512];

    first_line(why, PQerrorMessage(c->pg));
    drop(c, why);
}

/* `down` comes in the next turn: the caller stands in pgconn_start or pgconn_send. */
static void fail_soon(struct pgconn *c, const char *message)
{
    first_line(c->why, message);
    set_timer(c, 0);
}

static void on_timeout(uv_timer_t *t)
{
    struct pgconn *c = t->data;
    char why[512];

    memcpy(why, c->why, sizeof why);
    if (!why[0])
        first_line(why,
                   c->state == PGCONN_CONNECTING ? "no connection in time" : "no answer in time");
    drop(c, why);
}

/* What the server says unasked, such as why it ends the connection. */
static void on_notice(void *arg, const char *text)
{
    char line[512];

    (void)arg;
    snprintf(line, sizeof line, "%.*s", (int)strcspn(text, "\n"), text);
    log_debug("PostgreSQL says", "text", line);
}

static void come_up(struct pgconn *c)
{
    uv_timer_stop(&c->timer);
    if (PQsetnonblocking(c->pg, 1) || watch(c, UV_READABLE)) {
        drop(c, "cannot watch the connection");
        return;
    }
    c->state = PGCONN_IDLE;
    c->ops->up(c->arg);
}

static void connect_step(struct pgconn *c, PostgresPollingStatusType next)
{
    int events = 0;

    unwatch(c);
    switch (next) {
    case PGRES_POLLING_READING:
        events = UV_READABLE;
        break;
    case PGRES_POLLING_WRITING:
        events = UV_WRITABLE;
        break;
    case PGRES_POLLING_OK:
        come_up(c);
        return;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        drop_pg(c);
        return;
    }
    if (watch(c, events))
        drop(c, "cannot watch the connection");
}

static void on_resolved(void *arg, const char *const *keys, const char *const *values,
                        const char *error)
{
    struct pgconn *c = arg;

    if (error) {
        fail_soon(c, error);
        return;
    }
    c->pg = PQconnectStartParams(keys, values, 0);
    BUG_ON(!c->pg);
    PQsetNoticeProcessor(c->pg, on_notice, NULL);
    if (PQstatus(c->pg) == CONNECTION_BAD || watch(c, UV_WRITABLE))
        fail_soon(c, PQerrorMessage(c->pg));
}

void pgconn_start(struct pgconn *c)
{
    const struct resolve_spec spec = {.loop = c->loop,
                                      .conninfo = c->database,
                                      .name = "bootfarm-api",
                                      .settings = c->settings,
                                      .done = on_resolved,
                                      .arg = c};

    BUG_ON(c->state != PGCONN_DOWN);
    c->state = PGCONN_CONNECTING;
    set_timer(c, CONNECT_TIMEOUT);
    resolve_start(&spec, &c->resolve);
}

static void finish_query(struct pgconn *c)
{
    PGresult *r = c->last;

    c->last = NULL;
    uv_timer_stop(&c->timer);
    c->state = PGCONN_IDLE;
    c->ops->result(c->arg, r);
}

static void read_results(struct pgconn *c)
{
    while (c->state == PGCONN_BUSY && !PQisBusy(c->pg)) {
        PGresult *r = PQgetResult(c->pg);

        if (!r) {
            finish_query(c);
            return;
        }
        PQclear(c->last);
        c->last = r;
    }
}

static void read_notifies(struct pgconn *c)
{
    PGnotify *n;

    while ((n = PQnotifies(c->pg)) != NULL) {
        if (c->ops->notify)
            c->ops->notify(c->arg, n->relname, n->extra);
        PQfreemem(n);
    }
}

static void on_ready(uv_poll_t *p, int status, int events)
{
    struct pgconn *c = p->data;
    int unsent;

    if (c->state == PGCONN_CONNECTING) {
        connect_step(c, PQconnectPoll(c->pg));
        return;
    }
    if (status < 0 || ((events & UV_READABLE) && !PQconsumeInput(c->pg)) ||
        (unsent = PQflush(c->pg)) < 0 || watch(c, UV_READABLE | (unsent ? UV_WRITABLE : 0))) {
        drop_pg(c);
        return;
    }
    read_notifies(c);
    read_results(c);
}

void pgconn_send(struct pgconn *c, const char *sql, size_t n, const char *const *values)
{
    int sent, unsent = -1;

    BUG_ON(c->state != PGCONN_IDLE);
    sent = n ? PQsendQueryParams(c->pg, sql, (int)n, NULL, values, NULL, NULL, 0)
             : PQsendQuery(c->pg, sql);
    c->state = PGCONN_BUSY;
    if (sent)
        unsent = PQflush(c->pg);
    if (unsent < 0 || watch(c, UV_READABLE | (unsent ? UV_WRITABLE : 0)))
        fail_soon(c, PQerrorMessage(c->pg));
    else
        set_timer(c, c->query_timeout + STATEMENT_GRACE);
}

struct pgconn *pgconn_new(uv_loop_t *loop, const char *database, bf_time query_timeout,
                          const struct pgconn_ops *ops, void *arg)
{
    struct pgconn *c = xcalloc(1, sizeof *c);

    c->loop = loop;
    c->database = xstrdup(database);
    c->settings = xasprintf("-c statement_timeout=%lld", (long long)(query_timeout / BF_MSEC));
    c->query_timeout = query_timeout;
    c->ops = ops;
    c->arg = arg;
    uv_timer_init(loop, &c->timer);
    c->timer.data = c;
    return c;
}

enum pgconn_state pgconn_state(const struct pgconn *c)
{
    return c->state;
}

static void on_closed(uv_handle_t *h)
{
    struct pgconn *c = h->data;

    free(c->database);
    free(c->settings);
    free(c);
}

void pgconn_drop(struct pgconn *c)
{
    let_go(c);
}

void pgconn_close(struct pgconn *c)
{
    let_go(c);
    uv_close((uv_handle_t *)&c->timer, on_closed);
}
