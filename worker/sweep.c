/* exec sweep ──► rm -rf STATE/work (first time only) ──► idle ──sweep_run──► exec sweep ──► idle */
#include "worker/sweep.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/proc.h"

#define LIMIT (300 * BF_SEC)
#define MAX_OUTPUT 2048

struct sweep {
    uv_loop_t *loop;
    const struct options *options;
    struct sweep_hooks hooks;
    struct proc *proc; /* NULL: none runs */
    struct str output; /* of the one that runs, its beginning */
    bool first_done, again, closing;
};

static void run_exec(struct sweep *s);

static void sweep_free(struct sweep *s)
{
    str_release(&s->output);
    free(s);
}

static void on_output(void *arg, const char *p, size_t n)
{
    struct sweep *s = arg;
    size_t room = MAX_OUTPUT - s->output.len;
    str_addmem(&s->output, p, n < room ? n : room);
}

static void idle(struct sweep *s)
{
    if (s->closing) {
        sweep_free(s);
        return;
    }
    s->first_done = true;
    if (s->again)
        run_exec(s);
    else
        s->hooks.done(s->hooks.arg);
}

static bool spawn(struct sweep *s, const char *const *argv,
                  void (*on_exit)(void *, struct proc_exit))
{
    struct err e = ERR_INIT;
    struct proc_spec spec = {.argv = argv,
                             .timeout = LIMIT,
                             .merge_err = true,
                             .on_out = on_output,
                             .on_exit = on_exit,
                             .arg = s};
    str_clear(&s->output);
    if (proc_spawn(s->loop, &spec, &s->proc, &e) == 0)
        return true;
    s->proc = NULL;
    log_warn("sweep cannot run", "why", e.msg);
    return false;
}

static void on_removed(void *arg, struct proc_exit how)
{
    struct sweep *s = arg;
    s->proc = NULL;
    if (!s->closing && (how.end != PROC_EXITED || how.status != 0))
        log_warn("old work directories stay", "output", s->output.p);
    idle(s);
}

static void remove_work(struct sweep *s)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/work", s->options->state_dir);
    const char *argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
    if (!spawn(s, argv, on_removed))
        idle(s);
}

static void after_exec(struct sweep *s)
{
    if (s->first_done || s->closing)
        idle(s);
    else
        remove_work(s);
}

static void on_swept(void *arg, struct proc_exit how)
{
    struct sweep *s = arg;
    s->proc = NULL;
    if (!s->closing && (how.end != PROC_EXITED || how.status != 0))
        log_warn("sweep failed: something may be left on this host", "output", s->output.p);
    after_exec(s);
}

/* exec sweep --config=FILE --live=UUID ... */
static void run_exec(struct sweep *s)
{
    VEC(char *) argv = VEC_INIT;
    id_list live = VEC_INIT;
    s->again = false;
    s->hooks.live(s->hooks.arg, &live);
    *vec_push(&argv) = xstrdup(s->options->exec);
    *vec_push(&argv) = xstrdup("sweep");
    if (s->options->exec_config != NULL)
        *vec_push(&argv) = xasprintf("--config=%s", s->options->exec_config);
    vec_for_each (i, &live) {
        char id[ID128_TEXT];
        id128_format(live.v[i], id);
        *vec_push(&argv) = xasprintf("--live=%s", id);
    }
    *vec_push(&argv) = NULL;
    bool running = spawn(s, (const char *const *)argv.v, on_swept);
    vec_for_each (i, &argv)
        free(argv.v[i]);
    vec_release(&argv);
    vec_release(&live);
    if (!running)
        after_exec(s);
}

struct sweep *sweep_new(uv_loop_t *loop, const struct options *o, const struct sweep_hooks *hooks)
{
    struct sweep *s = xcalloc(1, sizeof *s);
    s->loop = loop;
    s->options = o;
    s->hooks = *hooks;
    str_init(&s->output);
    return s;
}

void sweep_run(struct sweep *s)
{
    if (s->proc != NULL)
        s->again = true;
    else if (!s->closing)
        run_exec(s);
}

bool sweep_busy(const struct sweep *s)
{
    return s->proc != NULL || !s->first_done;
}

void sweep_close(struct sweep *s)
{
    if (s == NULL)
        return;
    s->closing = true;
    if (s->proc != NULL)
        proc_kill_now(s->proc);
    else
        sweep_free(s);
}
