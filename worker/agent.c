#include "worker/agent.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "worker/agent_private.h"
#include "worker/core/blame.h"
#include "worker/now.h"
#include <stdio.h>

#define LINGER_MS 250
#define LINGER_MAX (10 * BF_SEC) /* for logs, once all results are acknowledged */
#define HEARD_MAX (3 * BF_SEC)   /* for a leader to hear that nothing new is taken */

/* ---- results and their journal --------------------------------------------------------------- */

/* Wall-clock time of something that happened at `t` of now_boot(). */
static bf_time to_real(bf_time t)
{
    return t == 0 ? 0 : clock_real() - (now_boot() - t);
}

static bf_time from_real(bf_time real)
{
    return now_boot() - (clock_real() - real);
}

static void save_result(struct agent *g, struct attempt *a)
{
    struct err e = ERR_INIT;
    a->unsaved = journal_finish(g->env.journal, a->run.id, &a->result, to_real(a->started),
                                to_real(a->ended), &e) != 0;
    if (a->unsaved)
        log_error("result not in the journal yet", "job", a->job, "why", e.msg);
}

static const char *outcome_name(const struct result *r)
{
    switch (r->outcome) {
    case RESULT_SUCCEEDED:
        return "succeeded";
    case RESULT_FAILED:
        return "failed";
    case RESULT_CANCELLED:
        return "cancelled";
    }
    return "?";
}

static void log_result(const struct attempt *a)
{
    char id[ID128_TEXT];
    id128_format(a->run.id, id);
    log_info("attempt ended", "job", a->job, "attempt", id, "outcome", outcome_name(&a->result),
             "code", a->result.code, "message", a->result.message);
}

/* It has just reached RUN_FINISHED. */
static void finished(struct agent *g, struct attempt *a)
{
    log_result(a);
    save_result(g, a);
    g->env.changed(g->env.arg);
}

static void give_back(struct agent *g, struct attempt *a, enum blame why, const char *message)
{
    struct result r;
    result_infra(&r, blame_code(why), "%s", message);
    attempt_refuse(a, &r);
    finished(g, a);
}

/* ---- starting -------------------------------------------------------------------------------- */

void agent_entries(const struct agent *g, run_entries *out)
{
    vec_for_each (i, &g->attempts)
        *vec_push(out) = g->attempts.v[i]->run;
}

static void start_one(struct agent *g, struct attempt *a)
{
    char id[ID128_TEXT];
    id128_format(a->run.id, id);
    if (!g->pressure.accepting) {
        bool disk = str_starts(g->pressure.why_not, "disk");
        give_back(g, a, disk ? BLAME_NO_SPACE : BLAME_WORKER_REFUSED, g->pressure.why_not);
    } else if (attempt_start(a)) {
        log_info("attempt started", "job", a->job, "attempt", id);
        g->env.changed(g->env.arg);
    } else {
        finished(g, a);
    }
}

void agent_start_some(struct agent *g)
{
    run_entries entries = VEC_INIT;
    if (host_busy(g->host) || g->draining)
        return;
    agent_entries(g, &entries);
    size_t slots = run_free_slots(entries.v, entries.n, (unsigned)g->env.options->slots);
    vec_release(&entries);
    for (size_t i = 0; i < g->attempts.n && slots > 0; i++) {
        struct attempt *a = g->attempts.v[i];
        if (a->run.state != RUN_PENDING)
            continue;
        start_one(g, a);
        slots -= a->run.state == RUN_RUNNING;
    }
}

/* ---- the end of the daemon ------------------------------------------------------------------- */

static size_t count(const struct agent *g, unsigned states)
{
    size_t n = 0;
    vec_for_each (i, &g->attempts)
        n += (states & SM_BIT(g->attempts.v[i]->run.state)) != 0;
    return n;
}

static void all_done(struct agent *g)
{
    if (g->done_told)
        return;
    g->done_told = true;
    g->env.done(g->env.arg);
}

/* A worker that ended without a word would be given jobs for the length of its lease. Orders that
 * answer a Report renew that from when it was sent. */
static void on_linger(uv_timer_t *t)
{
    struct agent *g = t->data;
    bf_time waited = now_boot() - g->linger_since;
    bool sealed = stream_unsealed(g->env.stream) == 0 || waited > LINGER_MAX;
    bool heard = g->lease.renewed >= g->drain_since || g->seen.last.term == 0 || waited > HEARD_MAX;
    if (sealed && heard)
        all_done(g);
}

void agent_check_done(struct agent *g)
{
    size_t busy = count(g, SM_BIT(RUN_PENDING) | SM_BIT(RUN_RUNNING) | SM_BIT(RUN_STOPPING));
    if (!g->draining || busy > 0)
        return;
    if (g->shutdown) {
        all_done(g);
    } else if (count(g, SM_BIT(RUN_FINISHED)) > 0) { /* also one that came and was given back */
        uv_timer_stop(&g->linger);
        g->linger_since = 0;
    } else if (g->linger_since == 0) {
        g->linger_since = now_boot();
        uv_timer_start(&g->linger, on_linger, 0, LINGER_MS);
    } else {
        on_linger(&g->linger);
    }
}

static void refuse_pending(struct agent *g, enum blame why, const char *message)
{
    vec_for_each (i, &g->attempts)
        if (g->attempts.v[i]->run.state == RUN_PENDING)
            give_back(g, g->attempts.v[i], why, message);
}

void agent_stop_all(struct agent *g, enum stop_reason why)
{
    vec_for_each (i, &g->attempts)
        attempt_stop(g->attempts.v[i], why);
}

void agent_refuse_if_draining(struct agent *g)
{
    if (g->draining)
        refuse_pending(g, BLAME_WORKER_REFUSED, "this worker is draining");
}

void agent_drain(struct agent *g)
{
    if (g->draining)
        return;
    g->draining = true;
    g->drain_since = now_boot();
    agent_refuse_if_draining(g);
    g->env.changed(g->env.arg);
    agent_check_done(g);
}

void agent_shutdown(struct agent *g)
{
    agent_drain(g);
    g->shutdown = true;
    agent_stop_all(g, STOP_SHUTDOWN);
    agent_check_done(g);
}

/* ---- the lease ------------------------------------------------------------------------------- */

static void on_fence(uv_timer_t *t)
{
    agent_check_fence(t->data);
}

void agent_check_fence(struct agent *g)
{
    bf_time at = run_fence_at(&g->lease), now = now_boot();
    if (at == INT64_MAX) {
        uv_timer_stop(&g->fence);
    } else if (now < at) {
        uv_update_time(g->env.loop);
        uv_timer_start(&g->fence, on_fence, (uint64_t)((at - now) / BF_MSEC) + 1, 0);
    } else if (count(g, SM_BIT(RUN_PENDING) | SM_BIT(RUN_RUNNING)) > 0) {
        log_warn("the lease has run out: attempts are killed");
        refuse_pending(g, BLAME_LEASE_LOST, "no Orders for the length of the lease");
        agent_stop_all(g, STOP_FENCED);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

static void on_phase(void *arg, struct attempt *a)
{
    struct agent *g = arg;
    log_debug("phase", "job", a->job, "phase", a->phase);
    g->env.changed(g->env.arg);
}

static void on_ended(void *arg, struct attempt *a, bool unclean)
{
    struct agent *g = arg;
    finished(g, a);
    if (unclean && !g->shutdown)
        host_sweep(g->host);
    agent_start_some(g);
    agent_check_done(g);
}

static void live_attempts(void *arg, id_list *out)
{
    const struct agent *g = arg;
    vec_for_each (i, &g->attempts) {
        const struct run_entry *e = &g->attempts.v[i]->run;
        if (e->state == RUN_RUNNING || e->state == RUN_STOPPING)
            *vec_push(out) = e->id;
    }
}

static void on_swept(void *arg)
{
    agent_start_some(arg);
}

static void on_probed(void *arg, const char *capabilities)
{
    struct agent *g = arg;
    g->env.probed(g->env.arg, capabilities);
    g->env.changed(g->env.arg);
}

static void restore(void *arg, const struct journal_row *row)
{
    struct agent *g = arg;
    struct attempt *a = attempt_restore(&g->attempt_env, row->id, row->job, row->kind, row->result,
                                        from_real(row->started), from_real(row->ended));
    if (row->acked)
        attempt_set_state(a, RUN_ACKED); /* by Orders of an earlier boot: older than any to come */
    *vec_push(&g->attempts) = a;
}

static int take_over(struct agent *g, struct err *e)
{
    struct result r;
    size_t n = 0;
    result_infra(&r, blame_code(BLAME_WORKER_RESTARTED),
                 "the worker was restarted during the attempt");
    int rc = journal_abandon(g->env.journal, &r, clock_real(), &n, e);
    result_release(&r);
    if (rc || journal_load(g->env.journal, restore, g, e))
        return -1;
    if (n > 0) {
        char text[24];
        snprintf(text, sizeof text, "%zu", n);
        log_warn("attempts of an earlier run have failed", "n", text);
    }
    return 0;
}

static void add_timer(struct agent *g, uv_timer_t *t)
{
    BUG_ON(uv_timer_init(g->env.loop, t) != 0);
    t->data = g;
    g->handles++;
}

struct agent *agent_new(const struct agent_env *env, struct err *e)
{
    struct agent *g = xcalloc(1, sizeof *g);
    g->env = *env;
    g->attempt_env = (struct attempt_env){.loop = env->loop,
                                          .options = env->options,
                                          .spools = env->spools,
                                          .stream = env->stream,
                                          .on_phase = on_phase,
                                          .on_ended = on_ended,
                                          .arg = g};
    g->seen = (struct run_seen){.boot = env->boot, .term_floor = journal_term(env->journal)};
    struct host_hooks hooks = {
        .live = live_attempts, .swept = on_swept, .probed = on_probed, .arg = g};
    g->host = host_new(env->loop, env->options, &hooks);
    add_timer(g, &g->fence);
    add_timer(g, &g->linger);
    pressure_read(env->options, &g->pressure);
    if (take_over(g, e) == 0)
        return g;
    agent_close(g);
    return NULL;
}

static void on_closed(uv_handle_t *h)
{
    struct agent *g = h->data;
    if (--g->handles > 0)
        return;
    vec_for_each (i, &g->attempts)
        attempt_free(g->attempts.v[i]);
    vec_release(&g->attempts);
    free(g);
}

void agent_close(struct agent *g)
{
    host_close(g->host);
    uv_close((uv_handle_t *)&g->fence, on_closed);
    uv_close((uv_handle_t *)&g->linger, on_closed);
}

void agent_run(struct agent *g)
{
    host_sweep(g->host);
}

void agent_reloaded(struct agent *g)
{
    host_probe(g->host);
    agent_tick(g);
    g->env.changed(g->env.arg);
}

void agent_tick(struct agent *g)
{
    bool was = g->pressure.accepting;
    pressure_read(g->env.options, &g->pressure);
    spools_set_room(g->env.spools, g->pressure.log_room);
    if (was != g->pressure.accepting) {
        log_warn(g->pressure.accepting ? "accepting again" : "not accepting", "why",
                 g->pressure.why_not);
        g->env.changed(g->env.arg);
    }
    vec_for_each (i, &g->attempts)
        if (g->attempts.v[i]->unsaved)
            save_result(g, g->attempts.v[i]);
    agent_check_fence(g);
    agent_start_some(g);
}

struct agent_view agent_look(const struct agent *g)
{
    return (struct agent_view){.last = g->seen.last,
                               .draining = g->draining,
                               .pressure = &g->pressure,
                               .attempts = g->attempts.v,
                               .n = g->attempts.n};
}
