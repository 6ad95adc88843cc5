/* proc_init.h - from a daemon to bootfarm-init (common/init/init.h) and its child; for proc.c. */
#ifndef BF_PROC_INIT_H
#define BF_PROC_INIT_H

#include "common/base/err.h"
#include "common/init/init.h"
#include <sys/types.h>

struct launch {
    const char *path;
    char *const *argv;
    char *const *env;
    const char *cwd;
    int stdio[4]; /* the last one may be -1: none */
    uint64_t max_memory;
    int cgroup, cgroup_kill; /* directory, and its cgroup.kill; -1: none */
};

/* The open bootfarm-init that stands beside our own program, one for all children of this process;
 * -1: it cannot be opened. */
int init_program(struct err *e) BF_MUST_CHECK;

/* Moves a descriptor that is to be passed on, if it stands where one of the init process's own
 * goes; -1 is left alone. */
int init_clear_of(int *fd, struct err *e) BF_MUST_CHECK;

/* Starts both. All descriptors of `l` are clear of the init process's. Returns its pid; -1 with an
 * error and nothing left running. *child is the child's pid; *reports a descriptor from which one
 * more report comes when all has ended. */
pid_t init_start(const struct launch *l, pid_t *child, int *reports, struct err *e) BF_MUST_CHECK;

#endif
