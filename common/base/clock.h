/* clock.h - the two clocks, for shells; pure code is handed `now`. */
#ifndef BF_CLOCK_H
#define BF_CLOCK_H

#include "common/base/base.h"

bf_time clock_mono(void); /* CLOCK_MONOTONIC */
bf_time clock_real(void); /* CLOCK_REALTIME, microseconds since the epoch */
#define RFC3339_TEXT 32
void rfc3339_format(bf_time real, char out[static RFC3339_TEXT]); /* UTC, milliseconds, "Z" */

#endif
