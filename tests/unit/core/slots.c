/* Slots that operators change, and drains: what runs is never ended by either. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void wants(unsigned slots)
{
    const struct worker_row row = {
        .id = 1, .name = "w1", .site = 1, .roles = ROLES, .slots_wanted = slots};
    kit_step(&k, &(struct input){.type = IN_WORKER, .worker = &row});
    kit_commit(&k);
}

/* So many ready jobs, before worker 1 has said anything. */
static void start(int64_t jobs)
{
    kit_init(&k);
    for (int64_t i = 1; i <= jobs; i++)
        kit_image(&k, (struct image_spec){.id = i, .name = "a"});
    kit_loaded(&k);
    for (int64_t i = 1; i <= jobs; i++)
        kit_simple(&k, i, JOB_BUILD, i);
    kit_commit(&k);
    forget(&k);
}

static size_t wanted(void)
{
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    return o.n_wanted;
}

Test(core_slots, the_operators_number_goes_before_a_larger_one_of_the_worker)
{
    start(4);
    wants(2);
    kit_hello(&k, 1, 3);
    kit_commit(&k);
    cr_assert_eq(wanted(), 2);
    kit_release(&k);
}

Test(core_slots, a_worker_gets_no_more_than_it_says)
{
    start(4);
    wants(1000);
    kit_hello(&k, 1, 3);
    kit_commit(&k);
    cr_assert_eq(wanted(), 3);
    kit_release(&k);
}

Test(core_slots, more_are_used_at_once)
{
    start(4);
    wants(1);
    kit_hello(&k, 1, 4);
    kit_commit(&k);
    forget(&k);
    wants(3);
    expect(&k, "claim 2 on 1\nclaim 3 on 1\norders 1\n");
    wants(0);
    expect(&k, "claim 4 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_slots, fewer_than_run_end_nothing_and_nothing_new_comes_until_it_fits)
{
    start(4);
    wants(0);
    kit_hello(&k, 1, 3);
    kit_commit(&k);
    forget(&k);
    wants(1);
    expect(&k, "");
    cr_assert_eq(wanted(), 3);
    kit_ends(&k, 1, 3, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    kit_ends(&k, 1, 3, 2, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\norders 1\nfinish 2 succeeded\norders 1\n");
    cr_assert_eq(wanted(), 1);
    kit_ends(&k, 1, 3, 3, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 3 succeeded\nclaim 4 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_slots, a_drain_ends_nothing_that_runs)
{
    start(3);
    wants(0);
    kit_hello(&k, 1, 2);
    kit_commit(&k);
    kit_runs(&k, 1, 2, 1);
    kit_commit(&k);
    forget(&k);
    kit_command(&k, IN_DRAIN, 7, 1);
    kit_commit(&k);
    cr_assert_eq(wanted(), 2);
    kit_ends(&k, 1, 2, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    cr_assert_eq(wanted(), 1);
    cr_assert_not_null(strstr(k.said.p, "finish 1 succeeded"), "%s", k.said.p);
    cr_assert_not_null(strstr(k.said.p, "explain drained: w1"), "%s", k.said.p);
    cr_assert_null(strstr(k.said.p, "claim"), "%s", k.said.p);
    kit_release(&k);
}
