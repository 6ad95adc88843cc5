/* poll.h - one poll of one repository: known contexts → planner → uploads → plans into PostgreSQL →
 * repo_polled. Used by watch.c only.
 *
 * What the planner prints was made from hostile text by a process without keys: it is JSON of a
 * known size, and every word of it that reaches a command line or a file name is checked here. */
#ifndef BF_POLL_H
#define BF_POLL_H

#include "scheduler/blobs.h"
#include "scheduler/store_pg.h"

struct poll; /* opaque; gone after on_end or poll_cancel */

struct poll_deps {
    uv_loop_t *loop;
    struct db *db;
    struct blobs *blobs;
    char *planner, *state_dir;
    bf_time timeout;
    uint64_t max_memory;
    void (*on_rows)(void *arg, const pg_ids *jobs, const pg_ids *image_archs);
    void *rows_arg;
    void (*on_end)(void *arg, struct poll *p);
    void *end_arg;
};

/* `deps` must outlive the poll; the row is copied. */
struct poll *poll_start(const struct poll_deps *deps, int64_t term, const struct repo_row *repo);
int64_t poll_repo(const struct poll *p);
void poll_cancel(struct poll *p);

#endif
