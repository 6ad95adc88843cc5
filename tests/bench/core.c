/* bench_core [--jobs N] [--workers N] [--rounds N] [--timed N] [--memory 0]: what a decision of the
 * brain costs.
 *
 * A world of N ready builds, each with a test that waits for it, of 40 repositories at four sites
 * on two architectures, some with a capability; 1,000 workers of four slots. Each round, every
 * worker in turn reports what it ran as done and gets as many jobs; a commit answers after 64
 * Reports, as in a turn of the scheduler. There is no database, no wire and no real hash. Steps are
 * timed one by one in rounds of their own, by processor time. Lines of JSON on standard output.
 * Decisions are jobs that the brain moves: made ready (with its key and pins), claimed, finished
 * (and learnt from). */
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "scheduler/core/brain.h"
#include "tests/lib/cpu_time.h"
#include "tests/lib/resident.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPOS 40
#define SITES 4
#define SLOTS 4
#define REPORTS_PER_COMMIT 64

struct bench {
    struct world *w;
    struct effects e;
    bf_time now;
    int64_t jobs, workers;
    struct id128 *runs; /* SLOTS of each worker */
    unsigned *n_runs;
    uint64_t claims, decisions, steps;
    double longest; /* step, seconds; 0: not measured */
    bool measured;
};

static void fake_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = parts[i].p;
        for (size_t k = 0; k < parts[i].n; k++)
            h = (h ^ p[k]) * 1099511628211u;
    }
    *out = (struct sha256){{0}};
    memcpy(out->b, &h, sizeof h);
}

static struct sha256 digest_of(int64_t n)
{
    struct sha256 d = {{1}};
    uint64_t z = (uint64_t)n * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    memcpy(d.b, &z, sizeof z);
    memcpy(d.b + 8, &n, sizeof n);
    return d;
}

static void step(struct bench *b, const struct input *in)
{
    double began = b->measured ? cpu_time() : 0;
    brain_step(b->w, in, b->now, &b->e);
    b->steps++;
    if (!b->measured)
        return;
    double took = cpu_time() - began;
    b->longest = took > b->longest ? took : b->longest;
}

/* ---- the farm ----------------------------------------------------------------------------------
 */

static const char *const archs[] = {"amd64", "arm64"};
static const char *const capabilities[] = {"kvm", "secret:signing"};

static int64_t site_of(int64_t i)
{
    return 1 + i % SITES;
}

static const char *arch_of(int64_t i)
{
    return archs[i / SITES % 2];
}

static void add_sites(struct bench *b)
{
    for (int64_t i = 1; i <= SITES; i++) {
        char name[8];
        snprintf(name, sizeof name, "s%d", (int)i);
        struct site_row row = {.id = i, .name = name, .hub = i == 1};
        step(b, &(struct input){.type = IN_SITE, .site = &row});
    }
}

static void add_workers(struct bench *b)
{
    for (int64_t i = 0; i < b->workers; i++) {
        char name[16];
        snprintf(name, sizeof name, "w%d", (int)i);
        struct worker_row row = {.id = i + 1,
                                 .name = name,
                                 .site = site_of(i),
                                 .roles = ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST)};
        step(b, &(struct input){.type = IN_WORKER, .worker = &row});
    }
}

static void add_image(struct bench *b, int64_t i)
{
    char name[64];
    snprintf(name, sizeof name, "plant-%d:images/device-%06d@main", (int)(i % REPOS), (int)i);
    int64_t parent = i - 1;
    struct image_row row = {.id = i + 1,
                            .image = i + 1,
                            .name = name,
                            .repo = 1 + i % REPOS,
                            .arch = arch_of(i),
                            .recipe = digest_of(i),
                            .tests_key = digest_of(1),
                            .passing_digest = digest_of(-i - 1),
                            .passing_repository = "registry.example:5000/staging/plant/device",
                            .parents = &parent,
                            .n_parents = i % 4 == 1,
                            .build_ms = 60000 + (uint32_t)(i % 997) * 100,
                            .test_ms = 30000};
    step(b, &(struct input){.type = IN_IMAGE, .image = &row});
}

static struct job_row job_row(int64_t i, enum job_kind kind, enum job_state state)
{
    return (struct job_row){.id = 2 * i + 1 + (kind == JOB_TEST),
                            .kind = kind,
                            .image = i + 1,
                            .image_arch = i + 1,
                            .run_site = site_of(i),
                            .revision_serial = 1,
                            .state = state,
                            .reason = state == JOB_READY ? WAIT_BUSY : WAIT_PARENT,
                            .needs = &capabilities[i % 7 == 0],
                            .n_needs = i % 3 == 0,
                            .ready_at = BF_SEC * (1 + i % 3600)};
}

static void add_job(struct bench *b, const struct job_row *row)
{
    step(b, &(struct input){.type = IN_JOB, .job = row});
}

static void begin(struct bench *b)
{
    struct brain_config c = {.term = 1,
                             .lease = 45 * BF_SEC,
                             .kill_time = 15 * BF_SEC,
                             .backoff_min = 5 * BF_SEC,
                             .backoff_max = 600 * BF_SEC,
                             .lost_limit = 3,
                             .hash = fake_hash,
                             .seed = 1};
    b->now = 7200 * BF_SEC;
    b->w = world_new(&c);
    add_sites(b);
    add_workers(b);
}

static void until_quiet(struct bench *b)
{
    while (brain_deadline(b->w) <= b->now) {
        step(b, &(struct input){.type = IN_TICK});
        effects_clear(&b->e);
    }
}

static void load(struct bench *b)
{
    for (int64_t i = 0; i < b->jobs; i++)
        add_image(b, i);
    for (int64_t i = 0; i < b->jobs; i++) {
        struct job_row build = job_row(i, JOB_BUILD, JOB_READY);
        struct job_row test = job_row(i, JOB_TEST, JOB_WAITING);
        add_job(b, &build);
        add_job(b, &test);
    }
    b->measured = true; /* rows are read once; from here on a step must be short */
    step(b, &(struct input){.type = IN_LOADED});
    effects_clear(&b->e);
    until_quiet(b);
    b->measured = false;
}

/* ---- rounds ------------------------------------------------------------------------------------
 */

static void take_claims(struct bench *b, size_t from)
{
    for (size_t i = from; i < b->e.n_ops; i++) {
        const struct op *op = &b->e.ops[i];
        b->decisions += op->type == OP_CLAIM || op->type == OP_FINISH || op->type == OP_MAKE_READY;
        if (op->type != OP_CLAIM)
            continue;
        int64_t k = op->worker - 1;
        b->runs[k * SLOTS + b->n_runs[k]++] = op->attempt;
        b->claims++;
    }
}

static void report(struct bench *b, int64_t k, bool done)
{
    struct result_report results[SLOTS];
    size_t n = done ? b->n_runs[k] : 0, before = b->e.n_ops;
    for (size_t i = 0; i < n; i++)
        results[i] = (struct result_report){.attempt = b->runs[k * SLOTS + (int64_t)i],
                                            .outcome = OUTCOME_SUCCEEDED,
                                            .digest = digest_of((int64_t)b->claims + 7),
                                            .took = 60 * BF_SEC + k * BF_MSEC};
    struct worker_report r = {.worker = k + 1,
                              .boot = {{[0] = 1}},
                              .arch = arch_of(k),
                              .slots = SLOTS,
                              .accepting = true,
                              .capabilities = capabilities,
                              .n_capabilities = k / 8 % 3 ? 2 : 1,
                              .memory_free_mib = 4096u << (k % 3),
                              .results = results,
                              .n_results = n};
    if (done)
        b->n_runs[k] = 0;
    step(b, &(struct input){.type = IN_REPORT, .report = &r});
    take_claims(b, before);
}

static void commit(struct bench *b)
{
    struct effects done = b->e;
    b->e = (struct effects){0};
    step(b, &(struct input){.type = IN_COMMITTED});
    for (size_t i = 0; i < done.n_ops; i++) {
        const struct op *op = &done.ops[i];
        if (op->type != OP_FINISH || op->job == 0)
            continue;
        step(b, &(struct input){.type = IN_STATUS,
                                .status = {.op = op,
                                           .status = ST_OK,
                                           .digest = digest_of(op->job),
                                           .repository = "registry.example:5000/staging/plant"}});
    }
    effects_clear(&done);
    b->e = done; /* its arrays serve on */
    size_t before = b->e.n_ops;
    step(b, &(struct input){.type = IN_TICK});
    take_claims(b, before);
}

/* A name of its own for callgrind. */
__attribute__((noipa)) static void bench_round(struct bench *b, bool done)
{
    for (int64_t k = 0; k < b->workers; k++) {
        report(b, k, done);
        if (k % REPORTS_PER_COMMIT == REPORTS_PER_COMMIT - 1)
            commit(b);
    }
    commit(b);
}

/* Not counted by callgrind. */
static void run_round(struct bench *b)
{
    for (int64_t k = 0; k < b->workers; k++)
        report(b, k, true);
    commit(b);
    while (brain_deadline(b->w) <= b->now)
        commit(b);
}

static void end(struct bench *b)
{
    world_free(b->w);
    effects_release(&b->e);
}

/* Decisions per second of the fastest round and of all: others on the machine make rounds slower,
 * never faster. */
struct speed {
    double fastest, mean, claims;
};

static struct speed timed_rounds(struct bench *b, int rounds)
{
    struct speed s = {0};
    uint64_t claims = b->claims, decisions = b->decisions;
    double all = 0;
    for (int i = 0; i < rounds; i++) {
        uint64_t before = b->decisions;
        double began = cpu_time();
        bench_round(b, true);
        double took = cpu_time() - began, speed = (double)(b->decisions - before) / took;
        s.fastest = speed > s.fastest ? speed : s.fastest;
        all += took;
    }
    s.mean = (double)(b->decisions - decisions) / all;
    s.claims = (double)(b->claims - claims) / all;
    return s;
}

static double longest_step(struct bench *b, int rounds)
{
    b->longest = 0;
    b->measured = true;
    for (int i = 0; i < rounds; i++)
        bench_round(b, true);
    return b->longest;
}

static void measure(int64_t jobs, int64_t workers, int rounds, int timed)
{
    struct bench b = {.jobs = jobs, .workers = workers};
    b.runs = xcalloc((size_t)workers * SLOTS, sizeof *b.runs);
    b.n_runs = xcalloc((size_t)workers, sizeof *b.n_runs);
    begin(&b);
    load(&b);
    double slowest_load = b.longest;
    for (int64_t k = 0; k < workers; k++)
        report(&b, k, false);
    commit(&b);
    run_round(&b); /* everybody has work now, and everything that waits a reason */
    uint64_t claims = b.claims;
    struct speed s = timed_rounds(&b, rounds);
    claims = b.claims - claims;
    double longest = longest_step(&b, timed);
    printf("{\"bench\": \"core\", \"queued\": %lld, \"workers\": %lld, \"claims\": %llu, "
           "\"decisions_s\": %.0f, \"mean_decisions_s\": %.0f, \"mean_claims_s\": %.0f, "
           "\"longest_step_ms\": %.2f, \"longest_load_step_ms\": %.2f}\n",
           (long long)jobs, (long long)workers, (unsigned long long)claims, s.fastest, s.mean,
           s.claims, longest * 1e3, slowest_load * 1e3);
    end(&b);
    free(b.runs);
    free(b.n_runs);
}

/* ---- memory ------------------------------------------------------------------------------------
 */

static void memory(const char *what, int64_t queued, bool built)
{
    struct bench b = {.jobs = built ? queued : queued / 2};
    begin(&b);
    malloc_trim(0); /* what other rounds have left */
    size_t before = resident();
    for (int64_t i = 0; i < b.jobs; i++) {
        add_image(&b, i);
        struct job_row build = job_row(i, JOB_BUILD, built ? JOB_SUCCEEDED : JOB_READY);
        build.digest = digest_of(i);
        struct job_row test = job_row(i, JOB_TEST, built ? JOB_READY : JOB_WAITING);
        add_job(&b, &build);
        add_job(&b, &test);
    }
    step(&b, &(struct input){.type = IN_LOADED});
    effects_clear(&b.e);
    until_quiet(&b);
    effects_release(&b.e);
    malloc_trim(0);
    size_t bytes = resident() - before;
    printf("{\"bench\": \"core-memory\", \"what\": \"%s\", \"queued\": %lld, \"mib\": %.1f, "
           "\"bytes_per_queued_job\": %.0f}\n",
           what, (long long)queued, (double)bytes / 1048576, (double)bytes / (double)queued);
    end(&b);
}

static int64_t number(int argc, char **argv, const char *name, int64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], name) == 0)
            return strtoll(argv[i + 1], NULL, 10);
    }
    return otherwise;
}

int main(int argc, char **argv)
{
    int64_t jobs = number(argc, argv, "--jobs", 200000);
    measure(jobs, number(argc, argv, "--workers", 1000), (int)number(argc, argv, "--rounds", 10),
            (int)number(argc, argv, "--timed", 10));
    if (number(argc, argv, "--memory", 1)) {
        memory("a build and its test of each image", 100000, false);
        memory("tests of images that were built", 100000, true);
    }
    return 0;
}
