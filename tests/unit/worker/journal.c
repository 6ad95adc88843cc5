#include "worker/journal.h"
#include "common/base/mem.h"
#include "tests/unit/worker/tmp.h"
#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>

static struct err e;

static struct journal *open_it(const struct tmp *t)
{
    struct journal *j = NULL;
    cr_assert_eq(journal_open(tmp_path(t, "journal.db"), &j, &e), 0, "%s", e.msg);
    return j;
}

#define ok(call) cr_assert_eq(call, 0, "%s", e.msg)

struct seen {
    size_t n;
    struct id128 id[4];
    bool acked[4];
    enum result_outcome outcome[4];
    char code[4][32], job[4][32], detail[4][32];
    bf_time started[4], ended[4];
};

static void note(void *arg, const struct journal_row *r)
{
    struct seen *s = arg;
    s->id[s->n] = r->id;
    s->acked[s->n] = r->acked;
    s->outcome[s->n] = r->result->outcome;
    s->started[s->n] = r->started;
    s->ended[s->n] = r->ended;
    snprintf(s->code[s->n], sizeof s->code[0], "%s", r->result->code);
    snprintf(s->job[s->n], sizeof s->job[0], "%s", r->job);
    snprintf(s->detail[s->n], sizeof s->detail[0], "%s", r->result->detail);
    s->n++;
}

static struct seen load(struct journal *j)
{
    struct seen s = {0};
    ok(journal_load(j, note, &s, &e));
    return s;
}

Test(journal, survives_a_restart)
{
    struct tmp t;
    struct result r;
    size_t n = 0;
    tmp_make(&t);
    struct journal *j = open_it(&t);
    struct stat st;
    cr_assert_eq(stat(tmp_path(&t, "journal.db"), &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    ok(journal_accept(j, tmp_id(1), "build:a:amd64", "build", 1000, &e));
    ok(journal_accept(j, tmp_id(2), "test:a:amd64", "test", 2000, &e));
    result_cancelled(&r, "no longer wanted");
    ok(journal_finish(j, tmp_id(1), &r, 1500, 3000, &e));
    result_release(&r);
    ok(journal_set_acked(j, tmp_id(1), true, &e));
    journal_close(j);

    j = open_it(&t);
    result_infra(&r, "worker-restarted", "the worker was restarted");
    ok(journal_abandon(j, &r, 9000, &n, &e));
    result_release(&r);
    cr_expect_eq(n, 1);
    struct seen s = load(j);
    cr_assert_eq(s.n, 2);
    cr_expect(id128_eq(s.id[0], tmp_id(1)) && id128_eq(s.id[1], tmp_id(2)));
    cr_expect(s.acked[0] && !s.acked[1]);
    cr_expect_eq(s.outcome[0], RESULT_CANCELLED);
    cr_expect_eq(s.started[0], 1500);
    cr_expect_eq(s.ended[0], 3000);
    cr_expect_eq(s.outcome[1], RESULT_FAILED);
    cr_expect_str_eq(s.code[1], "worker-restarted");
    cr_expect_str_eq(s.job[1], "test:a:amd64");
    cr_expect_eq(s.started[1], 2000);
    cr_expect_eq(s.ended[1], 9000);
    ok(journal_forget(j, tmp_id(1), &e));
    cr_expect_eq(load(j).n, 1);
    journal_close(j);
    tmp_remove(&t);
}

Test(journal, an_attempt_is_taken_once)
{
    struct tmp t;
    tmp_make(&t);
    struct journal *j = open_it(&t);
    ok(journal_accept(j, tmp_id(1), "a", "build", 1, &e));
    cr_expect_eq(journal_accept(j, tmp_id(1), "a", "build", 1, &e), -1);
    cr_expect_eq(load(j).n, 1);
    journal_close(j);
    tmp_remove(&t);
}

Test(journal, a_transaction_is_all_or_nothing)
{
    struct tmp t;
    tmp_make(&t);
    struct journal *j = open_it(&t);
    ok(journal_begin(j, &e));
    ok(journal_accept(j, tmp_id(1), "a", "build", 1, &e));
    journal_rollback(j);
    cr_expect_eq(load(j).n, 0);
    ok(journal_begin(j, &e));
    ok(journal_accept(j, tmp_id(2), "b", "build", 1, &e));
    ok(journal_commit(j, &e));
    cr_expect_eq(load(j).n, 1);
    journal_rollback(j); /* outside of one: harmless */
    journal_close(j);
    tmp_remove(&t);
}

Test(journal, the_term_only_rises)
{
    struct tmp t;
    tmp_make(&t);
    struct journal *j = open_it(&t);
    cr_expect_eq(journal_term(j), 0);
    ok(journal_set_term(j, 1700000000000, &e));
    ok(journal_set_term(j, 5, &e));
    journal_close(j);
    j = open_it(&t);
    cr_expect_eq(journal_term(j), 1700000000000);
    cr_expect_eq(journal_set_term(j, UINT64_MAX, &e), -1);
    journal_close(j);
    tmp_remove(&t);
}

Test(journal, a_newer_layout_is_refused)
{
    struct tmp t;
    tmp_make(&t);
    journal_close(open_it(&t));
    sqlite3 *db;
    cr_assert_eq(sqlite3_open(tmp_path(&t, "journal.db"), &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    struct journal *j;
    cr_expect_eq(journal_open(tmp_path(&t, "journal.db"), &j, &e), -1);
    cr_expect_eq(e.kind, ERR_CONFIG);
    cr_expect(strstr(e.msg, "newer") != NULL, "%s", e.msg);
    tmp_remove(&t);
}

Test(journal, garbage_is_not_a_journal)
{
    struct tmp t;
    struct journal *j;
    tmp_make(&t);
    tmp_write(&t, "journal.db", "this is no database, not even a little one", 42);
    cr_expect_eq(journal_open(tmp_path(&t, "journal.db"), &j, &e), -1);
    cr_expect(strstr(e.msg, "journal.db") != NULL, "%s", e.msg);
    tmp_remove(&t);
}

Test(journal, a_result_comes_back_as_it_was)
{
    struct tmp t;
    tmp_make(&t);
    struct journal *j = open_it(&t);
    struct result r = {.outcome = RESULT_SUCCEEDED,
                       .code = xstrdup(""),
                       .step = xstrdup("größer 'x' \" ;--"),
                       .message = xstrdup("ok"),
                       .digest = xstrdup("sha256:0"),
                       .size = 1ull << 40,
                       .detail = xstrdup("{\"a\":[1]}")};
    ok(journal_accept(j, tmp_id(1), "a", "build", 1, &e));
    ok(journal_finish(j, tmp_id(1), &r, 0, 2, &e));
    result_release(&r);
    struct seen s = load(j);
    cr_expect_str_eq(s.detail[0], "{\"a\":[1]}");
    cr_expect_eq(s.started[0], 1); /* 0: as taken */
    journal_close(j);
    tmp_remove(&t);
}
