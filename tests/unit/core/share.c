/* What policy promises in numbers: fair shares, and short makespans. */
#include "tests/unit/core/farm.h"

#include <criterion/criterion.h>
#include <stdio.h>

static uint64_t chance;

static uint32_t random_below(uint32_t n)
{
    uint64_t z = (chance += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)((z ^ (z >> 31)) % n);
}

/* ---- fair shares -------------------------------------------------------------------------------
 */

#define MINUTE (60 * BF_SEC)

static void flood(struct farm *f, int64_t repo, unsigned weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        farm_add(f, (struct farm_image){
                        .repo = repo, .weight = weight, .build_ms = 60000, .test_ms = 60000});
}

/* 1,500 images, each a build and a test, are 3,000 jobs; ten minutes later somebody wants one. */
Test(core_share, one_job_does_not_wait_behind_three_thousand)
{
    struct farm f = {.workers = 4, .slots = 2};
    flood(&f, 1, 1, 1500);
    farm_begin(&f);
    farm_plan(&f, 0);
    while (f.now < 10 * MINUTE && farm_next(&f))
        ;
    size_t last = f.images.n;
    bf_time asked = f.now;
    flood(&f, 2, 1, 1);
    farm_plan(&f, last);
    int64_t build = 2 * (int64_t)last + 1;
    while (f.began.v[build + 1] < 0 && farm_next(&f))
        ;
    cr_assert_leq(f.began.v[build] - asked, MINUTE, "the build: a slot's turnaround");
    cr_assert_leq(f.began.v[build + 1] - asked, 3 * MINUTE, "and the test likewise");
    farm_end(&f);
}

static size_t begun_of(const struct farm *f, int64_t repo)
{
    size_t n = 0;
    for (size_t job = 1; job < f->began.n; job++)
        n += f->began.v[job] >= 0 && f->images.v[(job - 1) / 2].repo == repo;
    return n;
}

Test(core_share, weights_are_kept)
{
    struct farm f = {.workers = 4, .slots = 2};
    flood(&f, 1, 1, 400);
    flood(&f, 2, 3, 400);
    farm_begin(&f);
    farm_plan(&f, 0);
    while (f.now < 60 * MINUTE && farm_next(&f))
        ;
    double share = (double)begun_of(&f, 2) / (double)begun_of(&f, 1);
    cr_assert(share > 2.9 && share < 3.1, "%.3f", share);
    farm_end(&f);
}

/* An operator sets a weight while both have jobs: it counts from the next start on, also of jobs
 * that are queued already. */
Test(core_share, a_new_weight_counts_at_once)
{
    struct farm f = {.workers = 4, .slots = 2};
    flood(&f, 1, 1, 400);
    flood(&f, 2, 1, 400);
    farm_begin(&f);
    farm_plan(&f, 0);
    while (f.now < 20 * MINUTE && farm_next(&f))
        ;
    double before = (double)begun_of(&f, 2) / (double)begun_of(&f, 1);
    cr_assert(before > 0.9 && before < 1.1, "%.3f", before);
    size_t one = begun_of(&f, 1), two = begun_of(&f, 2);
    f.images.v[400].weight = 3;
    farm_row(&f, 400);
    while (f.now < 60 * MINUTE && farm_next(&f))
        ;
    double share = (double)(begun_of(&f, 2) - two) / (double)(begun_of(&f, 1) - one);
    cr_assert(share > 2.8 && share < 3.2, "%.3f", share);
    farm_end(&f);
}

/* A repository that asked for nothing for a day does not get the farm for a day. */
Test(core_share, idleness_is_not_saved_up)
{
    struct farm f = {.workers = 2, .slots = 2};
    flood(&f, 1, 1, 600);
    farm_begin(&f);
    farm_plan(&f, 0);
    while (f.now < 120 * MINUTE && farm_next(&f))
        ;
    size_t before = begun_of(&f, 1), last = f.images.n;
    flood(&f, 2, 1, 300);
    farm_plan(&f, last);
    bf_time until = f.now + 60 * MINUTE;
    while (f.now < until && farm_next(&f))
        ;
    double share = (double)begun_of(&f, 2) / (double)(begun_of(&f, 1) - before);
    cr_assert(share > 0.9 && share < 1.1, "%.3f", share);
    farm_end(&f);
}

/* ---- where the parent's image lies -------------------------------------------------------------
 */

Test(core_share, a_child_is_built_where_its_parent_was)
{
    struct farm f = {.workers = 8, .slots = 2};
    for (size_t i = 0; i < 4; i++)
        farm_add(&f, (struct farm_image){
                         .repo = 1, .build_ms = 1000 * (uint32_t)(i + 1), .test_ms = 500});
    for (size_t i = 0; i < 4; i++)
        farm_add(&f,
                 (struct farm_image){
                     .repo = 1, .parents = {i}, .n_parents = 1, .build_ms = 1000, .test_ms = 500});
    farm_begin(&f);
    farm_plan(&f, 0);
    while (farm_next(&f))
        ;
    for (int64_t i = 0; i < 4; i++) {
        int64_t parent = f.worker_of.v[2 * i + 1];
        cr_assert_eq(f.worker_of.v[2 * i + 2], parent, "the test, too");
        cr_assert_eq(f.worker_of.v[2 * (i + 4) + 1], parent);
    }
    farm_end(&f);
}

/* ---- makespan ----------------------------------------------------------------------------------
 */

static struct farm_image image_of(uint32_t least, uint32_t most)
{
    return (struct farm_image){.repo = 1,
                               .build_ms = 1000 * (least + random_below(most - least)),
                               .test_ms = 1000 * (least / 2 + random_below(most / 2)),
                               .known = true};
}

static void with_parent(struct farm_image *m, size_t parent)
{
    m->parents[m->n_parents++] = parent;
}

/* Chains of 1 to 12 images, side by side. */
static void chain_bundle(struct farm *f)
{
    for (int chain = 0; chain < 24; chain++) {
        uint32_t n = 1 + random_below(12);
        for (uint32_t i = 0; i < n; i++) {
            struct farm_image m = image_of(20, 200);
            if (i)
                with_parent(&m, f->images.n - 1);
            farm_add(f, m);
        }
    }
}

/* Each image is built from one that came before it. */
static void tree(struct farm *f)
{
    for (int i = 0; i < 200; i++) {
        struct farm_image m = image_of(20, 200);
        if (i)
            with_parent(&m, random_below((uint32_t)f->images.n));
        farm_add(f, m);
    }
}

/* One base, many on it, one that copies from four of them, and again. */
static void fan(struct farm *f)
{
    size_t base = 0;
    for (int round = 0; round < 4; round++) {
        struct farm_image m = image_of(20, 100);
        for (size_t i = 0; round && i < FARM_PARENTS; i++)
            with_parent(&m, f->images.n - 1 - i);
        base = f->images.n;
        farm_add(f, m);
        for (int i = 0; i < 40; i++) {
            m = image_of(20, 200);
            with_parent(&m, base);
            farm_add(f, m);
        }
    }
}

/* Layers of 5 to 40 images, each with one to three parents in the layer before. */
static void layers(struct farm *f)
{
    size_t first = 0, n = 0;
    for (int layer = 0; layer < 8; layer++) {
        size_t begin = f->images.n, wide = 5 + random_below(36);
        for (size_t i = 0; i < wide; i++) {
            struct farm_image m = image_of(20, 200);
            for (uint32_t k = 0; n && k < 1 + random_below(3); k++)
                with_parent(&m, first + (i + k) % n);
            farm_add(f, m);
        }
        first = begin;
        n = wide;
    }
}

static const struct {
    const char *name;
    void (*make)(struct farm *f);
} shapes[] = {{"chain bundle", chain_bundle}, {"tree", tree}, {"fan", fan}, {"layers", layers}};

/* No schedule is shorter than the longest path, or than all work over all slots. */
static bf_time lower_bound(const struct farm *f)
{
    VEC(bf_time) done = VEC_INIT;
    bf_time path = 0, work = 0;
    vec_for_each (i, &f->images) {
        const struct farm_image *m = &f->images.v[i];
        bf_time own = (m->build_ms + m->test_ms) * BF_MSEC, begin = 0;
        for (size_t k = 0; k < m->n_parents; k++)
            begin = done.v[m->parents[k]] > begin ? done.v[m->parents[k]] : begin;
        *vec_push(&done) = begin + own;
        path = begin + own > path ? begin + own : path;
        work += own;
    }
    vec_release(&done);
    work /= f->workers * f->slots;
    return path > work ? path : work;
}

static bf_time run(struct farm *f)
{
    farm_begin(f);
    farm_plan(f, 0);
    while (farm_next(f))
        ;
    for (size_t job = 1; job < f->began.n; job++)
        cr_assert_geq(f->began.v[job], 0, "job %zu never ran", job);
    return f->now;
}

/* ---- first come, first served, for comparison ---- */

struct fifo {
    const struct farm *f;
    size_t *waits; /* parents of each image that are not through */
    VEC(int64_t) queue;
    size_t head;
    VEC(struct farm_run) running;
    bf_time now;
};

static void fifo_fill(struct fifo *q)
{
    while (q->head < q->queue.n && q->running.n < (size_t)q->f->workers * q->f->slots) {
        int64_t job = q->queue.v[q->head++];
        const struct farm_image *m = &q->f->images.v[(job - 1) / 2];
        bf_time took = (job % 2 ? m->build_ms : m->test_ms) * BF_MSEC;
        *vec_push(&q->running) = (struct farm_run){.job = job, .ends = q->now + took};
    }
}

static void fifo_passed(struct fifo *q, size_t image)
{
    vec_for_each (i, &q->f->images) {
        const struct farm_image *m = &q->f->images.v[i];
        for (size_t k = 0; k < m->n_parents; k++) {
            if (m->parents[k] == image && --q->waits[i] == 0)
                *vec_push(&q->queue) = 2 * (int64_t)i + 1;
        }
    }
}

static void fifo_next(struct fifo *q)
{
    size_t first = 0;
    vec_for_each (i, &q->running) {
        if (q->running.v[i].ends < q->running.v[first].ends)
            first = i;
    }
    struct farm_run r = q->running.v[first];
    vec_remove_swap(&q->running, first);
    q->now = r.ends;
    if (r.job % 2)
        *vec_push(&q->queue) = r.job + 1;
    else
        fifo_passed(q, (size_t)(r.job - 1) / 2);
}

static bf_time run_fifo(const struct farm *f)
{
    struct fifo q = {.f = f, .waits = xcalloc(f->images.n, sizeof *q.waits)};
    vec_for_each (i, &f->images) {
        q.waits[i] = f->images.v[i].n_parents;
        if (q.waits[i] == 0)
            *vec_push(&q.queue) = 2 * (int64_t)i + 1;
    }
    for (fifo_fill(&q); q.running.n; fifo_fill(&q))
        fifo_next(&q);
    free(q.waits);
    vec_release(&q.queue);
    vec_release(&q.running);
    return q.now;
}

#define SEEDS 10

/* The sums over ten graphs of a shape: within 10 % of the bound, and shorter than in order of
 * arrival. */
Test(core_share, the_longest_chain_goes_first)
{
    for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
        double bound = 0, took = 0, fifo = 0, worst = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            struct farm f = {.workers = 4, .slots = 2};
            chance = seed * 1000 + s;
            shapes[s].make(&f);
            double b = (double)lower_bound(&f), q = (double)run_fifo(&f), t = (double)run(&f);
            cr_expect_leq(t, 1.10 * b, "%s, seed %d: %.3f of the bound", shapes[s].name, (int)seed,
                          t / b);
            worst = t / b > worst ? t / b : worst;
            bound += b;
            took += t;
            fifo += q;
            farm_end(&f);
        }
        fprintf(stderr, "%s: %.3f of the bound (at worst %.3f), first come first served %.3f\n",
                shapes[s].name, took / bound, worst, fifo / bound);
        cr_expect_lt(took, fifo, "%s", shapes[s].name);
    }
}
