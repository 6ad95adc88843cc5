/* Who gets what, and why the others wait. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void start(int64_t images)
{
    kit_init(&k);
    for (int64_t i = 1; i <= images; i++)
        kit_image(&k, (struct image_spec){.id = i, .name = "a"});
    kit_loaded(&k);
    kit_commit(&k);
    forget(&k);
}

static void worker(int64_t id, int64_t site, unsigned roles, unsigned slots)
{
    kit_worker(&k, id, site, roles);
    kit_hello(&k, id, slots);
    kit_commit(&k);
    forget(&k);
}

Test(core_policy, the_free_one_with_most_room_then_the_lowest_id)
{
    start(4);
    worker(1, 1, ROLES, 1);
    worker(2, 1, ROLES, 3);
    worker(3, 1, ROLES, 2);
    for (int64_t i = 1; i <= 4; i++)
        kit_simple(&k, i, JOB_BUILD, i);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "ready 2\n"
               "ready 3\n"
               "ready 4\n"
               "claim 1 on 2\n"
               "claim 2 on 2\n"
               "claim 3 on 3\n"
               "claim 4 on 1\n"
               "orders 2\n"
               "orders 3\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_policy, priority_with_ageing)
{
    start(3);
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    kit_job(&k, row);
    kit_commit(&k);
    kit_at(&k, 100);
    row = kit_row(2, JOB_BUILD, 2);
    row.priority = 1; /* a minute: not enough against one that waits for 100 s */
    kit_job(&k, row);
    row = kit_row(3, JOB_BUILD, 3);
    row.priority = 2;
    kit_job(&k, row);
    kit_commit(&k);
    forget(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_hello(&k, 1, 2);
    expect(&k, "seen 1 connected\n"
               "claim 3 on 1\n"
               "claim 1 on 1\n"
               "explain busy\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_policy, role_site_and_architecture)
{
    start(1);
    worker(1, 1, ROLE_BIT(JOB_TEST), 1);  /* not its role */
    worker(2, 2, ROLE_BIT(JOB_BUILD), 1); /* not its site */
    kit_worker(&k, 3, 1, ROLE_BIT(JOB_BUILD));
    struct worker_report r = kit_says(3, 1);
    r.arch = "arm64";
    kit_report(&k, r);
    kit_commit(&k);
    forget(&k);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "ready 1\nexplain worker: no worker for build at hub, amd64\n");
    worker(4, 1, ROLE_BIT(JOB_BUILD), 1);
    cr_assert_eq(world_job(k.w, 1)->state, JOB_LEASED);
    kit_release(&k);
}

Test(core_policy, anywhere_when_no_site_is_asked_for)
{
    start(1);
    worker(2, 2, ROLE_BIT(JOB_BUILD), 1);
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.run_site = 0;
    kit_job(&k, row);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 2\norders 2\n");
    kit_release(&k);
}

Test(core_policy, capabilities)
{
    static const char *const needs[] = {"secret:key", "kvm"};
    static const char *const half[] = {"build-context", "kvm"};
    static const char *const whole[] = {"secret:key", "heredoc", "kvm", "kvm"};
    start(1);
    kit_worker(&k, 1, 1, ROLES);
    struct worker_report r = kit_says(1, 1);
    r.capabilities = half;
    r.n_capabilities = 2;
    kit_report(&k, r);
    kit_commit(&k);
    forget(&k);
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.needs = needs;
    row.n_needs = 2;
    kit_job(&k, row);
    kit_commit(&k);
    expect(&k, "ready 1\nexplain worker: no worker for build at hub, amd64, with kvm secret:key\n");
    r.capabilities = whole;
    r.n_capabilities = 4;
    kit_report(&k, r);
    expect(&k, "seen 1 connected\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_policy, drained_is_said_and_ends)
{
    start(1);
    worker(1, 1, ROLES, 1);
    kit_command(&k, IN_DRAIN, 7, 1);
    expect(&k, "drain 1 yes\n"
               "done 7\n"
               "orders 1\n");
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "ready 1\nexplain drained: w1\n");
    kit_command(&k, IN_RESUME, 8, 1);
    expect(&k, "drain 1 no\n"
               "done 8\n"
               "claim 1 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_policy, who_does_not_accept_is_as_drained)
{
    start(1);
    worker(1, 1, ROLES, 1);
    struct worker_report r = kit_says(1, 1);
    r.accepting = false;
    kit_report(&k, r);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "seen 1 draining\nready 1\nexplain drained: w1\n");
    kit_hello(&k, 1, 1);
    expect(&k, "seen 1 connected\n"
               "claim 1 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_policy, reasons_are_written_on_change_only)
{
    start(3);
    worker(1, 1, ROLES, 1);
    for (int64_t i = 1; i <= 3; i++)
        kit_simple(&k, i, JOB_BUILD, i);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "ready 2\n"
               "ready 3\n"
               "claim 1 on 1\n"
               "explain busy\n" /* one for all that wait like it */
               "orders 1\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\n"
               "claim 2 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_policy, slots_may_shrink)
{
    start(3);
    worker(1, 1, ROLES, 2);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_BUILD, 2);
    kit_commit(&k);
    forget(&k);
    kit_simple(&k, 3, JOB_BUILD, 3);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\nseen 1 connected\norders 1\nready 3\nexplain busy\n");
    kit_release(&k);
}

/* A million jobs behind one bucket cost a step nothing: only the first is looked at. */
Test(core_policy, an_empty_turn_costs_nothing)
{
    start(1);
    worker(1, 1, ROLES, 1);
    for (int64_t i = 2; i < 60; i++) {
        kit_image(&k, (struct image_spec){.id = i, .name = "a"});
        kit_simple(&k, i, JOB_BUILD, i);
    }
    kit_commit(&k);
    forget(&k);
    kit_hello(&k, 1, 1);
    kit_step(&k, &(struct input){.type = IN_TICK});
    expect(&k, "");
    cr_assert_eq(k.w->hot.n, 0);
    kit_release(&k);
}

/* ---- requests and pressure ---------------------------------------------------------------------
 */

static struct worker_report with_memory(int64_t id, unsigned slots, uint64_t mib)
{
    struct worker_report r = kit_says(id, slots);
    r.memory_free_mib = mib;
    return r;
}

static void big_job(int64_t id, unsigned mib)
{
    struct job_row row = kit_row(id, JOB_BUILD, id);
    row.memory_mib = mib;
    kit_job(&k, row);
}

Test(core_policy, memory_is_asked_of_who_has_it)
{
    start(3);
    kit_worker(&k, 1, 1, ROLES);
    kit_report(&k, with_memory(1, 4, 2048)); /* more slots, too little memory */
    kit_worker(&k, 2, 1, ROLES);
    kit_report(&k, with_memory(2, 2, 8192));
    forget(&k);
    big_job(1, 4096);
    big_job(2, 6000); /* the first was promised 4 of the 8 GiB */
    kit_simple(&k, 3, JOB_BUILD, 3);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "ready 2\n"
               "ready 3\n"
               "claim 1 on 2\n"
               "explain pressure: w1\n"
               "claim 3 on 1\n"
               "orders 2\n"
               "orders 1\n");
    kit_report(&k, with_memory(1, 4, 16384));
    expect(&k, "claim 2 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_policy, processors_are_asked_of_who_has_them)
{
    start(1);
    worker(1, 1, ROLES, 1);
    struct worker_report r = kit_says(1, 1);
    r.cpus = 4;
    kit_report(&k, r);
    forget(&k);
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.cpus = 8;
    kit_job(&k, row);
    kit_commit(&k);
    expect(&k, "ready 1\nexplain worker: no worker for build at hub, amd64, with 8 processors\n");
    r.cpus = 8;
    kit_report(&k, r);
    expect(&k, "seen 1 connected\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_policy, who_stalls_gets_nothing_more_but_one_when_idle)
{
    start(3);
    k.w->config.max_memory_psi = 2000;
    kit_worker(&k, 1, 1, ROLES);
    struct worker_report r = kit_says(1, 3);
    r.memory_psi = 2500;
    kit_report(&k, r);
    forget(&k);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_BUILD, 2);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "ready 2\n"
               "claim 1 on 1\n"
               "explain pressure: w1\n"
               "orders 1\n");
    r.memory_psi = 100;
    kit_report(&k, r);
    expect(&k, "claim 2 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_policy, who_is_full_is_under_pressure)
{
    start(1);
    k.w->config.disk_floor_mib = 256;
    worker(1, 1, ROLES, 1);
    struct worker_report r = kit_says(1, 1);
    r.disk_free_mib = 100;
    kit_report(&k, r);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "seen 1 draining\nready 1\nexplain pressure: w1\n");
    r.disk_free_mib = 1000;
    kit_report(&k, r);
    expect(&k, "seen 1 connected\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

/* Even where it has the most free slots, and the parent's image. */
Test(core_policy, who_failed_a_job_gets_it_last)
{
    start(1);
    worker(1, 1, ROLES, 4);
    worker(2, 1, ROLES, 1);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\n");
    kit_ends(&k, 1, 4, 1, OUTCOME_FAILED, FAIL_INFRA);
    kit_commit(&k);
    forget(&k);
    kit_at(&k, 6);
    expect(&k, "again 1\nclaim 1 on 2\norders 2\n");
    kit_release(&k);
}

/* ---- rests -------------------------------------------------------------------------------------
 */

static void ends(int64_t on, unsigned slots, int64_t job, enum fail_class fail_class)
{
    kit_ends(&k, on, slots, job, fail_class == FAIL_NONE ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
             fail_class);
    kit_commit(&k);
}

static void builds(int64_t from, int64_t to)
{
    for (int64_t i = from; i <= to; i++)
        kit_simple(&k, i, JOB_BUILD, i);
    kit_commit(&k);
}

/* Worker 1 fails 1 to 3; worker 2 takes them. */
static void three_fail(void)
{
    start(9);
    worker(1, 1, ROLES, 3);
    builds(1, 3);
    for (int64_t i = 1; i <= 3; i++)
        ends(1, 3, i, FAIL_INFRA);
    worker(2, 1, ROLES, 3);
    kit_at(&k, 5);
    for (int64_t i = 1; i <= 3; i++)
        cr_assert_eq(world_job(k.w, i)->lease->worker->id, 2);
    forget(&k);
}

static void three_go_through(void)
{
    for (int64_t i = 1; i <= 3; i++)
        ends(2, 3, i, FAIL_NONE);
}

/* And fails 9 when it is the turn of those. */
static void made_to_rest(void)
{
    three_fail();
    builds(9, 9);
    ends(1, 3, 9, FAIL_INFRA);
    forget(&k);
    ends(2, 3, 1, FAIL_NONE);
    ends(2, 3, 2, FAIL_NONE);
    expect(&k, "finish 1 succeeded\norders 2\nfinish 2 succeeded\norders 2\n");
    ends(2, 3, 3, FAIL_NONE);
    expect(&k, "finish 3 succeeded\nseen 1 resting\norders 2\n");
    kit_command(&k, IN_CANCEL_JOB, 5, 9);
    kit_commit(&k);
    forget(&k);
}

/* Nobody else is there: worker 1 gets what comes. */
static void expect_a_trial(void)
{
    forget(&k);
    kit_command(&k, IN_DRAIN, 7, 2);
    builds(4, 4);
    cr_assert_eq(world_job(k.w, 4)->state, JOB_LEASED, "%s", k.said.p);
}

Test(core_policy, who_fails_what_others_do_rests_then_gets_one_at_a_time)
{
    made_to_rest();
    builds(4, 8);
    expect(&k, "ready 4\nready 5\nready 6\nready 7\nready 8\n"
               "claim 4 on 2\nclaim 5 on 2\nclaim 6 on 2\nexplain busy\norders 2\n");
    kit_at(&k, 9);
    expect(&k, "");
    kit_at(&k, 10); /* five seconds after the third */
    expect(&k, "claim 7 on 1\norders 1\n");
    ends(1, 3, 7, FAIL_INFRA);
    kit_at(&k, 19); /* ten now */
    expect(&k, "finish 7 waiting backoff +5\norders 1\nagain 7\n");
    kit_at(&k, 20);
    expect(&k, "claim 7 on 1\norders 1\n"); /* nobody else is free */
    ends(1, 3, 7, FAIL_NONE);
    expect(&k, "finish 7 succeeded\nseen 1 connected\nclaim 8 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_policy, what_waits_for_who_rests_says_so)
{
    made_to_rest();
    kit_command(&k, IN_DRAIN, 7, 2);
    builds(4, 4);
    expect(&k, "drain 2 yes\ndone 7\norders 2\nready 4\nexplain resting: w1\n");
    kit_at(&k, 10);
    expect(&k, "claim 4 on 1\norders 1\n");
    kit_command(&k, IN_CANCEL_JOB, 8, 4); /* a trial that shows nothing */
    builds(5, 5);
    expect(&k,
           "end 4 cancelled by operator:eve\ndone 8\norders 1\nready 5\nclaim 5 on 1\norders 1\n");
    kit_release(&k);
}

/* What ran there already may fail as it will. */
Test(core_policy, attempts_of_before_do_not_prolong_a_rest)
{
    three_fail();
    builds(7, 9);
    ends(1, 3, 9, FAIL_INFRA);
    three_go_through();
    ends(1, 3, 7, FAIL_INFRA);
    kit_at(&k, 11); /* it rested until 10 */
    ends(1, 3, 8, FAIL_INFRA);
    expect_a_trial();
    kit_release(&k);
}

/* A registry is away for a while, and jobs fail wherever they run. */
Test(core_policy, what_fails_everywhere_is_no_workers_fault)
{
    start(6);
    worker(1, 1, ROLES, 3);
    worker(2, 1, ROLES, 3);
    builds(1, 6);
    for (int64_t i = 1; i <= 6; i++)
        ends(world_job(k.w, i)->lease->worker->id, 3, i, FAIL_INFRA);
    kit_at(&k, 5);
    for (int64_t on = 1; on <= 2; on++) { /* first all that the other one had failed */
        for (int64_t i = 1; i <= 6; i++) {
            struct job *j = world_job(k.w, i);
            if (j && j->lease && j->lease->worker->id == on)
                ends(on, 3, i, FAIL_NONE);
        }
    }
    cr_expect(!strstr(k.said.p, "resting"), "%s", k.said.p);
    kit_release(&k);
}

/* Or here only, but then it worked here, too. */
Test(core_policy, what_it_has_done_since_clears_a_worker)
{
    three_fail();
    builds(8, 9);
    ends(1, 3, 8, FAIL_USER);
    ends(1, 3, 9, FAIL_INFRA);
    three_go_through();
    cr_expect(!strstr(k.said.p, "resting"), "%s", k.said.p);
    kit_release(&k);
}

Test(core_policy, an_operator_or_a_new_boot_clears_a_worker)
{
    made_to_rest();
    kit_command(&k, IN_RESUME, 8, 1);
    kit_commit(&k);
    expect(&k, "drain 1 no\nseen 1 connected\ndone 8\norders 1\n");
    kit_release(&k);

    made_to_rest();
    struct worker_report r = kit_says(1, 3);
    r.boot = boot(2);
    kit_report(&k, r);
    kit_commit(&k);
    expect(&k, "seen 1 connected\norders 1\n");
    kit_release(&k);
}

Test(core_policy, a_rest_ends_while_the_link_is_down)
{
    made_to_rest();
    kit_step(&k, &(struct input){.type = IN_LINK_DOWN, .worker_id = 1});
    kit_at(&k, 11);
    kit_hello(&k, 1, 3);
    kit_commit(&k);
    expect_a_trial();
    kit_release(&k);
}

/* Of a worker that a new leader has not heard of yet nothing is said. */
Test(core_policy, drain_and_resume_before_the_first_report)
{
    start(1);
    kit_worker(&k, 1, 1, ROLES);
    kit_command(&k, IN_DRAIN, 7, 1);
    kit_command(&k, IN_RESUME, 8, 1);
    kit_commit(&k);
    expect(&k, "drain 1 yes\ndone 7\ndrain 1 no\ndone 8\n");
    kit_release(&k);
}

/* ---- order -------------------------------------------------------------------------------------
 */

Test(core_policy, the_longer_chain_first_and_age_in_the_end)
{
    start(0);
    kit_image(&k, (struct image_spec){.id = 1, .name = "leaf"});
    kit_image(&k, (struct image_spec){.id = 2, .name = "base"});
    kit_image(&k, (struct image_spec){.id = 3, .name = "child", .parent = 2});
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_BUILD, 2);
    kit_commit(&k);
    forget(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_hello(&k, 1, 1);
    expect(&k, "seen 1 connected\nclaim 2 on 1\nexplain busy\norders 1\n");
    kit_at(&k, 40); /* within its lease */
    kit_image(&k, (struct image_spec){.id = 4, .name = "old leaf"});
    kit_image(&k, (struct image_spec){.id = 5, .name = "another base"});
    kit_image(&k, (struct image_spec){.id = 6, .name = "child", .parent = 5});
    kit_simple(&k, 5, JOB_BUILD, 5);
    struct job_row late = kit_row(4, JOB_BUILD, 4);
    late.created_at = k.now - 3600 * BF_SEC; /* longer than the chain */
    kit_job(&k, late);
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 1, 1, 2, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 2 succeeded\nclaim 4 on 1\norders 1\n");
    kit_release(&k);
}
