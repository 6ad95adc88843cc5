/* lead.h - who leads. One row in PostgreSQL, renewed each second on the database's clock; this
 * process counts its own leadership on its own monotonic clock and stops acting LEAD_VALID after it
 * sent the last renewal that succeeded, before PostgreSQL lets anybody else lead.
 *
 *     STANDBY ──lead() answers a term──► LEADER ──renew() says no, LEAD_VALID over──► STANDBY
 *        ▲                                 │
 *        └── lead_doubt(): the world is unsure; asks for a new term at once
 *
 * The holder's name is kept in the state directory, whose lock proves that no other process of this
 * name lives: so a scheduler that was killed and started again leads at once, without waiting for
 * its own old lease. */
#ifndef BF_LEAD_H
#define BF_LEAD_H

#include "scheduler/db.h"

#define LEAD_VALID (3 * BF_SEC)

struct lead; /* opaque */

struct lead_config {
    const char *holder;
    /* Leadership of `term` begins. */
    void (*on_gain)(void *arg, int64_t term);
    /* It is over; nothing may be written or sent any more. */
    void (*on_loss)(void *arg);
    void *arg;
};

/* `db` must outlive it. Does nothing before lead_db_up(true). */
struct lead *lead_new(uv_loop_t *loop, struct db *db, const struct lead_config *config);
void lead_db_up(struct lead *l, bool up);
/* True while this process may act. Notices by itself that it slept: then on_loss was called. */
bool lead_holds(struct lead *l);
int64_t lead_term(const struct lead *l); /* the highest one known; 0: none */
/* A commit failed, its outcome is unknown, or a connection that writes was lost. */
void lead_doubt(struct lead *l, const char *why);
/* After db_close, which calls back what is under way. Accepts NULL. */
void lead_free(struct lead *l);

#endif
