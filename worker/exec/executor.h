/* executor.h - one interface for everything that does the work of an attempt.
 *
 * An executor gets a checked order and an empty directory and fills a result. It never fails
 * itself: whatever goes wrong becomes a result with the right blame. After SIGTERM (x->cancelled)
 * it stops its children, cleans up and returns; nobody reads that result. Each kind has a fake
 * twin, which runs no tool (executor_fake.c). */
#ifndef BF_EXEC_EXECUTOR_H
#define BF_EXEC_EXECUTOR_H

#include "worker/core/argv.h"
#include "worker/exec/config.h"
#include "worker/exec/logout.h"
#include "worker/exec/order.h"
#include "worker/exec/result.h"
#include <uv.h>

struct exec {
    uv_loop_t *loop;
    uv_signal_t sigterm, sigint;
    const struct exec_config *config;
    const struct order *order;
    const char *dir;      /* absolute; everything the attempt makes */
    struct argv env;      /* of every tool */
    struct logout log;    /* standard output */
    bf_time deadline;     /* monotonic; 0: none */
    int log_fd;           /* where the log goes */
    int phase_fd;         /* -1: nobody listens */
    int lock_fd;          /* says that this attempt lives; -1: none */
    bool cancelled;       /* SIGTERM came */
    bool cleaning;        /* what runs now may finish in spite of it */
    struct proc *running; /* the tool that SIGTERM must stop; NULL: none */
};

/* Takes `dir` (absolute, exists) into use: directories, environment and settings of the tools.
 * `loop` is initialised; the order is checked. */
int exec_init(struct exec *x, uv_loop_t *loop, const struct exec_config *config,
              const struct order *order, const char *dir, struct err *e) BF_MUST_CHECK;
void exec_release(struct exec *x);

typedef void executor_fn(struct exec *x, struct result *r);

executor_fn executor_build, executor_test, executor_publish, executor_mirror;
executor_fn executor_fake_build, executor_fake_test, executor_fake_publish, executor_fake_mirror;

/* Tells the caller (fd 3, one line "phase NAME") and the log what begins now. */
void exec_phase(struct exec *x, const char *name);
/* A line of the executor's own in the log of the attempt. */
void exec_say(struct exec *x, const char *fmt, ...) BF_PRINTF(2, 3);
/* Looks whether SIGTERM came while nothing ran on the loop. */
bool exec_cancelled(struct exec *x);

#endif
