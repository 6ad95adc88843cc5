/* From rows to work, in the order of the graph. */
#include "tests/unit/core/kit.h"

static struct kit k;
TestSuite(core_chain, .init = NULL);

static void one_image(void)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH));
    kit_worker(&k, 2, 2, ROLE_BIT(JOB_MIRROR));
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
}

static void four_jobs(int64_t first, int64_t image)
{
    for (int kind = 0; kind < JOB_KINDS; kind++)
        kit_simple(&k, first + kind, (enum job_kind)kind, image);
}

Test(core_chain, a_push_becomes_a_mirrored_image)
{
    one_image();
    kit_loaded(&k);
    kit_hello(&k, 1, 1);
    kit_hello(&k, 2, 1);
    kit_commit(&k);
    forget(&k);
    four_jobs(1, 1);
    expect(&k, "");
    kit_commit(&k);
    expect(&k, "ready 1\nwait 2 parent: build:p:a@main:amd64 (job 1)\n"
               "wait 3 parent: test:p:a@main:amd64 (job 2)\n"
               "wait 4 parent: publish:p:a@main (job 3)\n"
               "claim 1 on 1\norders 1\n");
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    expect(&k, "start 1\n");
    kit_ends(&k, 1, 1, 1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 1 succeeded\norders 1\n");
    kit_commit(&k);
    expect(&k, "ready 2\nclaim 2 on 1\norders 1\n");
    cr_assert(sha256_eq(&k.pin[2], &(struct sha256[]){digest_of("made by job 1")}[0]));
    kit_ends(&k, 1, 1, 2, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 2 succeeded\norders 1\nready 3\nclaim 3 on 1\norders 1\n");
    cr_assert(sha256_eq(&k.pin[3], &(struct sha256[]){digest_of("made by job 1")}[0]));
    kit_ends(&k, 1, 1, 3, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 3 succeeded\norders 1\nready 4\nclaim 4 on 2\norders 2\n");
    kit_ends(&k, 2, 1, 4, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 4 succeeded\norders 2\n");
    kit_release(&k);
}
