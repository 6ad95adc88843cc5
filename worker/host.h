/* host.h - what the daemon asks of its host through `bootfarm-exec`: sweep and probe.
 *
 * Sweep removes what no live attempt owns. At the start of the daemon nothing is alive (executors
 * die with it), so after `bootfarm-exec sweep` has taken away containers, mounts and virtual
 * machines, all work directories go. Later it runs again whenever an executor had to be killed or
 * died; it is told who is alive, and therefore no attempt may start while it runs.
 *
 * Probe follows the first sweep: `bootfarm-exec probe` finds out what the tools here can do
 * (build-context, kvm, …). Attempts need not wait for it: until it is through, the worker announces
 * less. The fake twins have nothing to probe. One child at a time. */
#ifndef BF_WORKER_HOST_H
#define BF_WORKER_HOST_H

#include "common/base/vec.h"
#include "worker/options.h"
#include <uv.h>

struct host;
typedef VEC(struct id128) id_list;

struct host_hooks {
    void (*live)(void *arg, id_list *out);               /* appends the attempts that are alive */
    void (*swept)(void *arg);                            /* not busy any more: attempts may start */
    void (*probed)(void *arg, const char *capabilities); /* words with commas between them */
    void *arg;
};

/* Busy from the beginning; begins at host_sweep(). */
struct host *host_new(uv_loop_t *loop, const struct options *o, const struct host_hooks *hooks);
/* Something may have been left behind. While another child runs: after it. */
void host_sweep(struct host *h);
void host_probe(struct host *h);
bool host_busy(const struct host *h);
/* Kills what runs; frees itself when that has ended. Accepts NULL. */
void host_close(struct host *h);

/* The member "capabilities" of a probe's answer as a list; words that are none are left out. The
 * caller frees. NULL: not such an answer. */
char *host_read_probe(const char *json, size_t n);

#endif
