/* run.h - one tool, run to its end, its output in the log of the attempt.
 *
 * Happy path: tool_run → output streams into the log (secrets taken out) and into end->tail → the
 * tool ends → return. Failure modes: it cannot be started (-1); it overruns what is left of the
 * attempt, or is silent too long (end->how.end says which); SIGTERM to us (x->cancelled, and
 * end->how.end is PROC_KILLED). In each of them nothing of it runs any more on return. */
#ifndef BF_EXEC_RUN_H
#define BF_EXEC_RUN_H

#include "common/loop/proc.h"
#include "worker/core/argv.h"
#include "worker/core/tail.h"
#include "worker/exec/executor.h"

struct tool {
    struct argv *argv;
    bf_time timeout; /* 0: what is left of the attempt */
    bf_time silence; /* 0: none */
    const char *cwd; /* NULL: the attempt's directory */
    /* Runs also after SIGTERM and after the deadline, for at most a minute; says nothing. */
    bool cleanup;
    /* Collects standard output (at most out_max bytes, the rest is dropped) instead of logging it.
     */
    struct str *out;
    size_t out_max;
    /* Gets standard output instead of both; may end the tool by way of x->running. NULL: none. */
    void (*on_out)(void *arg, const char *p, size_t n);
    void *arg;
    bool silent; /* nothing into the log */
};

struct tool_end {
    struct proc_exit how;
    struct tail tail;
};

int tool_run(struct exec *x, const struct tool *t, struct tool_end *end,
             struct err *e) BF_MUST_CHECK;
void tool_end_release(struct tool_end *end);
/* It exited with status 0. */
bool tool_succeeded(const struct tool_end *end);
/* "exit status 3", "killed by signal 9", … */
const char *tool_how(const struct tool_end *end, char buf[static 64]);

/* Waits on a timer, unless SIGTERM comes. */
void exec_sleep(struct exec *x, bf_time t);

#endif
