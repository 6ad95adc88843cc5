/* init.h - what a daemon and the process between it and its child say to each other.
 *
 * bootfarm-init does nothing but wait (a subreaper, prctl(2)): whatever the child forks and
 * abandons comes to it, so that it can kill all of it, with or without a cgroup, and does so when
 * the child has ended, when it is told to, and when the daemon dies, however that dies.
 *
 * It is a program and not a fork of the daemon, of which it would be a copy for as long as the
 * child runs: keys included, and each page that the daemon writes to meanwhile would be copied for
 * it. It is linked statically, since it is started for every child, and its first instruction is
 * waited for. A daemon opens it when it starts (proc_prepare), so that both are of one version even
 * when the files are replaced under a daemon that runs. */
#ifndef BF_INIT_H
#define BF_INIT_H

#include <signal.h>

/* Its arguments: the daemon's pid; the child's limit of address space in bytes (0: none), directory
 * and file; then the child's own arguments. It forgets them once the child has them. Its
 * environment is the child's. */
enum {
    INIT_ARG_DAEMON = 1,
    INIT_ARG_MEMORY,
    INIT_ARG_CWD,
    INIT_ARG_PATH,
    INIT_ARG_ARGV /* at least one */
};

/* Its descriptors: 0, 1 and 2 are the child's, and these. */
enum {
    INIT_EXTRA = 3,   /* the child's, too; may be closed */
    INIT_REPORTS,     /* of init_report: one when the child has started or not, one at the end */
    INIT_CGROUP,      /* the directory of the child's cgroup; may be closed */
    INIT_CGROUP_KILL, /* cgroup.kill in it, for writing; may be closed */
    INIT_LAST_FD = INIT_CGROUP_KILL
};

/* The signals that it takes. All, these too, are to be blocked when it starts. */
enum { INIT_TERMINATE = SIGUSR1, INIT_KILL = SIGTERM };

enum init_event {
    INIT_STARTED, /* value: the child's pid */
    INIT_NO_FORK, /* value: errno, of this and the next three; it has ended */
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

#endif
