#include "scheduler/rebuilds.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"

#define EVERY_MOST (30 * BF_SEC)
#define EVERY_LEAST BF_SEC

struct rebuilds {
    struct db *db;
    bf_time window;
    rebuilds_cb *on_jobs;
    void *arg;
    int64_t term; /* 0: stopped */
    uint64_t epoch;
    uv_timer_t *timer;
};

struct look {
    struct rebuilds *rebuilds;
    uint64_t epoch;
};

static void look(struct rebuilds *b);

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

/* A quarter of the window late at the most. */
static void look_later(struct rebuilds *b)
{
    bf_time wait = b->window / 4;
    wait = wait < EVERY_LEAST ? EVERY_LEAST : wait > EVERY_MOST ? EVERY_MOST : wait;
    uv_timer_start(b->timer, on_timer, (uint64_t)(wait / BF_MSEC), 0);
}

static void on_made(void *arg, const struct db_reply *r)
{
    struct look l = *(struct look *)arg;
    pg_ids jobs = {0};
    free(arg);
    if (l.epoch != l.rebuilds->epoch)
        return;
    if (r->end == DB_DONE)
        st_read_ids(r->result[1], &jobs);
    else if (r->end == DB_REFUSED)
        log_error("cannot make automatic rebuilds", "error", r->message);
    if (jobs.n)
        l.rebuilds->on_jobs(l.rebuilds->arg, &jobs);
    vec_release(&jobs);
    look_later(l.rebuilds);
}

static void look(struct rebuilds *b)
{
    if (!b->term)
        return;
    struct look *l = xmalloc(sizeof *l);
    *l = (struct look){.rebuilds = b, .epoch = b->epoch};
    struct db_tx *tx = st_write(b->db, b->term);
    st_rebuilds_due(tx, b->window);
    db_submit(tx, on_made, l);
}

void rebuilds_start(struct rebuilds *b, int64_t term)
{
    rebuilds_stop(b);
    b->term = term;
    look(b);
}

void rebuilds_stop(struct rebuilds *b)
{
    b->epoch++;
    b->term = 0;
    uv_timer_stop(b->timer);
}

struct rebuilds *rebuilds_new(uv_loop_t *loop, struct db *db, bf_time window, rebuilds_cb *on_jobs,
                              void *arg)
{
    struct rebuilds *b = xcalloc(1, sizeof *b);
    *b = (struct rebuilds){.db = db, .window = window, .on_jobs = on_jobs, .arg = arg};
    b->timer = timer_new(loop, b);
    return b;
}

void rebuilds_free(struct rebuilds *b)
{
    if (!b)
        return;
    rebuilds_stop(b);
    timer_free(b->timer);
    free(b);
}
