#include "tests/unit/core/farm.h"

#include <stdio.h>

#define START (1000 * BF_SEC)

static void no_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    (void)parts;
    (void)n;
    *out = (struct sha256){{1}};
}

static struct sha256 digest_of(int64_t job)
{
    struct sha256 d = {{0}};
    memcpy(d.b, &job, sizeof job);
    return d;
}

static void step(struct farm *f, const struct input *in)
{
    brain_step(f->w, in, START + f->now, &f->e);
}

void farm_add(struct farm *f, struct farm_image image)
{
    *vec_push(&f->images) = image;
}

/* ---- a turn ------------------------------------------------------------------------------------
 */

static bf_time duration(const struct farm *f, int64_t job)
{
    const struct farm_image *m = &f->images.v[(job - 1) / 2];
    return (job % 2 ? m->build_ms : m->test_ms) * BF_MSEC;
}

static void start_claimed(struct farm *f, const struct effects *e)
{
    for (size_t i = 0; i < e->n_ops; i++) {
        const struct op *op = &e->ops[i];
        if (op->type != OP_CLAIM)
            continue;
        *vec_push(&f->running) = (struct farm_run){
            .attempt = op->attempt, .job = op->job, .ends = f->now + duration(f, op->job)};
        f->began.v[op->job] = f->now;
        f->worker_of.v[op->job] = op->worker;
    }
}

static void answer(struct farm *f, const struct effects *e)
{
    step(f, &(struct input){.type = IN_COMMITTED});
    for (size_t i = 0; i < e->n_ops; i++) {
        const struct op *op = &e->ops[i];
        if (op->type == OP_FINISH)
            step(f, &(struct input){.type = IN_STATUS,
                                    .status = {.op = op,
                                               .digest = digest_of((op->job - 1) / 2 + 1),
                                               .repository = "reg/build"}});
    }
}

static void commit(struct farm *f)
{
    do {
        struct effects done = f->e;
        f->e = (struct effects){0};
        start_claimed(f, &done);
        answer(f, &done);
        effects_release(&done);
        while (brain_deadline(f->w) <= START + f->now)
            step(f, &(struct input){.type = IN_TICK});
    } while (f->e.n_ops);
}

/* ---- rows --------------------------------------------------------------------------------------
 */

static void report(struct farm *f, int64_t worker, const struct result_report *result)
{
    struct worker_report r = {.worker = worker,
                              .boot = {{[0] = 1}},
                              .arch = "amd64",
                              .slots = f->slots,
                              .accepting = true,
                              .results = result,
                              .n_results = result != NULL};
    step(f, &(struct input){.type = IN_REPORT, .report = &r});
}

void farm_begin(struct farm *f)
{
    const bf_time ever = 1000000 * BF_SEC;
    struct brain_config c = {.term = 1,
                             .lease = ever,
                             .kill_time = ever,
                             .backoff_min = BF_SEC,
                             .backoff_max = BF_SEC,
                             .lost_limit = 3,
                             .hash = no_hash,
                             .seed = 1};
    f->w = world_new(&c);
    struct site_row hub = {.id = 1, .name = "hub", .hub = true};
    step(f, &(struct input){.type = IN_SITE, .site = &hub});
    for (int64_t i = 1; i <= f->workers; i++) {
        struct worker_row row = {
            .id = i, .name = "w", .site = 1, .roles = ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST)};
        step(f, &(struct input){.type = IN_WORKER, .worker = &row});
    }
    step(f, &(struct input){.type = IN_LOADED});
    for (int64_t i = 1; i <= f->workers; i++)
        report(f, i, NULL);
    commit(f);
}

static void add_image(struct farm *f, size_t i)
{
    const struct farm_image *m = &f->images.v[i];
    int64_t parents[FARM_PARENTS];
    for (size_t k = 0; k < m->n_parents; k++)
        parents[k] = (int64_t)m->parents[k] + 1;
    char name[32];
    snprintf(name, sizeof name, "r%d:i%zu@main", (int)m->repo, i);
    struct image_row row = {.id = (int64_t)i + 1,
                            .image = (int64_t)i + 1,
                            .name = name,
                            .repo = m->repo,
                            .arch = "amd64",
                            .parents = parents,
                            .n_parents = m->n_parents,
                            .repo_weight = m->weight,
                            .build_ms = m->known ? m->build_ms : 0,
                            .test_ms = m->known ? m->test_ms : 0};
    step(f, &(struct input){.type = IN_IMAGE, .image = &row});
}

static void add_job(struct farm *f, int64_t id, enum job_kind kind)
{
    int64_t image = (id - 1) / 2 + 1;
    struct job_row row = {.id = id,
                          .kind = kind,
                          .image = image,
                          .image_arch = image,
                          .run_site = 1,
                          .revision_serial = 1,
                          .created_at = START + f->now};
    step(f, &(struct input){.type = IN_JOB, .job = &row});
}

void farm_plan(struct farm *f, size_t first)
{
    while (f->began.n < 2 * f->images.n + 1) {
        *vec_push(&f->began) = -1;
        *vec_push(&f->worker_of) = 0;
    }
    for (size_t i = first; i < f->images.n; i++)
        add_image(f, i);
    for (size_t i = first; i < f->images.n; i++) {
        add_job(f, 2 * (int64_t)i + 1, JOB_BUILD);
        add_job(f, 2 * (int64_t)i + 2, JOB_TEST);
    }
    commit(f);
}

void farm_row(struct farm *f, size_t image)
{
    add_image(f, image);
    commit(f);
}

bool farm_next(struct farm *f)
{
    if (f->running.n == 0)
        return false;
    size_t first = 0;
    vec_for_each (i, &f->running) {
        const struct farm_run *a = &f->running.v[i], *b = &f->running.v[first];
        if (a->ends < b->ends || (a->ends == b->ends && a->job < b->job))
            first = i;
    }
    struct farm_run run = f->running.v[first];
    vec_remove_swap(&f->running, first);
    f->now = run.ends;
    struct result_report result = {.attempt = run.attempt,
                                   .outcome = OUTCOME_SUCCEEDED,
                                   .digest = digest_of((run.job - 1) / 2 + 1)};
    report(f, f->worker_of.v[run.job], &result);
    commit(f);
    return true;
}

void farm_end(struct farm *f)
{
    world_free(f->w);
    effects_release(&f->e);
    vec_release(&f->images);
    vec_release(&f->running);
    vec_release(&f->began);
    vec_release(&f->worker_of);
}
