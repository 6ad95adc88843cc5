/* A table: how an attempt ends → what the job does next. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void start(int workers)
{
    kit_init(&k);
    for (int i = 1; i <= workers; i++)
        kit_worker(&k, i, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .passing = "d"});
    kit_loaded(&k);
    for (int i = 1; i <= workers; i++)
        kit_hello(&k, i, 1);
    kit_commit(&k);
    forget(&k);
}

struct row {
    enum job_kind kind;
    bool rerun;
    enum outcome outcome;
    enum fail_class fail_class;
    const char *expected;
};

static const struct row table[] = {
    {JOB_BUILD, false, OUTCOME_SUCCEEDED, FAIL_NONE, "finish 1 succeeded"},
    {JOB_BUILD, false, OUTCOME_FAILED, FAIL_USER, "finish 1 failed"},
    {JOB_BUILD, false, OUTCOME_FAILED, FAIL_TIMEOUT, "finish 1 failed"},
    {JOB_BUILD, false, OUTCOME_FAILED, FAIL_INFRA, "finish 1 waiting backoff +5"},
    {JOB_BUILD, false, OUTCOME_FAILED, FAIL_NONE, "finish 1 waiting backoff +5"},
    {JOB_BUILD, false, OUTCOME_CANCELLED, FAIL_NONE, "finish 1 waiting backoff +5"},
    {JOB_TEST, false, OUTCOME_FAILED, FAIL_USER, "finish 1 ready"},
    {JOB_TEST, false, OUTCOME_FAILED, FAIL_TIMEOUT, "finish 1 ready"},
    {JOB_TEST, true, OUTCOME_FAILED, FAIL_USER, "finish 1 failed"},
    {JOB_TEST, true, OUTCOME_FAILED, FAIL_TIMEOUT, "finish 1 failed"},
    {JOB_TEST, true, OUTCOME_FAILED, FAIL_INFRA, "finish 1 waiting backoff +5"},
    {JOB_PUBLISH, false, OUTCOME_FAILED, FAIL_USER, "finish 1 failed"},
    {JOB_PUBLISH, false, OUTCOME_FAILED, FAIL_INFRA, "finish 1 waiting backoff +5"},
};

Test(core_retry, how_it_ends_and_what_follows)
{
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
        const struct row *t = &table[i];
        start(1);
        struct job_row row = kit_row(1, t->kind, 1);
        row.rerun = t->rerun;
        kit_job(&k, row);
        kit_commit(&k);
        forget(&k);
        kit_ends(&k, 1, 1, 1, t->outcome, t->fail_class);
        cr_assert(str_starts(k.said.p, t->expected), "row %zu: %s", i, k.said.p);
        cr_assert_eq(k.said.p[strlen(t->expected)], '\n', "row %zu: %s", i, k.said.p);
        kit_release(&k);
    }
}

/* Lets time pass with the worker alive. Returns the new time. */
static int heartbeats(int at, int seconds)
{
    for (int end = at + seconds; at < end;) {
        at = at + 20 < end ? at + 20 : end;
        kit_at(&k, at);
        kit_hello(&k, 1, 1);
        kit_commit(&k);
    }
    return at;
}

Test(core_retry, the_back_off_doubles_up_to_its_cap)
{
    static const int waits[] = {5, 10, 20, 40, 80, 160, 320, 600, 600};
    start(1);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    int at = 0;
    for (size_t i = 0; i < ARRAY_SIZE(waits); i++) {
        forget(&k);
        char *expected = xasprintf("finish 1 waiting backoff +%d\norders 1\n", waits[i]);
        kit_ends(&k, 1, 1, 1, OUTCOME_FAILED, FAIL_INFRA);
        kit_commit(&k);
        expect(&k, expected);
        free(expected);
        at = heartbeats(at, waits[i] - 1);
        expect(&k, "");
        kit_at(&k, ++at);
        expect(&k, "again 1\nclaim 1 on 1\norders 1\n");
    }
    kit_release(&k);
}

Test(core_retry, a_flaky_test_runs_once_more_and_elsewhere)
{
    start(2);
    kit_simple(&k, 1, JOB_TEST, 1);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_FAILED, FAIL_USER);
    kit_commit(&k);
    expect(&k, "finish 1 ready\n"
               "claim 1 on 2\n"
               "orders 1\n"
               "orders 2\n");
    kit_ends(&k, 2, 1, 1, OUTCOME_FAILED, FAIL_USER);
    kit_commit(&k);
    expect(&k, "finish 1 failed\norders 2\n");
    kit_release(&k);
}

Test(core_retry, with_one_worker_it_stays_there)
{
    start(1);
    kit_simple(&k, 1, JOB_TEST, 1);
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_FAILED, FAIL_USER);
    kit_commit(&k);
    expect(&k, "finish 1 ready\n"
               "claim 1 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_retry, the_third_loss_is_for_people)
{
    start(3);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    for (int i = 1; i <= 3; i++) {
        struct orders_view o;
        int64_t at = 0;
        for (int64_t w = 1; w <= 3; w++) {
            if (world_orders(k.w, w, &o) && o.n_wanted)
                at = w;
        }
        cr_assert_neq(at, 0);
        forget(&k);
        struct worker_report r = kit_says(at, 1);
        r.boot = boot(100 + i);
        kit_report(&k, r);
        cr_assert(str_starts(k.said.p, i < 3 ? "lose 1 ready\n" : "lose 1 failed quarantined\n"),
                  "%s", k.said.p);
        kit_commit(&k);
    }
    forget(&k);
    kit_command(&k, IN_RETRY_JOB, 1, 1);
    kit_commit(&k);
    cr_assert(str_starts(k.said.p, "reopen 1 by operator:eve\ndone 1\nready 1\nclaim 1 on "));
    kit_release(&k);
}

/* What passed is lost: it is plain infrastructure, and nobody is built on it any more. */
Test(core_retry, a_digest_that_is_gone)
{
    start(1);
    kit_image(&k, (struct image_spec){.id = 2, .name = "child", .parent = 1});
    struct job_row test = kit_row(1, JOB_TEST, 1);
    test.state = JOB_SUCCEEDED;
    test.digest = digest_of("d");
    kit_job(&k, test);
    kit_simple(&k, 2, JOB_PUBLISH, 1);
    kit_commit(&k);
    struct result_report result = {.attempt = k.attempt[2],
                                   .outcome = OUTCOME_FAILED,
                                   .fail_class = FAIL_INFRA,
                                   .code = "digest-gone"};
    struct worker_report r = kit_says(1, 1);
    r.results = &result;
    r.n_results = 1;
    forget(&k);
    kit_report(&k, r);
    kit_commit(&k);
    expect(&k, "finish 2 waiting backoff +5\norders 1\n");
    kit_simple(&k, 3, JOB_BUILD, 2);
    kit_commit(&k);
    expect(&k, "wait 3 parent: p:a@main:amd64 has not passed yet\n");
    kit_release(&k);
}
