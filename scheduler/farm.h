/* farm.h - the turn: collect inputs, ask the brain, persist, then act.
 *
 *     OFF ──farm_lead(term)──► LOADING ──every row was read──► ON ──farm_drop──► OFF
 *
 * ON is a cycle of turns. A turn takes all inputs that have arrived, steps the brain through them,
 * and sends the ops behind check_term, as one transaction or, where many are claimed and many end,
 * as two at the same time (turn_submit). At most one turn is in flight, what arrives meanwhile is
 * the next (that is the group commit; an idle farm waits for nothing). Effects
 * are performed when all is committed. A turn is either a write or a read: rows that changed
 * elsewhere (a plan was committed, a command made jobs) are read on the same connection between two
 * writes, so that no row that is older than the world's own ever reaches it.
 *
 * Any doubt (a commit that failed, an unknown outcome, an answer that does not fit) ends in
 * on_doubt: the owner takes a new term, and everything is loaded again. Restart = load + act. */
#ifndef BF_FARM_H
#define BF_FARM_H

#include "proto/wire.h"
#include "scheduler/core/brain.h"
#include "scheduler/db.h"
#include "scheduler/pgtext.h"
#include "scheduler/record.h"

struct command_row;
struct farm; /* opaque */

struct farm_config {
    bf_time lease, kill_time, backoff_min, backoff_max;
    int lost_limit;
    unsigned max_cpu_psi, max_io_psi, max_memory_psi; /* as in brain_config */
    uint64_t disk_floor_mib;
    struct record *record; /* gets what the brain takes and decides; may be NULL */
    /* May this process act at this moment? Asked before each turn. */
    bool (*may_act)(void *arg);
    void (*on_loaded)(void *arg);
    void (*on_doubt)(void *arg, const char *why);
    /* What Orders to this worker say may have changed, and is durable. */
    void (*on_orders)(void *arg, int64_t worker);
    /* Report `seq` of this boot has been through a turn; answer it. */
    void (*on_answer)(void *arg, int64_t worker, struct id128 boot, uint64_t seq);
    /* Jobs, workers or commands are not what they were, and it is durable. */
    void (*on_change)(void *arg);
    void *arg;
};

/* `hot` and `claims` are the farm's own connections and must outlive it; the second is for what
 * large turns claim. */
struct farm *farm_new(uv_loop_t *loop, struct db *hot, struct db *claims,
                      const struct farm_config *config);
void farm_lead(struct farm *f, int64_t term);
void farm_drop(struct farm *f);
bool farm_is_on(const struct farm *f);
/* After db_close. Accepts NULL. */
void farm_free(struct farm *f);

/* ---- inputs. All are ignored while OFF. ------------------------------------------------------ */

/* Takes the message over. One Report for each worker waits at most: it is the worker's whole state,
 * so a newer one replaces it. `usable`: the link has seen an echo of this term, so work may be
 * given to the worker. */
void farm_report(struct farm *f, int64_t worker, struct wire_msg *msg, bool usable);
void farm_link_down(struct farm *f, int64_t worker);
/* IN_CANCEL_JOB, IN_RETRY_JOB, IN_DRAIN or IN_RESUME. `object` 0: there is no such thing. */
void farm_command(struct farm *f, enum input_type type, int64_t command, int64_t object,
                  const char *who);

/* Commands are there: the next turn takes them up. Those that make jobs are carried out in its own
 * transaction, which stays open while the brain decides what follows from them: they are made,
 * ready and claimed by one commit. */
struct farm_take {
    pg_ids elsewhere; /* ids of commands that are not for this turn; taken over */
    /* Each command that was found, before the commit: farm_command for those that are the brain's.
     */
    void (*on_found)(void *arg, const struct command_row *c);
    /* The turn is durable; `found` (st_each_command) has FARM_TAKES_AT_MOST commands or less. NULL:
     * it was refused, nothing happened, and somebody else must look at the commands. Not called
     * after farm_drop. */
    void (*on_end)(void *arg, const PGresult *found);
    void *arg;
};
#define FARM_TAKES_AT_MOST 32
void farm_take_commands(struct farm *f, struct farm_take *take);

/* Rows to be read again. */
enum farm_rows {
    ROWS_SITES = 1,
    ROWS_WORKERS = 2,
    ROWS_BASES = 4,
    ROWS_IMAGES = 8,
    ROWS_JOBS = 16
};
void farm_fetch(struct farm *f, unsigned rows); /* all of these kinds */
void farm_fetch_ids(struct farm *f, const pg_ids *jobs, const pg_ids *image_archs);

/* ---- questions of the link ------------------------------------------------------------------- */

/* False: no Orders may go to this worker now. Valid until the next call into the farm. */
bool farm_orders(struct farm *f, int64_t worker, struct orders_view *out);
/* The work order of an attempt at this worker. NULL: it is not at hand; it is read, and on_orders
 * follows, now or when the row of an attempt that has ended was read again. */
const char *farm_work(struct farm *f, int64_t worker, struct id128 attempt);
/* The worker says that it has it: it need not be kept. Nothing happens where it was given to
 * another one. */
void farm_work_seen(struct farm *f, int64_t worker, struct id128 attempt);

#endif
