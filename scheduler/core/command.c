/* The operator's commands. Each is answered once. */
#include "scheduler/core/world.h"

static void done(struct world *w, int64_t command, char *refusal)
{
    struct op *op = emit(w, OP_COMMAND_DONE, 0);
    op->command = command;
    op->refused = refusal != NULL;
    op->detail = refusal;
}

static char *no_such_job(int64_t id)
{
    return xasprintf("job %lld is over, does not exist, or a newer one has taken its place",
                     (long long)id);
}

void command_cancel(struct world *w, int64_t command, int64_t id, const char *who)
{
    struct job *j = world_job(w, id);
    if (!j || j->frozen || job_is_over(j->state)) {
        done(w, command,
             j && !j->frozen ? xasprintf("job %lld has ended already: %s", (long long)id,
                                         job_state_name((enum job_state)j->state))
                             : no_such_job(id));
        return;
    }
    struct op *op = emit(w, OP_END, id);
    op->next = JOB_CANCELLED;
    op->who = xstrdup(who);
    if (j->lease) {
        emit_orders(w, j->lease->worker); /* they will not name the attempt any more */
        lease_linger(w, j->lease);
    }
    job_enter(w, j, JOB_CANCELLED, WAIT_NONE);
    done(w, command, NULL);
}

/* A wait that only time or an operator ends is over now. True: there was one. */
static bool cut_short(struct world *w, struct job *j)
{
    if (j->refused) {
        j->refused = false;
        emit_reload(w, j);
        return true;
    }
    if (j->state != JOB_WAITING || j->reason != WAIT_BACKOFF)
        return false;
    if (j->node.pos)
        heap_del(&w->timers, &j->node);
    j->not_before = 0;
    mark_dirty(w, j);
    return true;
}

void command_retry(struct world *w, int64_t command, int64_t id, const char *who)
{
    struct job *j = world_job(w, id);
    if (!j || j->frozen || !j->newest) {
        done(w, command, no_such_job(id));
        return;
    }
    if (job_is_unwanted(j)) {
        done(w, command, xasprintf("nobody wants the image of job %lld any more", (long long)id));
        return;
    }
    if (cut_short(w, j)) {
        done(w, command, NULL);
        return;
    }
    if (j->state != JOB_FAILED && j->state != JOB_CANCELLED) {
        done(w, command,
             xasprintf("job %lld is %s: only failed and cancelled jobs can be run again",
                       (long long)id, job_state_name((enum job_state)j->state)));
        return;
    }
    struct op *op = emit(w, OP_REOPEN, id);
    op->who = xstrdup(who);
    j->losses = 0;
    j->blames = 0;
    j->not_before = 0;
    j->keyed = false;
    job_enter(w, j, JOB_WAITING, WAIT_NONE);
    done(w, command, NULL);
}

void command_drain(struct world *w, int64_t command, int64_t id, bool drained)
{
    struct worker *k = idmap_get(&w->workers, id);
    if (!k) {
        done(w, command, xasprintf("there is no worker %lld", (long long)id));
        return;
    }
    struct op *op = emit(w, OP_DRAIN, 0);
    op->worker = id;
    op->drained = drained;
    k->drained = drained;
    if (!drained)
        worker_trust(w, k);
    worker_stand(w, k);
    emit_orders(w, k);
    done(w, command, NULL);
}
