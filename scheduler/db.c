/* db.c - transactions: the queue, the pipeline, the answers, the deadlines. */
#include "scheduler/db_private.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include <stdio.h>

#define MAX_TRIES 4

bool db_is_content_error(const char *sqlstate)
{
    return strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0 ||
           strncmp(sqlstate, "42", 2) == 0;
}

struct db_tx *db_tx_new(struct db *db, enum db_mode mode)
{
    struct db_tx *tx = xcalloc(1, sizeof *tx);
    list_init(&tx->node);
    tx->db = db;
    tx->mode = mode;
    tx->deadline = db->cfg.deadline;
    return tx;
}

void db_tx_deadline(struct db_tx *tx, bf_time deadline)
{
    tx->deadline = deadline;
}

void db_do(struct db_tx *tx, const char *sql)
{
    *vec_push(&tx->stmts) = (struct db_stmt){.sql = sql, .silent = true};
}

void db_tx_more(struct db_tx *tx, db_more_cb *more)
{
    tx->more = more;
}

void db_tx_rows(struct db_tx *tx, db_row_cb *row)
{
    tx->row = row;
}

void db_add(struct db_tx *tx, const char *sql, const struct db_param *params, size_t n)
{
    BUG_ON(n > DB_MAX_PARAMS);
    struct db_stmt *s = vec_push(&tx->stmts);
    *s = (struct db_stmt){.sql = sql, .n = (int)n};
    for (size_t i = 0; i < n; i++) {
        const struct db_param *p = &params[i];
        if (!p->p)
            continue;
        size_t len = p->binary ? p->n : strlen(p->p) + 1;
        BUG_ON(len > INT32_MAX);
        s->value[i] = len ? xmemdup(p->p, len) : xstrdup("");
        s->length[i] = (int)len;
        s->format[i] = p->binary;
    }
}

static void tx_drop_results(struct db_tx *tx)
{
    vec_for_each (i, &tx->results)
        PQclear(tx->results.v[i]);
    vec_clear(&tx->results);
}

void db_tx_free(struct db_tx *tx)
{
    if (!tx)
        return;
    tx_drop_results(tx);
    vec_for_each (i, &tx->stmts) {
        for (int k = 0; k < tx->stmts.v[i].n; k++)
            free(tx->stmts.v[i].value[k]);
    }
    vec_release(&tx->stmts);
    vec_release(&tx->results);
    free(tx);
}

/* The one place that calls back; tx is gone afterwards. */
static void tx_end(struct db_tx *tx, enum db_end end, const char *sqlstate, const char *message)
{
    struct db_reply r = {.end = end, .sqlstate = sqlstate, .message = message};
    if (end == DB_DONE) {
        r.result = tx->results.v;
        r.n = tx->results.n;
    }
    tx->cb(tx->arg, &r);
    db_tx_free(tx);
}

/* ---- deadlines --------------------------------------------------------------------------------
 */

static void queue_take(struct db *db, struct db_tx *tx)
{
    list_del(&tx->node);
    db->n_queue--;
}

static void watch_deadlines(struct db *db);

static void on_watch(uv_timer_t *t)
{
    struct db *db = t->data;
    bf_time now = clock_mono();
    if (db->flying && db->flying->deadline <= now)
        conn_lost(db, "no answer before the deadline");
    list_for_each (it, &db->queue) {
        struct db_tx *tx = container_of(it, struct db_tx, node);
        if (tx->deadline > now)
            continue;
        queue_take(db, tx);
        tx_end(tx, DB_NOT_SENT, "", db->last_error);
        break; /* the callback may have changed the queue: look again */
    }
    if (db->state != DBS_CLOSED)
        watch_deadlines(db);
}

static void watch_deadlines(struct db *db)
{
    bf_time first = db->flying ? db->flying->deadline : INT64_MAX;
    list_for_each (it, &db->queue) {
        struct db_tx *tx = container_of(it, struct db_tx, node);
        if (tx->deadline < first)
            first = tx->deadline;
    }
    if (first == INT64_MAX) {
        uv_timer_stop(db->watch);
        return;
    }
    bf_time left = first - clock_mono();
    uv_timer_start(db->watch, on_watch, left > 0 ? (uint64_t)(left / BF_MSEC) + 1 : 0, 0);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void await(struct db *db, enum db_awaited what)
{
    *vec_push(&db->awaited) = what;
}

static int send_plain(struct db *db, const char *sql, enum db_awaited what)
{
    await(db, what);
    return PQsendQueryParams(db->conn, sql, 0, NULL, NULL, NULL, NULL, 0) ? 0 : -1;
}

#define NAME_TEXT 16

static void name_text(char buf[static NAME_TEXT], unsigned name)
{
    snprintf(buf, NAME_TEXT, "s%u", name);
}

/* The name of the statement in this session, which is prepared where it is new. */
static int prepare(struct db *db, const char *sql, char name[static NAME_TEXT])
{
    vec_for_each (i, &db->prepared) {
        if (db->prepared.v[i].sql == sql) {
            name_text(name, db->prepared.v[i].name);
            return 0;
        }
    }
    *vec_push(&db->prepared) = (struct db_prepared){.sql = sql, .name = ++db->names};
    name_text(name, db->names);
    await(db, TO_PREPARE);
    return PQsendPrepare(db->conn, name, sql, 0, NULL) ? 0 : -1;
}

static int send_stmt(struct db *db, const struct db_stmt *s)
{
    char name[NAME_TEXT];
    if (prepare(db, s->sql, name))
        return -1;
    await(db, s->silent ? TO_OTHER : TO_STMT);
    return PQsendQueryPrepared(db->conn, name, s->n, (const char *const *)s->value, s->length,
                               s->format, 0)
               ? 0
               : -1;
}

/* The statements that are there, and COMMIT unless others may follow. */
static int send_stmts(struct db *db, struct db_tx *tx)
{
    for (; tx->sent < tx->stmts.n; tx->sent++) {
        if (send_stmt(db, &tx->stmts.v[tx->sent]))
            return -1;
    }
    if (!tx->more && send_plain(db, "COMMIT", TO_COMMIT))
        return -1;
    return PQpipelineSync(db->conn) ? 0 : -1;
}

static int send_tx(struct db *db, struct db_tx *tx)
{
    tx->sent = 0;
    if (send_plain(
            db, tx->mode == DB_WRITE ? "BEGIN" : "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            TO_OTHER))
        return -1;
    return send_stmts(db, tx);
}

static void sent(struct db *db, int rc)
{
    if (rc)
        conn_lost(db, PQerrorMessage(db->conn));
    else
        conn_flush(db);
}

static void expect_answers(struct db *db)
{
    vec_clear(&db->awaited);
    db->answers = 0;
}

static void tx_send_next(struct db *db)
{
    if (db->state != DBS_UP || db->flying || db->rolling || list_is_empty(&db->queue))
        return;
    struct db_tx *tx = container_of(db->queue.next, struct db_tx, node);
    queue_take(db, tx);
    db->flying = tx;
    db->refused = false;
    expect_answers(db);
    sent(db, send_tx(db, tx));
    if (db->state == DBS_UP)
        watch_deadlines(db);
}

void db_submit(struct db_tx *tx, db_reply_cb *cb, void *arg)
{
    struct db *db = tx->db;
    BUG_ON(db->state == DBS_CLOSED);
    tx->cb = cb;
    tx->arg = arg;
    /* Beyond the cap it waits with a deadline that is over: the timer answers it. */
    tx->deadline = db->n_queue < db->cfg.max_queue ? clock_mono() + tx->deadline : 0;
    list_add_tail(&db->queue, &tx->node);
    db->n_queue++;
    tx_send_next(db);
    if (db->state != DBS_CLOSED)
        watch_deadlines(db);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void one_line(char *text)
{
    for (char *c = text; *c; c++) {
        if (*c == '\n')
            *c = c[1] ? ' ' : '\0';
    }
}

static void note_refusal(struct db *db, const char *sqlstate, const char *message)
{
    if (db->refused)
        return;
    db->refused = true;
    snprintf(db->sqlstate, sizeof db->sqlstate, "%s", sqlstate ? sqlstate : "");
    snprintf(db->message, sizeof db->message, "%s", message ? message : "");
    one_line(db->message);
}

/* In the order in which they were sent. */
static void note_prepared(struct db *db)
{
    vec_for_each (i, &db->prepared) {
        if (!db->prepared.v[i].ready) {
            db->prepared.v[i].ready = true;
            return;
        }
    }
}

static enum db_awaited next_awaited(const struct db *db)
{
    return db->answers < db->awaited.n ? db->awaited.v[db->answers] : TO_OTHER;
}

/* The answer to one statement begins: libpq wants to know now how it shall come. */
static void begin_answer(struct db *db)
{
    if (db->flying && db->flying->row && next_awaited(db) == TO_STMT)
        PQsetSingleRowMode(db->conn);
}

static void take_row(struct db *db, PGresult *r)
{
    if (db->flying)
        db->flying->row(db->flying->arg, db->flying->results.n, r);
    PQclear(r);
}

static void take_answer(struct db *db, PGresult *r)
{
    struct db_tx *tx = db->flying;
    enum db_awaited to = next_awaited(db);
    ExecStatusType s = PQresultStatus(r);
    bool good = s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK || s == PGRES_EMPTY_QUERY;
    db->answers++;
    if (s == PGRES_FATAL_ERROR && PQstatus(db->conn) != CONNECTION_BAD) /* else libpq made it */
        note_refusal(db, PQresultErrorField(r, PG_DIAG_SQLSTATE), PQresultErrorMessage(r));
    if (good && to == TO_COMMIT && strcmp(PQcmdStatus(r), "COMMIT") != 0)
        note_refusal(db, "", "COMMIT was answered with ROLLBACK");
    if (good && to == TO_PREPARE)
        note_prepared(db);
    if (tx && tx->row && good && to == TO_STMT && PQntuples(r)) /* libpq has given them as one */
        tx->row(tx->arg, tx->results.n, r);
    if (db->flying == tx && tx && good && to == TO_STMT)
        *vec_push(&tx->results) = r;
    else
        PQclear(r);
}

/* What was not reached in a refused transaction, or was refused itself, is not there. */
static void forget_unprepared(struct db *db)
{
    while (db->prepared.n && !db->prepared.v[db->prepared.n - 1].ready)
        db->prepared.n--;
}

/* The function behind a prepared statement has other columns now, or the statement is gone. */
static bool is_void(const char *sqlstate)
{
    return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0;
}

static bool is_passing(const char *sqlstate)
{
    return strcmp(sqlstate, "40001") == 0 || strcmp(sqlstate, "40P01") == 0 || is_void(sqlstate);
}

static void send_rollback(struct db *db)
{
    db->rolling = true;
    expect_answers(db);
    sent(db, send_plain(db, "ROLLBACK", TO_OTHER) || !PQpipelineSync(db->conn) ? -1 : 0);
}

/* The transaction is open, and good so far. False: the caller gives it up. */
static bool go_on(struct db *db, struct db_tx *tx)
{
    struct db_reply r = {
        .end = DB_DONE, .sqlstate = "", .message = "", .result = tx->results.v, .n = tx->results.n};
    tx->asked = true;
    bool on = tx->more(tx->arg, tx, &r);
    if (db->state != DBS_UP)
        return true; /* closed from within: it has ended */
    tx->more = NULL;
    if (!on) {
        note_refusal(db, "", "given up");
        return false;
    }
    expect_answers(db);
    sent(db, send_stmts(db, tx));
    return true;
}

/* The pipeline's sync came: everything that was sent was answered. */
static void take_sync(struct db *db)
{
    struct db_tx *tx = db->flying;
    if (tx && tx->more && !db->refused && go_on(db, tx))
        return;
    db->flying = NULL;
    db->rolling = false;
    forget_unprepared(db);
    if (!tx)
        return;
    if (!db->refused) {
        db->failures = 0;
        tx_end(tx, DB_DONE, "", "");
        return;
    }
    if (is_void(db->sqlstate))
        vec_clear(&db->prepared);
    bool again = !tx->asked && is_passing(db->sqlstate) && ++tx->tries < MAX_TRIES;
    if (PQtransactionStatus(db->conn) != PQTRANS_IDLE)
        send_rollback(db);
    if (again) {
        tx_drop_results(tx);
        list_add_tail(db->queue.next, &tx->node); /* before the first */
        db->n_queue++;
        return;
    }
    char sqlstate[sizeof db->sqlstate], message[sizeof db->message];
    memcpy(sqlstate, db->sqlstate, sizeof sqlstate);
    memcpy(message, db->message, sizeof message);
    tx_end(tx, DB_REFUSED, sqlstate, message);
}

void tx_readable(struct db *db)
{
    while (db->state == DBS_UP && (db->flying || db->rolling) && !PQisBusy(db->conn)) {
        PGresult *r = PQgetResult(db->conn);
        if (!r) { /* separates the answers of two statements */
            begin_answer(db);
            continue;
        }
        if (PQresultStatus(r) == PGRES_SINGLE_TUPLE) {
            take_row(db, r);
        } else if (PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
            PQclear(r);
            take_sync(db);
        } else {
            take_answer(db, r);
        }
        if (db->state == DBS_UP && PQstatus(db->conn) == CONNECTION_BAD)
            conn_lost(db, PQerrorMessage(db->conn));
    }
    if (db->state == DBS_CLOSED)
        return;
    tx_send_next(db);
    if (db->state != DBS_CLOSED)
        watch_deadlines(db);
}

void tx_connected(struct db *db)
{
    tx_send_next(db);
}

/* What was in flight may have been committed, unless a statement before COMMIT was refused, or
 * COMMIT was not sent. */
void tx_disconnected(struct db *db)
{
    struct db_tx *tx = db->flying;
    db->flying = NULL;
    db->rolling = false;
    vec_clear(&db->prepared);
    if (!tx)
        return;
    bool undone = db->refused && (tx->more || db->answers < db->awaited.n);
    if (tx->more && !undone) {
        tx_end(tx, DB_NOT_SENT, "", db->last_error);
    } else if (undone) {
        char sqlstate[sizeof db->sqlstate];
        memcpy(sqlstate, db->sqlstate, sizeof sqlstate);
        tx_end(tx, DB_REFUSED, sqlstate, db->last_error);
    } else {
        tx_end(tx, DB_UNKNOWN, "", db->last_error);
    }
}

/* ---- life -------------------------------------------------------------------------------------
 */

static uv_timer_t *new_timer(struct db *db)
{
    uv_timer_t *t = xcalloc(1, sizeof *t);
    uv_timer_init(db->loop, t);
    t->data = db;
    return t;
}

int db_open(uv_loop_t *loop, const struct db_config *config, struct db **out, struct err *e)
{
    char *why = NULL;
    PQconninfoOption *o = PQconninfoParse(config->conninfo, &why);
    if (!o) {
        if (why)
            one_line(why);
        err_set(e, ERR_CONFIG, "database: %s", why ? why : "out of memory");
        PQfreemem(why);
        return -1;
    }
    PQconninfoFree(o);
    struct db *db = xcalloc(1, sizeof *db);
    db->loop = loop;
    db->cfg = *config;
    db->cfg.conninfo = db->conninfo = xstrdup(config->conninfo);
    db->cfg.name = db->name = xstrdup(config->name);
    db->cfg.settings = db->settings = xstrdup(config->settings ? config->settings : "");
    list_init(&db->queue);
    db->connect = new_timer(db);
    db->watch = new_timer(db);
    snprintf(db->last_error, sizeof db->last_error, "not connected yet");
    conn_begin(db);
    *out = db;
    return 0;
}

bool db_is_up(const struct db *db)
{
    return db->state == DBS_UP;
}

static void on_freed(uv_handle_t *h)
{
    struct db *db = h->data;
    free(db->conninfo);
    free(db->name);
    free(db->settings);
    vec_release(&db->awaited);
    vec_release(&db->prepared);
    free(db);
    free(h);
}

/* The struct lives until the close callback: a transaction's callback may close its connection. */
void db_close(struct db *db)
{
    if (!db)
        return;
    BUG_ON(db->state == DBS_CLOSED);
    conn_stop(db);
    db->state = DBS_CLOSED;
    uv_close((uv_handle_t *)db->connect, (uv_close_cb)free);
    uv_close((uv_handle_t *)db->watch, on_freed);
    snprintf(db->last_error, sizeof db->last_error, "closed");
    tx_disconnected(db);
    while (!list_is_empty(&db->queue)) {
        struct db_tx *tx = container_of(db->queue.next, struct db_tx, node);
        queue_take(db, tx);
        tx_end(tx, DB_NOT_SENT, "", db->last_error);
    }
}
