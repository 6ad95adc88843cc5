/* commands.h - what operators asked for: rows of farm.command, carried out in order.
 *
 * A notification makes the farm's next turn take them up (farm_take_commands): what makes jobs
 * (build, test, publish, mirror) and what the brain answers (job_cancel, job_retry, worker_drain,
 * worker_resume) is through with that turn's commit. All others are rows only and are applied by
 * SQL after it, one transaction each, on a connection of their own; so is everything where
 * PostgreSQL refuses such a turn. debug_record concerns this process: it is asked first, and may
 * refuse. Behind the notification is a poll, which only reads. */
#ifndef BF_COMMANDS_H
#define BF_COMMANDS_H

#include "common/base/err.h"
#include "scheduler/db.h"
#include "scheduler/farm.h"
#include "scheduler/pgtext.h"

struct commands; /* opaque */

struct commands_config {
    /* debug_record with these arguments, perhaps for the second time. -1: refused. */
    int (*on_record)(void *arg, const char *args, struct err *e);
    /* Applied. Jobs and images are for the caller to read again; `verb` says what else changed. */
    void (*on_applied)(void *arg, const char *verb, const pg_ids *jobs, const pg_ids *image_archs);
    void (*on_change)(void *arg); /* a command has ended, done or refused; it is committed */
    void *arg;
};

struct commands *commands_new(uv_loop_t *loop, struct db *db, struct farm *farm,
                              const struct commands_config *config);
void commands_start(struct commands *c, int64_t term);
void commands_stop(struct commands *c);
void commands_kick(struct commands *c);
/* After db_close. Accepts NULL. */
void commands_free(struct commands *c);

#endif
