/* followers.h - which logs somebody reads as they grow, and the word to them that there is more.
 *
 * Who follows says so each 10 s (NOTIFY farm_follow with the attempt) and is believed for half a
 * minute. The word (NOTIFY farm_log) has a connection of its own: PostgreSQL lets one notifying
 * transaction commit at a time, so a batch of chunks would wait for the disk of every other. What
 * comes while one is under way goes with the next. Readers poll behind it. */
#ifndef BF_FOLLOWERS_H
#define BF_FOLLOWERS_H

#include "scheduler/db.h"

#define FOLLOWED_MAX 256 /* logs; those beyond are polled */

struct followers; /* opaque */

struct followers *followers_new(struct db *db);
/* Somebody follows this attempt (as text; anything else is passed over). */
void followers_add(struct followers *f, const char *attempt);
bool followers_has(struct followers *f, struct id128 attempt);
/* More of it is stored: tells whoever follows it, and does nothing where nobody does. */
void followers_tell(struct followers *f, struct id128 attempt);
/* After db_close. Accepts NULL. */
void followers_free(struct followers *f);

#endif
