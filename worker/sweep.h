/* sweep.h - removes what no live attempt owns.
 *
 * At the start of the daemon nothing is alive (executors die with it), so after `bootfarm-exec
 * sweep` has taken away containers, mounts and virtual machines, all work directories go. Later the
 * executor's sweep runs again whenever an executor had to be killed or died; it is told who is
 * alive, and therefore no attempt may start while it runs. */
#ifndef BF_WORKER_SWEEP_H
#define BF_WORKER_SWEEP_H

#include "common/base/vec.h"
#include "worker/options.h"
#include <uv.h>

struct sweep;
typedef VEC(struct id128) id_list;

struct sweep_hooks {
    void (*live)(void *arg, id_list *out); /* appends the attempts that are alive */
    void (*done)(void *arg);               /* not busy any more: attempts may start */
    void *arg;
};

/* Busy from the beginning; begins at sweep_run(). */
struct sweep *sweep_new(uv_loop_t *loop, const struct options *o, const struct sweep_hooks *hooks);
/* Something may have been left behind. While one runs: another one after it. */
void sweep_run(struct sweep *s);
bool sweep_busy(const struct sweep *s);
/* Kills a running one; frees itself when that has ended. */
void sweep_close(struct sweep *s);

#endif
