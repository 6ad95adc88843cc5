/* zsock.h - a socket's inside; shared by zloop.c and zsock.c only. */
#ifndef BF_ZSOCK_H
#define BF_ZSOCK_H

#include "common/loop/zloop_port.h"

struct zsock {
    struct list link; /* in zloop.socks */
    struct zport data, monitor;
    uv_timer_t retry; /* of a monitored socket: after a refusal */
    unsigned ports;   /* handles not yet closed */
    bool up;          /* as on_link said last */
    bool told;        /* why the present attempt to connect failed */
    bool held;
    size_t batch; /* messages handed over in one turn */
    uint64_t dropped;
    char endpoint[256];
    zsock_recv_cb *on_recv;
    void (*on_link)(void *arg, bool up);
    void (*on_refused)(void *arg, const char *why);
    void *arg;
};

/* Hands over some of what has arrived. true: there was something. */
bool zsock_work(struct zsock *s);
/* One of its handles is closed; frees the socket with the last. */
void zsock_port_gone(struct zsock *s);

#endif
