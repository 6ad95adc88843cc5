/* ZMQ_FD says only that something has changed, and says it once: whoever calls into libzmq
 * afterwards, with the same socket, may take the news away. So nobody trusts it. work() asks every
 * socket whose descriptor was readable, or with which one of our functions has called into libzmq
 * since, until none has anything; it runs when a descriptor is readable, and before the loop sleeps
 * whenever a socket is to be asked. It is bounded; what is left over is taken up after the other
 * handles of the loop had their turn. Each question is a system call or two: sockets without news
 * are left alone. */
#include "common/base/mem.h"
#include "common/loop/zloop_port.h"
#include "common/loop/zsock.h"
#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

enum { ROUNDS = 16 };

static void free_if_done(struct zloop *z)
{
    if (!z->closing || z->handles > 0)
        return;
    while (zmq_ctx_term(z->ctx) < 0 && errno == EINTR)
        continue;
    free(z);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct zloop *z = handle->data;

    z->handles--;
    free_if_done(z);
}

void zloop_handle_gone(struct zloop *z, struct zsock *owner)
{
    if (owner)
        zsock_port_gone(owner);
    z->handles--;
    free_if_done(z);
}

static void on_port_closed(uv_handle_t *handle)
{
    struct zport *p = handle->data;
    struct zloop *z = p->z;
    struct zsock *owner = p->owner;

    if (!owner)
        free(p);
    zloop_handle_gone(z, owner);
}

void zport_touch(struct zport *p)
{
    p->news = p->z->news = true;
}

bool zport_take_news(struct zport *p)
{
    bool news = p->zmq && p->news;

    p->news = false;
    return news;
}

static bool work(struct zloop *z);

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct zport *p = poll->data;

    (void)status;
    (void)events;
    zport_touch(p);
    work(p->z);
}

void zport_open(struct zport *p, struct zloop *z, struct zsock *owner, void *zmq)
{
    int fd;
    size_t len = sizeof fd;

    *p = (struct zport){.z = z, .owner = owner, .zmq = zmq};
    if (zmq_getsockopt(zmq, ZMQ_FD, &fd, &len) < 0 || uv_poll_init(z->loop, &p->poll, fd) != 0 ||
        uv_poll_start(&p->poll, UV_READABLE, on_readable) != 0)
        BUG("cannot watch a ZeroMQ socket"); /* as for any lack of kernel memory */
    p->poll.data = p;
    z->handles++;
    zport_touch(p);
}

void zport_close(struct zport *p)
{
    if (!p->zmq)
        return;
    uv_close((uv_handle_t *)&p->poll, on_port_closed);
    zmq_close(p->zmq);
    p->zmq = NULL;
}

/* One turn of every socket with news. true: somebody had something. Sockets are unlinked only by
 * close callbacks of the loop, so a callback here may close any of them. */
static bool round_of(struct zloop *z)
{
    bool progress = zap_work(z);

    list_for_each (it, &z->socks) {
        if (zsock_work(container_of(it, struct zsock, link)))
            progress = true;
    }
    return progress;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle; /* its being active is the point: the loop does not sleep */
}

/* true: something happened. */
static bool work(struct zloop *z)
{
    bool any = false;

    BUG_ON(z->working);
    z->working = true;
    for (int i = 0; i < ROUNDS && z->news && !z->closing; i++) {
        z->news = false;
        if (round_of(z))
            any = true;
    }
    z->working = false;
    return any;
}

/* What happened here may have ended what the caller of uv_run(UV_RUN_ONCE) waits for: do not let
 * the loop sleep on it. The next turn stops the idle handle. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct zloop *z = prepare->data;
    bool any = z->news && work(z);

    if (z->closing)
        return;
    if (any)
        uv_idle_start(&z->idle, on_idle);
    else
        uv_idle_stop(&z->idle);
}

struct zloop *zloop_new(uv_loop_t *loop, struct err *e)
{
    struct zloop *z = xcalloc(1, sizeof *z);

    z->loop = loop;
    z->ctx = zmq_ctx_new();
    if (!z->ctx) {
        free(z);
        err_set(e, ERR_SYSTEM, "cannot make a ZeroMQ context: %s", zmq_strerror(errno));
        return NULL;
    }
    list_init(&z->socks);
    uv_prepare_init(loop, &z->prepare);
    uv_idle_init(loop, &z->idle);
    z->prepare.data = z->idle.data = z;
    z->handles = 2;
    uv_prepare_start(&z->prepare, on_prepare);
    return z;
}

void zloop_close(struct zloop *z)
{
    if (z->closing)
        return;
    list_for_each (it, &z->socks)
        zsock_close(container_of(it, struct zsock, link));
    zap_close(z);
    z->closing = true;
    uv_close((uv_handle_t *)&z->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&z->idle, on_handle_closed);
}
