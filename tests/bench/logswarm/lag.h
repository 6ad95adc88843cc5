/* lag.h - how long a line takes from the stream that writes it to the follower who reads it. */
#ifndef BF_LOGSWARM_LAG_H
#define BF_LOGSWARM_LAG_H

#include "common/base/err.h"

/* A marked line: this, and the monotonic time in microseconds at which it was written. */
#define LAG_MARK "logswarm: written at "

/* Reads standard input to its end; prints milliseconds, one line for each mark. */
int lag_print(struct err *e) BF_MUST_CHECK;

#endif
