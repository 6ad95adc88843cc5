/* agent_private.h - what agent.c (the life of attempts) and orders.c (what Orders do) share. */
#ifndef BF_WORKER_AGENT_PRIVATE_H
#define BF_WORKER_AGENT_PRIVATE_H

#include "worker/agent.h"

typedef VEC(struct run_entry) run_entries;

struct agent {
    struct agent_env env;
    struct attempt_env attempt_env;
    struct host *host;
    VEC(struct attempt *) attempts; /* in the order they were taken */
    struct run_seen seen;
    struct run_lease lease;
    struct pressure pressure;
    uv_timer_t fence, linger;
    unsigned handles; /* timers not yet closed */
    bf_time linger_since, drain_since;
    bool draining, shutdown, done_told;
    bool drained; /* by the operator; for the log only */
};

void agent_entries(const struct agent *g, run_entries *out); /* appends */
void agent_start_some(struct agent *g);
void agent_stop_all(struct agent *g, enum stop_reason why);
void agent_check_fence(struct agent *g);
void agent_check_done(struct agent *g);
void agent_refuse_if_draining(struct agent *g); /* what Orders brought all the same */

#endif
