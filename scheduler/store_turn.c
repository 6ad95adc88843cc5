#include "scheduler/store_turn.h"

#include "common/base/map.h"
#include "common/base/vec.h"
#include <stdio.h>

#define FEW_ROWS 32
#define SPLIT_ROWS 64 /* claims, and others: fewer are not worth a second commit */
#define MAX_COLS 7

/* A call for each type of op, and one more for OP_FINISH. */
enum { CALL_SUCCEED = OP_LAST + 1 };

struct turn_call {
    int call;
    enum op_type type;
    size_t n; /* ops */
    struct str col[MAX_COLS];
};

/* Which row of which call an op became. */
struct turn_row {
    size_t call, row;
};

struct turn {
    VEC(struct turn_call) calls;
    VEC(struct turn_row) rows; /* by op */
    struct map last_of_job;    /* 1 + the last call that has an op of the job */
    bool tangled;              /* a claim must stay with the rest */
};

static const struct {
    const char *sql;
    int cols;
} calls[] = {
    [OP_MAKE_READY] = {"select * from farm.make_ready($1::bigint[], $2::text[], $3::jsonb[], "
                       "$4::bigint[])",
                       4},
    [OP_RETRY_READY] = {"select * from farm.retry_ready($1::bigint[])", 1},
    [OP_CLAIM] = {"select * from farm.claim($1::bigint[], $2::uuid[], $3::bigint[], $4::uuid[])",
                  4},
    [OP_START] = {"select * from farm.start($1::uuid[], $2::bigint[])", 2},
    [OP_FINISH] = {"select * from farm.finish($1::uuid[], $2::bigint[], $3::jsonb[], $4::text[], "
                   "$5::text[], $6::bigint[])",
                   6},
    [OP_LOSE] = {"select * from farm.lose($1::uuid[], $2::text[], $3::text[], $4::bigint[])", 4},
    [OP_WAIT] = {"select * from farm.set_waiting($1::bigint[], $2::text[], $3::text[])", 3},
    [OP_END] = {"select * from farm.end_jobs($1::bigint[], $2::text[], $3::text[])", 3},
    [OP_REOPEN] = {"select * from farm.reopen($1::bigint[], $2::text[])", 2},
    [OP_WORKER_SEEN] = {"select * from farm.worker_seen($1::bigint[], $2::uuid[], $3::text[], "
                        "$4::jsonb[])",
                        4},
    [OP_DRAIN] = {"select * from farm.worker_drain($1::bigint[], $2::boolean[])", 2},
    [OP_COMMAND_DONE] = {"select * from farm.command_done($1::bigint[], $2::text[], $3::jsonb[], "
                         "$4::text[])",
                         4},
    [OP_EXPLAIN] = {"select * from farm.explain_wait($1::bigint[], $2::text[], $3::text[])", 3},
    [CALL_SUCCEED] = {"select * from farm.succeed($1::bigint[], $2::uuid[], $3::bigint[], "
                      "$4::text[], $5::bigint[], $6::bigint[], $7::jsonb[])",
                      7},
};

static bool is_claim(const struct turn_call *c)
{
    return c->type == OP_CLAIM;
}

struct turn *turn_new(void)
{
    return xcalloc(1, sizeof(struct turn));
}

void turn_clear(struct turn *t)
{
    vec_for_each (i, &t->calls) {
        for (int k = 0; k < MAX_COLS; k++)
            str_release(&t->calls.v[i].col[k]);
    }
    vec_clear(&t->calls);
    vec_clear(&t->rows);
    map_release(&t->last_of_job);
    t->last_of_job = (struct map){0};
    t->tangled = false;
}

void turn_free(struct turn *t)
{
    if (!t)
        return;
    turn_clear(t);
    vec_release(&t->calls);
    vec_release(&t->rows);
    free(t);
}

/* ---- encoding ---------------------------------------------------------------------------------
 */

/* What makes jobs ready, claims them or speaks for a worker or a command keeps its place behind
 * what frees or ends something: its answer may hang on that. */
static bool frees(enum op_type type)
{
    return type == OP_FINISH || type == OP_LOSE || type == OP_END || type == OP_REOPEN;
}

static bool may_pass(enum op_type type, enum op_type other)
{
    switch (type) {
    case OP_FINISH:
    case OP_LOSE:
    case OP_START:
    case OP_WAIT:
        return true;
    case OP_MAKE_READY:
    case OP_RETRY_READY:
    case OP_CLAIM:
        return !frees(other);
    case OP_END:
    case OP_REOPEN:
    case OP_WORKER_SEEN:
    case OP_DRAIN:
    case OP_COMMAND_DONE:
    case OP_EXPLAIN:
        return false;
    }
    BUG("op %d", (int)type);
}

/* Ops of a type become one call, although others came between them, as long as each job's own ops
 * keep their order: a statement for each of thousands of alternating ops takes longer than a
 * leadership lasts. Returns the index of the call. */
static size_t call_for(struct turn *t, const struct op *op, int call)
{
    uintptr_t last = op->job ? (uintptr_t)map_get(&t->last_of_job, (uint64_t)op->job) : 0;
    for (size_t i = t->calls.n; i > last; i--) {
        if (t->calls.v[i - 1].call == call)
            return i - 1;
        if (!op->job || !may_pass(op->type, t->calls.v[i - 1].type))
            break;
    }
    struct turn_call *c = vec_push(&t->calls);
    *c = (struct turn_call){.call = call, .type = op->type};
    for (int k = 0; k < MAX_COLS; k++)
        str_init(&c->col[k]);
    return t->calls.n - 1;
}

/* {"image:12": {"digest": "sha256:…", "repository": "…"}, "base:3": {…}}. Repositories are of an
 * alphabet that needs no escapes (they were written by the schema). */
static void pins_json(const struct op *op, struct str *out)
{
    char digest[DIGEST_TEXT];
    str_addch(out, '{');
    for (size_t i = 0; i < op->n_pins; i++) {
        const struct pin *p = &op->pins[i];
        digest_format(&p->digest, digest);
        str_addf(out, "%s\"%s:%lld\": {\"digest\": \"%s\"", i ? ", " : "",
                 p->base ? "base" : "image", (long long)p->id, digest);
        if (p->repository)
            str_addf(out, ", \"repository\": \"%s\"", p->repository);
        str_addch(out, '}');
    }
    str_addch(out, '}');
}

static void add_make_ready(struct turn_call *c, const struct op *op)
{
    struct str pins = STR_INIT;
    pins_json(op, &pins);
    pga_i64(&c->col[0], op->job);
    pga_digest(&c->col[1], &op->key);
    pga_text(&c->col[2], pins.p);
    pga_i64(&c->col[3], op->bucket);
    str_release(&pins);
}

/* 0 is NULL. */
static void add_or_null(struct str *col, int64_t n)
{
    if (n)
        pga_i64(col, n);
    else
        pga_text(col, NULL);
}

static const char *worker_state_name(enum worker_state s)
{
    switch (s) {
    case WORKER_NEVER_SEEN:
        return "never-seen";
    case WORKER_CONNECTED:
        return "connected";
    case WORKER_DRAINING:
        return "draining";
    case WORKER_DISCONNECTED:
        return "disconnected";
    case WORKER_RESTING:
        return "resting";
    }
    BUG("worker state %d", (int)s);
}

static void add_finish(struct turn_call *c, const struct op *op, const char *json)
{
    pga_id(&c->col[0], op->attempt);
    pga_i64(&c->col[1], op->worker);
    pga_text(&c->col[2], json);
    pga_text(&c->col[3], job_state_name(op->next));
    pga_text(&c->col[4], wait_reason_name(op->reason));
    add_or_null(&c->col[5], op->not_before);
}

static void add_success(struct turn_call *c, const struct op *op, const struct op_payload *p)
{
    pga_i64(&c->col[0], op->job);
    pga_id(&c->col[1], op->attempt);
    pga_i64(&c->col[2], op->worker);
    pga_text(&c->col[3], p->digest);
    add_or_null(&c->col[4], p->size);
    pga_i64(&c->col[5], p->started_ago);
    pga_text(&c->col[6], p->detail);
}

static void add_lose(struct turn_call *c, const struct op *op)
{
    pga_id(&c->col[0], op->attempt);
    pga_text(&c->col[1], job_state_name(op->next));
    pga_text(&c->col[2], wait_reason_name(op->reason));
    add_or_null(&c->col[3], op->not_before);
}

static void add_worker_seen(struct turn_call *c, const struct op *op, const char *json)
{
    pga_i64(&c->col[0], op->worker);
    if (id128_is_none(op->boot))
        pga_text(&c->col[1], NULL);
    else
        pga_id(&c->col[1], op->boot);
    pga_text(&c->col[2], worker_state_name(op->worker_state));
    pga_text(&c->col[3], json);
}

static void add_command_done(struct turn_call *c, const struct op *op)
{
    pga_i64(&c->col[0], op->command);
    pga_text(&c->col[1], op->refused ? "refused" : "done");
    pga_text(&c->col[2], NULL);
    pga_text(&c->col[3], op->detail);
}

static void add_claim(struct turn_call *c, const struct op *op)
{
    pga_i64(&c->col[0], op->job);
    pga_id(&c->col[1], op->attempt);
    pga_i64(&c->col[2], op->worker);
    pga_id(&c->col[3], op->boot);
}

static void add_finish_or_success(struct turn_call *c, const struct op *op,
                                  const struct op_payload *p)
{
    if (c->call == CALL_SUCCEED)
        add_success(c, op, p);
    else
        add_finish(c, op, p->json);
}

/* What one job is in, and whether its claim can be apart from that. Ops of no job change nothing
 * that a claim looks at. */
static void note_job(struct turn *t, const struct op *op, size_t at)
{
    bool claim = op->type == OP_CLAIM;
    if (!op->job)
        return;
    uintptr_t last = (uintptr_t)map_put(&t->last_of_job, (uint64_t)op->job,
                                        (void *)(uintptr_t)(at + 1)); /* a count, not a pointer */
    t->tangled |= last && (claim || is_claim(&t->calls.v[last - 1]));
    t->tangled |= claim && !op->apart;
}

void turn_add(struct turn *t, const struct op *op, const struct op_payload *p)
{
    bool success = op->type == OP_FINISH && p->success;
    size_t at = call_for(t, op, success ? CALL_SUCCEED : (int)op->type);
    struct turn_call *c = &t->calls.v[at];
    *vec_push(&t->rows) = (struct turn_row){.call = at, .row = c->n++};
    note_job(t, op, at);
    switch (op->type) {
    case OP_MAKE_READY:
        add_make_ready(c, op);
        break;
    case OP_RETRY_READY:
        pga_i64(&c->col[0], op->job);
        break;
    case OP_CLAIM:
        add_claim(c, op);
        break;
    case OP_START:
        pga_id(&c->col[0], op->attempt);
        pga_i64(&c->col[1], op->ago);
        break;
    case OP_FINISH:
        add_finish_or_success(c, op, p);
        break;
    case OP_LOSE:
        add_lose(c, op);
        break;
    case OP_WAIT:
        pga_i64(&c->col[0], op->job);
        pga_text(&c->col[1], wait_reason_name(op->reason));
        pga_text(&c->col[2], op->detail);
        break;
    case OP_END:
        pga_i64(&c->col[0], op->job);
        pga_text(&c->col[1], job_state_name(op->next));
        pga_text(&c->col[2], op->who);
        break;
    case OP_REOPEN:
        pga_i64(&c->col[0], op->job);
        pga_text(&c->col[1], op->who);
        break;
    case OP_WORKER_SEEN:
        add_worker_seen(c, op, p->json);
        break;
    case OP_DRAIN:
        pga_i64(&c->col[0], op->worker);
        pga_bool(&c->col[1], op->drained);
        break;
    case OP_COMMAND_DONE:
        add_command_done(c, op);
        break;
    case OP_EXPLAIN:
        pga_i64(&c->col[0], op->bucket);
        pga_text(&c->col[1], wait_reason_name(op->reason));
        pga_text(&c->col[2], op->detail);
        break;
    }
}

size_t turn_statements(const struct turn *t)
{
    return t->calls.n;
}

static void add_call(struct db_tx *tx, const struct turn_call *c)
{
    struct db_param p[MAX_COLS] = {{0}};
    int n = calls[c->call].cols;
    for (int k = 0; k < n; k++) {
        BUG_ON(!c->col[k].len);
        p[k].p = c->col[k].p;
    }
    db_add(tx, calls[c->call].sql, p, (size_t)n);
}

static void add_calls(const struct turn *t, struct db_tx *tx, bool claims, bool others)
{
    st_few_rows(tx, t->rows.n <= FEW_ROWS);
    vec_for_each (i, &t->calls) {
        struct turn_call *c = &t->calls.v[i];
        if (is_claim(c) ? !claims : !others)
            continue;
        for (int k = 0; k < calls[c->call].cols; k++)
            pga_end(&c->col[k]);
        add_call(tx, c);
    }
}

void turn_calls(const struct turn *t, struct db_tx *tx)
{
    add_calls(t, tx, true, true);
}

/* ---- a turn of two transactions ---------------------------------------------------------------
 */

struct split {
    db_reply_cb *cb;
    void *arg;
    size_t n, open;    /* calls; transactions */
    bool *claims;      /* call -> which of the two it is in; the turn may be cleared meanwhile */
    PGresult **result; /* as those of one transaction would stand: check_term, the calls */
    enum db_end end;   /* the first that is not DB_DONE */
    char sqlstate[6], *message;
};

static void split_end(struct split *s)
{
    struct db_reply r = {.end = s->end,
                         .sqlstate = s->sqlstate,
                         .message = s->message ? s->message : "",
                         .result = s->result,
                         .n = s->n + 1};
    s->cb(s->arg, &r);
    for (size_t i = 0; i < s->n + 1; i++)
        PQclear(s->result[i]);
    free(s->result);
    free(s->claims);
    free(s->message);
    free(s);
}

static void half_ended(struct split *s, const struct db_reply *r, bool claims)
{
    size_t next = 1; /* behind check_term, whose answer says nothing */
    for (size_t i = 0; r->end == DB_DONE && i < s->n; i++) {
        if (s->claims[i] != claims)
            continue;
        s->result[i + 1] = r->result[next];
        r->result[next++] = NULL;
    }
    if (r->end != DB_DONE && s->end == DB_DONE) {
        s->end = r->end;
        snprintf(s->sqlstate, sizeof s->sqlstate, "%s", r->sqlstate);
        s->message = xstrdup(r->message);
    }
    if (--s->open == 0)
        split_end(s);
}

static void on_claims(void *arg, const struct db_reply *r)
{
    half_ended(arg, r, true);
}

static void on_others(void *arg, const struct db_reply *r)
{
    half_ended(arg, r, false);
}

bool turn_splits(const struct turn *t)
{
    size_t n = 0;
    vec_for_each (i, &t->calls)
        n += is_claim(&t->calls.v[i]) ? t->calls.v[i].n : 0;
    return !t->tangled && n >= SPLIT_ROWS && t->rows.n - n >= SPLIT_ROWS;
}

static void submit_split(const struct turn *t, struct db *db, struct db *claims, int64_t term,
                         db_reply_cb *cb, void *arg)
{
    struct split *s = xcalloc(1, sizeof *s);
    *s = (struct split){.cb = cb, .arg = arg, .n = t->calls.n, .open = 2, .end = DB_DONE};
    s->claims = xcalloc(s->n, sizeof *s->claims);
    s->result = xcalloc(s->n + 1, sizeof(PGresult *));
    vec_for_each (i, &t->calls)
        s->claims[i] = is_claim(&t->calls.v[i]);
    struct db_tx *others = st_write(db, term), *own = st_write(claims, term);
    add_calls(t, others, false, true);
    add_calls(t, own, true, false);
    db_submit(others, on_others, s);
    db_submit(own, on_claims, s);
}

void turn_submit(const struct turn *t, struct db *db, struct db *claims, int64_t term,
                 db_reply_cb *cb, void *arg)
{
    if (turn_splits(t) && db_is_up(claims)) {
        submit_split(t, db, claims, term, cb, arg);
        return;
    }
    struct db_tx *tx = st_write(db, term);
    turn_calls(t, tx);
    db_submit(tx, cb, arg);
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static const struct {
    const char *name;
    enum op_status status;
} statuses[] = {
    {"ok", ST_OK},           {"ready", ST_OK},          {"accepted", ST_OK},
    {"skipped", ST_SKIPPED}, {"stale", ST_STALE},       {"refused", ST_REFUSED},
    {"busy", ST_BUSY},       {"outdated", ST_OUTDATED}, {"duplicate", ST_DUPLICATE},
    {"fenced", ST_FENCED},   {"unknown", ST_UNKNOWN},
};

static int status_parse(const char *name, enum op_status *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
        if (strcmp(statuses[i].name, name) == 0) {
            *out = statuses[i].status;
            return 0;
        }
    }
    return -1;
}

/* The columns of a call's answer, looked up once; -1: it has none of that name. */
struct columns {
    int status, digest, repository, work, state, created;
};

static struct columns columns_of(const PGresult *r)
{
    return (struct columns){.status = PQfnumber(r, "status"),
                            .digest = PQfnumber(r, "digest"),
                            .repository = PQfnumber(r, "repository"),
                            .work = PQfnumber(r, "work"),
                            .state = PQfnumber(r, "state"),
                            .created = PQfnumber(r, "created")};
}

static const char *value(const PGresult *r, int row, int column)
{
    return column < 0 || PQgetisnull(r, row, column) ? NULL : PQgetvalue(r, row, column);
}

static int read_answer(const PGresult *r, const struct columns *c, int row, struct op_answer *a,
                       struct err *e)
{
    const char *status = value(r, row, c->status), *digest = value(r, row, c->digest);
    a->repository = value(r, row, c->repository);
    a->work = value(r, row, c->work);
    a->state = value(r, row, c->state);
    a->created = value(r, row, c->created);
    a->digest = (struct sha256){{0}};
    if (!status || status_parse(status, &a->status))
        return err_set(e, ERR_INPUT, "PostgreSQL answers the unknown status \"%.40s\"",
                       status ? status : "");
    if (digest && digest_parse(digest, &a->digest))
        return err_set(e, ERR_INPUT, "PostgreSQL answers the bad digest \"%.80s\"", digest);
    return 0;
}

static int read_columns(const struct turn *t, const struct db_reply *r, struct columns *c,
                        struct err *e)
{
    vec_for_each (i, &t->calls) {
        const struct turn_call *k = &t->calls.v[i];
        const PGresult *res = r->result[i + 1]; /* behind check_term */
        if ((size_t)PQntuples(res) != k->n)
            return err_set(e, ERR_INPUT, "%d rows for %zu ops from: %s", PQntuples(res), k->n,
                           calls[k->call].sql);
        c[i] = columns_of(res);
    }
    return 0;
}

int turn_each(const struct turn *t, const struct db_reply *r,
              void (*fn)(void *arg, const struct op_answer *), void *arg, struct err *e)
{
    struct columns *c = xcalloc(t->calls.n + 1, sizeof *c);
    int rc = read_columns(t, r, c, e);
    for (size_t i = 0; rc == 0 && i < t->rows.n; i++) {
        const struct turn_row *at = &t->rows.v[i];
        struct op_answer a = {.index = i};
        rc = read_answer(r->result[at->call + 1], &c[at->call], (int)at->row, &a, e);
        if (rc == 0)
            fn(arg, &a);
    }
    free(c);
    return rc;
}
