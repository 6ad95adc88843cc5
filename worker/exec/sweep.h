/* sweep.h - what dead attempts left in this worker's state is removed. */
#ifndef BF_EXEC_SWEEP_H
#define BF_EXEC_SWEEP_H

#include "worker/exec/storage.h"

/* `live`: attempts that the caller knows to live, besides those whose executor runs. Removes as
 * much as it can; -1 with the first thing that it could not. */
int sweep(struct exec *x, char *const *live, size_t n_live, struct err *e) BF_MUST_CHECK;

#endif
