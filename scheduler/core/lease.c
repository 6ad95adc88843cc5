/* One attempt of a job at a worker. */
#include "scheduler/core/world.h"

static int64_t key_of(struct id128 attempt)
{
    int64_t half[2];
    memcpy(half, attempt.b, sizeof half);
    return half[0] ^ half[1];
}

struct lease *lease_new(struct world *w, struct job *j, struct worker *k, struct id128 attempt,
                        struct id128 boot)
{
    struct lease *l = slab_get(&w->lease_slab);
    l->job = j;
    l->worker = k;
    l->attempt = attempt;
    l->boot = boot;
    list_init(&l->of_worker);
    list_add_tail(&k->leases, &l->of_worker);
    k->n_leases++;
    l->key = key_of(attempt);
    idmap_put(&w->attempts, l);
    j->lease = l;
    worker_stand(w, k);
    worker_watch(w, k);
    return l;
}

void lease_end(struct world *w, struct job *j)
{
    struct lease *l = j->lease;
    if (!l)
        return;
    j->lease = NULL;
    idmap_del(&w->attempts, l->key);
    list_del(&l->of_worker);
    l->worker->n_leases--;
    worker_stand(w, l->worker);
    slab_put(&w->lease_slab, l);
}

struct lease *lease_find(const struct world *w, struct id128 attempt)
{
    struct lease *l = idmap_get(&w->attempts, key_of(attempt));
    return l && id128_eq(l->attempt, attempt) ? l : NULL;
}

void lease_lose(struct world *w, struct lease *l)
{
    struct job *j = l->job;
    struct worker *k = l->worker;
    j->losses++;
    j->last_worker = short_nr(k->nr);
    j->blames = 0;
    struct decision d = decide_loss(w, j);
    struct op *op = emit(w, OP_LOSE, j->id);
    op->attempt = l->attempt;
    op->worker = k->id;
    op->next = d.next;
    op->reason = d.reason;
    op->not_before = d.not_before;
    emit_orders(w, k);
    job_enter(w, j, d.next, d.reason);
}

void lease_in_doubt(struct world *w, struct id128 attempt)
{
    struct lease *l = lease_find(w, attempt);
    if (l && !l->job->frozen)
        emit_reload(w, l->job);
}

/* The transaction that claimed them is committed. */
void leases_durable(struct world *w)
{
    vec_for_each (i, &w->undurable) {
        struct lease *l = lease_find(w, w->undurable.v[i]);
        if (l)
            l->durable = true;
    }
    vec_clear(&w->undurable);
}

void lease_linger(struct world *w, const struct lease *l)
{
    struct job *j = l->job;
    if (j->kind != JOB_PUBLISH && j->kind != JOB_MIRROR)
        return;
    bool started = j->state == JOB_RUNNING;
    bf_time patience = started ? worker_patience(w, l->worker) : w->config.kill_time;
    struct tag_slot *tag = tag_of(j);
    tag->hold = w->now + w->config.lease + patience;
    tag->ending = l->attempt;
    *vec_push(&l->worker->lingers) =
        (struct linger){.slot = tag, .attempt = l->attempt, .started = started};
}

static void let_go(struct world *w, struct tag_slot *tag)
{
    struct job *j = slot_newest(&tag->slot);
    tag->hold = 0;
    if (!j || j->state != JOB_WAITING || j->reason == WAIT_BACKOFF)
        return;
    if (j->node.pos)
        heap_del(&w->timers, &j->node);
    j->not_before = 0;
    mark_dirty(w, j);
}

/* That an attempt is not listed proves nothing when it was not started before: the Orders that name
 * it may still be under way. Its result does. */
void lingers_check(struct world *w, struct worker *k, const struct worker_report *r, bool same_boot)
{
    size_t kept = 0;
    vec_for_each (i, &k->lingers) {
        struct linger *l = &k->lingers.v[i];
        if (l->slot->hold <= w->now || !id128_eq(l->slot->ending, l->attempt))
            continue; /* its time is over */
        bool gone = l->started && !report_runs(r, l->attempt);
        if (!same_boot || gone || report_ended(r, l->attempt))
            let_go(w, l->slot);
        else
            k->lingers.v[kept++] = *l;
    }
    k->lingers.n = kept;
}
