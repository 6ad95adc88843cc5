/* Workers: what they said last, and what their silence means.
 *
 *    connected ──lease over──► lapsed ──kill time, or the site's grace──► its attempts are lost
 *        ▲  │ link down           │
 *        └──┴────── Report ───────┘
 *
 * A lease runs from the last Report on the leader's own clock; a new leader counts from the moment
 * it began to listen. A worker of a site with `continue` keeps its attempts, shown as
 * disconnected, until the site's grace is over. */
#include "scheduler/core/world.h"

#define REST_AFTER 3
#define REST_MAX (60 * BF_SEC)

bool worker_lapse_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct worker *x = heap_item(a, struct worker, timer),
                        *y = heap_item(b, struct worker, timer);
    return x->id < y->id;
}

struct worker *world_worker(struct world *w, int64_t id)
{
    struct worker *k = idmap_get(&w->workers, id);
    if (!k) {
        k = xcalloc(1, sizeof *k);
        k->id = id;
        k->name = xstrdup("?");
        k->heard = w->now;
        k->trusts = 1;
        k->lapsed = w->loaded; /* enrolled just now: the database knows that it was never seen */
        list_init(&k->leases);
        idmap_put(&w->workers, k);
        *vec_push(&w->all_workers) = k;
        k->nr = (uint32_t)w->all_workers.n;
    }
    return k;
}

void worker_free(struct worker *k)
{
    free(k->name);
    names_release(&k->capabilities);
    vec_release(&k->acks);
    vec_release(&k->lingers);
    free(k);
}

void worker_show(struct world *w, struct worker *k, bool facts_changed)
{
    enum worker_state state = !k->connected          ? WORKER_DISCONNECTED
                              : !k->accepting        ? WORKER_DRAINING
                              : worker_is_suspect(k) ? WORKER_RESTING
                                                     : WORKER_CONNECTED;
    if (state == k->shown && !facts_changed)
        return;
    k->shown = state;
    struct op *op = emit(w, OP_WORKER_SEEN, 0);
    op->worker = k->id;
    op->boot = k->boot;
    op->worker_state = state;
}

static void disconnect(struct world *w, struct worker *k)
{
    k->connected = false;
    worker_show(w, k, false);
    worker_stand(w, k);
}

/* What runs beyond that goes on; nothing new comes until it fits. */
static void count_slots(struct worker *k)
{
    bool fewer = k->slots_wanted && k->slots_wanted < k->slots_said;
    k->slots = fewer ? k->slots_wanted : k->slots_said;
}

void take_worker(struct world *w, const struct worker_row *row)
{
    struct worker *k = world_worker(w, row->id);
    set_text(&k->name, row->name);
    k->site = row->site;
    k->roles = row->roles;
    bool resumed = k->drained && !row->drained;
    k->drained = row->drained;
    k->revoked = row->revoked;
    k->slots_wanted = row->slots_wanted;
    count_slots(k);
    worker_sort(w, k);
    if (resumed)
        worker_trust(w, k);
    if (k->revoked && k->connected)
        disconnect(w, k);
}

void worker_link_down(struct world *w, int64_t id)
{
    struct worker *k = idmap_get(&w->workers, id);
    if (k && k->connected)
        disconnect(w, k);
}

/* ---- rests -----------------------------------------------------------------------------------
 *
 * A registry that is away makes jobs fail wherever they run, and is no reason to rest; neither is a
 * base that nobody can pull. That others did what failed here is one, if it still failed here when
 * they had begun, and nothing has gone through here since. */

bool worker_is_suspect(const struct worker *k)
{
    return k->blamed >= REST_AFTER;
}

/* It stands otherwise than it did. */
static void restand(struct world *w, struct worker *k)
{
    worker_stand(w, k);
    if (!k->in_step)
        worker_show(w, k, false);
}

void worker_trust(struct world *w, struct worker *k)
{
    bool was = worker_is_suspect(k);
    k->trusts += k->trusts < UINT32_MAX ? 1 : 2; /* never 0 */
    k->blamed = k->rests = 0;
    k->resting = false;
    if (was)
        restand(w, k);
}

static void rest(struct world *w, struct worker *k)
{
    bf_time time = backoff(&w->config, ++k->rests);
    k->resting = true;
    k->rests_until = w->now + (time < REST_MAX ? time : REST_MAX);
    restand(w, k);
    worker_watch(w, k);
}

/* What ran before it rested says nothing new. */
void worker_failed(struct world *w, const struct lease *l)
{
    struct worker *k = l->worker;
    k->failed = w->now;
    if (worker_is_suspect(k) && !k->resting && l->started >= k->rests_until)
        rest(w, k);
}

void worker_blame(struct world *w, struct worker *k, const struct lease *l)
{
    if (worker_is_suspect(k) || l->job->blames != k->trusts || k->failed < l->started)
        return;
    if (++k->blamed == REST_AFTER)
        rest(w, k);
}

static void rested(struct world *w, struct worker *k)
{
    if (!k->resting || k->rests_until > w->now)
        return;
    k->resting = false;
    worker_stand(w, k);
}

/* ---- leases ---------------------------------------------------------------------------------- */

static const struct site *site_of(const struct world *w, const struct worker *k)
{
    return map_get(&w->sites, (uint64_t)k->site);
}

/* From the end of its lease until its attempts are lost. */
bf_time worker_patience(const struct world *w, const struct worker *k)
{
    const struct site *s = site_of(w, k);
    bf_time grace = s && s->continue_on_partition ? s->grace : 0;
    return grace > w->config.kill_time ? grace : w->config.kill_time;
}

/* When something happens if the worker stays silent; -1: nothing. */
static bf_time next_lapse(const struct world *w, const struct worker *k)
{
    if (!k->lapsed)
        return k->heard + w->config.lease;
    return k->n_leases ? k->heard + w->config.lease + worker_patience(w, k) : -1;
}

/* Reports do not touch the timer; it finds out itself that it rang too early. */
void worker_watch(struct world *w, struct worker *k)
{
    bf_time when = next_lapse(w, k);
    if (k->resting && (when < 0 || k->rests_until < when))
        when = k->rests_until;
    if (when < 0 || (k->timer.pos && k->lapse <= when))
        return;
    if (k->timer.pos)
        heap_del(&w->lapses, &k->timer);
    k->lapse = when;
    heap_add(&w->lapses, &k->timer, when);
}

static void lapse(struct world *w, struct worker *k)
{
    const struct site *s = site_of(w, k);
    k->lapsed = true;
    disconnect(w, k);
    if (!s || !s->continue_on_partition)
        return;
    list_for_each (it, &k->leases) {
        struct lease *l = container_of(it, struct lease, of_worker);
        l->disconnected = true;
        emit_wait(w, l->job, WAIT_DISCONNECTED, k->id, xstrdup(k->name));
    }
}

static void lose_all(struct world *w, struct worker *k)
{
    list_for_each (it, &k->leases)
        lease_lose(w, container_of(it, struct lease, of_worker));
}

void worker_lapses(struct world *w)
{
    for (struct heap_node *n; (n = heap_top(&w->lapses)) != NULL;) {
        struct worker *k = container_of(n, struct worker, timer);
        if (k->lapse > w->now)
            break;
        heap_del(&w->lapses, n);
        rested(w, k);
        bf_time when = next_lapse(w, k);
        if (when >= 0 && when <= w->now) {
            if (k->lapsed)
                lose_all(w, k);
            else
                lapse(w, k);
        }
        worker_watch(w, k);
    }
}

void workers_loaded(struct world *w)
{
    vec_for_each (i, &w->all_workers) {
        w->all_workers.v[i]->heard = w->now;
        worker_watch(w, w->all_workers.v[i]);
    }
}

/* ---- Reports --------------------------------------------------------------------------------- */

static bool take_facts(struct world *w, struct worker *k, const struct worker_report *r)
{
    bool changed = names_set(&k->capabilities, r->capabilities, r->n_capabilities);
    if (!k->arch || strcmp(k->arch, r->arch) != 0) {
        k->arch = world_name(w, r->arch);
        changed = true;
    }
    changed |= k->slots_said != r->slots || k->cpus != r->cpus || !id128_eq(k->boot, r->boot);
    k->slots_said = r->slots;
    k->cpus = r->cpus;
    count_slots(k);
    k->boot = r->boot;
    return changed;
}

static void reconnect(struct world *w, struct worker *k)
{
    list_for_each (it, &k->leases) {
        struct lease *l = container_of(it, struct lease, of_worker);
        if (l->disconnected)
            emit_wait(w, l->job, WAIT_NONE, 0, NULL);
        l->disconnected = false;
    }
}

void take_report(struct world *w, const struct worker_report *r)
{
    struct worker *k = idmap_get(&w->workers, r->worker);
    if (!k || k->revoked || !w->loaded)
        return;
    if (!id128_is_none(k->old_boot) && id128_eq(k->old_boot, r->boot))
        return; /* said before its restart, arrived after it */
    bool first = !k->reported, same_boot = k->reported && id128_eq(k->boot, r->boot);
    if (!first && !same_boot)
        k->old_boot = k->boot;
    k->reported = k->connected = true;
    k->lapsed = false;
    k->in_step = true;
    k->heard = w->now;
    bool changed = take_facts(w, k, r);
    if (!same_boot)
        worker_trust(w, k);
    reconnect(w, k);
    report_lost_by_reboot(w, k, r);
    lingers_check(w, k, r, same_boot);
    acks_drop(k, r);
    report_running(w, k, r);
    report_results(w, k, r);
    worker_pressure(w, k, r);
    k->in_step = false;
    if (changed || first)
        worker_sort(w, k);
    else
        worker_stand(w, k);
    worker_show(w, k, changed);
    worker_watch(w, k);
    if (!same_boot)
        emit_orders(w, k);
}
