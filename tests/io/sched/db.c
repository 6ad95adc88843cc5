/* db.h against a real PostgreSQL: pipelines, refusals, notifications, lost connections. */
#include "scheduler/db.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "pgd.h"
#include <criterion/criterion.h>

struct fixture {
    struct pgd pg;
    uv_loop_t loop;
    struct db *db;
    uv_timer_t guard;
    bool up, stop;
    int ups;
    char note[256];
};

struct answer {
    struct fixture *f;
    bool here;
    enum db_end end;
    char sqlstate[6], message[256], value[64];
    size_t n;
};

static void on_up(void *arg, bool up)
{
    struct fixture *f = arg;
    f->up = up;
    f->ups += up;
    f->stop = true;
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct fixture *f = arg;
    snprintf(f->note, sizeof f->note, "%s=%s", channel, payload);
    f->stop = true;
}

static void on_guard(uv_timer_t *t)
{
    (void)t;
    cr_assert_fail("nothing happened for a minute");
}

/* Turns the loop until *flag. */
static void turn_until(struct fixture *f, const bool *flag)
{
    while (!*flag)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static void turn_until_up(struct fixture *f, int times)
{
    while (f->ups < times)
        uv_run(&f->loop, UV_RUN_ONCE);
}

static const char *const first[] = {"LISTEN t", NULL};

static void open_db(struct fixture *f, const char *conninfo, bf_time deadline)
{
    struct err e = ERR_INIT;
    struct db_config c = {.conninfo = conninfo,
                          .name = "test",
                          .first = first,
                          .max_queue = 4,
                          .deadline = deadline,
                          .on_up = on_up,
                          .on_notify = on_notify,
                          .arg = f};
    cr_assert_eq(uv_loop_init(&f->loop), 0);
    uv_timer_init(&f->loop, &f->guard);
    uv_timer_start(&f->guard, on_guard, 60000, 0);
    cr_assert_eq(db_open(&f->loop, &c, &f->db, &e), 0, "%s", e.msg);
}

static void start(struct fixture *f)
{
    pgd_start(&f->pg);
    open_db(f, f->pg.conninfo, 30 * BF_SEC);
    turn_until_up(f, 1);
}

static void finish(struct fixture *f)
{
    db_close(f->db);
    uv_close((uv_handle_t *)&f->guard, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&f->loop), 0);
    if (f->pg.pid)
        pgd_stop(&f->pg);
}

static void on_reply(void *arg, const struct db_reply *r)
{
    struct answer *a = arg;
    cr_assert_not(a->here, "answered twice");
    a->here = true;
    a->end = r->end;
    a->n = r->n;
    snprintf(a->message, sizeof a->message, "%s", r->message);
    snprintf(a->sqlstate, sizeof a->sqlstate, "%s", r->sqlstate);
    if (r->n && PQntuples(r->result[r->n - 1]))
        snprintf(a->value, sizeof a->value, "%s", PQgetvalue(r->result[r->n - 1], 0, 0));
}

static struct db_tx *tx_of(struct fixture *f, enum db_mode mode, const char *const *sql)
{
    struct db_tx *tx = db_tx_new(f->db, mode);
    for (; *sql; sql++)
        db_add(tx, *sql, NULL, 0);
    return tx;
}

static void submit(struct fixture *f, struct answer *a, const char *const *sql)
{
    struct db_tx *tx = tx_of(f, DB_WRITE, sql);
    *a = (struct answer){.f = f};
    db_submit(tx, on_reply, a);
    cr_assert_not(a->here, "called back from within db_submit");
}

#define SQL(...) ((const char *const[]){__VA_ARGS__, NULL})

Test(db, a_transaction_is_one_pipeline)
{
    struct fixture f = {.up = false};
    struct answer a, b;
    start(&f);
    submit(&f, &a, SQL("create table t (v int)", "insert into t values (7)", "select v from t"));
    submit(&f, &b, SQL("select count(*) from t"));
    turn_until(&f, &b.here);
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_eq(a.n, 3);
    cr_assert_str_eq(a.value, "7");
    cr_assert_eq(b.end, DB_DONE);
    cr_assert_str_eq(b.value, "1");
    finish(&f);
}

Test(db, an_error_rolls_all_back_and_the_next_one_works)
{
    struct fixture f = {.up = false};
    struct answer a, b, c;
    start(&f);
    submit(&f, &a, SQL("create table t (v int primary key)"));
    submit(&f, &b, SQL("insert into t values (1)", "insert into t values (1)", "select 1"));
    submit(&f, &c, SQL("select count(*) from t"));
    turn_until(&f, &c.here);
    cr_assert_eq(b.end, DB_REFUSED);
    cr_assert_str_eq(b.sqlstate, "23505");
    cr_assert(db_is_content_error(b.sqlstate));
    cr_assert_null(strchr(b.message, '\n'), "one line: %s", b.message);
    cr_assert_str_eq(c.value, "0");
    finish(&f);
}

Test(db, a_commit_that_is_refused_is_no_commit)
{
    struct fixture f = {.up = false};
    struct answer a, b;
    start(&f);
    submit(&f, &a,
           SQL("create table t (v int unique deferrable initially deferred)",
               "create table n (v int)"));
    submit(&f, &b, SQL("insert into t values (1)", "insert into t values (1)"));
    turn_until(&f, &b.here);
    cr_assert_eq(b.end, DB_REFUSED);
    cr_assert_str_eq(b.sqlstate, "23505");
    /* COMMIT after an error that was caught answers ROLLBACK and no error. */
    submit(&f, &a, SQL("rollback and chain", "select 1"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE);
    finish(&f);
}

Test(db, parameters_are_text_or_binary_or_null)
{
    struct fixture f = {.up = false};
    struct answer a = {.f = &f};
    const char bytes[] = {0, 1, '\\', 'x', (char)255};
    start(&f);
    struct db_tx *tx = db_tx_new(f.db, DB_SNAPSHOT);
    struct db_param p[] = {{.p = "it's"}, {.p = bytes, .n = sizeof bytes, .binary = true}, {0}};
    db_add(tx, "select $1::text || length($2::bytea) || coalesce($3::text, ' null')", p, 3);
    db_submit(tx, on_reply, &a);
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_str_eq(a.value, "it's5 null");
    finish(&f);
}

Test(db, a_serialisation_failure_is_tried_again)
{
    struct fixture f = {.up = false};
    struct answer a;
    start(&f);
    submit(&f, &a, SQL("create sequence s"));
    turn_until(&f, &a.here);
    /* Fails until the sequence, which no rollback sets back, has come to 3. */
    submit(&f, &a,
           SQL("do $$begin if nextval('s') < 3 then raise sqlstate '40001'; end if; end$$",
               "select last_value from s"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_str_eq(a.value, "3");
    submit(&f, &a, SQL("do $$begin raise sqlstate '40P01'; end$$"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_REFUSED);
    finish(&f);
}

Test(db, what_is_done_has_no_result)
{
    struct fixture f = {.up = false};
    struct answer a = {.f = &f};
    start(&f);
    struct db_tx *tx = db_tx_new(f.db, DB_WRITE);
    db_do(tx, "set local work_mem = '7MB'");
    db_add(tx, "select current_setting('work_mem')", NULL, 0);
    db_submit(tx, on_reply, &a);
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_eq(a.n, 1);
    cr_assert_str_eq(a.value, "7MB");
    finish(&f);
}

Test(db, notifications_arrive_on_an_idle_connection)
{
    struct fixture f = {.up = false};
    start(&f);
    f.stop = false;
    pgd_do(&f.pg, "psql notify t, 'hello'", NULL);
    turn_until(&f, &f.stop);
    cr_assert_str_eq(f.note, "t=hello");
    finish(&f);
}

Test(db, a_queue_that_is_full_says_so)
{
    struct fixture f = {.up = false};
    struct answer a[8];
    start(&f);
    for (size_t i = 0; i < ARRAY_SIZE(a); i++)
        submit(&f, &a[i], SQL("select pg_sleep(0.2)"));
    for (size_t i = 0; i < ARRAY_SIZE(a); i++)
        turn_until(&f, &a[i].here);
    for (size_t i = 0; i < ARRAY_SIZE(a); i++)
        cr_assert_eq(a[i].end, i < 5 ? DB_DONE : DB_NOT_SENT, "%zu", i);
    finish(&f);
}

Test(db, a_terminated_backend_is_replaced)
{
    struct fixture f = {.up = false};
    struct answer a;
    start(&f);
    pgd_do(&f.pg, "terminate test", NULL);
    turn_until_up(&f, 2);
    submit(&f, &a, SQL("select 5"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE);
    f.stop = false;
    pgd_do(&f.pg, "psql notify t, 'again'", NULL);
    turn_until(&f, &f.stop);
    cr_assert_str_eq(f.note, "t=again");
    finish(&f);
}

Test(db, what_was_in_flight_when_postgresql_died_is_unknown)
{
    struct fixture f = {.up = false};
    struct answer a, b;
    start(&f);
    submit(&f, &a, SQL("select pg_sleep(60)"));
    submit(&f, &b, SQL("select 1"));
    uv_run(&f.loop, UV_RUN_NOWAIT);
    pgd_do(&f.pg, "kill", NULL);
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_UNKNOWN);
    cr_assert_not(b.here, "what waits goes on waiting");
    pgd_do(&f.pg, "again", NULL);
    turn_until(&f, &b.here);
    cr_assert_eq(b.end, DB_DONE);
    finish(&f);
}

Test(db, a_deadline_ends_the_connection)
{
    struct fixture f = {.up = false};
    struct answer a, b;
    start(&f);
    struct db_tx *tx = db_tx_new(f.db, DB_WRITE);
    db_add(tx, "select pg_sleep(60)", NULL, 0);
    db_tx_deadline(tx, 300 * BF_MSEC);
    a = (struct answer){.f = &f};
    db_submit(tx, on_reply, &a);
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_UNKNOWN);
    cr_assert_not_null(strstr(a.message, "deadline"));
    submit(&f, &b, SQL("select 1"));
    turn_until(&f, &b.here);
    cr_assert_eq(b.end, DB_DONE);
    finish(&f);
}

Test(db, without_a_server_requests_end_at_their_deadline)
{
    struct fixture f = {.up = false};
    struct answer a;
    open_db(&f, "host=/nonexistent user=x", 300 * BF_MSEC);
    submit(&f, &a, SQL("select 1"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_NOT_SENT);
    cr_assert_not_null(strstr(a.message, "/nonexistent"), "%s", a.message);
    finish(&f);
}

Test(db, names_are_resolved_and_hosts_tried_in_turn)
{
    struct fixture f = {.up = false};
    struct answer a;
    char conninfo[512];
    pgd_start(&f.pg);
    snprintf(conninfo, sizeof conninfo,
             "host=no-such-host.invalid,localhost port=1,%s user=postgres dbname=postgres",
             f.pg.port);
    open_db(&f, conninfo, 30 * BF_SEC);
    submit(&f, &a, SQL("select inet_server_port()"));
    turn_until(&f, &a.here);
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_str_eq(a.value, f.pg.port);
    finish(&f);
}

Test(db, closing_calls_back_what_is_under_way)
{
    struct fixture f = {.up = false};
    struct answer a, b;
    start(&f);
    submit(&f, &a, SQL("select pg_sleep(60)"));
    submit(&f, &b, SQL("select 1"));
    uv_run(&f.loop, UV_RUN_NOWAIT);
    finish(&f);
    cr_assert_eq(a.end, DB_UNKNOWN);
    cr_assert_eq(b.end, DB_NOT_SENT);
}

Test(db, a_bad_connection_string_is_a_configuration_error)
{
    struct err e = ERR_INIT;
    struct db *db;
    struct db_config c = {.conninfo = "hots=/x", .name = "test"};
    uv_loop_t loop;
    cr_assert_eq(uv_loop_init(&loop), 0);
    cr_assert_eq(db_open(&loop, &c, &db, &e), -1);
    cr_assert_eq(e.kind, ERR_CONFIG);
    cr_assert_not_null(strstr(e.msg, "hots"));
    cr_assert_eq(uv_loop_close(&loop), 0);
}

/* ---- rows as they come ------------------------------------------------------------------------
 */

struct rows {
    struct answer a; /* first: on_reply takes it */
    int n[3];        /* by statement */
    int64_t sum;
    int close_at;
};

static void on_row(void *arg, size_t stmt, const PGresult *row)
{
    struct rows *r = arg;
    cr_assert_lt(stmt, ARRAY_SIZE(r->n));
    cr_assert_not(r->a.here, "a row after the end");
    for (int i = 0; i < PQntuples(row); i++) {
        r->n[stmt]++;
        int64_t v;
        cr_assert_eq(parse_i64(PQgetvalue(row, i, 0), 0, INT64_MAX, &v), 0);
        r->sum += v;
    }
    if (r->close_at && r->n[stmt] == r->close_at)
        db_close(r->a.f->db);
}

static void submit_rows(struct fixture *f, struct rows *r, const char *const *sql)
{
    struct db_tx *tx = tx_of(f, DB_SNAPSHOT, sql);
    r->a.f = f;
    db_tx_rows(tx, on_row);
    db_submit(tx, on_reply, r);
}

Test(db, rows_come_one_by_one_with_the_number_of_their_statement)
{
    struct fixture f = {.up = false};
    struct rows r = {.sum = 0}, again = {.sum = 0};
    struct answer b;
    const char *const *sql =
        SQL("select 1 where false", "select g from generate_series(1, 5000) g", "select 7");
    start(&f);
    submit_rows(&f, &r, sql);
    submit_rows(&f, &again, sql); /* the statements are prepared by now */
    submit(&f, &b, SQL("select 3"));
    turn_until(&f, &b.here);
    cr_assert_eq(r.a.end, DB_DONE, "%s", r.a.message);
    cr_expect_eq(r.a.n, 3);
    cr_expect_str_eq(r.a.value, "", "the results have no rows");
    cr_expect(r.n[0] == 0 && r.n[1] == 5000 && r.n[2] == 1);
    cr_expect_eq(r.sum, 5000 * 5001 / 2 + 7);
    cr_expect_eq(again.sum, r.sum);
    cr_expect_str_eq(b.value, "3", "who did not ask for rows has them in the result");
    finish(&f);
}

Test(db, an_error_after_rows_is_a_refusal)
{
    struct fixture f = {.up = false};
    struct rows r = {.sum = 0};
    struct answer b;
    start(&f);
    submit_rows(&f, &r, SQL("select 100 / (2000 - g) from generate_series(1, 2000) g", "select 1"));
    submit(&f, &b, SQL("select 3"));
    turn_until(&f, &b.here);
    cr_expect_eq(r.a.end, DB_REFUSED);
    cr_expect_str_eq(r.a.sqlstate, "22012");
    cr_expect_gt(r.n[0], 0);
    cr_expect_lt(r.n[0], 2000);
    cr_expect_eq(r.n[1], 0);
    cr_expect_str_eq(b.value, "3");
    finish(&f);
}

Test(db, a_server_that_dies_between_rows_is_an_unknown_end)
{
    struct fixture f = {.up = false};
    struct rows r = {.sum = 0};
    start(&f);
    submit_rows(&f, &r,
                SQL("select g from generate_series(1, 5000) g", "select pg_sleep(60)::text"));
    while (!r.n[0])
        uv_run(&f.loop, UV_RUN_ONCE);
    pgd_do(&f.pg, "kill", NULL);
    turn_until(&f, &r.a.here);
    cr_expect_eq(r.a.end, DB_UNKNOWN);
    finish(&f);
}

Test(db, closing_between_two_rows_ends_it)
{
    struct fixture f = {.up = false};
    struct rows r = {.close_at = 100};
    start(&f);
    submit_rows(&f, &r, SQL("select g from generate_series(1, 5000) g"));
    turn_until(&f, &r.a.here);
    cr_expect_eq(r.n[0], 100);
    cr_expect_neq(r.a.end, DB_DONE);
    f.db = NULL;
    finish(&f);
}

/* ---- transactions that stay open --------------------------------------------------------------
 */

struct open_tx {
    struct answer a; /* first: on_reply takes it */
    int asked;
    bool go_on;
    const char *then;
    char seen[64];
};

static bool on_more(void *arg, struct db_tx *tx, const struct db_reply *r)
{
    struct open_tx *o = arg;
    o->asked++;
    snprintf(o->seen, sizeof o->seen, "%s", PQgetvalue(r->result[r->n - 1], 0, 0));
    struct db_param p = {.p = o->seen};
    if (o->go_on)
        db_add(tx, o->then, &p, 1);
    return o->go_on;
}

static void submit_open(struct fixture *f, struct open_tx *o, const char *const *sql)
{
    struct db_tx *tx = tx_of(f, DB_WRITE, sql);
    o->a.f = f;
    db_tx_more(tx, on_more);
    db_submit(tx, on_reply, o);
}

Test(db, what_follows_from_answers_is_of_the_same_transaction)
{
    struct fixture f = {.up = false};
    struct answer a;
    struct open_tx o = {.go_on = true, .then = "insert into t values ($1::int + 1) returning v"};
    start(&f);
    submit(&f, &a, SQL("create table t (v int)"));
    turn_until(&f, &a.here);
    submit_open(&f, &o, SQL("insert into t values (6)", "select v from t"));
    submit(&f, &a, SQL("select count(*) || ' by ' || count(distinct xmin::text) from t"));
    turn_until(&f, &a.here);
    cr_assert_eq(o.a.end, DB_DONE, "%s", o.a.message);
    cr_assert_eq(o.a.n, 3);
    cr_assert_str_eq(o.seen, "6");
    cr_assert_str_eq(o.a.value, "7");
    cr_assert_str_eq(a.value, "2 by 1");
    finish(&f);
}

Test(db, an_open_transaction_that_is_given_up_did_nothing)
{
    struct fixture f = {.up = false};
    struct answer a;
    struct open_tx o = {.go_on = false};
    start(&f);
    submit(&f, &a, SQL("create table t (v int)"));
    turn_until(&f, &a.here);
    submit_open(&f, &o, SQL("insert into t values (6)", "select v from t"));
    submit(&f, &a, SQL("select count(*) from t"));
    turn_until(&f, &a.here);
    cr_assert_eq(o.a.end, DB_REFUSED);
    cr_assert_str_eq(a.value, "0");
    finish(&f);
}

Test(db, what_was_decided_is_not_sent_twice)
{
    struct fixture f = {.up = false};
    struct answer a;
    struct open_tx o = {.go_on = true, .then = "select g($1::text)"};
    start(&f);
    submit(&f, &a,
           SQL("create sequence s", "create function g(t text) returns void language plpgsql as "
                                    "$$begin raise sqlstate '40001'; end$$"));
    turn_until(&f, &a.here);
    submit_open(&f, &o,
                SQL("do $$begin if nextval('s') < 3 then raise sqlstate '40001'; end if; end$$",
                    "select last_value from s"));
    turn_until(&f, &o.a.here);
    cr_assert_eq(o.asked, 1, "the first part is tried again, the second is not");
    cr_assert_eq(o.a.end, DB_REFUSED);
    cr_assert_str_eq(o.a.sqlstate, "40001");
    submit(&f, &a, SQL("select last_value from s"));
    turn_until(&f, &a.here);
    cr_assert_str_eq(a.value, "3");
    finish(&f);
}

static bool on_more_close(void *arg, struct db_tx *tx, const struct db_reply *r)
{
    struct open_tx *o = arg;
    (void)tx, (void)r;
    db_close(o->a.f->db);
    return true;
}

Test(db, before_its_commit_an_open_transaction_did_nothing)
{
    struct fixture f = {.up = false};
    struct open_tx o = {.a.f = &f};
    start(&f);
    struct db_tx *tx = db_tx_new(f.db, DB_WRITE);
    db_add(tx, "select 1", NULL, 0);
    db_tx_more(tx, on_more_close);
    db_submit(tx, on_reply, &o);
    turn_until(&f, &o.a.here);
    cr_assert_eq(o.a.end, DB_NOT_SENT);
    uv_close((uv_handle_t *)&f.guard, NULL);
    uv_run(&f.loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&f.loop), 0);
    pgd_stop(&f.pg);
}

/* ---- prepared statements ----------------------------------------------------------------------
 */

static void submit_one(struct fixture *f, struct answer *a, const char *sql, const char *arg)
{
    struct db_tx *tx = db_tx_new(f->db, DB_WRITE);
    struct db_param p = {.p = arg};
    *a = (struct answer){.f = f};
    db_add(tx, sql, &p, 1);
    db_add(tx, sql, &p, 1);
    db_submit(tx, on_reply, a);
    turn_until(f, &a->here);
}

Test(db, a_statement_is_prepared_once_in_a_session)
{
    static const char divide[] = "select (12 / $1::int)::text";
    struct fixture f = {.up = false};
    struct answer a;
    start(&f);
    submit_one(&f, &a, divide, "0");
    cr_assert_eq(a.end, DB_REFUSED);
    for (int i = 0; i < 3; i++) {
        submit_one(&f, &a, divide, "4");
        cr_assert_eq(a.end, DB_DONE, "%s", a.message);
        cr_assert_str_eq(a.value, "3");
    }
    submit(&f, &a,
           SQL("select count(*) from pg_prepared_statements where statement ~ '^select .12'"));
    turn_until(&f, &a.here);
    cr_assert_str_eq(a.value, "1");
    pgd_do(&f.pg, "terminate test", NULL);
    turn_until_up(&f, 2);
    submit_one(&f, &a, divide, "6");
    cr_assert_str_eq(a.value, "2", "%s", a.message);
    finish(&f);
}

Test(db, a_statement_that_was_refused_by_the_parser_is_sent_again)
{
    static const char call[] = "select g($1::int)";
    struct fixture f = {.up = false};
    struct answer a;
    start(&f);
    submit_one(&f, &a, call, "1");
    cr_assert_eq(a.end, DB_REFUSED);
    cr_assert_str_eq(a.sqlstate, "42883");
    submit(&f, &a, SQL("create function g(v int) returns int language sql as $$ select v + 1 $$"));
    turn_until(&f, &a.here);
    submit_one(&f, &a, call, "1");
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_str_eq(a.value, "2");
    finish(&f);
}

Test(db, a_function_that_got_other_columns_is_called_all_the_same)
{
    static const char call[] = "select * from g($1::int)";
    struct fixture f = {.up = false};
    struct answer a;
    start(&f);
    submit(&f, &a,
           SQL("create function g(v int) returns table (a int) language sql as $$ select v $$"));
    turn_until(&f, &a.here);
    submit_one(&f, &a, call, "1");
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    submit(&f, &a,
           SQL("drop function g", "create function g(v int) returns table (a text, b int) language "
                                  "sql as $$ select 'new', v $$"));
    turn_until(&f, &a.here);
    submit_one(&f, &a, call, "1");
    cr_assert_eq(a.end, DB_DONE, "%s", a.message);
    cr_assert_str_eq(a.value, "new");
    finish(&f);
}
