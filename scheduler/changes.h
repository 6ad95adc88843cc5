/* changes.h - tells readers (the API, dashboards) that jobs have changed: NOTIFY farm_change.
 *
 * One notification stands for all that changed within some milliseconds, and it has a transaction
 * of its own: in a turn's it would wake all who listen before the leader hears of the commit, and
 * PostgreSQL lets only one transaction that notifies commit at a time. It may be lost with its
 * sender; who listens polls as well. */
#ifndef BF_CHANGES_H
#define BF_CHANGES_H

#include "scheduler/db.h"

struct changes; /* opaque */

struct changes *changes_new(uv_loop_t *loop, struct db *db);
/* Jobs have changed, and it is committed. The notification leaves from the loop, not from here. */
void changes_note(struct changes *c);
/* After db_close. Accepts NULL. */
void changes_free(struct changes *c);

#endif
