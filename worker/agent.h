/* agent.h - the attempts of this worker, and what happens to them.
 *
 * Orders come in, decisions come from core/run.h, attempt.h carries them out, and everything that
 * must survive goes to the journal first. What Orders ask for is journalled in one transaction;
 * when that fails (disk full), the Orders count as never seen: nothing is started or forgotten,
 * only what is not wanted is killed all the same. A result that cannot be journalled is kept in
 * memory, reported from there, and written as soon as it can be. */
#ifndef BF_WORKER_AGENT_H
#define BF_WORKER_AGENT_H

#include "proto/wire.h"
#include "worker/attempt.h"
#include "worker/host.h"
#include "worker/journal.h"
#include "worker/pressure.h"

struct agent;

struct agent_env {
    uv_loop_t *loop;
    const struct options *options;
    struct journal *journal;
    struct spools *spools;
    struct stream *stream;
    struct id128 boot;
    void (*changed)(void *arg);                          /* a Report is due */
    void (*probed)(void *arg, const char *capabilities); /* what this host can do */
    void (*done)(void *arg); /* after agent_drain or agent_shutdown: nothing left to do */
    void *arg;
};

/* Takes over what the journal holds: attempts without a result have failed (worker-restarted). */
struct agent *agent_new(const struct agent_env *env, struct err *e);
/* No executor may exist any more. Memory goes with the last close callback of the loop. */
void agent_close(struct agent *g);

/* The sweep of the start begins; attempts start when it is through. */
void agent_run(struct agent *g);
/* `sent`: when this boot sent its Reports. False: dropped (stale, other boot, journal full). */
bool agent_on_orders(struct agent *g, const wire_orders *o, const struct run_sent *sent);
void agent_on_not_leader(struct agent *g, uint64_t term);
/* Reads the pressure and retries what failed; every few seconds. */
void agent_tick(struct agent *g);
/* Options were read again. */
void agent_reloaded(struct agent *g);

/* Finish what runs, take nothing new; `done` when all results are acknowledged. */
void agent_drain(struct agent *g);
/* Kill what runs; `done` when no executor is left. */
void agent_shutdown(struct agent *g);

/* For the Report. */
struct agent_view {
    struct run_at last; /* newest Orders */
    bool draining;
    const struct pressure *pressure;
    struct attempt *const *attempts;
    size_t n;
};
struct agent_view agent_look(const struct agent *g);

#endif
