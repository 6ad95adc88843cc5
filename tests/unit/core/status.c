/* PostgreSQL said something else than yes. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void start(enum job_kind kind)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .passing = "d"});
    kit_loaded(&k);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    forget(&k);
    kit_simple(&k, 1, kind, 1);
}

static size_t wanted(void)
{
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    return o.n_wanted;
}

Test(core_status, a_stale_row_is_read_again)
{
    start(JOB_BUILD);
    kit_answer(&k, OP_MAKE_READY, 1, ST_STALE, NULL);
    kit_answer(&k, OP_CLAIM, 1, ST_STALE, NULL);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\nreload 1\norders 1\nreload 1\n");
    cr_assert_eq(wanted(), 0);
    kit_hello(&k, 1, 1);
    kit_commit(&k);
    expect(&k, ""); /* nothing is done to it meanwhile */
    struct job_row row = kit_row(1, JOB_BUILD, 1);
    row.state = JOB_READY;
    kit_job(&k, row);
    kit_commit(&k);
    expect(&k, "claim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_status, a_busy_publish_is_asked_for_again_later)
{
    start(JOB_PUBLISH);
    kit_answer(&k, OP_CLAIM, 1, ST_BUSY, NULL);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\norders 1\n");
    cr_assert_eq(wanted(), 0);
    kit_at(&k, 4);
    expect(&k, "");
    kit_at(&k, 5);
    expect(&k, "claim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_status, an_outdated_publish_is_superseded)
{
    start(JOB_PUBLISH);
    kit_answer(&k, OP_CLAIM, 1, ST_OUTDATED, NULL);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "claim 1 on 1\n"
               "orders 1\n"
               "end 1 superseded\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_status, a_refused_row_rests_and_the_farm_goes_on)
{
    start(JOB_BUILD);
    kit_image(&k, (struct image_spec){.id = 2, .name = "b"});
    kit_simple(&k, 2, JOB_BUILD, 2);
    kit_answer(&k, OP_CLAIM, 1, ST_REFUSED, NULL);
    kit_commit(&k);
    expect(&k, "ready 1\n"
               "ready 2\n"
               "claim 1 on 1\n"
               "explain busy\n"
               "orders 1\n"
               "wait 1 quarantined: refused by the database, see farm.quarantine\n"
               "orders 1\n"
               "claim 2 on 1\n"
               "orders 1\n");
    kit_command(&k, IN_RETRY_JOB, 3, 1);
    expect(&k, "done 3\n"
               "reload 1\n");
    kit_release(&k);
}

Test(core_status, a_result_that_cannot_be_stored)
{
    start(JOB_BUILD);
    kit_commit(&k);
    forget(&k);
    kit_answer(&k, OP_FINISH, 1, ST_REFUSED, NULL);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\norders 1\nlose 1 failed quarantined\n");
    struct orders_view o;
    cr_assert(world_orders(k.w, 1, &o));
    cr_assert_eq(o.n_wanted, 0);
    cr_assert_eq(o.n_acks, 1);
    cr_assert_eq(o.acks[0].status, ST_UNKNOWN);
    kit_release(&k);
}

Test(core_status, a_result_that_came_too_late)
{
    start(JOB_BUILD);
    kit_commit(&k);
    forget(&k);
    kit_answer(&k, OP_FINISH, 1, ST_FENCED, NULL);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\norders 1\nreload 1\n");
    kit_release(&k);
}

/* The answers of a transaction may come before IN_COMMITTED, too. */
Test(core_status, in_either_order)
{
    for (int first = 0; first < 2; first++) {
        start(JOB_BUILD);
        kit_simple(&k, 2, JOB_TEST, 1);
        kit_commit(&k);
        kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
        struct effects done = k.e;
        k.e = (struct effects){0};
        forget(&k);
        struct input yes = {.type = IN_STATUS,
                            .status = {.op = &done.ops[0],
                                       .status = ST_OK,
                                       .digest = digest_of("stored"),
                                       .repository = "reg/build"}};
        if (first == 0)
            kit_step(&k, &yes);
        kit_step(&k, &(struct input){.type = IN_COMMITTED});
        if (first == 1)
            kit_step(&k, &yes);
        kit_step(&k, &(struct input){.type = IN_TICK});
        expect(&k, "ready 2\nclaim 2 on 1\norders 1\n");
        struct sha256 stored = digest_of("stored");
        cr_assert(sha256_eq(&k.pin[2], &stored));
        cr_assert_str_eq(k.e.ops[0].pins[0].repository, "reg/build");
        effects_release(&done);
        kit_release(&k);
    }
}
