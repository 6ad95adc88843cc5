/* worker.h - the daemon: every module it is made of, and how they are joined.
 *
 *              Orders                                 decisions: core/run.h
 *     link ───────────────► agent ──► attempt ──► executor (child process)
 *      ▲  ▲    Report         │          │ output
 *      │  └───────────────────┤          ▼
 *      │  chunks, seal     journal     spool
 *      └───────────────────────────── stream ◄──┘
 */
#ifndef BF_WORKER_WORKER_H
#define BF_WORKER_WORKER_H

#include "worker/agent.h"
#include "worker/link.h"
#include "worker/report.h"

struct worker; /* opaque */

/* Opens the state directory, takes over what an earlier run left, connects. ERR_CONFIG for what the
 * configuration has wrong. argv is kept for SIGHUP. */
int worker_open(uv_loop_t *loop, int argc, char **argv, struct options *o, struct worker **out,
                struct err *e) BF_MUST_CHECK;
/* Closes everything that is on the loop; run the loop until it is empty, then worker_free. */
void worker_close(struct worker *w);
void worker_free(struct worker *w);

#endif
