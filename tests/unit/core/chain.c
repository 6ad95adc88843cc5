/* From rows to work, in the order of the graph. */
#include "tests/unit/core/kit.h"

static struct kit k;

#define ROLES (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST) | ROLE_BIT(JOB_PUBLISH))

static void four_jobs(int64_t first, int64_t image)
{
    for (int kind = 0; kind < JOB_KINDS; kind++)
        kit_simple(&k, first + kind, (enum job_kind)kind, image);
}

static void start(void)
{
    kit_init(&k);
    kit_worker(&k, 1, 1, ROLES);
    kit_worker(&k, 2, 2, ROLE_BIT(JOB_MIRROR));
    kit_loaded(&k);
    kit_hello(&k, 1, 1);
    kit_hello(&k, 2, 1);
    kit_commit(&k);
    forget(&k);
}

static void ends(int64_t job, enum outcome outcome, enum fail_class fail_class)
{
    kit_ends(&k, 1, 1, job, outcome, fail_class);
    kit_commit(&k);
}

Test(core_chain, a_push_becomes_a_mirrored_image)
{
    start();
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    four_jobs(1, 1);
    expect(&k, "");
    kit_commit(&k);
    expect(&k, "ready 1\n" /* the others wait for their chain, which goes without saying */
               "claim 1 on 1\norders 1\n");
    kit_runs(&k, 1, 1, 1);
    kit_commit(&k);
    expect(&k, "start 1\n");
    ends(1, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 1 succeeded\norders 1\nready 2\nclaim 2 on 1\norders 1\n");
    struct sha256 made = digest_of("made by job 1");
    cr_assert(sha256_eq(&k.pin[2], &made));
    ends(2, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 2 succeeded\norders 1\nready 3\nclaim 3 on 1\norders 1\n");
    cr_assert(sha256_eq(&k.pin[3], &made));
    ends(3, OUTCOME_SUCCEEDED, FAIL_NONE);
    expect(&k, "finish 3 succeeded\norders 1\nready 4\nclaim 4 on 2\norders 2\n");
    kit_ends(&k, 2, 1, 4, OUTCOME_SUCCEEDED, FAIL_NONE);
    kit_commit(&k);
    expect(&k, "finish 4 succeeded\norders 2\n");
    kit_release(&k);
}

Test(core_chain, a_child_is_built_on_what_its_parent_passed)
{
    start();
    kit_image(&k, (struct image_spec){.id = 2, .name = "child", .parent = 1});
    kit_image(&k, (struct image_spec){.id = 1, .name = "parent"});
    kit_simple(&k, 5, JOB_BUILD, 2);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_TEST, 1);
    kit_commit(&k);
    expect(&k, "wait 5 parent: test:p:parent@main:amd64 (job 2)\nready 1\nclaim 1 on 1\n"
               "orders 1\n");
    ends(1, OUTCOME_SUCCEEDED, FAIL_NONE);
    ends(2, OUTCOME_SUCCEEDED, FAIL_NONE);
    struct sha256 made = digest_of("made by job 1");
    cr_assert(sha256_eq(&k.pin[5], &made));
    kit_release(&k);
}

Test(core_chain, an_unresolved_base_is_named)
{
    start();
    kit_base(&k, 7, NULL);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .base = 7});
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_commit(&k);
    expect(&k, "wait 1 base: quay.io/base:1: connection refused\n");
    kit_base(&k, 7, NULL);
    kit_commit(&k);
    expect(&k, "");
    struct base_row unknown = {.id = 7, .reference = "quay.io/base:1", .error = "manifest unknown"};
    kit_step(&k, &(struct input){.type = IN_BASE, .base = &unknown});
    kit_commit(&k);
    expect(&k, "wait 1 base: quay.io/base:1: manifest unknown\n");
    kit_base(&k, 7, "resolved");
    kit_commit(&k);
    expect(&k, "ready 1\nclaim 1 on 1\norders 1\n");
    kit_release(&k);
}

Test(core_chain, what_was_made_before_is_not_made_again)
{
    start();
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    kit_answer(&k, OP_MAKE_READY, 1, ST_SKIPPED, "known");
    kit_answer(&k, OP_MAKE_READY, 2, ST_SKIPPED, "known");
    kit_answer(&k, OP_CLAIM, 1, ST_STALE, NULL);
    kit_answer(&k, OP_CLAIM, 2, ST_STALE, NULL);
    kit_simple(&k, 1, JOB_BUILD, 1);
    kit_simple(&k, 2, JOB_TEST, 1);
    kit_simple(&k, 3, JOB_PUBLISH, 1);
    kit_commit(&k);
    struct sha256 known = digest_of("known");
    cr_assert(sha256_eq(&k.pin[2], &known));
    cr_assert(sha256_eq(&k.pin[3], &known));
    cr_assert_null(world_job(k.w, 1), "what went through is no record any more");
    cr_assert_null(world_job(k.w, 2));
    kit_simple(&k, 2, JOB_TEST, 1); /* its row as it was read before */
    kit_commit(&k);
    cr_assert_eq(idmap_get(&k.w->jobs, 2), NULL);
    cr_assert_eq(world_job(k.w, 3)->state, JOB_LEASED);
    kit_release(&k);
}

/* parent 1 (of that repository) ◄── child 2 ◄── grandchild 3; the parent's build fails. */
static void failed_parent_of(const char *repo)
{
    start();
    kit_image(&k, (struct image_spec){.id = 1, .repo = repo, .name = "a", .passing = "old a"});
    kit_image(&k, (struct image_spec){.id = 2, .name = "b", .parent = 1, .passing = "old b"});
    kit_image(&k, (struct image_spec){.id = 3, .name = "c", .parent = 2});
    for (int64_t i = 1; i <= 3; i++) {
        for (int kind = JOB_BUILD; kind <= JOB_TEST; kind++) {
            struct job_row row = kit_row(i * 4 + kind, (enum job_kind)kind, i);
            row.because_parent = i > 1;
            kit_job(&k, row);
        }
    }
    kit_commit(&k);
    forget(&k);
    ends(4, OUTCOME_FAILED, FAIL_USER);
}

static void failed_parent(void)
{
    failed_parent_of(NULL);
}

Test(core_chain, a_failed_parent_blocks_and_is_named_to_the_end)
{
    failed_parent();
    expect(&k, "finish 4 failed\norders 1\n"
               "wait 5 blocked: build:p:a@main:amd64 failed (job 4)\n"
               "wait 8 blocked: build:p:a@main:amd64 failed (job 4)\n"
               "wait 9 blocked: build:p:a@main:amd64 failed (job 4)\n"
               "wait 12 blocked: build:p:a@main:amd64 failed (job 4)\n"
               "wait 13 blocked: build:p:a@main:amd64 failed (job 4)\n");
    kit_command(&k, IN_RETRY_JOB, 1, 4);
    kit_commit(&k);
    expect(&k, "reopen 4 by operator:eve\n"
               "done 1\n"
               "ready 4\n"
               "wait 5 parent: build:p:a@main:amd64 (job 4)\n"
               "wait 8 parent: test:p:a@main:amd64 (job 5)\n"
               "wait 9 parent: build:p:b@main:amd64 (job 8)\n"
               "wait 12 parent: test:p:b@main:amd64 (job 9)\n"
               "wait 13 parent: build:p:c@main:amd64 (job 12)\n"
               "claim 4 on 1\n"
               "orders 1\n");
    kit_run_all(&k, 1);
    struct sha256 made = digest_of("made by job 8");
    cr_assert(sha256_eq(&k.pin[12], &made));
    kit_release(&k);
}

Test(core_chain, a_fix_elsewhere_builds_on_what_passed_last)
{
    failed_parent();
    forget(&k);
    struct job_row fix = kit_row(20, JOB_BUILD, 2);
    fix.revision_serial = 2;
    kit_job(&k, fix);
    kit_commit(&k);
    expect(&k, "end 8 superseded\nready 20\nwait 9 parent: build:p:b@main:amd64 (job 20)\n"
               "wait 12 parent: test:p:b@main:amd64 (job 9)\n"
               "wait 13 parent: build:p:c@main:amd64 (job 12)\nclaim 20 on 1\norders 1\n");
    struct sha256 old = digest_of("old a");
    cr_assert(sha256_eq(&k.pin[20], &old));
    kit_release(&k);
}

Test(core_chain, not_so_when_the_same_revision_changed_the_parent)
{
    failed_parent();
    forget(&k);
    kit_simple(&k, 20, JOB_BUILD, 2);
    kit_commit(&k);
    expect(&k, "end 8 superseded\nwait 20 blocked: build:p:a@main:amd64 failed (job 4)\n");
    kit_release(&k);
}

Test(core_chain, revisions_of_another_repository_are_not_ours)
{
    failed_parent_of("q");
    forget(&k);
    kit_simple(&k, 20, JOB_BUILD, 2);
    kit_commit(&k);
    struct sha256 old = digest_of("old a");
    cr_assert(sha256_eq(&k.pin[20], &old), "by chance the numbers of two revisions are the same");
    kit_release(&k);
}

Test(core_chain, a_chain_of_two_thousand_needs_no_stack)
{
    enum { N = 2000 };
    start();
    for (int64_t i = 1; i <= N; i++)
        kit_image(&k, (struct image_spec){.id = i, .name = "x", .parent = i - 1});
    for (int64_t i = N; i >= 1; i--) {
        int64_t archs = i;
        struct job_row row = kit_row(1, JOB_BUILD, i);
        row.image_archs = &archs;
        row.id = 2 * i + 10;
        kit_job(&k, row);
        row.kind = JOB_TEST;
        row.id = 2 * i + 11;
        kit_job(&k, row);
    }
    /* The first is cancelled: all others learn of it, in as many steps as that takes. */
    kit_command(&k, IN_CANCEL_JOB, 1, 12);
    kit_step(&k, &(struct input){.type = IN_COMMITTED});
    effects_clear(&k.e);
    while (brain_deadline(k.w) <= k.now)
        brain_step(k.w, &(struct input){.type = IN_TICK}, k.now, &k.e);
    size_t blocked = 0;
    for (size_t i = 0; i < k.e.n_ops; i++)
        blocked += k.e.ops[i].type == OP_WAIT && k.e.ops[i].reason == WAIT_BLOCKED;
    cr_assert_geq(blocked, 2 * N - 1);
    kit_release(&k);
}
