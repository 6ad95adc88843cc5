/* exec sweep ──► rm -rf STATE/work ──► exec probe ──► idle ◄──► exec sweep, exec probe
 *               (the first time only)  */
#include "worker/host.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/proc.h"
#include "proto/wire.h"
#include <jansson.h>

#define LIMIT (300 * BF_SEC)
#define MAX_OUTPUT ((size_t)65536)

struct host {
    uv_loop_t *loop;
    const struct options *options;
    struct host_hooks hooks;
    struct proc *proc; /* NULL: none runs */
    struct str out, err_out;
    bool first_done, sweeping, sweep_due, probe_due, closing;
};

static void next(struct host *h);

static void host_free(struct host *h)
{
    str_release(&h->out);
    str_release(&h->err_out);
    free(h);
}

static void keep(struct str *s, const char *p, size_t n)
{
    size_t room = MAX_OUTPUT - s->len;
    str_addmem(s, p, n < room ? n : room);
}

static void on_out(void *arg, const char *p, size_t n)
{
    keep(&((struct host *)arg)->out, p, n);
}

static void on_err(void *arg, const char *p, size_t n)
{
    keep(&((struct host *)arg)->err_out, p, n);
}

static bool spawn(struct host *h, const char *const *argv,
                  void (*on_exit)(void *, struct proc_exit))
{
    struct err e = ERR_INIT;
    struct proc_spec spec = {.argv = argv,
                             .timeout = LIMIT,
                             .on_out = on_out,
                             .on_err = on_err,
                             .on_exit = on_exit,
                             .arg = h};
    str_clear(&h->out);
    str_clear(&h->err_out);
    if (proc_spawn(h->loop, &spec, &h->proc, &e) == 0)
        return true;
    h->proc = NULL;
    log_warn("cannot look after this host", "why", e.msg);
    return false;
}

/* The child has ended. True: well; else what it said is logged. */
static bool ended_well(struct host *h, struct proc_exit how, const char *what)
{
    h->proc = NULL;
    if (how.end == PROC_EXITED && how.status == 0)
        return true;
    if (!h->closing)
        log_warn(what, "output", h->err_out.p);
    return false;
}

/* exec COMMAND --config=FILE --live=UUID ... */
static bool run_exec(struct host *h, const char *command, const id_list *live,
                     void (*on_exit)(void *, struct proc_exit))
{
    VEC(char *) argv = VEC_INIT;
    *vec_push(&argv) = xstrdup(h->options->exec);
    *vec_push(&argv) = xstrdup(command);
    if (h->options->exec_config != NULL)
        *vec_push(&argv) = xasprintf("--config=%s", h->options->exec_config);
    vec_for_each (i, live) {
        char id[ID128_TEXT];
        id128_format(live->v[i], id);
        *vec_push(&argv) = xasprintf("--live=%s", id);
    }
    *vec_push(&argv) = NULL;
    bool running = spawn(h, (const char *const *)argv.v, on_exit);
    vec_for_each (i, &argv)
        free(argv.v[i]);
    vec_release(&argv);
    return running;
}

/* ---- sweep ----------------------------------------------------------------------------------- */

static void sweep_done(struct host *h)
{
    h->probe_due = h->probe_due || !h->first_done;
    h->first_done = true;
    h->sweeping = false;
    if (h->closing) {
        host_free(h);
        return;
    }
    next(h);
    if (!h->sweeping)
        h->hooks.swept(h->hooks.arg);
}

static void on_removed(void *arg, struct proc_exit how)
{
    struct host *h = arg;
    (void)ended_well(h, how, "old work directories stay");
    sweep_done(h);
}

static void after_sweep(struct host *h)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/work", h->options->state_dir);
    const char *argv[] = {"rm", "-rf", "--one-file-system", "--", path, NULL};
    if (h->first_done || h->closing || !spawn(h, argv, on_removed))
        sweep_done(h);
}

static void on_swept(void *arg, struct proc_exit how)
{
    struct host *h = arg;
    (void)ended_well(h, how, "sweep failed: something may be left on this host");
    after_sweep(h);
}

static void run_sweep(struct host *h)
{
    id_list live = VEC_INIT;
    h->sweep_due = false;
    h->sweeping = true;
    h->hooks.live(h->hooks.arg, &live);
    bool running = run_exec(h, "sweep", &live, on_swept);
    vec_release(&live);
    if (!running)
        after_sweep(h);
}

/* ---- probe ----------------------------------------------------------------------------------- */

char *host_read_probe(const char *json, size_t n)
{
    json_error_t je;
    struct str out = STR_INIT;
    json_t *root = json_loadb(json, n, 0, &je);
    const json_t *list = json_object_get(root, "capabilities");
    bool good = json_is_array(list);
    for (size_t i = 0; i < json_array_size(list) && i < WIRE_MAX_CAPABILITIES / 2; i++) {
        const char *word = json_string_value(json_array_get(list, i));
        if (word != NULL && wire_is_capability(word))
            str_addf(&out, "%s%s", out.len > 0 ? "," : "", word);
    }
    json_decref(root);
    if (good)
        return str_steal(&out);
    str_release(&out);
    return NULL;
}

static void on_probed(void *arg, struct proc_exit how)
{
    struct host *h = arg;
    if (ended_well(h, how, "probe failed: less is announced than this host may be able to do")) {
        BF_CLEANUP(free_ptr) char *list = host_read_probe(h->out.p, h->out.len);
        if (list != NULL)
            h->hooks.probed(h->hooks.arg, list);
        else
            log_warn("probe answered with something else than capabilities");
    }
    next(h);
}

static void run_probe(struct host *h)
{
    const id_list none = VEC_INIT;
    h->probe_due = false;
    if (!h->options->fake)
        (void)run_exec(h, "probe", &none, on_probed);
}

/* ---- life ------------------------------------------------------------------------------------ */

/* No child runs: the next one, if any. */
static void next(struct host *h)
{
    if (h->closing)
        host_free(h);
    else if (h->sweep_due)
        run_sweep(h);
    else if (h->probe_due)
        run_probe(h);
}

struct host *host_new(uv_loop_t *loop, const struct options *o, const struct host_hooks *hooks)
{
    struct host *h = xcalloc(1, sizeof *h);
    h->loop = loop;
    h->options = o;
    h->hooks = *hooks;
    str_init(&h->out);
    str_init(&h->err_out);
    return h;
}

void host_sweep(struct host *h)
{
    h->sweep_due = true;
    if (h->proc == NULL)
        next(h);
}

void host_probe(struct host *h)
{
    h->probe_due = h->first_done;
    if (h->proc == NULL)
        next(h);
}

bool host_busy(const struct host *h)
{
    return h->sweeping || h->sweep_due || !h->first_done;
}

void host_close(struct host *h)
{
    if (h == NULL)
        return;
    h->closing = true;
    if (h->proc != NULL)
        proc_kill_now(h->proc);
    else
        host_free(h);
}
