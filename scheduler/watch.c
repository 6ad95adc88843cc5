/* watch.c - which repository is due. One poll stands in poll.c. */
#include "scheduler/watch.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/timer.h"
#include "scheduler/poll.h"
#include "scheduler/store_pg.h"
#include <stdio.h>

#define LOOK_AT_LEAST_EVERY (30 * BF_SEC)
#define MAX_POLLS 64

struct watch {
    uv_loop_t *loop;
    struct db *db;
    struct poll_deps deps;
    unsigned parallel;
    double jitter;
    int64_t term; /* 0: stopped */
    uint64_t epoch;
    uv_timer_t *timer;
    bool looking, again;
    struct poll *polls[MAX_POLLS];
    unsigned n_polls;
};

struct look {
    struct watch *watch;
    uint64_t epoch;
    bf_time now, next; /* the database's clock */
};

static void look(struct watch *w);

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

static void look_in(struct watch *w, bf_time left)
{
    timer_in(w->timer, left, on_timer);
}

/* ---- polls ------------------------------------------------------------------------------------
 */

static bool is_polled(const struct watch *w, int64_t repo)
{
    for (unsigned i = 0; i < w->n_polls; i++) {
        if (poll_repo(w->polls[i]) == repo)
            return true;
    }
    return false;
}

static void on_poll_end(void *arg, struct poll *p)
{
    struct watch *w = arg;
    for (unsigned i = 0; i < w->n_polls; i++) {
        if (w->polls[i] == p) {
            w->polls[i] = w->polls[--w->n_polls];
            break;
        }
    }
    look(w); /* it may be wanted again, and others may have waited for its place */
}

static void on_repo(void *arg, const struct repo_row *r)
{
    struct look *l = arg;
    struct watch *w = l->watch;
    if (is_polled(w, r->id))
        return;
    if (r->next > l->now) {
        l->next = r->next < l->next ? r->next : l->next;
        return;
    }
    if (w->n_polls == w->parallel)
        return; /* the end of a poll looks again */
    w->polls[w->n_polls++] = poll_start(&w->deps, w->term, r);
}

/* ---- looking ----------------------------------------------------------------------------------
 */

static void on_due(void *arg, const struct db_reply *r)
{
    struct look l = *(struct look *)arg;
    struct watch *w = l.watch;
    free(arg);
    if (l.epoch != w->epoch)
        return;
    w->looking = false;
    if (r->end != DB_DONE) {
        if (r->end == DB_REFUSED)
            log_error("cannot ask which repositories are due", "error", r->message);
        look_in(w, BF_SEC);
        return;
    }
    l.now = st_read_i64(r->result[0]);
    l.next = l.now + LOOK_AT_LEAST_EVERY;
    st_each_repo(r->result[1], on_repo, &l);
    if (w->again)
        look(w);
    else
        look_in(w, l.next - l.now);
}

static void look(struct watch *w)
{
    if (!w->term)
        return;
    w->again = w->looking;
    if (w->looking)
        return;
    w->looking = true;
    struct look *l = xcalloc(1, sizeof *l);
    l->watch = w;
    l->epoch = w->epoch;
    struct db_tx *tx = db_tx_new(w->db, DB_SNAPSHOT);
    st_now(tx);
    st_due_repos(tx, w->jitter);
    db_submit(tx, on_due, l);
}

void watch_kick(struct watch *w)
{
    look(w);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void watch_start(struct watch *w, int64_t term)
{
    watch_stop(w);
    w->term = term;
    look(w);
}

void watch_stop(struct watch *w)
{
    w->epoch++;
    w->term = 0;
    w->looking = w->again = false;
    uv_timer_stop(w->timer);
    for (unsigned i = 0; i < w->n_polls; i++)
        poll_cancel(w->polls[i]);
    w->n_polls = 0;
}

struct watch *watch_new(uv_loop_t *loop, struct db *db, struct blobs *blobs,
                        const struct watch_config *config)
{
    struct watch *w = xcalloc(1, sizeof *w);
    w->loop = loop;
    w->db = db;
    w->parallel = config->parallel < MAX_POLLS ? config->parallel : MAX_POLLS;
    w->jitter = config->jitter;
    w->deps = (struct poll_deps){.loop = loop,
                                 .db = db,
                                 .blobs = blobs,
                                 .planner = xstrdup(config->planner),
                                 .state_dir = xstrdup(config->state_dir),
                                 .timeout = config->timeout,
                                 .max_memory = config->max_memory,
                                 .on_rows = config->on_rows,
                                 .rows_arg = config->arg,
                                 .on_end = on_poll_end,
                                 .end_arg = w};
    w->timer = timer_new(loop, w);
    return w;
}

void watch_free(struct watch *w)
{
    if (!w)
        return;
    watch_stop(w);
    timer_free(w->timer);
    free(w->deps.planner);
    free(w->deps.state_dir);
    free(w);
}
