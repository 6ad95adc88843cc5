/* proc_init.h - the process between a daemon and its child; for proc.c.
 *
 * A copy of the daemon that does nothing but wait (a subreaper, prctl(2)): whatever the child forks
 * and abandons comes to it, so that it can kill all of it, with or without a cgroup, and does so
 * when the child has ended, when it is told to, and when the daemon dies, however that dies. It
 * holds none of the daemon's descriptors. */
#ifndef BF_PROC_INIT_H
#define BF_PROC_INIT_H

#include "common/base/err.h"
#include <signal.h>
#include <sys/types.h>

/* Everything is made ready before the fork: behind it only async-signal-safe calls are allowed. */
struct launch {
    const char *path;
    char *const *argv;
    char *const *env;
    const char *cwd;
    int stdio[4]; /* all above 2; the last one may be -1: none */
    uint64_t max_memory;
    int cgroup, cgroup_kill; /* directory, and its cgroup.kill; -1: none */
};

/* What the init process accepts. */
enum { INIT_TERMINATE = SIGUSR1, INIT_KILL = SIGTERM };

enum init_event {
    INIT_STARTED, /* value: the child's pid */
    INIT_NO_FORK, /* value: errno, of this and the next three */
    INIT_NO_CWD,
    INIT_NO_LIMIT,
    INIT_NO_EXEC,
    INIT_EXITED,   /* value: exit status */
    INIT_SIGNALLED /* value: signal */
};

struct init_report {
    enum init_event event;
    int value;
};

/* Starts both. Returns the init process's pid; -1 with an error and nothing left running. *child is
 * the child's pid; *reports a descriptor from which one more report comes when all has ended. */
pid_t init_start(const struct launch *l, pid_t *child, int *reports, struct err *e) BF_MUST_CHECK;

#endif
