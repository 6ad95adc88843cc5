#include "scheduler/log_days.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"

#define EVERY (3600 * BF_SEC)
#define SOON (10 * BF_SEC) /* there is more to drop, or it did not work */

struct log_days {
    struct db *db;
    int64_t term; /* 0: stopped */
    uint64_t epoch;
    uv_timer_t *timer;
};

struct look {
    struct log_days *days;
    uint64_t epoch;
};

static void look(struct log_days *d);

static void on_timer(uv_timer_t *t)
{
    look(t->data);
}

static void on_looked(void *arg, const struct db_reply *r)
{
    struct look l = *(struct look *)arg;
    free(arg);
    if (l.epoch != l.days->epoch)
        return;
    if (r->end == DB_REFUSED)
        log_error("cannot make or drop days of the log store", "error", r->message);
    bool done = r->end == DB_DONE && st_read_bool(r->result[1]);
    uv_timer_start(l.days->timer, on_timer, (uint64_t)((done ? EVERY : SOON) / BF_MSEC), 0);
}

static void look(struct log_days *d)
{
    struct look *l = xmalloc(sizeof *l);
    *l = (struct look){.days = d, .epoch = d->epoch};
    struct db_tx *tx = st_write(d->db, d->term);
    st_log_days(tx);
    db_submit(tx, on_looked, l);
}

void log_days_start(struct log_days *d, int64_t term)
{
    log_days_stop(d);
    d->term = term;
    look(d);
}

void log_days_stop(struct log_days *d)
{
    d->epoch++;
    d->term = 0;
    uv_timer_stop(d->timer);
}

struct log_days *log_days_new(uv_loop_t *loop, struct db *db)
{
    struct log_days *d = xcalloc(1, sizeof *d);
    d->db = db;
    d->timer = timer_new(loop, d);
    return d;
}

void log_days_free(struct log_days *d)
{
    if (!d)
        return;
    log_days_stop(d);
    timer_free(d->timer);
    free(d);
}
