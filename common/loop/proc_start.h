/* proc_start.h - from a proc_spec to a running child; for proc.c. */
#ifndef BF_PROC_START_H
#define BF_PROC_START_H

#include "common/loop/cgroup.h"
#include "common/loop/proc.h"

/* Owned by the caller once proc_start() has succeeded. */
struct started {
    pid_t pid, init_pid;
    int init_fd;                  /* not set here */
    int reports_fd;               /* the init process's last report */
    int out_fd, err_fd, extra_fd; /* read ends, non-blocking; -1: none */
    struct cgroup cgroup;
};

int proc_start(const struct proc_spec *spec, struct started *out, struct err *e) BF_MUST_CHECK;
/* Kills and reaps what was started, and closes everything. */
void proc_abort_start(struct started *s);

#endif
