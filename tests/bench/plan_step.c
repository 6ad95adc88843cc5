/* plan_step REPO [RUNS] - what a commit costs a planner that has the plan of the commit before: the
 * median of RUNS times, in milliseconds, from the name of the commit to its plan and its jobs. Exit
 * status 1 where the commit changes more than contents. */
#include "common/base/clock.h"
#include "scheduler/plan/jobs.h"
#include "scheduler/plan/update.h"
#include "scheduler/planner/objects.h"

#include <stdio.h>

static int by_size(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Like bootfarm-planner plan --since HEAD~1, from where the earlier plan is there. */
static int step(struct repo *r, const char *oid, const struct files *files,
                const struct plan_input *given, const struct plan *before, double *ms)
{
    bf_time start = clock_mono();
    struct files now;
    struct plan plan;
    struct plan_jobs jobs;
    struct plan_input in = *given;
    size_t *changed, n;
    if (files_like(r, oid, files, &now, &changed, &n, NULL) != 1)
        return -1;
    in.tree = &now.tree;
    int rc = plan_update(&in, before, changed, n, &plan) ? 0 : -1;
    if (rc == 0) {
        plan_jobs_make(&plan, before, &jobs);
        *ms = (double)(clock_mono() - start) / BF_MSEC;
        rc = jobs.n > 0 ? 0 : -1;
        plan_release(&plan);
    }
    files_release(&now);
    return rc;
}

static int measure(struct repo *r, const char *now, const struct files *files, size_t runs)
{
    struct plan before;
    struct plan_input in = {.tree = &files->tree,
                            .hash = hash_openssl,
                            .slug = "bench",
                            .arch = "amd64",
                            .ref = "main"};
    double *ms = xcalloc(runs, sizeof *ms);
    int rc = 0;
    plan_make(&in, &before);
    for (size_t i = 0; i < runs && rc == 0; i++)
        rc = step(r, now, files, &in, &before, &ms[i]);
    qsort(ms, runs, sizeof *ms, by_size);
    if (rc == 0)
        printf("%.3f\n", ms[runs / 2]);
    plan_release(&before);
    free(ms);
    return rc;
}

int main(int argc, char **argv)
{
    struct err e = ERR_INIT;
    char now[OID_TEXT], before[OID_TEXT];
    struct files files;
    if (argc < 2)
        return 2;
    objects_init();
    int64_t runs = 21;
    if (argc > 2 && parse_i64(argv[2], 1, 10000, &runs) < 0)
        return 2;
    struct repo *r = repo_open(argv[1], &e);
    int rc = -1;
    if (r != NULL && repo_commit(r, "HEAD", now, &e) == 0 &&
        repo_commit(r, "HEAD~1", before, &e) == 0 && files_of_commit(r, before, &files, &e) == 0) {
        rc = measure(r, now, &files, (size_t)runs);
        files_release(&files);
    } else {
        fprintf(stderr, "plan_step: %s\n", e.msg);
    }
    repo_close(r);
    objects_shutdown();
    return rc == 0 ? 0 : 1;
}
