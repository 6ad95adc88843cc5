#include "scheduler/changes.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"

#define APART (20 * BF_MSEC)

struct changes {
    struct db *db;
    uv_timer_t *timer;
    bf_time next; /* monotonic: not before */
    bool noted, flying;
};

static void arm(struct changes *c);

static void on_told(void *arg, const struct db_reply *r)
{
    struct changes *c = arg;
    if (r->end == DB_REFUSED)
        log_warn("readers were not told of changes", "error", r->message);
    c->flying = false;
    if (c->noted && r->end == DB_DONE)
        arm(c);
}

static void on_timer(uv_timer_t *t)
{
    struct changes *c = t->data;
    struct db_tx *tx = db_tx_new(c->db, DB_WRITE);
    c->noted = false;
    c->flying = true;
    c->next = clock_mono() + APART;
    st_tell_change(tx);
    db_submit(tx, on_told, c);
}

static void arm(struct changes *c)
{
    timer_in(c->timer, c->next - clock_mono(), on_timer);
}

/* One at a time: the connection has more important things to carry where round trips are slow. */
void changes_note(struct changes *c)
{
    c->noted = true;
    if (!c->flying && !uv_is_active((uv_handle_t *)c->timer))
        arm(c);
}

struct changes *changes_new(uv_loop_t *loop, struct db *db)
{
    struct changes *c = xcalloc(1, sizeof *c);
    c->db = db;
    c->timer = timer_new(loop, c);
    return c;
}

void changes_free(struct changes *c)
{
    if (!c)
        return;
    timer_free(c->timer);
    free(c);
}
