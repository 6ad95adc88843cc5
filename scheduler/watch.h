/* watch.h - repositories: polls when they are due or asked for, plans into PostgreSQL.
 *
 *     due ──► planner ──► uploads ──► one transaction per plan ──► repo_polled
 *              │             │                  │                       ▲
 *              └─────────────┴── an error ──────┴───────────────────────┘  (with back-off, in SQL)
 *
 * At most `parallel` polls at once, one per repository; requests that arrive while one runs lead to
 * another one after it. */
#ifndef BF_WATCH_H
#define BF_WATCH_H

#include "scheduler/blobs.h"
#include "scheduler/db.h"
#include "scheduler/pgtext.h"

struct watch; /* opaque */

struct watch_config {
    const char *planner;   /* program */
    const char *state_dir; /* mirrors/ and tmp/ below it */
    unsigned parallel;
    bf_time timeout;     /* of one planner */
    uint64_t max_memory; /* of one planner */
    double jitter;       /* 0 to 1 */
    /* Rows that a plan has made or changed. */
    void (*on_rows)(void *arg, const pg_ids *jobs, const pg_ids *image_archs);
    void *arg;
};

struct watch *watch_new(uv_loop_t *loop, struct db *db, struct blobs *blobs,
                        const struct watch_config *config);
void watch_start(struct watch *w, int64_t term);
/* Stops what is under way; its results are dropped. */
void watch_stop(struct watch *w);
/* Something was asked for: look now. */
void watch_kick(struct watch *w);
/* After db_close. Accepts NULL. */
void watch_free(struct watch *w);

#endif
