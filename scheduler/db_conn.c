/* db_conn.c - one connection: resolve, connect, listen, notice its death, come back.
 *
 *     IDLE ──timer──► RESOLVING ──► CONNECTING ──► UP
 *      ▲                  │             │           │
 *      └──── back-off ◄───┴─────────────┴───────────┘      (conn_lost)
 */
#include "scheduler/db_private.h"

#include "common/base/log.h"
#include <stdio.h>

#define CONNECT_DEADLINE_MS 15000
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 2000

static void step(struct db *db);
static void on_poll(uv_poll_t *h, int status, int events);

/* ---- the socket -------------------------------------------------------------------------------
 */

static void poll_drop(struct db *db)
{
    if (!db->poll)
        return;
    uv_poll_stop(db->poll); /* out of epoll at once, before libpq closes the descriptor */
    uv_close((uv_handle_t *)db->poll, (uv_close_cb)free);
    db->poll = NULL;
}

static void poll_for(struct db *db, int events)
{
    if (!db->poll) {
        uv_poll_t *h = xcalloc(1, sizeof *h);
        int rc = uv_poll_init(db->loop, h, PQsocket(db->conn));
        if (rc) {
            free(h);
            conn_lost(db, uv_strerror(rc));
            return;
        }
        h->data = db;
        db->poll = h;
        db->events = 0;
    }
    if (db->events == events)
        return; /* to start it again would take two system calls */
    db->events = events;
    uv_poll_start(db->poll, events, on_poll);
}

void conn_flush(struct db *db)
{
    int rc = PQflush(db->conn);
    if (rc < 0)
        conn_lost(db, PQerrorMessage(db->conn));
    else
        poll_for(db, UV_READABLE | (rc == 1 ? UV_WRITABLE : 0));
}

static void deliver_notifications(struct db *db)
{
    PGnotify *n;
    while (db->state == DBS_UP && (n = PQnotifies(db->conn)) != NULL) {
        if (db->cfg.on_notify)
            db->cfg.on_notify(db->cfg.arg, n->relname, n->extra);
        PQfreemem(n);
    }
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct db *db = h->data;
    if (db->poll != h)
        return;
    if (db->state == DBS_CONNECTING) {
        step(db);
        return;
    }
    if (status < 0) {
        conn_lost(db, uv_strerror(status));
        return;
    }
    bool alive = !(events & UV_READABLE) || PQconsumeInput(db->conn);
    tx_readable(db); /* answers that arrived before the end still count */
    if (db->state != DBS_UP)
        return;
    if (!alive || PQstatus(db->conn) == CONNECTION_BAD) {
        conn_lost(db, PQerrorMessage(db->conn));
        return;
    }
    deliver_notifications(db);
    if (db->state == DBS_UP)
        conn_flush(db);
}

/* ---- connecting -------------------------------------------------------------------------------
 */

static void on_connect_deadline(uv_timer_t *t)
{
    conn_lost(t->data, "no connection within 15 s");
}

static void on_session(void *arg, const struct db_reply *r)
{
    struct db *db = arg;
    if (r->end == DB_REFUSED)
        conn_lost(db, r->message);
    if (r->end != DB_DONE)
        return;
    log_info("database connected", "connection", db->name);
    db->told_up = true;
    if (db->cfg.on_up)
        db->cfg.on_up(db->cfg.arg, true);
}

/* The session's first transaction; the connection is "up" for others when it is through. */
static void session_first(struct db *db)
{
    struct db_tx *tx = db_tx_new(db, DB_WRITE);
    for (const char *const *sql = db->cfg.first; sql && *sql; sql++)
        db_add(tx, *sql, NULL, 0);
    tx->cb = on_session;
    tx->arg = db;
    tx->deadline = INT64_MAX;
    list_add_tail(db->queue.next, &tx->node); /* before all that waits */
    db->n_queue++;
}

static void notice(void *arg, const char *message)
{
    struct db *db = arg;
    log_debug("database notice", "connection", db->name, "text", message);
}

static void connected(struct db *db)
{
    uv_timer_stop(db->connect);
    if (PQsetnonblocking(db->conn, 1) || !PQenterPipelineMode(db->conn)) {
        conn_lost(db, PQerrorMessage(db->conn));
        return;
    }
    PQsetNoticeProcessor(db->conn, notice, db);
    db->state = DBS_UP;
    poll_for(db, UV_READABLE);
    if (db->state != DBS_UP)
        return;
    session_first(db);
    tx_connected(db);
}

/* libpq may have gone on to another address, with another socket. */
static void step(struct db *db)
{
    poll_drop(db);
    switch (PQconnectPoll(db->conn)) {
    case PGRES_POLLING_READING:
        poll_for(db, UV_READABLE);
        break;
    case PGRES_POLLING_WRITING:
        poll_for(db, UV_WRITABLE);
        break;
    case PGRES_POLLING_OK:
        connected(db);
        break;
    case PGRES_POLLING_FAILED:
    case PGRES_POLLING_ACTIVE:
        conn_lost(db, PQerrorMessage(db->conn));
        break;
    }
}

static void resolved(void *arg, const char *const *keys, const char *const *values,
                     const char *error)
{
    struct db *db = arg;
    if (error) {
        conn_lost(db, error);
        return;
    }
    db->state = DBS_CONNECTING;
    db->conn = PQconnectStartParams(keys, values, 0);
    if (!db->conn || PQstatus(db->conn) == CONNECTION_BAD)
        conn_lost(db, db->conn ? PQerrorMessage(db->conn) : "out of memory");
    else
        poll_for(db, UV_WRITABLE);
}

void conn_begin(struct db *db)
{
    db->state = DBS_RESOLVING;
    uv_timer_start(db->connect, on_connect_deadline, CONNECT_DEADLINE_MS, 0);
    const struct resolve_spec spec = {.loop = db->loop,
                                      .conninfo = db->conninfo,
                                      .name = db->name,
                                      .settings = db->settings,
                                      .done = resolved,
                                      .arg = db};
    resolve_start(&spec, &db->resolve);
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void on_backoff(uv_timer_t *t)
{
    conn_begin(t->data);
}

static uint64_t backoff_ms(struct db *db)
{
    int doublings = db->failures < 6 ? db->failures : 6;
    uint64_t ms = (uint64_t)BACKOFF_FIRST_MS << doublings;
    if (ms > BACKOFF_MAX_MS)
        ms = BACKOFF_MAX_MS;
    db->failures++;
    uint32_t r = 0;
    (void)uv_random(NULL, NULL, &r, sizeof r, 0, NULL);
    return ms / 2 + r % (ms / 2 + 1);
}

void conn_stop(struct db *db)
{
    resolve_abandon(&db->resolve);
    poll_drop(db);
    PQfinish(db->conn);
    db->conn = NULL;
}

/* Keeps the first line of what libpq says. */
static void note_why(struct db *db, const char *why)
{
    snprintf(db->last_error, sizeof db->last_error, "%.*s", (int)strcspn(why, "\n"), why);
}

void conn_lost(struct db *db, const char *why)
{
    if (db->state == DBS_CLOSED || db->state == DBS_IDLE)
        return;
    note_why(db, why);
    if (db->told_up)
        log_warn("database connection lost", "connection", db->name, "error", db->last_error);
    else if (db->failures == 0)
        log_warn("database does not answer", "connection", db->name, "error", db->last_error);
    conn_stop(db);
    db->state = DBS_IDLE;
    uv_timer_start(db->connect, on_backoff, backoff_ms(db), 0);
    bool told = db->told_up;
    db->told_up = false;
    tx_disconnected(db);
    if (told && db->state != DBS_CLOSED && db->cfg.on_up)
        db->cfg.on_up(db->cfg.arg, false);
}
