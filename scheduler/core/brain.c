/* One step: take the input in, let what follows from it settle, hand out work. */
#include "scheduler/core/world.h"

/* What time, evaluation and dispatch make of the new state of the world. */
static void act(struct world *w)
{
    if (!w->loaded)
        return;
    if (!w->listened && w->now >= w->loaded_at + w->config.lease)
        buckets_listened(w);
    worker_lapses(w);
    jobs_due(w);
    evaluate_dirty(w);
    chains_settle(w);
    dispatch(w);
    jobs_bury(w);
}

static void loaded(struct world *w)
{
    w->loaded = true;
    w->loaded_at = w->now;
    workers_loaded(w);
    jobs_unstage(w);
}

/* True: decisions may follow from it. Rows only collect until the next tick, since those of one
 * plan come one by one; so do the answers of one transaction. */
static bool take(struct world *w, const struct input *in)
{
    switch (in->type) {
    case IN_SITE:
        take_site(w, in->site);
        return false;
    case IN_WORKER:
        take_worker(w, in->worker);
        return false;
    case IN_BASE:
        take_base(w, in->base);
        return false;
    case IN_IMAGE:
        take_image(w, in->image);
        return false;
    case IN_JOB:
        take_job(w, in->job);
        return false;
    case IN_STATUS:
        take_status(w, in->status.op, in->status.status, &in->status.digest, in->status.repository);
        return false;
    case IN_LOADED:
        loaded(w);
        return true;
    case IN_TICK:
        if (w->loaded)
            jobs_unstage(w);
        return true;
    case IN_NO_WORK:
        lease_in_doubt(w, in->attempt);
        return false;
    case IN_COMMITTED:
        take_committed(w);
        return false;
    case IN_REPORT:
        take_report(w, in->report);
        return true;
    case IN_LINK_DOWN:
        worker_link_down(w, in->worker_id);
        return true;
    case IN_CANCEL_JOB:
        command_cancel(w, in->command.id, in->command.object, in->command.who);
        return true;
    case IN_RETRY_JOB:
        command_retry(w, in->command.id, in->command.object, in->command.who);
        return true;
    case IN_DRAIN:
        command_drain(w, in->command.id, in->command.object, true);
        return true;
    case IN_RESUME:
        command_drain(w, in->command.id, in->command.object, false);
        return true;
    }
    BUG("input %d", (int)in->type);
}

void brain_step(struct world *w, const struct input *in, bf_time now, struct effects *out)
{
    if (now > w->now)
        w->now = now;
    w->step++;
    w->out = out;
    if (in->type != IN_STATUS && in->type != IN_COMMITTED)
        settle(w); /* the answers of the last transaction are all there */
    if (take(w, in))
        act(w);
    w->out = NULL;
}

static bf_time sooner(bf_time a, bf_time b)
{
    return a < b ? a : b;
}

bf_time brain_deadline(const struct world *w)
{
    bf_time when = INT64_MAX;
    if (!w->loaded)
        return when;
    if (w->committed || w->staged.n || w->dirty.n || w->chains.n || w->hot.n)
        return w->now;
    if (w->timers.n)
        when = sooner(when, heap_item(w->timers.v[0].node, struct job, node)->not_before);
    if (w->lapses.n)
        when = sooner(when, heap_item(w->lapses.v[0].node, struct worker, timer)->lapse);
    if (!w->listened)
        when = sooner(when, w->loaded_at + w->config.lease);
    return when;
}

bool world_orders(struct world *w, int64_t worker, struct orders_view *out)
{
    const struct worker *k = idmap_get(&w->workers, worker);
    if (!k || !k->reported || k->revoked || !w->loaded)
        return false;
    vec_clear(&w->orders_wanted);
    list_for_each (it, &k->leases) {
        const struct lease *l = container_of(it, struct lease, of_worker);
        if (l->durable)
            *vec_push(&w->orders_wanted) = l->attempt;
    }
    vec_clear(&w->orders_acks);
    vec_for_each (i, &k->acks) {
        if (!k->acks.v[i].pending)
            *vec_push(&w->orders_acks) =
                (struct ack){.attempt = k->acks.v[i].attempt, .status = k->acks.v[i].status};
    }
    const struct site *s = map_get(&w->sites, (uint64_t)k->site);
    *out = (struct orders_view){
        .wanted = w->orders_wanted.v,
        .n_wanted = w->orders_wanted.n,
        .acks = w->orders_acks.v,
        .n_acks = w->orders_acks.n,
        .drained = k->drained,
        .kill_on_partition = !s || !s->continue_on_partition,
    };
    return true;
}
