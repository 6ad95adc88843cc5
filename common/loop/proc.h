/* proc.h - child processes on a libuv loop: own session, own cgroup where there is one, killed as a
 * whole, output streamed, deadlines kept.
 *
 * Happy path: proc_spawn → on_out/on_err for each piece of output → the process has ended, what it
 * left behind is killed, both pipes are read to their end → on_exit, once. Failure modes: spawn
 * fails (returns -1, no callbacks); wall-clock or silence deadline (SIGTERM to the group, `grace`
 * later SIGKILL to everything that descends from it; on_exit says which deadline); the owner calls
 * proc_kill; the daemon dies (everything is killed, see common/init/init.h).
 * Nothing that the child started outlives it, daemonised or not: do not start services with this.
 * The child has no descriptor but its standard three, default signal handling and no core file.
 * SIGCHLD is left alone: uv_spawn and other users of it are not disturbed. */
#ifndef BF_PROC_H
#define BF_PROC_H

#include "common/base/err.h"
#include "common/base/str.h"
#include <sys/types.h>
#include <uv.h>

struct proc; /* opaque; freed after on_exit returns */

enum proc_end { PROC_EXITED, PROC_SIGNALLED, PROC_TIMEOUT, PROC_SILENCE, PROC_KILLED };

struct proc_exit {
    enum proc_end end;
    int status; /* exit status or signal number */
};

struct proc_spec {
    const char *const *argv; /* argv[0] is looked up in the PATH of `env`; NULL-terminated */
    const char *const *env;  /* NULL: a minimal one (PATH HOME LANG=C.UTF-8 TMPDIR) */
    const char *cwd;         /* NULL: / */
    const void *in;          /* bytes for standard input; copied; NULL: /dev/null */
    size_t in_len;
    bf_time timeout;     /* wall clock; 0: none */
    bf_time silence;     /* since the last output; 0: none */
    bf_time grace;       /* between SIGTERM and SIGKILL; 0: 10 s */
    uint64_t max_memory; /* RLIMIT_AS in bytes; 0: none; ignored in a build with sanitizers */
    bool merge_err;      /* stderr goes to on_out as well */
    /* May be NULL: that stream goes to /dev/null. Data is valid during the call only. */
    void (*on_out)(void *arg, const char *p, size_t n);
    void (*on_err)(void *arg, const char *p, size_t n);
    /* What the child writes to descriptor 3; NULL: it has none. */
    void (*on_extra)(void *arg, const char *p, size_t n);
    void (*on_exit)(void *arg, struct proc_exit how); /* required */
    void *arg;
};

/* Opens bootfarm-init, which stands beside our own program and between us and each child. For the
 * start of a daemon: one that is missing is said then, and the files may be replaced later. Whoever
 * does not call it gets the same with the first child. Needs /proc. */
int proc_prepare(struct err *e) BF_MUST_CHECK;

int proc_spawn(uv_loop_t *loop, const struct proc_spec *spec, struct proc **out,
               struct err *e) BF_MUST_CHECK;
pid_t proc_pid(const struct proc *p);
/* Stop and resume reading of output (back-pressure; the child blocks on a full pipe). */
void proc_pause(struct proc *p, bool paused);
/* SIGTERM now, SIGKILL to the whole tree after the grace. Idempotent. on_exit still comes. */
void proc_kill(struct proc *p);
/* SIGKILL to the whole tree at once. */
void proc_kill_now(struct proc *p);

/* Blocking form for short-lived programs without a loop: collects up to `max` bytes of stdout and
 * of stderr (either may be NULL) and drops the rest. Returns -1 with an error only if the program
 * could not be run or overran its time (ERR_TEMPORARY). `spec->on_*` and `arg` are ignored. */
int proc_run(const struct proc_spec *spec, struct str *out, struct str *err_out, size_t max,
             struct proc_exit *how, struct err *e) BF_MUST_CHECK;

#endif
