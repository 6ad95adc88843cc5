/* attempt.h - one attempt on this host, from the order to the result: its directory, its executor,
 * its log.
 *
 * attempt_new → attempt_start → (attempt_stop) → on_ended, once → attempt_free. An attempt that
 * never starts gets its result by attempt_refuse. One that an earlier run of the daemon left in the
 * journal is born with its result (attempt_restore). Decisions are the agent's; this file only
 * carries them out. */
#ifndef BF_WORKER_ATTEMPT_H
#define BF_WORKER_ATTEMPT_H

#include "worker/core/run.h"
#include "worker/order.h"
#include "worker/result.h"
#include "worker/spool.h"
#include "worker/stream.h"
#include "worker/workspace.h"

enum stop_reason {
    STOP_NONE,
    STOP_UNWANTED, /* Orders no longer want it */
    STOP_FENCED,   /* the lease ran out */
    STOP_SHUTDOWN  /* the daemon ends */
};

struct attempt;

/* What attempts need of the daemon. */
struct attempt_env {
    uv_loop_t *loop;
    const struct options *options;
    struct spools *spools;
    struct stream *stream;
    void (*on_phase)(void *arg, struct attempt *a);
    /* a->result is set, its executor and everything that descends from it are gone. `unclean`: it
     * did not end by itself with a result, so something may have been left behind. */
    void (*on_ended)(void *arg, struct attempt *a, bool unclean);
    void *arg;
};

struct attempt {
    struct run_entry run; /* the agent's */
    const struct attempt_env *env;
    char *job, *kind;
    char *order_json; /* until it starts */
    size_t order_len;
    struct order order;
    struct workspace ws;
    struct redact *secrets;
    struct spool *spool; /* while it is written */
    struct proc *proc;
    struct str line; /* beginning of a line from descriptor 3 */
    char phase[64];
    bf_time taken, started, phase_at, ended; /* now_boot(); started 0: never */
    enum stop_reason stop;
    struct result result; /* run.state RUN_FINISHED, RUN_ACKED */
    bool unsaved;         /* the journal does not have the result yet */
};

/* From an order. A bad one gives an attempt that is finished already (bad-order, worker-refused).
 */
struct attempt *attempt_new(const struct attempt_env *env, struct id128 id, const void *order,
                            size_t n);
struct attempt *attempt_restore(const struct attempt_env *env, struct id128 id, const char *job,
                                const char *kind, const struct result *result, bf_time taken,
                                bf_time ended);
/* Makes the directory and the log and starts the executor. Where that fails it is finished (returns
 * false), without a call of on_ended. */
bool attempt_start(struct attempt *a);
/* SIGTERM, later SIGKILL. Idempotent; the first reason counts. */
void attempt_stop(struct attempt *a, enum stop_reason why);
/* Finishes one that has not started; takes over *r. */
void attempt_refuse(struct attempt *a, struct result *r);
/* The result of an attempt that was stopped for `why`. */
void attempt_stop_result(enum stop_reason why, struct result *r);
void attempt_free(struct attempt *a); /* not while its executor exists; accepts NULL */

/* The one place that changes a->run.state; an illegal change is a bug. */
void attempt_set_state(struct attempt *a, enum run_state to);

#endif
