/*    attempt_new ──► attempt_start ──► executor runs ──► on_exit: result.json? ──► on_ended
 *                        │ fails                              │ no: executor-died, or why it was
 *                        ▼                                    ▼     stopped
 *                     finished                             on_ended
 */
#include "worker/attempt.h"
#include "common/base/log.h"
#include "common/loop/proc.h"
#include "worker/core/blame.h"
#include "worker/now.h"
#include "worker/options.h"
#include "worker/secrets.h"
#include <errno.h>
#include <stdio.h>

#define MAX_PHASE_LINE 256

void attempt_set_state(struct attempt *a, enum run_state to)
{
    if (!sm_allows(run_states, a->run.state, to))
        BUG("attempt of %s: %s to %s", a->job, run_states[a->run.state].name, run_states[to].name);
    a->run.state = to;
}

static struct attempt *alloc(const struct attempt_env *env, struct id128 id)
{
    struct attempt *a = xcalloc(1, sizeof *a);
    a->run = (struct run_entry){.id = id, .state = RUN_PENDING};
    a->env = env;
    a->taken = now_boot();
    str_init(&a->line);
    return a;
}

static void finish(struct attempt *a, struct result *r)
{
    result_release(&a->result);
    a->result = *r;
    *r = (struct result){0};
    a->ended = now_boot();
    attempt_set_state(a, RUN_FINISHED);
}

static void refuse(struct attempt *a, enum blame why, const char *message)
{
    struct result r;
    result_infra(&r, blame_code(why), "%s", message);
    finish(a, &r);
}

void attempt_refuse(struct attempt *a, struct result *r)
{
    finish(a, r);
}

struct attempt *attempt_new(const struct attempt_env *env, struct id128 id, const void *order,
                            size_t n)
{
    struct attempt *a = alloc(env, id);
    struct err e = ERR_INIT;
    if (order_parse(order, n, &a->order, &e)) {
        a->job = xstrdup("?");
        a->kind = xstrdup("?");
        refuse(a, BLAME_BAD_ORDER, e.msg);
        return a;
    }
    a->job = xstrdup(a->order.job);
    a->kind = xstrdup(a->order.kind);
    if (!list_has(env->options->roles, a->kind)) {
        refuse(a, BLAME_WORKER_REFUSED, "this worker does not have that role");
        return a;
    }
    a->order_json = xmemdup(order, n);
    a->order_len = n;
    return a;
}

struct attempt *attempt_restore(const struct attempt_env *env, struct id128 id, const char *job,
                                const char *kind, const struct result *result, bf_time taken,
                                bf_time ended)
{
    struct attempt *a = alloc(env, id);
    struct result copy = {.outcome = result->outcome,
                          .fail_class = result->fail_class,
                          .code = xstrdup(result->code),
                          .step = xstrdup(result->step),
                          .message = xstrdup(result->message),
                          .digest = xstrdup(result->digest),
                          .size = result->size,
                          .detail = xstrdup(result->detail)};
    a->job = xstrdup(job);
    a->kind = xstrdup(kind);
    finish(a, &copy);
    a->taken = a->started = taken;
    a->ended = ended;
    return a;
}

void attempt_stop_result(enum stop_reason why, struct result *r)
{
    switch (why) {
    case STOP_UNWANTED:
        result_cancelled(r, "no longer wanted");
        return;
    case STOP_FENCED:
        result_infra(r, blame_code(BLAME_LEASE_LOST), "no Orders for the length of the lease");
        return;
    case STOP_SHUTDOWN:
        result_infra(r, blame_code(BLAME_WORKER_RESTARTED), "the worker was shut down");
        return;
    case STOP_NONE:
        break;
    }
    BUG("an attempt was stopped for no reason");
}

/* ---- what the executor says ------------------------------------------------------------------ */

static void on_output(void *arg, const char *p, size_t n)
{
    struct attempt *a = arg;
    spool_write(a->spool, p, n);
    stream_wake(a->env->stream);
}

static void take_line(struct attempt *a, const char *line)
{
    if (!str_starts(line, "phase ") || !wire_is_word(line + 6) ||
        strlen(line + 6) >= sizeof a->phase)
        return;
    snprintf(a->phase, sizeof a->phase, "%s", line + 6);
    a->phase_at = now_boot();
    a->env->on_phase(a->env->arg, a);
}

/* Lines of descriptor 3; one that is too long is cut, since it cannot be a phase. */
static void on_extra(void *arg, const char *p, size_t n)
{
    struct attempt *a = arg;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\n') {
            take_line(a, a->line.p);
            str_clear(&a->line);
        } else if (a->line.len < MAX_PHASE_LINE) {
            str_addch(&a->line, p[i]);
        }
    }
}

static void close_log(struct attempt *a)
{
    if (a->spool == NULL)
        return;
    spool_end(a->spool);
    a->spool = NULL;
    stream_wake(a->env->stream);
}

static void explain_end(const struct attempt *a, struct proc_exit how, const struct err *e,
                        struct result *r)
{
    const char *died = blame_code(BLAME_EXECUTOR_DIED);
    if (a->stop != STOP_NONE) {
        attempt_stop_result(a->stop, r);
        return;
    }
    switch (how.end) {
    case PROC_EXITED:
        result_infra(r, died, "the executor ended with status %d and no result: %s", how.status,
                     e->msg);
        return;
    case PROC_SIGNALLED:
        result_infra(r, died, "the executor was killed by signal %d", how.status);
        return;
    case PROC_TIMEOUT:
        result_infra(r, died, "the executor exceeded its own time limit and was killed");
        return;
    case PROC_SILENCE:
    case PROC_KILLED:
        break;
    }
    result_infra(r, died, "the executor was killed");
}

/* A result that was written counts, however the executor ended: the work was done before. */
static void on_exit_(void *arg, struct proc_exit how)
{
    struct attempt *a = arg;
    struct result r;
    struct err e = ERR_INIT;
    a->proc = NULL;
    bool unclean = how.end != PROC_EXITED;
    if (result_read(a->ws.result, a->secrets, &r, &e)) {
        unclean = true;
        explain_end(a, how, &e, &r);
        spool_note(a->spool, "%s", r.message);
    }
    close_log(a);
    workspace_remove(a->env->loop, &a->ws);
    secrets_forget(a->secrets);
    a->secrets = NULL;
    finish(a, &r);
    a->env->on_ended(a->env->arg, a, unclean);
}

/* ---- starting -------------------------------------------------------------------------------- */

static int spawn(struct attempt *a, struct err *e)
{
    const struct options *o = a->env->options;
    BF_CLEANUP(free_ptr) char *order = xasprintf("--order=%s", a->ws.order);
    BF_CLEANUP(free_ptr) char *dir = xasprintf("--dir=%s", a->ws.dir);
    BF_CLEANUP(free_ptr)
    char *config = o->exec_config ? xasprintf("--config=%s", o->exec_config) : NULL;
    const char *argv[7] = {o->exec, a->kind, order, dir};
    size_t n = 4;
    if (config != NULL)
        argv[n++] = config;
    if (o->fake)
        argv[n++] = "--fake";
    struct proc_spec spec = {.argv = argv,
                             .timeout = a->order.timeout + o->overrun,
                             .grace = o->kill_time,
                             .merge_err = true,
                             .on_out = on_output,
                             .on_extra = on_extra,
                             .on_exit = on_exit_,
                             .arg = a};
    return proc_spawn(a->env->loop, &spec, &a->proc, e);
}

static int prepare(struct attempt *a, struct err *e)
{
    const struct options *o = a->env->options;
    if (secrets_redactor(o->secrets_dir, a->order.secrets, &a->secrets, e) ||
        workspace_make(o->state_dir, a->run.id, a->order_json, a->order_len, &a->ws, e) ||
        spool_create(a->env->spools, a->run.id, a->secrets, &a->spool, e))
        return -1;
    stream_add(a->env->stream, a->spool);
    return spawn(a, e);
}

bool attempt_start(struct attempt *a)
{
    struct err e = ERR_INIT;
    bool full;
    a->started = a->phase_at = now_boot();
    if (prepare(a, &e) == 0) {
        free(a->order_json);
        a->order_json = NULL;
        attempt_set_state(a, RUN_RUNNING);
        return true;
    }
    full = e.sys_errno == ENOSPC || e.sys_errno == EDQUOT;
    log_error("attempt cannot start", "job", a->job, "why", e.msg);
    if (a->spool != NULL)
        spool_note(a->spool, "%s", e.msg);
    close_log(a);
    workspace_remove(a->env->loop, &a->ws);
    secrets_forget(a->secrets);
    a->secrets = NULL;
    refuse(a, full ? BLAME_NO_SPACE : BLAME_WORKER_REFUSED, e.msg);
    return false;
}

void attempt_stop(struct attempt *a, enum stop_reason why)
{
    if (a->run.state != RUN_RUNNING)
        return;
    a->stop = why;
    attempt_set_state(a, RUN_STOPPING);
    proc_kill(a->proc);
}

void attempt_free(struct attempt *a)
{
    if (a == NULL)
        return;
    BUG_ON(a->proc != NULL);
    free(a->job);
    free(a->kind);
    free(a->order_json);
    order_release(&a->order);
    secrets_forget(a->secrets);
    str_release(&a->line);
    result_release(&a->result);
    free(a);
}
