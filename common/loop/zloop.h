/* zloop.h - ZeroMQ sockets on a libuv loop. The only file that knows that ZMQ_FD is edge-triggered
 * (zmq_getsockopt(3), ZMQ_FD): one work() drains every registered socket until none makes progress,
 * and runs after each readable event and after each send.
 *
 * All sockets of one zloop share one ZeroMQ context. Callbacks may send and may close any socket.
 */
#ifndef BF_ZLOOP_H
#define BF_ZLOOP_H

#include "common/base/err.h"
#include <uv.h>

struct zloop;
struct zsock;

#define ZLOOP_MAX_PARTS 4
struct zpart {
    const void *p;
    size_t n;
};

/* One whole multipart message. `user_id` is the ZAP User-Id (NULL where there is none). Valid
 * during the call. Messages of more than ZLOOP_MAX_PARTS parts are dropped and counted. */
typedef void zsock_recv_cb(void *arg, const struct zpart *part, size_t n, const char *user_id);

/* ZAP (RFC 27): is this CURVE public key (Z85, 40 characters) known? Returns the user id to attach
 * (copied at once), or NULL to refuse, after which libzmq's client gives up and ours comes again.
 */
typedef const char *zap_cb(void *arg, const char *public_key, const char *address);

struct zsock_spec {
    int type;             /* ZMQ_ROUTER or ZMQ_DEALER */
    const char *endpoint; /* tcp://HOST:PORT; IPv6 only in brackets. Without CURVE: loopback only */
    bool bind;
    int64_t max_message; /* bytes of one part; more ends the connection; required */
    int hwm;             /* messages, both directions; 0: 1000 */
    int backlog;         /* messages of one peer that wait for us; 0: hwm */
    int batch;           /* messages handed over in one turn; 0: 64 */
    /* CURVE. Server: own secret key. Client: own pair and the server's public key. Z85. */
    const char *secret_key, *public_key, *server_key;
    zsock_recv_cb *on_recv;
    /* DEALER: the handshake succeeded (true) or the connection ended (false). May be NULL. */
    void (*on_link)(void *arg, bool up);
    /* DEALER: the other side is there, but the handshake failed: `why` in words for a log. It is
     * tried again by itself (after a refusal in 2 to 4 s, where on_link or this is set). May be
     * NULL. */
    void (*on_refused)(void *arg, const char *why);
    void *arg;
};

struct zloop *zloop_new(uv_loop_t *loop, struct err *e) BF_MUST_CHECK;
/* Must be called before the first CURVE server socket, which cannot be opened without it. */
int zloop_set_zap(struct zloop *z, zap_cb *cb, void *arg, struct err *e) BF_MUST_CHECK;
/* True: nobody is asked about nor let in until false: the connection is closed and comes again, as
 * any that was lost. Between zloop_set_zap() and zloop_close(). */
void zloop_hold_zap(struct zloop *z, bool hold);
int zsock_open(struct zloop *z, const struct zsock_spec *spec, struct zsock **out,
               struct err *e) BF_MUST_CHECK;
/* 0 sent; 1 would block, not connected, or peer unknown (nothing was sent); -1 error. A DEALER
 * keeps nothing for later: what was sent before the connection broke may be lost. */
int zsock_send(struct zsock *s, const struct zpart *part, size_t n, struct err *e) BF_MUST_CHECK;
/* Of a socket that connects and has `on_link`: ends its connection, which is said at once, and
 * connects again. For one on which nothing comes any more though TCP finds no fault. */
void zsock_renew(struct zsock *s);
/* True: messages stay where they are (with each peer's backlog full, at the peer) until false. */
void zsock_hold(struct zsock *s, bool hold);
/* The endpoint really bound (resolves a wildcard port); valid until the socket is closed. */
const char *zsock_endpoint(const struct zsock *s);
/* Messages with too many parts that were dropped. */
uint64_t zsock_dropped(const struct zsock *s);
void zsock_close(struct zsock *s);
/* Closes every socket and the context; memory goes with the last close callback of the loop. */
void zloop_close(struct zloop *z);

/* A new CURVE key pair in Z85 (40 characters and NUL each). */
int zcurve_keypair(char public_key[static 41], char secret_key[static 41],
                   struct err *e) BF_MUST_CHECK;
/* Reads the secret key from a file of mode 0600 (one Z85 line) and derives the public one. */
int zcurve_load(const char *path, char public_key[static 41], char secret_key[static 41],
                struct err *e) BF_MUST_CHECK;
/* Writes it, mode 0600, never over an existing file. */
int zcurve_save(const char *path, const char *secret_key, struct err *e) BF_MUST_CHECK;

#endif
