#include "scheduler/lead.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"
#include <stdio.h>

#define EVERY_MS 1000
#define ASK_DEADLINE (5 * BF_SEC)
#define RENEW_DEADLINE (2 * BF_SEC)

struct lead {
    uv_loop_t *loop;
    struct db *db;
    struct lead_config cfg;
    char *holder;
    uv_timer_t *timer;
    int64_t term, known; /* term 0: standby */
    bf_time asked;       /* when the question under way was sent */
    bf_time renewed;     /* when the last renewal that succeeded was sent */
    bool asking;
};

static void on_timer(uv_timer_t *t);

static void again_in(struct lead *l, uint64_t ms)
{
    uv_timer_start(l->timer, on_timer, ms, 0);
}

static void lose(struct lead *l, const char *why)
{
    if (!l->term)
        return;
    char term[24];
    snprintf(term, sizeof term, "%lld", (long long)l->term);
    log_warn("no longer the leader", "term", term, "why", why);
    l->term = 0;
    l->cfg.on_loss(l->cfg.arg);
}

bool lead_holds(struct lead *l)
{
    if (l->term && clock_mono() - l->renewed > LEAD_VALID)
        lose(l, "the leadership could not be renewed in time");
    return l->term != 0;
}

static void on_asked(void *arg, const struct db_reply *r)
{
    struct lead *l = arg;
    int64_t term = 0, ms_left = EVERY_MS;
    l->asking = false;
    again_in(l, EVERY_MS);
    if (r->end != DB_DONE) {
        if (r->end == DB_REFUSED)
            log_error("cannot ask for the leadership", "error", r->message);
        return;
    }
    if (st_read_lead(r->result[1], &term, &ms_left) || !term) {
        if (ms_left < EVERY_MS)
            again_in(l, (uint64_t)(ms_left < 10 ? 10 : ms_left));
        return;
    }
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)term);
    log_info("leader", "term", text, "holder", l->holder);
    l->term = l->known = term;
    l->renewed = l->asked;
    l->cfg.on_gain(l->cfg.arg, term);
}

static void on_renewed(void *arg, const struct db_reply *r)
{
    struct lead *l = arg;
    l->asking = false;
    again_in(l, EVERY_MS);
    if (!l->term)
        return;
    if (r->end == DB_DONE && st_read_bool(r->result[0]))
        l->renewed = l->asked;
    else if (r->end == DB_DONE)
        lose(l, "another scheduler leads");
    else
        (void)lead_holds(l);
}

static void ask(struct lead *l)
{
    struct db_tx *tx = db_tx_new(l->db, DB_WRITE);
    l->asking = true;
    l->asked = clock_mono();
    if (l->term) {
        st_renew(tx, l->term);
        db_tx_deadline(tx, RENEW_DEADLINE);
        db_submit(tx, on_renewed, l);
    } else {
        st_lead(tx, l->holder);
        db_tx_deadline(tx, ASK_DEADLINE);
        db_submit(tx, on_asked, l);
    }
}

static void on_timer(uv_timer_t *t)
{
    struct lead *l = t->data;
    (void)lead_holds(l);
    if (l->asking || !db_is_up(l->db))
        again_in(l, EVERY_MS / 4);
    else
        ask(l);
}

void lead_db_up(struct lead *l, bool up)
{
    if (up && !l->asking)
        ask(l);
}

void lead_doubt(struct lead *l, const char *why)
{
    lose(l, why);
    again_in(l, 0);
}

int64_t lead_term(const struct lead *l)
{
    return l->known;
}

struct lead *lead_new(uv_loop_t *loop, struct db *db, const struct lead_config *config)
{
    struct lead *l = xcalloc(1, sizeof *l);
    l->loop = loop;
    l->db = db;
    l->cfg = *config;
    l->cfg.holder = l->holder = xstrdup(config->holder);
    l->timer = timer_new(loop, l);
    again_in(l, EVERY_MS / 4);
    return l;
}

void lead_free(struct lead *l)
{
    if (!l)
        return;
    timer_free(l->timer);
    free(l->holder);
    free(l);
}
