/* link.h - the sockets: for each scheduler one DEALER for control and one for logs, always CURVE.
 *
 * Reports go to every scheduler whose handshake succeeded: at once when that happens, a moment
 * after something changed, and as a jittered heartbeat. Standbys answer NotLeader; while nobody
 * leads, the heart beats faster (after 250 ms, then slower until 3 s), so that a new leader is
 * found soon. A link on which Reports stay without an answer is made anew (core/run.h). Logs go to
 * the one whose Orders were accepted last. */
#ifndef BF_WORKER_LINK_H
#define BF_WORKER_LINK_H

#include "common/base/str.h"
#include "proto/wire.h"
#include "worker/core/run.h"
#include "worker/options.h"
#include <uv.h>

struct link;

struct link_hooks {
    /* Appends the Report `seq` as a frame. */
    int (*report)(void *arg, uint64_t seq, struct str *out, struct err *e);
    /* True when they were accepted: logs follow them. */
    bool (*orders)(void *arg, const wire_orders *o, const struct run_sent *sent);
    void (*not_leader)(void *arg, uint64_t term);
    void (*log_ack)(void *arg, const wire_log_ack *ack);
    void (*log_up)(void *arg, bool up); /* the log socket in use */
    void *arg;
};

/* Reads the key file and connects. ERR_CONFIG for keys and endpoints that cannot be used. */
int link_open(uv_loop_t *loop, const struct options *o, const struct link_hooks *hooks,
              struct link **out, struct err *e) BF_MUST_CHECK;
/* A Report is due; several within a moment become one. */
void link_changed(struct link *l);
/* stream_send_fn for the log socket in use. */
int link_send_log(void *link, const struct str *frame);
/* The log socket in use connects anew. */
void link_renew_log(struct link *l);
void link_close(struct link *l);

#endif
