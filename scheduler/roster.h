/* roster.h - which CURVE keys may speak, and for which worker: the allow-list of both sockets.
 *
 * Fail closed: nobody is let in before the first load, nor is an unknown or revoked key. ZeroMQ
 * asks only at the handshake, so every message is checked again with the user id that the handshake
 * attached ("WORKER KEY"): a key that is revoked or replaced is dead for live sessions, too, as
 * soon as the list is loaded again. */
#ifndef BF_ROSTER_H
#define BF_ROSTER_H

#include "common/loop/zloop.h"
#include "scheduler/db.h"

struct roster; /* opaque */

/* Loads over `db` when it comes up (roster_db_up), on roster_refresh, and when it differs, for
 * which it is looked at every few seconds. `ready`: after each load. */
struct roster *roster_new(uv_loop_t *loop, struct db *db, void (*ready)(void *arg), void *arg);
void roster_db_up(struct roster *r, bool up);
void roster_refresh(struct roster *r);
/* A zap_cb. */
const char *roster_zap(void *roster, const char *public_key, const char *address);
/* The worker that a message's user id stands for now; 0: none, drop the message. */
int64_t roster_check(const struct roster *r, const char *user_id);
/* Another number whenever the list was loaded: what was checked before may be checked again. */
unsigned roster_version(const struct roster *r);
const char *roster_name(const struct roster *r, int64_t worker); /* "?" for an unknown one */
/* After db_close. Accepts NULL. */
void roster_free(struct roster *r);

#endif
