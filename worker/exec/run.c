#include "worker/exec/run.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "worker/exec/logout.h"
#include <stdio.h>

#define CLEANUP_TIME (60 * BF_SEC)

struct run {
    struct exec *x;
    const struct tool *tool;
    struct tool_end *end;
    bool done;
};

/* The tail becomes part of the result: no secret may reach it either. p NULL: the tool has ended.
 */
static void on_log(struct run *r, const char *p, size_t n)
{
    BF_CLEANUP(str_release) struct str clean = STR_INIT;
    logout_filter(&r->x->log, p, n, &clean);
    tail_feed(&r->end->tail, clean.p, clean.len);
    if (!r->tool->silent && !r->tool->cleanup)
        logout_put(&r->x->log, &clean);
}

static void on_out(void *arg, const char *p, size_t n)
{
    struct run *r = arg;
    if (r->tool->on_out != NULL) {
        r->tool->on_out(r->tool->arg, p, n);
    } else if (r->tool->out != NULL) {
        size_t room = r->tool->out_max - r->tool->out->len;
        str_addmem(r->tool->out, p, n < room ? n : room);
    } else {
        on_log(r, p, n);
    }
}

static void on_err(void *arg, const char *p, size_t n)
{
    on_log(arg, p, n);
}

static void on_exit_cb(void *arg, struct proc_exit how)
{
    struct run *r = arg;
    r->end->how = how;
    r->done = true;
}

/* What the tool may take: its own limit, and never more than is left of the attempt. */
static bf_time time_for(const struct exec *x, const struct tool *t)
{
    if (t->cleanup)
        return CLEANUP_TIME;
    if (x->deadline == 0)
        return t->timeout;
    bf_time left = x->deadline - clock_mono();
    if (left < BF_MSEC)
        left = BF_MSEC;
    return t->timeout != 0 && t->timeout < left ? t->timeout : left;
}

int tool_run(struct exec *x, const struct tool *t, struct tool_end *end, struct err *e)
{
    struct run r = {.x = x, .tool = t, .end = end};
    *end = (struct tool_end){.how = {.end = PROC_KILLED}};
    tail_init(&end->tail);
    if (exec_cancelled(x) && !t->cleanup)
        return 0;
    bool apart = t->out != NULL || t->on_out != NULL; /* standard error is the log's alone */
    struct proc_spec spec = {
        .argv = argv_get(t->argv),
        .env = argv_get(&x->env),
        .cwd = t->cwd != NULL ? t->cwd : x->dir,
        .timeout = time_for(x, t),
        .silence = t->silence,
        .merge_err = !apart,
        .on_out = on_out,
        .on_err = apart ? on_err : NULL,
        .on_exit = on_exit_cb,
        .arg = &r,
    };
    struct proc *before = x->running;
    if (proc_spawn(x->loop, &spec, &x->running, e) < 0)
        return -1;
    x->cleaning = t->cleanup;
    while (!r.done)
        uv_run(x->loop, UV_RUN_ONCE);
    x->cleaning = false;
    x->running = before;
    on_log(&r, NULL, 0);
    tail_end(&end->tail);
    return 0;
}

void tool_end_release(struct tool_end *end)
{
    tail_release(&end->tail);
}

bool tool_succeeded(const struct tool_end *end)
{
    return end->how.end == PROC_EXITED && end->how.status == 0;
}

const char *tool_how(const struct tool_end *end, char buf[static 64])
{
    switch (end->how.end) {
    case PROC_EXITED:
        snprintf(buf, 64, "exit status %d", end->how.status);
        return buf;
    case PROC_SIGNALLED:
        snprintf(buf, 64, "killed by signal %d", end->how.status);
        return buf;
    case PROC_TIMEOUT:
        return "it overran its time";
    case PROC_SILENCE:
        return "it said nothing for too long";
    case PROC_KILLED:
        return "stopped";
    }
    BUG("end %d", (int)end->how.end);
}

/* A timer that is due already runs before uv_run() polls; without uv_stop() it would then poll for
 * ever. */
static void on_timer(uv_timer_t *t)
{
    *(bool *)t->data = true;
    uv_stop(t->loop);
}

static void on_closed(uv_handle_t *h)
{
    *(bool *)h->data = true;
}

void exec_sleep(struct exec *x, bf_time t)
{
    uv_timer_t timer;
    bool over = t == 0, closed = false;
    uv_timer_init(x->loop, &timer);
    timer.data = &over;
    uv_timer_start(&timer, on_timer, (uint64_t)(t / BF_MSEC), 0);
    while (!over && !x->cancelled)
        uv_run(x->loop, UV_RUN_ONCE);
    timer.data = &closed;
    uv_close((uv_handle_t *)&timer, on_closed);
    while (!closed)
        uv_run(x->loop, UV_RUN_ONCE);
}
