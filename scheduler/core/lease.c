/* One attempt of a job at a worker. */
#include "scheduler/core/world.h"

struct lease *lease_new(struct world *w, struct job *j, struct worker *k, struct id128 attempt,
                        struct id128 boot)
{
    struct lease *l = xcalloc(1, sizeof *l);
    l->job = j;
    l->worker = k;
    l->attempt = attempt;
    l->boot = boot;
    list_init(&l->of_worker);
    list_add_tail(&k->leases, &l->of_worker);
    k->n_leases++;
    map_put(&w->attempts, id128_key(attempt), l);
    j->lease = l;
    worker_watch(w, k);
    return l;
}

void lease_end(struct world *w, struct job *j)
{
    struct lease *l = j->lease;
    if (!l)
        return;
    j->lease = NULL;
    map_del(&w->attempts, id128_key(l->attempt));
    list_del(&l->of_worker);
    l->worker->n_leases--;
    buckets_heat(w, l->worker);
    free(l);
}

struct lease *lease_find(const struct world *w, struct id128 attempt)
{
    struct lease *l = map_get(&w->attempts, id128_key(attempt));
    return l && id128_eq(l->attempt, attempt) ? l : NULL;
}

void lease_lose(struct world *w, struct lease *l)
{
    struct job *j = l->job;
    struct worker *k = l->worker;
    j->losses++;
    j->last_worker = k->id;
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
