/* The authenticator (ZeroMQ RFC 27): libzmq asks, by a request of seven frames, whether a client
 * with this key may come in. Anything that we do not understand is refused. */
#include "common/base/mem.h"
#include "common/loop/zloop_port.h"
#include <errno.h>
#include <zmq.h>

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES };
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

/* libzmq keeps two pipes for each peer's question for as long as the peer is there, a quarter of
 * what an idle one costs; or until the socket that answered is closed. So after the questions of
 * MANY another one takes its place, and what it had is free for the next peers. Who has asked the
 * old one is answered by it: that is a matter of milliseconds. Between unbind and bind nobody is
 * let in, and tries again. */
enum { MANY = 64, OLD_MS = 250 };

static void *new_socket(struct zloop *z, struct err *e)
{
    void *rep = zmq_socket(z->ctx, ZMQ_REP);
    int linger = 0;

    if (!rep) {
        err_set(e, ERR_SYSTEM, "cannot make a socket: %s", zmq_strerror(errno));
        return NULL;
    }
    zmq_setsockopt(rep, ZMQ_LINGER, &linger, sizeof linger);
    return rep;
}

static int listen_with(struct zloop *z, void *rep, struct err *e)
{
    if (zmq_bind(rep, ZAP_ENDPOINT) < 0) {
        err_set(e, ERR_SYSTEM, "cannot bind the authenticator: %s", zmq_strerror(errno));
        zmq_close(rep);
        return -1;
    }
    z->zap = xcalloc(1, sizeof *z->zap);
    zport_open(z->zap, z, NULL, rep);
    z->zap_asked = 0;
    return 0;
}

static bool frame_is(zmq_msg_t *frame, const char *text)
{
    size_t n = strlen(text);

    return zmq_msg_size(frame) == n && memcmp(zmq_msg_data(frame), text, n) == 0;
}

/* The user id; NULL: refused. */
static const char *decide(struct zloop *z, zmq_msg_t *frame, size_t n)
{
    char key[41], address[64];
    size_t len;

    if (n != FRAMES || !frame_is(&frame[VERSION], "1.0") || !frame_is(&frame[MECHANISM], "CURVE") ||
        zmq_msg_size(&frame[KEY]) != 32 || !zmq_z85_encode(key, zmq_msg_data(&frame[KEY]), 32))
        return NULL;
    len = zmq_msg_size(&frame[ADDRESS]);
    if (len >= sizeof address)
        len = sizeof address - 1;
    memcpy(address, zmq_msg_data(&frame[ADDRESS]), len);
    address[len] = '\0';
    return z->zap_cb(z->zap_arg, key, address);
}

static void answer(void *rep, zmq_msg_t *request_id, const char *user_id)
{
    const char *status = user_id ? "200" : "400";
    const char *text = user_id ? "OK" : "unknown key";

    if (!user_id)
        user_id = "";
    zmq_send(rep, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(rep, zmq_msg_data(request_id), zmq_msg_size(request_id), ZMQ_SNDMORE);
    zmq_send(rep, status, 3, ZMQ_SNDMORE);
    zmq_send(rep, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(rep, user_id, strlen(user_id), ZMQ_SNDMORE);
    zmq_send(rep, "", 0, 0);
}

/* Receives one request; returns its number of frames (those beyond FRAMES are counted, not kept).
 */
static size_t receive(void *rep, zmq_msg_t frame[static FRAMES])
{
    size_t n = 0;
    bool more = true;

    for (; more; n++) {
        zmq_msg_t extra, *m = n < FRAMES ? &frame[n] : &extra;
        zmq_msg_init(m);
        if (zmq_msg_recv(m, rep, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(m);
            return n;
        }
        more = zmq_msg_more(m);
        if (m == &extra)
            zmq_msg_close(m);
    }
    return n;
}

/* One question. false: there is none. */
static bool work(struct zloop *z, struct zport *p)
{
    zmq_msg_t frame[FRAMES];
    size_t n;

    if (!zport_take_news(p) || (n = receive(p->zmq, frame)) == 0)
        return false;
    zport_touch(p);
    if (n > REQUEST_ID) {
        const char *user_id = decide(z, frame, n);
        if (p->zmq) /* the callback may have closed everything */
            answer(p->zmq, &frame[REQUEST_ID], user_id);
    }
    for (size_t i = 0; i < n && i < FRAMES; i++)
        zmq_msg_close(&frame[i]);
    z->zap_asked++;
    return true;
}

static void replace(struct zloop *z);

static void on_old(uv_timer_t *t)
{
    struct zloop *z = t->data;

    /* Timers come first after a long turn of the loop; and an answer just before the end is lost.
     */
    zport_touch(z->zap_old);
    if (work(z, z->zap_old)) {
        uv_timer_start(t, on_old, OLD_MS, 0);
        return;
    }
    zport_close(z->zap_old);
    z->zap_old = NULL;
    if (z->zap_asked >= MANY)
        replace(z);
}

static void replace(struct zloop *z)
{
    void *rep = z->zap_held ? NULL : new_socket(z, NULL);
    struct err e = ERR_INIT;

    if (!rep) { /* held, or no descriptor to spare: after the next MANY */
        z->zap_asked = 0;
        return;
    }
    if (zmq_unbind(z->zap->zmq, ZAP_ENDPOINT) < 0)
        BUG("cannot unbind the authenticator: %s", zmq_strerror(errno));
    z->zap_old = z->zap;
    zport_touch(z->zap_old); /* that may have taken its news */
    if (listen_with(z, rep, &e) < 0)
        BUG("%s", e.msg);
    uv_timer_start(&z->zap_timer, on_old, OLD_MS, 0);
}

static void on_timer_closed(uv_handle_t *handle)
{
    zloop_handle_gone(handle->data, NULL);
}

int zloop_set_zap(struct zloop *z, zap_cb *cb, void *arg, struct err *e)
{
    void *rep;

    BUG_ON(z->zap);
    rep = new_socket(z, e);
    if (!rep || listen_with(z, rep, e) < 0)
        return -1;
    z->zap_cb = cb;
    z->zap_arg = arg;
    uv_timer_init(z->loop, &z->zap_timer);
    z->zap_timer.data = z;
    z->handles++;
    return 0;
}

void zap_close(struct zloop *z)
{
    if (!z->zap)
        return;
    zport_close(z->zap);
    if (z->zap_old)
        zport_close(z->zap_old);
    uv_close((uv_handle_t *)&z->zap_timer, on_timer_closed);
}

/* Questions that wait would pile up, those of clients that have given up, too: so nobody asks. */
void zloop_hold_zap(struct zloop *z, bool hold)
{
    if (hold == z->zap_held)
        return;
    z->zap_held = hold;
    if ((hold ? zmq_unbind : zmq_bind)(z->zap->zmq, ZAP_ENDPOINT) < 0)
        BUG("the authenticator: %s", zmq_strerror(errno));
    zport_touch(z->zap);
}

bool zap_work(struct zloop *z)
{
    bool old = z->zap_old && work(z, z->zap_old);
    bool any = z->zap && work(z, z->zap);

    if (old)
        uv_timer_start(&z->zap_timer, on_old, OLD_MS, 0);
    if (z->zap_asked >= MANY && !z->zap_old && z->zap->zmq)
        replace(z);
    return old || any;
}
