/* Ops of a turn as statements: few, and never out of order where the order matters. */
#include "scheduler/store_turn.h"
#include <criterion/criterion.h>

static struct turn *turn;

static void begin(void)
{
    turn = turn_new();
}

static void end(void)
{
    turn_free(turn);
}

static void add(enum op_type type, int64_t job)
{
    struct op op = {.type = type, .job = job, .attempt = {{(uint8_t)job, 1}}, .worker = 1};
    op.apart = type == OP_CLAIM;
    if (type == OP_FINISH)
        op.next = JOB_SUCCEEDED;
    struct op_payload p = {.json = type == OP_FINISH ? "{}" : NULL};
    turn_add(turn, &op, &p);
}

TestSuite(turn, .init = begin, .fini = end);

Test(turn, alternating_ops_of_many_jobs_are_few_statements)
{
    for (int64_t j = 1; j <= 4000; j += 2) {
        add(OP_MAKE_READY, j);
        add(OP_WAIT, j + 1);
    }
    cr_assert_eq(turn_statements(turn), 2);
}

/* A plain success is a statement of its own, and one all the same. */
Test(turn, successes_go_together)
{
    struct op op = {.type = OP_FINISH, .worker = 1, .next = JOB_SUCCEEDED};
    for (op.job = 1; op.job <= 100; op.job++)
        turn_add(turn, &op, &(struct op_payload){.success = op.job % 2, .json = "{}"});
    cr_assert_eq(turn_statements(turn), 2);
}

Test(turn, one_job_keeps_its_order)
{
    add(OP_WAIT, 1);
    add(OP_MAKE_READY, 1);
    add(OP_WAIT, 1);
    cr_assert_eq(turn_statements(turn), 3);
    add(OP_WAIT, 2); /* may stand in any of them */
    cr_assert_eq(turn_statements(turn), 3);
}

Test(turn, a_job_stands_once_in_a_statement)
{
    add(OP_WAIT, 1);
    add(OP_WAIT, 1);
    cr_assert_eq(turn_statements(turn), 2);
}

Test(turn, a_claim_does_not_overtake_an_end)
{
    add(OP_CLAIM, 1);
    add(OP_FINISH, 2);
    add(OP_CLAIM, 3);
    cr_assert_eq(turn_statements(turn), 3, "the publish that 2 was may be what 3 waited for");
    add(OP_FINISH, 4);
    cr_assert_eq(turn_statements(turn), 3);
    add(OP_CLAIM, 5);
    cr_assert_eq(turn_statements(turn), 3);
}

Test(turn, a_start_stays_before_the_end_of_its_job)
{
    add(OP_FINISH, 1);
    add(OP_START, 2);
    add(OP_FINISH, 2);
    cr_assert_eq(turn_statements(turn), 3);
}

static void add_many(enum op_type type, int64_t first)
{
    for (int64_t j = first; j < first + 200; j++)
        add(type, j);
}

Test(turn, many_claims_part_from_many_ends_of_other_jobs)
{
    add_many(OP_FINISH, 1);
    cr_assert_not(turn_splits(turn));
    add_many(OP_CLAIM, 1000);
    cr_assert(turn_splits(turn));
    turn_clear(turn);
    add_many(OP_FINISH, 1);
    add(OP_CLAIM, 1000);
    cr_assert_not(turn_splits(turn), "one claim is not worth a second commit");
}

Test(turn, a_job_that_is_claimed_and_in_something_else_keeps_all_together)
{
    add_many(OP_MAKE_READY, 1);
    add_many(OP_CLAIM, 200);
    cr_assert_not(turn_splits(turn), "200 is made ready before it is claimed");
    turn_clear(turn);
    add_many(OP_CLAIM, 200);
    add_many(OP_LOSE, 399);
    cr_assert_not(turn_splits(turn), "399 is lost after it was claimed");
    turn_clear(turn);
    add_many(OP_CLAIM, 200);
    add_many(OP_LOSE, 400);
    cr_assert(turn_splits(turn));
}

Test(turn, the_claim_of_a_publish_keeps_all_together)
{
    struct op op = {.type = OP_CLAIM, .job = 1, .worker = 1};
    turn_add(turn, &op, &(struct op_payload){0});
    add_many(OP_CLAIM, 1000);
    add_many(OP_FINISH, 2000);
    cr_assert_not(turn_splits(turn), "an end among these may be what it waited for");
}
