/* sched.h - the process: every module once, wired together, and nothing else. */
#ifndef BF_SCHED_H
#define BF_SCHED_H

#include "common/base/err.h"
#include "scheduler/options.h"
#include <uv.h>

struct sched; /* opaque */

/* Opens everything; leadership begins on the loop. `o` must outlive it. */
int sched_open(uv_loop_t *loop, const struct options *o, struct sched **out,
               struct err *e) BF_MUST_CHECK;
/* Memory goes with the last close callback of the loop. */
void sched_close(struct sched *s);

#endif
