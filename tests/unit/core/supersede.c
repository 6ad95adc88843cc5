/* Newer jobs, and images that nobody wants any more. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void four_jobs(int64_t first, int64_t revision)
{
    for (int kind = 0; kind < JOB_KINDS; kind++) {
        struct job_row row = kit_row(first + kind, (enum job_kind)kind, 1);
        row.revision_serial = revision;
        kit_job(&k, row);
    }
}

static void start(unsigned slots)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    kit_loaded(&k);
    if (slots)
        kit_hello(&k, 1, slots);
    kit_commit(&k);
    forget(&k);
}

Test(core_supersede, what_waits_or_is_ready_gives_way)
{
    start(0);
    four_jobs(1, 1);
    kit_commit(&k);
    forget(&k);
    four_jobs(5, 2);
    kit_commit(&k);
    expect(&k, "end 1 superseded\nend 2 superseded\nend 3 superseded\nend 4 superseded\n"
               "ready 5\n");
    kit_release(&k);
}

Test(core_supersede, what_runs_goes_on_and_is_not_published)
{
    start(1);
    four_jobs(1, 1);
    kit_commit(&k);
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    forget(&k);
    four_jobs(5, 2);
    kit_commit(&k);
    expect(&k, "end 2 superseded\nend 3 superseded\nend 4 superseded\n"
               "ready 5\nexplain busy\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\nclaim 5 on 1\norders 1\n");
    cr_assert_null(world_job(k.w, 1), "history is not kept in memory");
    kit_release(&k);
}

Test(core_supersede, an_older_one_is_not_tried_again)
{
    start(1);
    four_jobs(1, 1);
    kit_commit(&k);
    four_jobs(5, 2);
    kit_commit(&k);
    forget(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_FAILED, FAIL_INFRA);
    kit_commit(&k);
    expect(&k, "finish 1 waiting backoff +5\n"
               "end 1 superseded\n"
               "claim 5 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_supersede, rows_of_one_plan_may_come_in_any_order)
{
    start(1);
    for (int64_t id = 4; id >= 1; id--)
        kit_simple(&k, id, (enum job_kind)(id - 1), 1);
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_supersede, the_older_publish_ends_first)
{
    start(1);
    four_jobs(1, 1);
    kit_commit(&k);
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    kit_ends(&k, 1, 1, 2, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    forget(&k);
    kit_simple(&k, 5, JOB_PUBLISH, 1);
    kit_commit(&k);
    expect(&k, "wait 5 parent: an earlier publish of the image\n"
               "wait 4 parent: publish:p:a@main (job 5)\n");
    kit_ends(&k, 1, 1, 3, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 3 succeeded\n"
               "ready 5\n"
               "claim 5 on 1\n"
               "orders 1\n");
    kit_release(&k);
}

Test(core_supersede, a_removed_image_wants_nothing)
{
    start(1);
    four_jobs(1, 1);
    kit_commit(&k);
    forget(&k);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .removed = true});
    kit_commit(&k);
    expect(&k, "end 2 superseded\nend 3 superseded\nend 4 superseded\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 1 succeeded\norders 1\n");
    kit_release(&k);
}

/* Its ref lost the right to publish: what waits behind the release goes, too, and nothing else. */
Test(core_supersede, an_image_that_may_not_be_released_is_built_and_tested)
{
    start(1);
    four_jobs(1, 1);
    kit_commit(&k);
    forget(&k);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .barred = true});
    kit_commit(&k);
    expect(&k, "end 3 superseded\nend 4 superseded\n");
    kit_release(&k);
}

/* A leader finds two generations of jobs in the database: its predecessor died between the commit
 * of the plan and its own. */
Test(core_supersede, a_new_leader_supersedes_as_well)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    struct job_row ready = kit_row(1, JOB_BUILD, 1);
    ready.state = JOB_READY;
    kit_job(&k, ready);
    kit_simple(&k, 2, JOB_BUILD, 1);
    kit_loaded(&k);
    expect(&k, "end 1 superseded\nready 2\nexplain worker: no worker for build at hub, amd64\n");
    kit_release(&k);
}
