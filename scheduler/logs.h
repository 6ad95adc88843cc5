/* logs.h - the log socket: chunks and seals from workers into the log store.
 *
 * Chunks wait in a queue of bounded size and are stored in batches, in a transaction whose commit
 * does not wait for the disk; a seal is a transaction that does, and frees the worker's spool.
 * Every message is checked against the worker that the attempt belongs to. While the queue is full
 * nothing is read: what the workers send stays in the sockets, bounded for each of them, and then
 * with them. A log never decides anything. */
#ifndef BF_LOGS_H
#define BF_LOGS_H

#include "common/loop/zloop.h"
#include "scheduler/db.h"
#include "scheduler/followers.h"
#include "scheduler/roster.h"

struct logs; /* opaque */

struct logs_config {
    const char *endpoint;
    const char *secret_key; /* CURVE, Z85 */
    size_t max_queue;       /* bytes that wait for PostgreSQL */
};

/* `db` is a connection of their own; all must outlive them. */
int logs_open(struct zloop *z, struct db *db, struct roster *roster, struct followers *followers,
              const struct logs_config *config, struct logs **out, struct err *e) BF_MUST_CHECK;
const char *logs_endpoint(const struct logs *l);
/* term 0: standby, says nothing. */
void logs_set_term(struct logs *l, int64_t term);
/* After db_close. Accepts NULL. */
void logs_close(struct logs *l);

#endif
