/* probe.h - what this host can do, tried and printed as JSON for the daemon to report. */
#ifndef BF_EXEC_PROBE_H
#define BF_EXEC_PROBE_H

#include "worker/exec/executor.h"

/* {"arch": …, "buildah": "1.28.2", "isolation": ["chroot"], "capabilities": ["build-context", …],
 * "kvm": false, "secrets": [names]}. Tools that are not installed are null. */
int probe(struct exec *x, json_t **out, struct err *e) BF_MUST_CHECK;

#endif
