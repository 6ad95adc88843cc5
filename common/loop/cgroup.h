/* cgroup.h - one cgroup (version 2) for each child, where we may make one; for proc.c.
 *
 * Only for killing: no controller is enabled and no limit is set. Below our own cgroup, so that a
 * service manager that kills ours kills these, too. */
#ifndef BF_CGROUP_H
#define BF_CGROUP_H

#include "common/base/base.h"

struct cgroup {
    char name[64]; /* below our own; empty: none */
    int dir;       /* its directory; -1: none */
    int kill;      /* cgroup.kill; -1: none */
};

/* Makes one. Where that is not possible, says so by -1 descriptors: killing then relies on the
 * process tree alone. */
void cgroup_make(struct cgroup *c);
/* Kills who is left, removes it and closes the descriptors. Harmless on one that was not made. */
void cgroup_remove(struct cgroup *c);

#endif
