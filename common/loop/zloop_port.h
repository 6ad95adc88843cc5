/* zloop_port.h - one libzmq socket on the loop; shared by zloop.c and zap.c only. */
#ifndef BF_ZLOOP_PORT_H
#define BF_ZLOOP_PORT_H

#include "common/base/list.h"
#include "common/loop/zloop.h"

/* Any libzmq socket whose descriptor the loop watches: ours, its monitor, the ZAP handler. */
struct zport {
    struct zloop *z;
    struct zsock *owner; /* NULL: the zloop itself */
    void *zmq;           /* NULL: closed */
    bool news;           /* it must be asked: see zloop.c */
    uv_poll_t poll;
};

struct zloop {
    uv_loop_t *loop;
    void *ctx;
    struct list socks;
    struct zport *zap;     /* the authenticator; NULL: none */
    struct zport *zap_old; /* the one before, until nobody can ask it any more; NULL: none */
    unsigned zap_asked;    /* since `zap` was opened */
    bool zap_held;
    uv_timer_t zap_timer; /* the end of `zap_old` */
    zap_cb *zap_cb;
    void *zap_arg;
    uv_prepare_t prepare; /* work() before the loop sleeps, when there is news */
    uv_idle_t idle;       /* active: do not sleep, there is more */
    unsigned handles;     /* not yet closed */
    unsigned monitors;    /* made so far, for their names */
    bool news;            /* of a port */
    bool working, closing;
};

/* Watches `zmq`. */
void zport_open(struct zport *p, struct zloop *z, struct zsock *owner, void *zmq);
/* Something may have come to it: its descriptor says so, or one of our functions has called into
 * libzmq with it, or not all was read. */
void zport_touch(struct zport *p);
/* Must it be asked? Not again, until it is touched. */
bool zport_take_news(struct zport *p);
/* Closes it; when the handle is gone zloop.c frees the owner, and a port without one itself. */
void zport_close(struct zport *p);
/* One handle of the loop, counted in z->handles, is closed; of `owner` where it is not NULL. */
void zloop_handle_gone(struct zloop *z, struct zsock *owner);
/* Answers what is asked. true: something was. */
bool zap_work(struct zloop *z);
void zap_close(struct zloop *z); /* last: then nobody is let in */

#endif
