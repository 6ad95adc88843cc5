/* A scheduler: leadership, turns and transactions, as scheduler/farm.c has them.
 *
 *     inputs ──► brain_step… ──► one transaction ──► IN_COMMITTED, IN_STATUS… ──► Orders
 *
 * At most one transaction is under way; what arrives meanwhile waits for the next turn. A failed or
 * unknown commit drops the world. Orders leave only while the leadership is fresh. */
#include "scheduler/core/trace.h"
#include "tests/sim/sim.h"

struct tx {
    struct hub *hub;
    uint64_t epoch;
    int64_t term;
    struct effects e;
    struct answer *answers;
    bool done;
};

static void effects_drop(struct effects *e)
{
    for (size_t i = 0; i < e->n_ops; i++) {
        union {
            const void *in;
            void *out;
        } cookie = {.in = e->ops[i].cookie};
        free(cookie.out);
    }
    effects_release(e);
}

static void tx_free(void *what)
{
    struct tx *tx = what;
    effects_drop(&tx->e);
    free(tx->answers);
    free(tx);
}

static bf_time round_trip(struct sim *s)
{
    return rnd_time(s, BF_MSEC, 5 * BF_MSEC);
}

struct hub *sim_leader(struct sim *s)
{
    for (int i = 0; i < N_HUBS; i++) {
        if (s->hubs[i].up && s->hubs[i].on && hub_may_act(s, &s->hubs[i]))
            return &s->hubs[i];
    }
    return NULL;
}

bool hub_may_act(const struct sim *s, const struct hub *h)
{
    return h->leading && s->now - h->renewed < LEADER_STALE;
}

void hub_drop(struct sim *s, struct hub *h)
{
    sim_trace(s, "hub %d: drops its world", h->id);
    h->epoch++;
    h->leading = h->on = h->flying = h->planning = false;
    world_free(h->world);
    h->world = NULL;
    effects_drop(&h->effects);
    for (int i = 1; i <= s->n_nodes; i++) {
        msg_put(h->peers[i].report);
        msg_put(h->peers[i].stepped);
        h->peers[i] = (struct hub_peer){0};
    }
    vec_clear(&h->link_down);
    vec_clear(&h->want_jobs);
    vec_clear(&h->want_images);
    h->want_bases = h->want_workers = false;
    h->commands_seen = 0;
    h->timer = 0;
}

static void check_claim(struct sim *s, const struct hub *h, const struct op *op)
{
    const struct worker *k = idmap_get(&h->world->workers, op->worker);
    unsigned wanted = h->slots_wanted[op->worker];
    unsigned slots = wanted && wanted < k->slots_said ? wanted : k->slots_said;
    if (k->n_leases > slots)
        sim_fail(s, "I7: worker %lld of %u slots gets a job as its number %u",
                 (long long)op->worker, slots, k->n_leases);
}

/* The shell encodes a result at once, since the message does not live long enough. */
void hub_step(struct sim *s, struct hub *h, const struct input *in)
{
    size_t before = h->effects.n_ops, after = h->effects.n_after;
    struct str *record = s->record ? &s->record[h->id - 1] : NULL;
    if (record)
        trace_input(record, in, s->now);
    brain_step(h->world, in, s->now, &h->effects);
    if (record)
        trace_output(record, &h->effects, before, after);
    for (size_t i = before; i < h->effects.n_ops; i++) {
        struct op *op = &h->effects.ops[i];
        if (op->type == OP_CLAIM)
            check_claim(s, h, op);
        if (op->cookie)
            op->cookie = xmemdup(op->cookie, sizeof(struct wire_result));
    }
}

/* ---- transactions ---------------------------------------------------------------------------- */

static void perform(struct sim *s, struct hub *h, const struct effects *e)
{
    for (size_t i = 0; i < e->n_after; i++) {
        switch (e->after[i].type) {
        case EFF_ORDERS:
            hub_send_orders(s, h, e->after[i].worker);
            break;
        case EFF_RELOAD_JOB:
            *vec_push(&h->want_jobs) = e->after[i].job;
            break;
        }
    }
}

static void feed_statuses(struct sim *s, struct hub *h, struct tx *tx)
{
    for (size_t i = 0; i < tx->e.n_ops; i++) {
        const struct answer *a = &tx->answers[i];
        if (a->status == ST_OK && sha256_is_none(&a->digest))
            continue;
        if (s->mutation == MUT_LOST_ACK && tx->e.ops[i].type == OP_FINISH)
            continue;
        hub_step(s, h,
                 &(struct input){.type = IN_STATUS,
                                 .status = {.op = &tx->e.ops[i],
                                            .status = a->status,
                                            .digest = a->digest,
                                            .repository = a->located ? "reg/build" : NULL}});
    }
}

static void answered(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct tx *tx = what;
    struct hub *h = tx->hub;
    if (h->up && h->paused_until > s->now) {
        sim_at_owned(s, h->paused_until, answered, tx, tx_free);
        return;
    }
    if (tx->epoch == h->epoch) {
        h->flying = false;
        if (!tx->done) {
            hub_drop(s, h);
        } else {
            bool first = chance(s, 50);
            const struct input committed = {.type = IN_COMMITTED};
            if (first && s->mutation != MUT_ACT_FIRST)
                hub_step(s, h, &committed);
            feed_statuses(s, h, tx);
            if (!first && s->mutation != MUT_ACT_FIRST)
                hub_step(s, h, &committed);
            perform(s, h, &tx->e);
            hub_wake(s, h);
        }
    }
    tx_free(tx);
}

static bool has_other(const struct tx *tx, int64_t job)
{
    for (size_t i = 0; i < tx->e.n_ops; i++) {
        if (tx->e.ops[i].type != OP_CLAIM && tx->e.ops[i].job == job)
            return true;
    }
    return false;
}

/* As turn_splits() has it, whatever the number: the claims and the rest may be two transactions. */
static bool may_split(const struct tx *tx)
{
    size_t claims = 0;
    for (size_t i = 0; i < tx->e.n_ops; i++) {
        const struct op *op = &tx->e.ops[i];
        if (op->type != OP_CLAIM)
            continue;
        claims++;
        if (!op->apart || has_other(tx, op->job))
            return false;
    }
    return claims && claims < tx->e.n_ops;
}

/* The transaction reaches PostgreSQL, whatever has become of who sent it; of one that may be two
 * perhaps only the claims, or only the rest. */
static void commit(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct tx *tx = what;
    struct hub *h = tx->hub;
    bool arrived = tx->epoch == h->epoch || chance(s, 50);
    if (arrived && s->db.down_until <= s->now && s->db.term == tx->term) {
        bool half = s->loss && may_split(tx) && chance(s, 5), claims = half && chance(s, 50);
        tx->answers = xcalloc(tx->e.n_ops, sizeof *tx->answers);
        for (size_t i = 0; i < tx->e.n_ops && !s->failure; i++) {
            if (!half || (tx->e.ops[i].type == OP_CLAIM) == claims)
                tx->answers[i] = db_apply(s, &tx->e.ops[i]);
        }
        if (half)
            sim_trace(s, "hub %d: only %s committed", h->id, claims ? "the claims" : "the rest");
        tx->done = !half && !(s->loss && chance(s, 1)); /* the connection dies before the answer */
        s->db.commits++;
        check_commit(s);
    }
    sim_at_owned(s, s->now + (tx->done ? round_trip(s) : BF_SEC), answered, tx, tx_free);
}

static void close_turn(struct sim *s, struct hub *h)
{
    if (!h->effects.n_ops) {
        perform(s, h, &h->effects);
        effects_drop(&h->effects);
        return;
    }
    struct tx *tx = xcalloc(1, sizeof *tx);
    *tx = (struct tx){.hub = h, .epoch = h->epoch, .term = h->term, .e = h->effects};
    h->effects = (struct effects){0};
    h->flying = true;
    if (s->mutation == MUT_ACT_FIRST) {
        hub_step(s, h, &(struct input){.type = IN_COMMITTED});
        perform(s, h, &tx->e);
    }
    sim_at_owned(s, s->now + round_trip(s), commit, tx, tx_free);
}

/* ---- plans, on a connection of their own ------------------------------------------------------
 */

struct plan {
    struct hub *hub;
    uint64_t epoch;
    struct ids jobs, images;
    int step;
};

static void plan_free(void *what)
{
    struct plan *p = what;
    vec_release(&p->jobs);
    vec_release(&p->images);
    free(p);
}

static void plan_step(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct plan *p = what;
    struct hub *h = p->hub;
    if (p->epoch != h->epoch) {
        plan_free(p);
        return;
    }
    if (p->step++ == 0) {
        if (s->db.down_until <= s->now && s->db.term == h->term) {
            for (int ref = 0; ref < N_REFS; ref++)
                (void)git_plan(s, ref, &p->jobs, &p->images);
        }
        sim_at_owned(s, s->now + rnd_time(s, BF_MSEC, 200 * BF_MSEC), plan_step, p, plan_free);
        return;
    }
    vec_for_each (i, &p->jobs)
        *vec_push(&h->want_jobs) = p->jobs.v[i];
    vec_for_each (i, &p->images)
        *vec_push(&h->want_images) = p->images.v[i];
    h->planning = false;
    hub_wake(s, h);
    plan_free(p);
}

static void begin_plan(struct sim *s, struct hub *h)
{
    h->planning = true;
    struct plan *p = xcalloc(1, sizeof *p);
    p->hub = h;
    p->epoch = h->epoch;
    sim_at_owned(s, s->now + rnd_time(s, BF_MSEC, BF_SEC), plan_step, p, plan_free);
}

/* ---- turns ----------------------------------------------------------------------------------- */

static void step_commands(struct sim *s, struct hub *h)
{
    for (; h->commands_seen < s->db.commands.n; h->commands_seen++) {
        const struct t_command *c = &s->db.commands.v[h->commands_seen];
        if (c->done)
            continue;
        hub_step(s, h,
                 &(struct input){.type = c->type,
                                 .command = {.id = (int64_t)h->commands_seen + 1,
                                             .object = c->object,
                                             .who = "operator"}});
    }
}

static void turn(struct sim *s, struct hub *h)
{
    if (!h->on || h->flying)
        return;
    if (!hub_may_act(s, h)) {
        hub_drop(s, h);
        return;
    }
    if (!h->planning && git_is_pushed(s))
        begin_plan(s, h);
    bool rows = h->want_jobs.n || h->want_images.n || h->want_bases || h->want_workers;
    if (rows && !h->effects.n_ops) {
        hub_read(s, h, false);
        return;
    }
    step_commands(s, h);
    vec_for_each (i, &h->link_down)
        hub_step(s, h, &h->link_down.v[i]);
    vec_clear(&h->link_down);
    hub_step_reports(s, h);
    if (brain_deadline(h->world) <= s->now)
        hub_step(s, h, &(struct input){.type = IN_TICK});
    close_turn(s, h);
    if (!h->flying && !rows)
        check_hub(s, h);
}

static void wake(struct sim *s, void *what, uint64_t epoch)
{
    struct hub *h = what;
    if (!h->up || h->epoch != epoch)
        return;
    if (h->paused_until > s->now) {
        sim_at(s, h->paused_until, wake, h, epoch);
        return;
    }
    if (h->timer <= s->now)
        h->timer = 0;
    turn(s, h);
    if (!h->on || h->flying)
        return;
    bf_time due = brain_deadline(h->world);
    if (due == INT64_MAX || (h->timer && h->timer <= due))
        return;
    h->timer = due;
    sim_at(s, due, wake, h, epoch);
}

void hub_wake(struct sim *s, struct hub *h)
{
    if (h->up && h->on)
        sim_at(s, s->now, wake, h, h->epoch);
}

/* ---- leadership ------------------------------------------------------------------------------ */

static void renew(struct sim *s, struct hub *h)
{
    if (s->db.down_until > s->now) {
        if (!hub_may_act(s, h))
            hub_drop(s, h);
    } else if (s->db.term != h->term || s->now - h->renewed >= LEADER_STALE) {
        hub_drop(s, h);
    } else {
        h->renewed = s->db.renewed = s->now;
    }
}

static void take_over(struct sim *s, struct hub *h)
{
    if (!db_lead(s, h->id, &h->term))
        return;
    sim_trace(s, "hub %d: leads, term %lld", h->id, (long long)h->term);
    h->leading = true;
    h->renewed = s->now;
    struct brain_config c = {.term = h->term,
                             .lease = LEASE,
                             .kill_time = s->mutation == MUT_NO_KILL_TIME ? 0 : KILL_TIME,
                             .backoff_min = 5 * BF_SEC,
                             .backoff_max = 120 * BF_SEC,
                             .lost_limit = 3,
                             .hash = sim_hash_fn,
                             .seed = rnd(s)};
    h->world = world_new(&c);
    if (s->record)
        trace_world(&s->record[h->id - 1], &c);
    hub_read(s, h, true);
}

static void lead_tick(struct sim *s, void *what, uint64_t life)
{
    struct hub *h = what;
    if (!h->up || life != h->life)
        return;
    if (h->paused_until <= s->now) {
        if (h->leading)
            renew(s, h);
        else
            take_over(s, h);
        if (h->on)
            hub_heartbeat(s, h);
    }
    bf_time next = s->now + BF_SEC;
    sim_at(s, next > h->paused_until ? next : h->paused_until, lead_tick, h, life);
}

void hub_start(struct sim *s, struct hub *h)
{
    h->up = true;
    h->life++;
    sim_at(s, s->now, lead_tick, h, h->life);
}

void hub_stop(struct sim *s, struct hub *h)
{
    sim_trace(s, "hub %d: down", h->id);
    hub_drop(s, h);
    h->up = false;
    h->paused_until = 0;
    s->restarts++;
}

void hub_free(struct hub *h)
{
    world_free(h->world);
    effects_drop(&h->effects);
    for (int i = 1; i <= MAX_NODES; i++) {
        msg_put(h->peers[i].report);
        msg_put(h->peers[i].stepped);
    }
    vec_release(&h->link_down);
    vec_release(&h->want_jobs);
    vec_release(&h->want_images);
}
