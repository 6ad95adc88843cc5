/* worker.c - joins the modules, and turns signals into goals.
 *
 *     SIGTERM         drain: finish what runs, take nothing new, end when results are acknowledged
 *     SIGTERM again,
 *     SIGINT          kill what runs and end; what was not finished is reported at the next start
 *     SIGHUP          read the options again
 */
#include "worker/worker.h"
#include "common/base/log.h"
#include "common/loop/file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#define TICK_MS 5000

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};

struct worker {
    uv_loop_t *loop;
    struct options *options;
    int argc;
    char **argv;
    int lock; /* on the state directory */
    struct identity identity;
    char *probed; /* capabilities that the tools here have; NULL: not known yet */
    struct journal *journal;
    struct spools *spools;
    struct stream *stream;
    struct agent *agent;
    struct link *link;
    uv_signal_t signal[ARRAY_SIZE(signals)];
    uv_timer_t tick;
    bool draining, closed;
};

/* ---- hooks ----------------------------------------------------------------------------------- */

static int make_report(void *arg, uint64_t seq, struct str *out, struct err *e)
{
    struct worker *w = arg;
    struct agent_view v = agent_look(w->agent);
    return report_encode(&w->identity, w->options, &v, seq, out, e);
}

static bool take_orders(void *arg, const wire_orders *o, const struct run_sent *sent)
{
    return agent_on_orders(((struct worker *)arg)->agent, o, sent);
}

static void take_not_leader(void *arg, uint64_t term)
{
    agent_on_not_leader(((struct worker *)arg)->agent, term);
}

static void take_log_ack(void *arg, const wire_log_ack *ack)
{
    stream_on_ack(((struct worker *)arg)->stream, ack);
}

static void on_log_up(void *arg, bool up)
{
    stream_link(((struct worker *)arg)->stream, up);
}

static int send_log(void *arg, const struct str *frame)
{
    const struct worker *w = arg;
    return w->link ? link_send_log(w->link, frame) : 1;
}

static void renew_log(void *arg)
{
    const struct worker *w = arg;
    if (w->link)
        link_renew_log(w->link);
}

static void on_changed(void *arg)
{
    const struct worker *w = arg;
    if (w->link != NULL)
        link_changed(w->link);
}

static void renew_identity(struct worker *w)
{
    struct id128 boot = w->identity.boot;
    identity_release(&w->identity);
    identity_init(&w->identity, boot, w->options, w->probed);
}

static void on_probed(void *arg, const char *capabilities)
{
    struct worker *w = arg;
    log_info("probed", "capabilities", capabilities);
    free(w->probed);
    w->probed = xstrdup(capabilities);
    renew_identity(w);
}

static void on_done(void *arg)
{
    log_info("nothing left to do");
    worker_close(arg);
}

/* ---- signals and the tick -------------------------------------------------------------------- */

static struct spool_caps caps_of(const struct options *o)
{
    return (struct spool_caps){.head = o->log_head, .tail = o->log_tail, .total = o->log_total};
}

static void reload(struct worker *w)
{
    struct err e = ERR_INIT;
    if (options_reload(w->argc, w->argv, w->options, &e)) {
        log_error("options not reloaded", "why", e.msg);
        return;
    }
    struct spool_caps caps = caps_of(w->options);
    log_set_level((enum log_level)w->options->log_level);
    spools_set_caps(w->spools, &caps);
    renew_identity(w);
    agent_reloaded(w->agent);
    log_info("options reloaded");
}

static void on_signal(uv_signal_t *s, int number)
{
    struct worker *w = s->data;
    if (number == SIGHUP) {
        reload(w);
    } else if (number == SIGINT || w->draining) {
        log_info("ending now: attempts are killed");
        agent_shutdown(w->agent);
    } else {
        log_info("draining");
        w->draining = true;
        agent_drain(w->agent);
    }
}

static void on_tick(uv_timer_t *t)
{
    agent_tick(((struct worker *)t->data)->agent);
}

static void start_handles(struct worker *w)
{
    BUG_ON(uv_timer_init(w->loop, &w->tick) != 0);
    w->tick.data = w;
    uv_timer_start(&w->tick, on_tick, TICK_MS, TICK_MS);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        BUG_ON(uv_signal_init(w->loop, &w->signal[i]) != 0);
        w->signal[i].data = w;
        uv_signal_start(&w->signal[i], on_signal, signals[i]);
    }
}

/* ---- life ------------------------------------------------------------------------------------ */

/* Two daemons on one directory would each believe that the other's attempts are lost. */
static int lock_state(struct worker *w, struct err *e)
{
    const char *dir = w->options->state_dir;
    if (dir_make(dir, 0700, e))
        return err_wrap(e, "state_dir");
    w->lock = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->lock < 0)
        return err_sys(e, "state_dir: cannot open %s", dir);
    if (flock(w->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return err_set(e, ERR_CONFIG, "state_dir: %s is in use by another bootfarm-worker", dir);
    return 0;
}

static int open_state(struct worker *w, struct err *e)
{
    BF_CLEANUP(free_ptr) char *journal = xasprintf("%s/journal.db", w->options->state_dir);
    BF_CLEANUP(free_ptr) char *spool = xasprintf("%s/spool", w->options->state_dir);
    struct spool_caps caps = caps_of(w->options);
    return lock_state(w, e) || journal_open(journal, &w->journal, e) ||
                   spools_open(spool, &caps, &w->spools, e)
               ? -1
               : 0;
}

static int new_boot_id(struct id128 *id, struct err *e)
{
    if (getrandom(id->b, sizeof id->b, 0) != (ssize_t)sizeof id->b)
        return err_sys(e, "no random numbers");
    return 0;
}

static void open_stream(struct worker *w)
{
    struct stream_env env = {
        .send = send_log, .renew = renew_log, .arg = w, .silence = STREAM_SILENCE};
    w->stream = stream_new(w->loop, &env);
    for (struct spool *sp = spools_next(w->spools, NULL); sp != NULL;
         sp = spools_next(w->spools, sp))
        stream_add(w->stream, sp);
}

static int open_agent(struct worker *w, struct id128 boot, struct err *e)
{
    struct agent_env env = {.loop = w->loop,
                            .options = w->options,
                            .journal = w->journal,
                            .spools = w->spools,
                            .stream = w->stream,
                            .boot = boot,
                            .changed = on_changed,
                            .probed = on_probed,
                            .done = on_done,
                            .arg = w};
    w->agent = agent_new(&env, e);
    return w->agent ? 0 : -1;
}

static int open_link(struct worker *w, struct err *e)
{
    struct link_hooks hooks = {.report = make_report,
                               .orders = take_orders,
                               .not_leader = take_not_leader,
                               .log_ack = take_log_ack,
                               .log_up = on_log_up,
                               .arg = w};
    return link_open(w->loop, w->options, &hooks, &w->link, e);
}

int worker_open(uv_loop_t *loop, int argc, char **argv, struct options *o, struct worker **out,
                struct err *e)
{
    struct worker *w = xcalloc(1, sizeof *w);
    struct id128 boot;
    *w = (struct worker){.loop = loop, .options = o, .argc = argc, .argv = argv, .lock = -1};
    start_handles(w);
    *out = w;
    if (open_state(w, e) || new_boot_id(&boot, e))
        return -1;
    identity_init(&w->identity, boot, o, NULL);
    open_stream(w);
    if (open_agent(w, boot, e) || open_link(w, e))
        return -1;
    agent_run(w->agent);
    return 0;
}

void worker_close(struct worker *w)
{
    if (w->closed)
        return;
    w->closed = true;
    if (w->link != NULL)
        link_close(w->link);
    w->link = NULL;
    if (w->agent != NULL)
        agent_close(w->agent);
    if (w->stream != NULL)
        stream_close(w->stream);
    uv_close((uv_handle_t *)&w->tick, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        uv_close((uv_handle_t *)&w->signal[i], NULL);
}

void worker_free(struct worker *w)
{
    spools_close(w->spools);
    journal_close(w->journal);
    if (w->identity.arch != NULL)
        identity_release(&w->identity);
    free(w->probed);
    if (w->lock >= 0)
        close(w->lock);
    free(w);
}
