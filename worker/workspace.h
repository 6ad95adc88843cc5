/* workspace.h - the directory of one attempt:
 *
 *     STATE/work/UUID/order.json    the work order
 *     STATE/work/UUID/dir/          DIR of the calling contract (README.md)
 *
 * Removing is done by a child (rm), since a tree may be large and the loop has other work. */
#ifndef BF_WORKER_WORKSPACE_H
#define BF_WORKER_WORKSPACE_H

#include "common/base/err.h"
#include <uv.h>

struct workspace {
    char *path, *order, *dir, *result;
};

int workspace_make(const char *state_dir, struct id128 id, const void *order, size_t n,
                   struct workspace *ws, struct err *e) BF_MUST_CHECK;
/* Starts the removal of the files and forgets the paths. Failures are logged; the next start of the
 * daemon sweeps. Accepts a zeroed one. */
void workspace_remove(uv_loop_t *loop, struct workspace *ws);

#endif
