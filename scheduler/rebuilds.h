/* rebuilds.h - what is built again although no commit asked for it.
 *
 * SQL decides (farm.rebuilds_due): what stands on a base whose digest changed, once the first such
 * change is as old as the window; what `rebuild: {every, max_age}` asks for; nothing where a
 * breaker is open. This only asks it from time to time, and hands on the jobs that it made. */
#ifndef BF_REBUILDS_H
#define BF_REBUILDS_H

#include "scheduler/db.h"
#include "scheduler/pgtext.h"

struct rebuilds; /* opaque */
typedef void rebuilds_cb(void *arg, const pg_ids *jobs);

struct rebuilds *rebuilds_new(uv_loop_t *loop, struct db *db, bf_time window, rebuilds_cb *on_jobs,
                              void *arg);
void rebuilds_start(struct rebuilds *b, int64_t term);
void rebuilds_stop(struct rebuilds *b);
/* After db_close. Accepts NULL. */
void rebuilds_free(struct rebuilds *b);

#endif
