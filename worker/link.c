#include "worker/link.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/zloop.h"
#include "worker/now.h"
#include <stdio.h>
#include <sys/random.h>
#include <zmq.h>

#define MOMENT_MS 25
#define LOOK_AGAIN_MS 100
#define CONTROL_HWM 16 /* Reports are whole states: an old one in a queue is worth nothing */
#define LOG_HWM 64

struct peer {
    struct link *link;
    struct zsock *control, *log;
    const char *endpoint;
    bool up, log_up;
    struct run_replies replies; /* to our Reports */
};

struct link {
    uv_loop_t *loop;
    const struct options *options;
    struct link_hooks hooks;
    struct zloop *zloop;
    struct peer peer[MAX_ENDPOINTS];
    size_t n;
    struct peer *leader; /* whose Orders were accepted last */
    char **control_endpoints, **log_endpoints;
    uv_timer_t heartbeat, moment, silence;
    bool rang;    /* `silence`: once, and it looks again */
    bf_time hunt; /* heartbeat while nobody leads */
    unsigned handles;
    uint64_t seq;
    struct run_sent sent;
    bool alone; /* said that no scheduler can be reached */
};

/* ---- silence --------------------------------------------------------------------------------- */

static void on_silence(uv_timer_t *t);

/* The timer rings when the first link is to be made anew. */
static void watch(struct link *l)
{
    bf_time at = INT64_MAX, now = now_boot();
    if (l->rang)
        return; /* it rings again */
    for (size_t i = 0; i < l->n; i++) {
        bf_time due = run_renew_at(&l->peer[i].replies);
        at = due < at ? due : at;
    }
    if (at == INT64_MAX)
        uv_timer_stop(&l->silence);
    else
        uv_timer_start(&l->silence, on_silence, at > now ? (uint64_t)((at - now) / BF_MSEC) + 1 : 1,
                       0);
}

/* Both of its sockets: what has forgotten one connection has forgotten the other. Not at the first
 * ring: after a pause timers come before what has arrived meanwhile. */
static void on_silence(uv_timer_t *t)
{
    struct link *l = t->data;
    l->rang = !l->rang;
    if (l->rang) {
        uv_timer_start(t, on_silence, LOOK_AGAIN_MS, 0);
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        struct peer *p = &l->peer[i];
        if (run_renew_at(&p->replies) > now_boot())
            continue;
        log_warn("no answer: the link is made anew", "scheduler", p->endpoint);
        run_unlinked(&p->replies, true);
        zsock_renew(p->control);
        zsock_renew(p->log);
    }
    watch(l);
}

/* ---- Reports --------------------------------------------------------------------------------- */

static void send_to(struct peer *p, const struct str *frame)
{
    struct err e = ERR_INIT;
    struct zpart part = {.p = frame->p, .n = frame->len};
    int rc = zsock_send(p->control, &part, 1, &e);
    run_said(&p->replies, p->link->seq, now_boot());
    if (rc < 0)
        log_warn("report not sent", "scheduler", p->endpoint, "why", e.msg);
    else if (rc > 0)
        log_debug("report not sent: the link is full", "scheduler", p->endpoint);
}

/* To one, or (NULL) to all that are up. The time is noted before: a lease counts from it. */
static void report(struct link *l, struct peer *only)
{
    struct str frame = STR_INIT;
    struct err e = ERR_INIT;
    run_sent_note(&l->sent, ++l->seq, now_boot());
    if (l->hooks.report(l->hooks.arg, l->seq, &frame, &e))
        log_error("report not sent", "why", e.msg);
    else
        for (size_t i = 0; i < l->n; i++)
            if (l->peer[i].up && (only == NULL || only == &l->peer[i]))
                send_to(&l->peer[i], &frame);
    watch(l);
    str_release(&frame);
}

/* Give or take a fifth, so that thousands of workers do not beat as one. */
static uint64_t jittered_ms(bf_time t)
{
    uint16_t r = 32768;
    if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
        r = 32768;
    return (uint64_t)(t / BF_MSEC) * (52429 + (uint64_t)r * 26214 / 65536) / 65536 + 1;
}

static void on_heartbeat(uv_timer_t *t);

static void arm_heartbeat(struct link *l)
{
    bf_time every = l->options->heartbeat;
    if (l->leader == NULL && every > l->hunt)
        every = l->hunt;
    uv_timer_start(&l->heartbeat, on_heartbeat, jittered_ms(every), 0);
}

static void note_alone(struct link *l)
{
    bool alone = true;
    for (size_t i = 0; i < l->n; i++)
        alone = alone && !l->peer[i].up;
    if (alone && !l->alone)
        log_warn("no scheduler can be reached, or none accepts this worker's key", "schedulers",
                 l->options->schedulers);
    l->alone = alone;
}

static void on_heartbeat(uv_timer_t *t)
{
    struct link *l = t->data;
    note_alone(l);
    report(l, NULL);
    l->hunt = run_hunt_next(l->hunt);
    arm_heartbeat(l);
}

static void on_moment(uv_timer_t *t)
{
    report(t->data, NULL);
    arm_heartbeat(t->data);
}

void link_changed(struct link *l)
{
    if (!uv_is_active((uv_handle_t *)&l->moment) && !uv_is_closing((uv_handle_t *)&l->moment))
        uv_timer_start(&l->moment, on_moment, MOMENT_MS, 0);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static void follow(struct peer *p)
{
    struct link *l = p->link;
    if (l->leader == p)
        return;
    log_info("following", "scheduler", p->endpoint);
    l->leader = p;
    l->hooks.log_up(l->hooks.arg, p->log_up);
}

/* It is gone, or leads no more. `hunt`: the first heartbeat until somebody does. */
static void unfollow(struct peer *p, bf_time hunt)
{
    struct link *l = p->link;
    if (l->leader != p)
        return;
    l->leader = NULL;
    l->hunt = hunt;
    l->hooks.log_up(l->hooks.arg, false);
    arm_heartbeat(l);
}

static void answered(struct peer *p, uint64_t echo, bf_time lease)
{
    bf_time patience = (bf_time)jittered_ms(run_patience(lease)) * BF_MSEC;
    run_answered(&p->replies, echo, patience, now_boot());
    watch(p->link);
}

static void take_control(struct peer *p, const struct wire_msg *m)
{
    struct link *l = p->link;
    switch (m->type) {
    case WIRE_ORDERS:
        /* Also those that we cannot carry out, for a full disk say, show that the link works. */
        answered(p, m->orders->echo_report, (bf_time)m->orders->lease_ms * BF_MSEC);
        if (l->hooks.orders(l->hooks.arg, m->orders, &l->sent))
            follow(p);
        return;
    case WIRE_NOT_LEADER:
        l->hooks.not_leader(l->hooks.arg, m->not_leader->term);
        answered(p, UINT64_MAX, 0);
        unfollow(p, RUN_HUNT_FIRST);
        return;
    case WIRE_REPORT:
    case WIRE_LOG_CHUNK:
    case WIRE_LOG_SEAL:
    case WIRE_LOG_ACK:
        break;
    }
    BUG("%s came in on control", wire_type_name(m->type));
}

static bool decode(const struct peer *p, enum wire_route route, const struct zpart *part, size_t n,
                   struct wire_msg *m)
{
    struct err e = ERR_INIT;
    if (n != 1)
        err_set(&e, ERR_INPUT, "message of %zu parts, expected 1", n);
    else if (wire_decode(route, part->p, part->n, m, &e) == 0)
        return true;
    log_warn("message dropped", "scheduler", p->endpoint, "why", e.msg);
    return false;
}

static void on_control(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct peer *p = arg;
    struct wire_msg m;
    (void)user_id;
    if (!decode(p, WIRE_CONTROL_TO_WORKER, part, n, &m))
        return;
    take_control(p, &m);
    wire_release(&m);
}

static void on_log(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct peer *p = arg;
    struct wire_msg m;
    (void)user_id;
    if (!decode(p, WIRE_LOG_TO_WORKER, part, n, &m))
        return;
    if (p == p->link->leader)
        p->link->hooks.log_ack(p->link->hooks.arg, m.log_ack);
    wire_release(&m);
}

static void on_link(void *arg, bool up)
{
    struct peer *p = arg;
    if (p->up != up)
        log_info(up ? "connected" : "disconnected", "scheduler", p->endpoint);
    p->up = up;
    if (up) {
        report(p->link, p);
        return;
    }
    run_unlinked(&p->replies, false);
    unfollow(p, RUN_HUNT);
}

static void on_log_link(void *arg, bool up)
{
    struct peer *p = arg;
    p->log_up = up;
    if (p == p->link->leader)
        p->link->hooks.log_up(p->link->hooks.arg, up);
}

int link_send_log(void *link, const struct str *frame)
{
    struct link *l = link;
    struct zpart part = {.p = frame->p, .n = frame->len};
    struct err e = ERR_INIT;
    if (l->leader == NULL || !l->leader->log_up)
        return 1;
    int rc = zsock_send(l->leader->log, &part, 1, &e);
    if (rc < 0)
        log_warn("log not sent", "scheduler", l->leader->endpoint, "why", e.msg);
    return rc == 0 ? 0 : 1;
}

void link_renew_log(struct link *l)
{
    if (l->leader == NULL)
        return;
    log_warn("no answer to logs: the link is made anew", "scheduler", l->leader->endpoint);
    zsock_renew(l->leader->log);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct keys {
    char public_key[41], secret_key[41];
};

static int open_peer(struct link *l, struct peer *p, size_t i, const struct keys *keys,
                     struct err *e)
{
    struct zsock_spec spec = {.type = ZMQ_DEALER,
                              .endpoint = l->control_endpoints[i],
                              .max_message = (int64_t)wire_max_frame(WIRE_CONTROL_TO_WORKER),
                              .hwm = CONTROL_HWM,
                              .secret_key = keys->secret_key,
                              .public_key = keys->public_key,
                              .server_key = l->options->server_key,
                              .on_recv = on_control,
                              .on_link = on_link,
                              .arg = p};
    *p = (struct peer){.link = l, .endpoint = l->control_endpoints[i]};
    if (zsock_open(l->zloop, &spec, &p->control, e))
        return err_wrap(e, "schedulers: %s", spec.endpoint);
    spec.endpoint = l->log_endpoints[i];
    spec.max_message = (int64_t)wire_max_frame(WIRE_LOG_TO_WORKER);
    spec.hwm = LOG_HWM;
    spec.on_recv = on_log;
    spec.on_link = on_log_link;
    if (zsock_open(l->zloop, &spec, &p->log, e))
        return err_wrap(e, "log_endpoints: %s", spec.endpoint);
    return 0;
}

static void add_timer(struct link *l, uv_timer_t *t)
{
    BUG_ON(uv_timer_init(l->loop, t) != 0);
    t->data = l;
    l->handles++;
}

static int open_all(struct link *l, struct err *e)
{
    struct keys keys;
    int rc = zcurve_load(l->options->key_file, keys.public_key, keys.secret_key, e);
    if (rc)
        err_wrap(e, "key_file");
    for (size_t i = 0; i < l->n && rc == 0; i++)
        rc = open_peer(l, &l->peer[i], i, &keys, e);
    explicit_bzero(&keys, sizeof keys);
    return rc;
}

int link_open(uv_loop_t *loop, const struct options *o, const struct link_hooks *hooks,
              struct link **out, struct err *e)
{
    struct zloop *z = zloop_new(loop, e);
    if (z == NULL)
        return -1;
    struct link *l = xcalloc(1, sizeof *l);
    size_t n_log = 0;
    l->loop = loop;
    l->options = o;
    l->hooks = *hooks;
    l->zloop = z;
    l->hunt = RUN_HUNT;
    l->control_endpoints = list_split(o->schedulers, MAX_ENDPOINTS, &l->n);
    l->log_endpoints = list_split(o->log_endpoints, MAX_ENDPOINTS, &n_log);
    add_timer(l, &l->heartbeat);
    add_timer(l, &l->moment);
    add_timer(l, &l->silence);
    if (open_all(l, e)) {
        link_close(l);
        return -1;
    }
    arm_heartbeat(l);
    *out = l;
    return 0;
}

static void on_closed(uv_handle_t *h)
{
    struct link *l = h->data;
    if (--l->handles > 0)
        return;
    free(l->control_endpoints);
    free(l->log_endpoints);
    free(l);
}

void link_close(struct link *l)
{
    zloop_close(l->zloop);
    uv_close((uv_handle_t *)&l->heartbeat, on_closed);
    uv_close((uv_handle_t *)&l->moment, on_closed);
    uv_close((uv_handle_t *)&l->silence, on_closed);
}
