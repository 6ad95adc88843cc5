/* kit.h - a brain with a database that says yes, for scenario tests.
 *
 * Steps collect what the brain asks for as lines of text ("claim 1 on 2", "wait 3 parent: …");
 * expect() compares them and forgets them. commit() plays the transaction: it hands out digests for
 * what succeeded, answers `answers` for the ops that a test singled out, and ticks until nothing is
 * due. Times are in seconds since the start. */
#ifndef BF_CORE_KIT_H
#define BF_CORE_KIT_H

#include "common/base/str.h"
#include "scheduler/core/brain.h"
#include "scheduler/core/world.h"
#include <criterion/criterion.h>

struct answer {
    enum op_type type;
    int64_t job;
    enum op_status status;
    struct sha256 digest;
};

struct kit {
    struct world *w;
    struct effects e;
    bf_time now;
    struct str said;
    VEC(struct answer) answers;
    struct id128 attempt[64]; /* of each job, the last claimed */
    struct sha256 key[64];    /* of each job, from make_ready */
    struct sha256 pin[64];    /* its first pin */
};

void kit_init(struct kit *k); /* hub = site 1 (kill), acp = site 2 (continue, grace 600 s) */
void kit_release(struct kit *k);

struct sha256 digest_of(const char *text);
struct id128 boot(int n);

/* Rows. kit_worker: at the hub, build, test and publish, unless changed by hand. */
void kit_worker(struct kit *k, int64_t id, int64_t site, unsigned roles);
struct image_spec {
    int64_t id;       /* image_arch = image */
    const char *repo; /* NULL: p */
    const char *name;
    int64_t parent, parent2, base;
    const char *recipe;
    const char *passing;
    bool removed, barred;
};
void kit_image(struct kit *k, struct image_spec s);
void kit_base(struct kit *k, int64_t id, const char *digest);
struct job_row kit_row(int64_t id, enum job_kind kind, int64_t image);
void kit_job(struct kit *k, struct job_row row);
void kit_simple(struct kit *k, int64_t id, enum job_kind kind, int64_t image);
void kit_loaded(struct kit *k);

/* Reports. */
struct worker_report kit_says(int64_t worker, unsigned slots);
void kit_report(struct kit *k, struct worker_report r);
void kit_hello(struct kit *k, int64_t worker, unsigned slots);
void kit_runs(struct kit *k, int64_t worker, unsigned slots, int64_t job);
void kit_ends(struct kit *k, int64_t worker, unsigned slots, int64_t job, enum outcome outcome,
              enum fail_class fail_class);

void kit_step(struct kit *k, const struct input *in);
void kit_command(struct kit *k, enum input_type type, int64_t command, int64_t object);
void kit_answer(struct kit *k, enum op_type type, int64_t job, enum op_status status,
                const char *digest);
void kit_commit(struct kit *k);
void kit_at(struct kit *k, int seconds); /* time passes; ticks and commits whatever falls due */
void expect_at(struct kit *k, const char *lines, const char *file, int line);
#define expect(k, lines) expect_at(k, lines, __FILE__, __LINE__)
void forget(struct kit *k);
/* Commits, reports success for every attempt of `worker`, until nothing runs. */
void kit_run_all(struct kit *k, int64_t worker);

#endif
