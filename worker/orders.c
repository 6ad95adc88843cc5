/* orders.c - from Orders to deeds: judge, decide (core/run.h), journal in one transaction, act. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/agent_private.h"
#include "worker/now.h"
#include <stdio.h>

/* Orders as the core sees them, and the attempts that they make. */
struct turn {
    struct agent *g;
    const wire_orders *wire;
    struct run_wanted wanted[WIRE_MAX_RUNNING];
    struct id128 acks[WIRE_MAX_RUNNING];
    struct run_orders orders;
    run_actions actions;
    VEC(struct attempt *) taken;
};

static struct turn *turn_new(struct agent *g, const wire_orders *o)
{
    struct turn *t = xcalloc(1, sizeof *t);
    t->g = g;
    t->wire = o;
    for (size_t i = 0; i < o->n_wanted; i++)
        t->wanted[i] = (struct run_wanted){.id = wire_id(o->wanted[i]->attempt_id),
                                           .has_order = o->wanted[i]->order.len > 0};
    for (size_t i = 0; i < o->n_acks; i++)
        t->acks[i] = wire_id(o->acks[i]->attempt_id);
    t->orders = (struct run_orders){.boot = wire_id(o->boot_id),
                                    .at = {.term = o->term, .seq = o->seq},
                                    .wanted = t->wanted,
                                    .n_wanted = o->n_wanted,
                                    .acks = t->acks,
                                    .n_acks = o->n_acks};
    return t;
}

static void turn_free(struct turn *t)
{
    vec_for_each (i, &t->taken)
        attempt_free(t->taken.v[i]);
    vec_release(&t->taken);
    vec_release(&t->actions);
    free(t);
}

static struct attempt *find(const struct agent *g, struct id128 id)
{
    vec_for_each (i, &g->attempts)
        if (id128_eq(g->attempts.v[i]->run.id, id))
            return g->attempts.v[i];
    BUG("an action about an attempt that does not exist");
}

static bool judge(struct agent *g, const struct run_orders *o)
{
    char term[24], seq[24];
    snprintf(term, sizeof term, "%llu", (unsigned long long)o->at.term);
    snprintf(seq, sizeof seq, "%llu", (unsigned long long)o->at.seq);
    switch (run_judge(&g->seen, o)) {
    case RUN_ACCEPT:
        return true;
    case RUN_STALE_TERM:
        log_warn("orders of an old term dropped", "term", term, "seq", seq);
        return false;
    case RUN_OTHER_BOOT:
        log_info("orders for an earlier boot dropped", "term", term, "seq", seq);
        return false;
    case RUN_STALE_SEQ:
        log_debug("repeated orders dropped", "term", term, "seq", seq);
        return false;
    }
    BUG("verdict");
}

/* The highest term is durable before anything of that term is done. */
static bool keep_term(struct agent *g, uint64_t term)
{
    struct err e = ERR_INIT;
    if (journal_set_term(g->env.journal, term, &e)) {
        log_error("orders dropped: the term cannot be stored", "why", e.msg);
        return false;
    }
    if (term > g->seen.term_floor)
        g->seen.term_floor = term;
    return true;
}

void agent_on_not_leader(struct agent *g, uint64_t term)
{
    if (term > g->seen.term_floor)
        (void)keep_term(g, term);
}

static void renew_lease(struct agent *g, const wire_orders *o, const struct run_sent *sent)
{
    bf_time when = o->echo_report ? run_sent_when(sent, o->echo_report) : now_boot();
    if (when > g->lease.renewed)
        g->lease.renewed = when;
    g->lease.length = (bf_time)o->lease_ms * BF_MSEC;
    g->lease.kill = o->kill_on_partition;
    agent_check_fence(g);
}

/* ---- journal --------------------------------------------------------------------------------- */

static int journal_take(struct turn *t, const struct run_action *act, struct err *e)
{
    struct agent *g = t->g;
    const ProtobufCBinaryData *order = &t->wire->wanted[act->index]->order;
    struct attempt *a = attempt_new(&g->attempt_env, act->id, order->data, order->len);
    *vec_push(&t->taken) = a;
    if (journal_accept(g->env.journal, act->id, a->job, a->kind, clock_real(), e))
        return -1;
    if (a->run.state != RUN_FINISHED)
        return 0;
    return journal_finish(g->env.journal, act->id, &a->result, 0, clock_real(), e);
}

static int journal_action(struct turn *t, const struct run_action *act, struct err *e)
{
    struct journal *j = t->g->env.journal;
    switch (act->what) {
    case RUN_DO_TAKE:
        return journal_take(t, act, e);
    case RUN_DO_ACK:
        return journal_set_acked(j, act->id, true, e);
    case RUN_DO_REPORT:
        return journal_set_acked(j, act->id, false, e);
    case RUN_DO_FORGET:
        return journal_forget(j, act->id, e);
    case RUN_DO_DROP: /* its result is saved when it is made */
    case RUN_DO_KILL:
        return 0;
    }
    BUG("action");
}

static bool needs_journal(const run_actions *actions)
{
    vec_for_each (i, actions)
        if (actions->v[i].what != RUN_DO_DROP && actions->v[i].what != RUN_DO_KILL)
            return true;
    return false;
}

static int journal_all(struct turn *t, struct err *e)
{
    struct journal *j = t->g->env.journal;
    if (!needs_journal(&t->actions))
        return 0;
    if (journal_begin(j, e))
        return -1;
    vec_for_each (i, &t->actions)
        if (journal_action(t, &t->actions.v[i], e)) {
            journal_rollback(j);
            return -1;
        }
    return journal_commit(j, e);
}

/* ---- deeds ----------------------------------------------------------------------------------- */

static void forget(struct agent *g, struct attempt *a)
{
    size_t at = 0;
    while (g->attempts.v[at] != a)
        at++;
    memmove(&g->attempts.v[at], &g->attempts.v[at + 1],
            (g->attempts.n - at - 1) * sizeof g->attempts.v[0]);
    g->attempts.n--;
    attempt_free(a);
}

static void drop(struct agent *g, struct attempt *a)
{
    struct result r;
    struct err e = ERR_INIT;
    attempt_stop_result(STOP_UNWANTED, &r);
    attempt_refuse(a, &r);
    if (journal_finish(g->env.journal, a->run.id, &a->result, 0, clock_real(), &e))
        a->unsaved = true;
}

static void act_on_known(struct turn *t, const struct run_action *act)
{
    struct agent *g = t->g;
    struct attempt *a = find(g, act->id);
    switch (act->what) {
    case RUN_DO_DROP:
        drop(g, a);
        return;
    case RUN_DO_KILL:
        log_info("attempt no longer wanted", "job", a->job);
        attempt_stop(a, STOP_UNWANTED);
        return;
    case RUN_DO_ACK:
        attempt_set_state(a, RUN_ACKED);
        a->run.acked_at = t->orders.at;
        return;
    case RUN_DO_REPORT:
        log_warn("a result that was acknowledged is wanted again", "job", a->job);
        attempt_set_state(a, RUN_FINISHED);
        return;
    case RUN_DO_FORGET:
        forget(g, a);
        return;
    case RUN_DO_TAKE:
        break;
    }
    BUG("action");
}

static void act(struct turn *t)
{
    struct agent *g = t->g;
    vec_for_each (i, &t->actions)
        if (t->actions.v[i].what != RUN_DO_TAKE)
            act_on_known(t, &t->actions.v[i]);
    vec_for_each (i, &t->taken)
        *vec_push(&g->attempts) = t->taken.v[i];
    vec_clear(&t->taken);
    if (t->actions.n > 0)
        g->env.changed(g->env.arg);
}

/* What is not wanted must not go on, full disk or not. */
static void kill_unwanted(struct turn *t)
{
    vec_for_each (i, &t->actions)
        if (t->actions.v[i].what == RUN_DO_KILL)
            act_on_known(t, &t->actions.v[i]);
}

static void note_drained(struct agent *g, bool drained)
{
    if (g->drained != drained)
        log_info(drained ? "drained by the operator" : "resumed by the operator");
    g->drained = drained;
}

static bool carry_out(struct turn *t)
{
    struct agent *g = t->g;
    struct err e = ERR_INIT;
    run_entries entries = VEC_INIT;
    agent_entries(g, &entries);
    run_decide(entries.v, entries.n, &t->orders, &t->actions);
    vec_release(&entries);
    if (journal_all(t, &e)) {
        log_error("orders dropped: the journal cannot be written", "why", e.msg);
        kill_unwanted(t);
        return false;
    }
    g->seen.last = t->orders.at;
    act(t);
    return true;
}

bool agent_on_orders(struct agent *g, const wire_orders *o, const struct run_sent *sent)
{
    struct turn *t = turn_new(g, o);
    bool done = false;
    if (judge(g, &t->orders) && keep_term(g, o->term)) {
        bool first = g->seen.last.term != o->term;
        note_drained(g, o->drained);
        done = carry_out(t);
        if (first && done) /* the new leader counts on us once it has seen an echo */
            g->env.changed(g->env.arg);
        renew_lease(g, o, sent);
        agent_refuse_if_draining(g);
        agent_start_some(g);
        agent_check_done(g);
    }
    turn_free(t);
    return done;
}
