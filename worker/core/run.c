#include "worker/core/run.h"

const struct sm_state run_states[] = {
    [RUN_PENDING] = {.name = "pending", .next = SM_BIT(RUN_RUNNING) | SM_BIT(RUN_FINISHED)},
    [RUN_RUNNING] = {.name = "running", .next = SM_BIT(RUN_STOPPING) | SM_BIT(RUN_FINISHED)},
    [RUN_STOPPING] = {.name = "stopping", .next = SM_BIT(RUN_FINISHED)},
    [RUN_FINISHED] = {.name = "finished", .next = SM_BIT(RUN_ACKED)},
    [RUN_ACKED] = {.name = "acked", .next = SM_BIT(RUN_FINISHED)},
};

enum run_verdict run_judge(const struct run_seen *seen, const struct run_orders *o)
{
    if (o->at.term < seen->term_floor)
        return RUN_STALE_TERM;
    if (!id128_eq(o->boot, seen->boot))
        return RUN_OTHER_BOOT;
    return run_at_less(seen->last, o->at) ? RUN_ACCEPT : RUN_STALE_SEQ;
}

static bool is_wanted(const struct run_orders *o, struct id128 id)
{
    for (size_t i = 0; i < o->n_wanted; i++)
        if (id128_eq(o->wanted[i].id, id))
            return true;
    return false;
}

static bool is_acked(const struct run_orders *o, struct id128 id)
{
    for (size_t i = 0; i < o->n_acks; i++)
        if (id128_eq(o->acks[i], id))
            return true;
    return false;
}

static bool is_known(const struct run_entry *entries, size_t n, struct id128 id)
{
    for (size_t i = 0; i < n; i++)
        if (id128_eq(entries[i].id, id))
            return true;
    return false;
}

static void add(run_actions *out, enum run_do what, struct id128 id, size_t index)
{
    *vec_push(out) = (struct run_action){.what = what, .id = id, .index = index};
}

static void decide_acked(const struct run_entry *a, const struct run_orders *o, run_actions *out)
{
    if (!run_at_less(a->acked_at, o->at) || is_acked(o, a->id))
        return;
    add(out, is_wanted(o, a->id) ? RUN_DO_REPORT : RUN_DO_FORGET, a->id, 0);
}

static void decide_known(const struct run_entry *a, const struct run_orders *o, run_actions *out)
{
    switch (a->state) {
    case RUN_PENDING:
        if (!is_wanted(o, a->id))
            add(out, RUN_DO_DROP, a->id, 0);
        return;
    case RUN_RUNNING:
        if (!is_wanted(o, a->id))
            add(out, RUN_DO_KILL, a->id, 0);
        return;
    case RUN_STOPPING:
        return;
    case RUN_FINISHED:
        if (is_acked(o, a->id))
            add(out, RUN_DO_ACK, a->id, 0);
        return;
    case RUN_ACKED:
        decide_acked(a, o, out);
        return;
    }
    BUG("state %d", (int)a->state);
}

void run_decide(const struct run_entry *entries, size_t n, const struct run_orders *o,
                run_actions *out)
{
    for (size_t i = 0; i < n; i++)
        decide_known(&entries[i], o, out);
    size_t room = n < RUN_MAX_ENTRIES ? RUN_MAX_ENTRIES - n : 0;
    for (size_t i = 0; i < o->n_wanted && room > 0; i++)
        if (o->wanted[i].has_order && !is_known(entries, n, o->wanted[i].id)) {
            add(out, RUN_DO_TAKE, o->wanted[i].id, i);
            room--;
        }
}

size_t run_free_slots(const struct run_entry *entries, size_t n, unsigned slots)
{
    size_t busy = 0;
    for (size_t i = 0; i < n; i++)
        busy += entries[i].state == RUN_RUNNING || entries[i].state == RUN_STOPPING;
    return busy < slots ? slots - busy : 0;
}

void run_sent_note(struct run_sent *s, uint64_t seq, bf_time now)
{
    s->seq[seq % RUN_SENT_RING] = seq;
    s->at[seq % RUN_SENT_RING] = now;
}

bf_time run_sent_when(const struct run_sent *s, uint64_t seq)
{
    return seq != 0 && s->seq[seq % RUN_SENT_RING] == seq ? s->at[seq % RUN_SENT_RING] : -1;
}

bf_time run_fence_at(const struct run_lease *l)
{
    return l->kill && l->length > 0 ? l->renewed + l->length : INT64_MAX;
}

bf_time run_patience(bf_time lease)
{
    bf_time quarter = lease / 4;
    if (lease == 0)
        return RUN_PATIENCE_FIRST;
    if (quarter < RUN_PATIENCE_LEAST)
        return RUN_PATIENCE_LEAST;
    return quarter < RUN_PATIENCE_FIRST ? quarter : RUN_PATIENCE_FIRST;
}

void run_said(struct run_replies *r, uint64_t seq, bf_time now)
{
    r->said = seq;
    if (r->asked != 0)
        return;
    r->asked = seq;
    r->since = now;
}

/* What was sent after the answered ones waits from now on: never less than from when it was sent.
 */
void run_answered(struct run_replies *r, uint64_t echo, bf_time patience, bf_time now)
{
    if (r->asked == 0 || echo < r->asked)
        return;
    r->asked = echo < r->said ? echo + 1 : 0;
    r->since = now;
    r->patience = patience;
}

static bf_time patience_of(const struct run_replies *r)
{
    return r->patience ? r->patience : RUN_PATIENCE_FIRST;
}

bf_time run_renew_at(const struct run_replies *r)
{
    return r->asked ? r->since + patience_of(r) : INT64_MAX;
}

void run_unlinked(struct run_replies *r, bool renewed)
{
    r->asked = 0;
    if (!renewed)
        return;
    r->patience = 2 * patience_of(r);
    if (r->patience > RUN_PATIENCE_MOST)
        r->patience = RUN_PATIENCE_MOST;
}

bf_time run_hunt_next(bf_time hunt)
{
    return hunt * 2 < RUN_HUNT ? hunt * 2 : RUN_HUNT;
}
