/* home.h - the state directory: one process uses it, and it holds this scheduler's lasting name.
 *
 *     STATE_DIR/lock       locked for as long as the process lives
 *     STATE_DIR/name       HOST/8 hex digits, made once
 *     STATE_DIR/mirrors/   bare repositories, made again when they are lost
 *     STATE_DIR/traces/    what `bootfarm debug record` wrote, for people to take away
 *     STATE_DIR/tmp/       emptied at each start
 */
#ifndef BF_HOME_H
#define BF_HOME_H

#include "common/base/err.h"

struct home {
    int lock;   /* descriptor; -1: none */
    char *name; /* in the leader's row */
    char *tmp;
};

/* -1 with ERR_CONFIG when another process uses the directory. */
int home_open(const char *dir, struct home *out, struct err *e) BF_MUST_CHECK;
void home_close(struct home *h); /* accepts one that is half open */

#endif
