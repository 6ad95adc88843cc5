/* commands.h - what operators asked for: rows of farm.command, carried out in order.
 *
 * job_cancel, job_retry, worker_drain and worker_resume go to the brain, which answers them in its
 * own transaction; all others are rows only and are applied by SQL, one transaction each, on a
 * connection of their own. debug_record concerns this process: it is asked first, and may refuse. A
 * notification wakes it, a jittered poll is behind that. */
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
