/* Silence: leases, partitions, new leaders. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

/* One job runs on worker 1 of `site`. */
static void running_at(int64_t site)
{
    kit_init(&k);
    kit_worker(&k, 1, site, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    kit_loaded(&k);
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.run_site = site;
    kit_job(&k, row);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    forget(&k);
}

Test(core_lease, kill_a_lost_worker_is_replaced_after_the_kill_time)
{
    running_at(1);
    kit_at(&k, 44);
    expect(&k, "");
    kit_at(&k, 45);
    expect(&k, "seen 1 disconnected\n");
    kit_at(&k, 59);
    expect(&k, "");
    kit_at(&k, 60);
    expect(&k, "lose 1 ready\n"
               "explain worker: no worker for build at hub, amd64\n"
               "orders 1\n");
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    expect(&k, "seen 1 connected\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_lease, a_report_renews_it)
{
    running_at(1);
    kit_at(&k, 40);
    kit_runs(&k, 1, 1, 1);
    kit_at(&k, 84);
    expect(&k, "");
    kit_at(&k, 85);
    expect(&k, "seen 1 disconnected\n");
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    expect(&k, "seen 1 connected\n");
    kit_at(&k, 120);
    expect(&k, "");
    kit_release(&k);
}

Test(core_lease, continue_waits_for_the_grace)
{
    running_at(2);
    kit_at(&k, 45);
    expect(&k, "seen 1 disconnected\nwait 1 disconnected: w1\n");
    kit_at(&k, 644);
    expect(&k, "");
    kit_at(&k, 645);
    expect(&k, "lose 1 ready\n"
               "explain worker: no worker for build at acp, amd64\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_lease, continue_goes_on_after_the_partition)
{
    running_at(2);
    kit_at(&k, 300);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "wait 1 no more\n"
               "finish 1 succeeded\n"
               "seen 1 connected\n"
               "orders 1\n");
    kit_release(&k);
}

/* A job that a predecessor leased to worker 1. */
static void taken_over(void)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.state = JOB_RUNNING;
    row.attempt = k.attempt[1] = (struct id128){{1, 2, 3}};
    row.worker = 1;
    row.boot = boot(1);
    row.attempts = 1;
    kit_job(&k, row);
    kit_loaded(&k);
    kit_commit(&k);
    forget(&k);
}

Test(core_lease, a_new_leader_listens_for_a_full_lease)
{
    taken_over();
    kit_at(&k, 44);
    expect(&k, "");
    struct orders_view o;
    cr_assert_not(world_orders(k.w, 1, &o), "nothing is said to who has not spoken");
    kit_at(&k, 45);
    expect(&k, "seen 1 disconnected\n");
    kit_at(&k, 60);
    expect(&k, "lose 1 ready\nexplain worker: no worker for build at hub, amd64\n");
    kit_release(&k);
}

Test(core_lease, a_new_leader_takes_the_running_attempt_over)
{
    taken_over();
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    expect(&k, "seen 1 connected\norders 1\n");
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    cr_assert_eq(o.n_wanted, 1);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\norders 1\n");
    kit_release(&k);
}

/* What the database says of waiting workers may still be true: nothing is rewritten at once. */
Test(core_lease, a_new_leader_does_not_rewrite_what_it_cannot_know)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.state = JOB_READY;
    row.reason = WAIT_BUSY;
    kit_job(&k, row);
    kit_loaded(&k);
    kit_at(&k, 44);
    expect(&k, "");
    kit_at(&k, 45);
    expect(&k, "seen 1 disconnected\n"
               "explain worker: no worker for build at hub, amd64\n");
    kit_release(&k);
}

Test(core_lease, a_link_that_is_down_is_no_capacity)
{
    running_at(1);
    kit_step(&k, &(struct input){.type = IN_LINK_DOWN, .worker_id = 1});
    kit_commit(&k);
    expect(&k, "seen 1 disconnected\n");
    kit_image(&k, (struct image_spec){.id = 2, .name = "b"});
    kit_simple(&k, 2, JOB_BUILD, 2);
    kit_commit(&k);
    expect(&k, "ready 2\nexplain worker: no worker for build at hub, amd64\n");
    kit_release(&k);
}

Test(core_lease, without_a_work_order_the_row_is_read_again_once)
{
    running_at(1);
    const struct input none = {.type = IN_NO_WORK, .attempt = k.attempt[1]};
    const struct input unknown = {.type = IN_NO_WORK, .attempt = {{9}}};
    kit_step(&k, &none);
    expect(&k, "reload 1\n");
    kit_step(&k, &none);
    kit_step(&k, &unknown);
    expect(&k, "");
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.state = JOB_CANCELLED;
    kit_job(&k, row);
    struct orders_view v;
    cr_assert(world_orders(k.w, 1, &v));
    cr_assert_eq(v.n_wanted, 0);
    kit_release(&k);
}

Test(core_lease, a_revoked_worker_says_nothing)
{
    running_at(1);
    struct worker_row row = {.id = 1, .name = "w1", .site = 1, .roles = ROLES, .revoked = true};
    kit_step(&k, &(struct input){.type = IN_WORKER, .worker = &row});
    kit_commit(&k);
    expect(&k, "seen 1 disconnected\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "");
    struct orders_view o;
    cr_assert_not(world_orders(k.w, 1, &o));
    kit_at(&k, 60);
    cr_assert(str_starts(k.said.p, "lose 1 ready\n"), "%s", k.said.p);
    kit_release(&k);
}
