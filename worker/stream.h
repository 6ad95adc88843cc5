/* stream.h - brings the spooled logs to the log store: compressed chunks, credit, seal.
 *
 * Per log: where the store is (`stored`), where we are (`sent`), and how much may be under way
 * between the two (`credit`, raw bytes). What is less than a full chunk is sent at once when the
 * log was quiet, and otherwise each half second, or each 50 ms where the store says that somebody
 * reads along. A link that comes up, or a log of which nothing is heard for `silence`, takes `sent`
 * back to `stored`; chunks are idempotent. After a restart `stored` begins at 0 and the first
 * acknowledgement moves it to what the store has: the first chunk on a link is a probe. When the
 * log has ended and everything is stored, a seal (length, what the store said it has, hash of what
 * was sent) is sent until it is acknowledged; then the files go.
 *
 * The stream owns every spool that was added to it, from then on until the seal. */
#ifndef BF_WORKER_STREAM_H
#define BF_WORKER_STREAM_H

#include "proto/wire.h"
#include "worker/spool.h"
#include <uv.h>

struct stream;

/* Sends one frame on the log socket in use: 0 sent, 1 not now. */
typedef int stream_send_fn(void *arg, const struct str *frame);

struct stream_env {
    stream_send_fn *send;
    /* No log is answered, for twice `silence` and as long again each time in a row (up to 16): the
     * connection may be dead and not know it, and is to be made anew. */
    void (*renew)(void *arg);
    void *arg;
    bf_time silence; /* without an acknowledgement: send again */
};
#define STREAM_SILENCE (20 * BF_SEC)

struct stream *stream_new(uv_loop_t *loop, const struct stream_env *env);
/* Stops; the spools stay on disk and belong to nobody. Memory goes with the timer's close. */
void stream_close(struct stream *s);

void stream_add(struct stream *s, struct spool *sp);
/* There are more bytes, or the log has ended: send within a moment. */
void stream_wake(struct stream *s);
/* The log socket in use came up (everything unacknowledged is sent again) or went down. */
void stream_link(struct stream *s, bool up);
void stream_on_ack(struct stream *s, const wire_log_ack *ack);
/* Logs that are not sealed yet, those still being written included. */
size_t stream_unsealed(const struct stream *s);

#endif
