/* report.h - the worker's whole state as one Report, within the limits of the wire: at most 64
 * results and as many bytes as fit a frame, oldest first; the others follow once these are
 * acknowledged. */
#ifndef BF_WORKER_REPORT_H
#define BF_WORKER_REPORT_H

#include "worker/agent.h"

/* What does not change from Report to Report. */
struct identity {
    struct id128 boot;
    char *arch;
    char **roles, **capabilities; /* NULL-terminated */
    uint64_t memory;
    unsigned cpus;
};

/* Reads the options, the machine, and the names of the secrets; `probed` is a list of further
 * capabilities, or NULL. */
void identity_init(struct identity *id, struct id128 boot, const struct options *o,
                   const char *probed);
void identity_release(struct identity *id);

/* Appends the frame to *out. */
int report_encode(const struct identity *id, const struct options *o, const struct agent_view *v,
                  uint64_t seq, struct str *out, struct err *e) BF_MUST_CHECK;

#endif
