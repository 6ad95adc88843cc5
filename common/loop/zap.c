/* The authenticator (ZeroMQ RFC 27): libzmq asks, by a request of seven frames, whether a client
 * with this key may come in. Anything that we do not understand is refused. */
#include "common/loop/zloop_port.h"
#include <errno.h>
#include <zmq.h>

enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, KEY, FRAMES };
#define ZAP_ENDPOINT "inproc://zeromq.zap.01"

int zloop_set_zap(struct zloop *z, zap_cb *cb, void *arg, struct err *e)
{
    void *rep = zmq_socket(z->ctx, ZMQ_REP);
    int linger = 0;

    BUG_ON(z->zap.zmq);
    if (!rep)
        return err_set(e, ERR_SYSTEM, "cannot make a socket: %s", zmq_strerror(errno));
    zmq_setsockopt(rep, ZMQ_LINGER, &linger, sizeof linger);
    if (zmq_bind(rep, ZAP_ENDPOINT) < 0) {
        err_set(e, ERR_SYSTEM, "cannot bind the authenticator: %s", zmq_strerror(errno));
        zmq_close(rep);
        return -1;
    }
    z->zap_cb = cb;
    z->zap_arg = arg;
    zport_open(&z->zap, z, NULL, rep);
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

const char zap_later[] = "";

/* 300 is "temporary error": libzmq closes the connection, and its client tries again. After 400 it
 * gives up. */
static void answer(void *rep, zmq_msg_t *request_id, const char *user_id)
{
    bool later = user_id == zap_later;
    const char *status = later ? "300" : user_id ? "200" : "400";
    const char *text = later ? "not yet" : user_id ? "OK" : "unknown key";

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

bool zap_work(struct zloop *z)
{
    zmq_msg_t frame[FRAMES];
    size_t n;

    if (!zport_take_news(&z->zap) || (n = receive(z->zap.zmq, frame)) == 0)
        return false;
    zport_touch(&z->zap);
    if (n > REQUEST_ID) {
        const char *user_id = decide(z, frame, n);
        if (z->zap.zmq) /* the callback may have closed everything */
            answer(z->zap.zmq, &frame[REQUEST_ID], user_id);
    }
    for (size_t i = 0; i < n && i < FRAMES; i++)
        zmq_msg_close(&frame[i]);
    return true;
}
