/* Attempts and acknowledgements, as Reports and Orders show them. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void leased(void)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    kit_loaded(&k);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_hello(&k, 1, 1);
    kit_step(&k, &(struct input){.type = IN_TICK});
}

static size_t wanted(void)
{
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    return o.n_wanted;
}

/* The acknowledgement of job 1's attempt; -1: none. */
static int ack(void)
{
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    for (size_t i = 0; i < o.n_acks; i++) {
        if (id128_eq(o.acks[i].attempt, k.attempt[1]))
            return (int)o.acks[i].status;
    }
    return -1;
}

Test(core_report, nothing_is_ordered_before_the_commit)
{
    leased();
    cr_assert_eq(world_job(k.w, 1)->state, JOB_LEASED);
    cr_assert_eq(wanted(), 0);
    kit_commit(&k);
    cr_assert_eq(wanted(), 1);
    kit_release(&k);
}

Test(core_report, not_started_is_not_lost)
{
    leased();
    kit_commit(&k);
    forget(&k);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    expect(&k, "");
    cr_assert_eq(wanted(), 1);
    kit_release(&k);
}

Test(core_report, a_start_is_said_once)
{
    leased();
    kit_commit(&k);
    forget(&k);
    kit_runs(&k, 1, 1, 1);
    kit_runs(&k, 1, 1, 1);
    expect(&k, "start 1\n");
    kit_release(&k);
}

Test(core_report, nothing_is_acknowledged_before_the_commit)
{
    leased();
    kit_commit(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    cr_assert_eq(ack(), -1);
    cr_assert_eq(wanted(), 0);
    kit_commit(&k);
    cr_assert_eq(ack(), ST_OK);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "orders 1\n");
    kit_commit(&k);
    cr_assert_eq(ack(), ST_OK);
    kit_hello(&k, 1, 1);
    cr_assert_eq(ack(), -1);
    kit_release(&k);
}

Test(core_report, a_result_twice_in_a_turn_counts_once)
{
    leased();
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 1 succeeded\norders 1\n");
    kit_release(&k);
}

Test(core_report, a_strangers_result_is_looked_up)
{
    leased();
    kit_commit(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 0 failed\norders 1\n");
    cr_assert_eq(k.e.ops[0].job, 0);
    kit_answer(&k, OP_FINISH, 0, ST_DUPLICATE, NULL);
    kit_commit(&k);
    cr_assert_eq(ack(), ST_DUPLICATE);
    kit_release(&k);
}

Test(core_report, another_workers_attempt_is_not_its_business)
{
    leased();
    kit_worker(&k, 2, 1, ROLES);
    kit_commit(&k);
    kit_hello(&k, 2, 1);
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 2, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 0 failed\norders 2\n");
    cr_assert_eq(world_job(k.w, 1)->state, JOB_LEASED);
    kit_release(&k);
}

Test(core_report, what_is_not_wanted_is_answered_and_takes_its_slot)
{
    leased();
    kit_commit(&k);
    kit_runs(&k, 1, 1, 1);
    kit_command(&k, IN_CANCEL_JOB, 1, 1);
    kit_commit(&k);
    forget(&k);
    kit_simple(&k, 2, JOB_BUILD, 1);
    kit_runs(&k, 1, 1, 1);
    expect(&k, "orders 1\n");
    kit_commit(&k);
    expect(&k, "ready 2\nexplain busy\n");
    kit_hello(&k, 1, 1);
    expect(&k, "claim 2 on 1\norders 1\n");
    kit_release(&k);
}

/* ---- reboots --------------------------------------------------------------------------------- */

static void reboots(int n, bool runs, bool has_result)
{
    struct running_report running = {.attempt = k.attempt[1], .started = true, .phase = ""};
    struct result_report result = {
        .attempt = k.attempt[1], .outcome = OUTCOME_SUCCEEDED, .digest = digest_of("x")};
    struct worker_report r = kit_says(1, 1);
    r.boot = boot(n);
    r.running = &running;
    r.n_running = runs;
    r.results = &result;
    r.n_results = has_result;
    kit_report(&k, r);
}

Test(core_report, a_reboot_without_journal_has_lost_it)
{
    leased();
    kit_commit(&k);
    forget(&k);
    reboots(50, false, false);
    expect(&k, "lose 1 ready\n"
               "seen 1 connected\n"
               "claim 1 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_report, what_the_journal_brought_over_goes_on)
{
    leased();
    kit_commit(&k);
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    forget(&k);
    reboots(50, true, false);
    expect(&k, "seen 1 connected\norders 1\n");
    kit_commit(&k);
    reboots(51, false, true);
    expect(&k, "finish 1 succeeded\nseen 1 connected\norders 1\n");
    kit_release(&k);
}

Test(core_report, words_from_before_the_reboot_come_too_late)
{
    leased();
    kit_commit(&k);
    reboots(50, false, false);
    kit_commit(&k);
    forget(&k);
    kit_hello(&k, 1, 1);
    expect(&k, "");
    kit_release(&k);
}
