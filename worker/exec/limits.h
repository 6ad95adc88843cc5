/* limits.h - memory and CPUs of a build, by cgroups, where this host lets us make one.
 *
 * Version 1: directories of our own below our place in the memory and cpu hierarchies; the tool
 * joins them before it starts ("bootfarm-exec enter"). Version 2: the tool sets them on the cgroup
 * that it was started in, which is its own. Where neither works the build runs without, and the log
 * says so. */
#ifndef BF_EXEC_LIMITS_H
#define BF_EXEC_LIMITS_H

#include "worker/core/argv.h"
#include "worker/exec/executor.h"

struct limits {
    char *memory_dir, *cpu_dir; /* version 1; NULL: none */
    char *own_cgroup;           /* version 2: ours, which must stay without limits; NULL: none */
    uint64_t memory;
    double cpus;
};

/* Makes what is possible; `name` distinguishes it. */
void limits_make(struct exec *x, struct limits *l, uint64_t memory, double cpus);
void limits_release(struct limits *l);
/* Tools that the kernel killed for want of memory. */
int64_t limits_oom_kills(const struct limits *l);
/* Puts "bootfarm-exec enter … --" in front of a command: limits, and no network but loopback. */
void limits_wrap(const struct limits *l, bool no_network, struct argv *a);

/* Our directory in the hierarchy of a version 1 controller, or of version 2 (""); NULL: there is
 * none. The caller frees. */
char *cgroup_own_dir(const char *controller);
/* One write(2) to a control file; -1 with errno. */
int cgroup_write(const char *dir, const char *file, const char *value) BF_MUST_CHECK;

/* The other side of limits_wrap: bootfarm-exec enter OPTION... -- PROGRAM ARG... */
int enter_main(int argc, char **argv);

#endif
