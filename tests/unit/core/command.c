/* What operators ask for, and the answer. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void start(void)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    kit_loaded(&k);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_TEST, 1);
    kit_commit(&k);
    forget(&k);
}

static void hello(void)
{
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    forget(&k);
}

Test(core_command, cancel_what_runs)
{
    start();
    hello();
    kit_command(&k, IN_CANCEL_JOB, 9, 1);
    kit_commit(&k);
    expect(&k, "end 1 cancelled by operator:eve\n"
               "done 9\n"
               "orders 1\n"
               "wait 2 blocked: build:p:a@main:amd64 was cancelled (job 1)\n");
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    cr_assert_eq(o.n_wanted, 0);
    kit_answer(&k, OP_FINISH, 0, ST_FENCED, NULL);
    kit_ends(&k, 1, 1, 1, OUTCOME_CANCELLED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 0 failed\norders 1\n");
    kit_release(&k);
}

/* A publish runs on worker 1, is cancelled, and another one is wanted. */
static void cancelled_publish(bool started)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_worker(&k, 2, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .passing = "d"});
    kit_loaded(&k);
    kit_hello(&k, 1, 1);
    kit_simple(&k, 1, JOB_PUBLISH, 1);
    kit_commit(&k);
    if (started)
        kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    kit_hello(&k, 2, 1);
    kit_command(&k, IN_CANCEL_JOB, 9, 1);
    kit_commit(&k);
    kit_simple(&k, 2, JOB_PUBLISH, 1);
    forget(&k);
    kit_commit(&k);
    expect(&k, "wait 2 parent: an earlier publish of the image\n");
}

Test(core_command, a_cancelled_publish_may_still_move_tags)
{
    cancelled_publish(true);
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    expect(&k, "orders 1\n");
    kit_hello(&k, 1, 1); /* its process is gone */
    expect(&k, "ready 2\nclaim 2 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_command, that_it_is_not_listed_proves_nothing_before_it_started)
{
    cancelled_publish(false);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    expect(&k, "");
    kit_at(&k, 40);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    kit_at(&k, 59);
    forget(&k);
    kit_at(&k, 60);
    expect(&k, "ready 2\nclaim 2 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_command, a_reboot_ends_it_too)
{
    cancelled_publish(true);
    struct worker_report r = kit_says(1, 1);
    r.boot = boot(77);
    kit_report(&k, r);
    cr_assert(str_starts(k.said.p, "seen 1 connected\nready 2\nclaim 2 on "), "%s", k.said.p);
    kit_release(&k);
}

Test(core_command, cancel_twice_and_unknown)
{
    start();
    kit_command(&k, IN_CANCEL_JOB, 9, 2);
    kit_command(&k, IN_CANCEL_JOB, 10, 2);
    kit_command(&k, IN_CANCEL_JOB, 11, 40);
    expect(&k,
           "end 2 cancelled by operator:eve\ndone 9\n"
           "done 10 refused: job 2 has ended already: cancelled\n"
           "done 11 refused: job 40 is over, does not exist, or a newer one has taken its place\n");
    kit_release(&k);
}

Test(core_command, retry_of_what_was_cancelled)
{
    start();
    kit_command(&k, IN_CANCEL_JOB, 9, 1);
    kit_commit(&k);
    forget(&k);
    kit_command(&k, IN_RETRY_JOB, 10, 1);
    kit_commit(&k);
    expect(&k, "reopen 1 by operator:eve\n"
               "done 10\n"
               "ready 1\n"
               "wait 2 parent: build:p:a@main:amd64 (job 1)\n");
    kit_release(&k);
}

Test(core_command, retry_of_what_did_not_fail)
{
    start();
    kit_command(&k, IN_RETRY_JOB, 10, 1);
    expect(&k,
           "done 10 refused: job 1 is ready: only failed and cancelled jobs can be run again\n");
    kit_release(&k);
}

Test(core_command, retry_cuts_a_back_off_short)
{
    start();
    hello();
    kit_ends(&k, 1, 1, 1, OUTCOME_FAILED, FAIL_INFRA);
    kit_commit(&k);
    forget(&k);
    kit_command(&k, IN_RETRY_JOB, 10, 1);
    expect(&k, "done 10\nagain 1\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_command, retry_of_what_a_newer_job_replaced)
{
    start();
    kit_command(&k, IN_CANCEL_JOB, 9, 1);
    kit_simple(&k, 3, JOB_BUILD, 1);
    kit_commit(&k);
    forget(&k);
    kit_command(&k, IN_RETRY_JOB, 10, 1);
    expect(&k,
           "done 10 refused: job 1 is over, does not exist, or a newer one has taken its place\n");
    kit_release(&k);
}

Test(core_command, no_such_worker)
{
    start();
    kit_command(&k, IN_DRAIN, 10, 4);
    expect(&k, "done 10 refused: there is no worker 4\n");
    kit_release(&k);
}
