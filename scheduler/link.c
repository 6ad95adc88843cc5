#include "scheduler/link.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/loop/timer.h"
#include "scheduler/link_peer.h"
#include <stdio.h>
#include <zmq.h>

#define CHECK_MS 1000
#define ANSWER_AT_MOST_EVERY (2 * BF_SEC)
#define COMPLAIN_AT_MOST_EVERY BF_SEC
#define PHASES_MAX (1 << 20)   /* bytes: while they cannot be stored, the latest are left out */
#define ORDER_BYTES (3U << 20) /* work orders in one message; the rest follows with the next */

struct listed {
    struct id128 attempt;
    char phase[WIRE_MAX_WORD + 1];
};

/* A worker that has spoken in this term. */
struct speaker {
    struct peer peer;
    char user_id[64];
    uint8_t route[255]; /* ZeroMQ's routing id */
    size_t route_len;
    struct id128 stepped_boot; /* of the newest Report that went through a turn */
    uint64_t stepped_seq;
    uint64_t answered_seq; /* the Report that Orders have echoed last */
    bool dirty, queued;
    bool met;  /* it has had Orders on this connection */
    bool down; /* the brain was told that the link does not work */
    bool draining;
    uint64_t owed; /* the first Report that says `draining`, until it is answered; 0: none */
    bf_time sent;
    VEC(struct listed) listed; /* attempts in its newest Report */
};

struct link {
    struct link_config cfg;
    struct zsock *sock;
    struct roster *roster;
    struct farm *farm;
    int64_t term, known;
    uint64_t seq; /* of Orders in this term */
    struct map speakers;
    VEC(int64_t) queue; /* workers to send to */
    uv_idle_t *idle;    /* active while the queue is not empty */
    uv_timer_t *timer;
    unsigned checked;   /* the version of the roster that all speakers have passed */
    bf_time complained; /* a peer must not fill our log */
    struct {
        struct str workers, attempts, phases;
    } phases; /* not handed on yet */
};

/* ---- sending ----------------------------------------------------------------------------------
 */

static const struct listed *find_listed(const struct speaker *s, struct id128 attempt)
{
    vec_for_each (i, &s->listed) {
        if (id128_eq(s->listed.v[i].attempt, attempt))
            return &s->listed.v[i];
    }
    return NULL;
}

static int send_frame(struct link *l, const struct speaker *s, enum wire_type type,
                      const ProtobufCMessage *msg)
{
    struct str frame = STR_INIT;
    struct err e = ERR_INIT;
    int rc = wire_encode(type, msg, &frame, &e);
    if (rc == 0) {
        struct zpart parts[] = {{s->route, s->route_len}, {frame.p, frame.len}};
        rc = zsock_send(l->sock, parts, ARRAY_SIZE(parts), &e);
    }
    if (rc < 0)
        log_error("cannot send", "message", wire_type_name(type), "worker",
                  roster_name(l->roster, s->peer.worker), "error", e.msg);
    str_release(&frame);
    return rc;
}

/* An order that no frame can carry would keep all others from this worker. It sends it back. */
static const char *within_frame(const char *json, struct id128 attempt)
{
    char id[ID128_TEXT];
    if (strlen(json) <= WIRE_MAX_ORDER)
        return json;
    id128_format(attempt, id);
    log_error("a work order is too large to be sent", "attempt", id);
    return "{}";
}

/* The orders that travel along. False: one is not at hand yet. */
static bool collect_work(struct link *l, const struct speaker *s, const struct orders_view *v,
                         const char **work)
{
    size_t bytes = 0;
    bool complete = true;
    for (size_t i = 0; i < v->n_wanted; i++) {
        work[i] = "";
        if (find_listed(s, v->wanted[i]))
            continue;
        const char *json = farm_work(l->farm, s->peer.worker, v->wanted[i]);
        if (!json) {
            complete = false;
            continue;
        }
        json = within_frame(json, v->wanted[i]);
        if ((bytes += strlen(json)) <= ORDER_BYTES)
            work[i] = json;
    }
    return complete;
}

static Bootfarm__AckKind ack_kind(enum op_status s)
{
    switch (s) {
    case ST_OK:
        return BOOTFARM__ACK_KIND__ACK_ACCEPTED;
    case ST_DUPLICATE:
        return BOOTFARM__ACK_KIND__ACK_DUPLICATE;
    case ST_FENCED:
        return BOOTFARM__ACK_KIND__ACK_FENCED;
    case ST_SKIPPED:
    case ST_STALE:
    case ST_REFUSED:
    case ST_BUSY:
    case ST_OUTDATED:
    case ST_UNKNOWN:
        break;
    }
    return BOOTFARM__ACK_KIND__ACK_UNKNOWN;
}

/* Storage for one Orders message. */
struct orders_out {
    wire_orders msg;
    struct id128 boot;
    struct id128 *ids;
    Bootfarm__Assignment *assign, **assign_p;
    Bootfarm__Ack *ack, **ack_p;
    const char **work;
};

static void out_release(struct orders_out *o)
{
    free(o->ids);
    free(o->assign);
    free(o->assign_p);
    free(o->ack);
    free(o->ack_p);
    free(o->work);
}

static void out_init(struct orders_out *o, const struct orders_view *v)
{
    *o = (struct orders_out){.msg = BOOTFARM__ORDERS__INIT};
    o->ids = xcalloc(v->n_wanted + v->n_acks + 1, sizeof *o->ids);
    o->assign = xcalloc(v->n_wanted + 1, sizeof *o->assign);
    o->assign_p = xcalloc(v->n_wanted + 1, sizeof *o->assign_p);
    o->ack = xcalloc(v->n_acks + 1, sizeof *o->ack);
    o->ack_p = xcalloc(v->n_acks + 1, sizeof *o->ack_p);
    o->work = xcalloc(v->n_wanted + 1, sizeof *o->work);
}

static void out_fill(struct orders_out *o, const struct orders_view *v)
{
    for (size_t i = 0; i < v->n_wanted; i++) {
        o->ids[i] = v->wanted[i];
        bootfarm__assignment__init(&o->assign[i]);
        o->assign[i].attempt_id = wire_id_bytes(&o->ids[i]);
        o->assign[i].order.len = strlen(o->work[i]);
        o->assign[i].order.data = (uint8_t *)(uintptr_t)o->work[i];
        o->assign_p[i] = &o->assign[i];
    }
    for (size_t i = 0; i < v->n_acks; i++) {
        struct id128 *id = &o->ids[v->n_wanted + i];
        *id = v->acks[i].attempt;
        bootfarm__ack__init(&o->ack[i]);
        o->ack[i].attempt_id = wire_id_bytes(id);
        o->ack[i].kind = ack_kind(v->acks[i].status);
        o->ack_p[i] = &o->ack[i];
    }
    o->msg.wanted = o->assign_p;
    o->msg.n_wanted = v->n_wanted;
    o->msg.acks = o->ack_p;
    o->msg.n_acks = v->n_acks;
    o->msg.drained = v->drained;
    o->msg.kill_on_partition = v->kill_on_partition;
}

static void send_orders(struct link *l, struct speaker *s)
{
    struct orders_view v;
    struct orders_out o;
    s->dirty = false;
    /* The brain's view is of the boot that it has stepped, and must not reach another one. */
    if (!id128_eq(s->stepped_boot, s->peer.boot) || !farm_orders(l->farm, s->peer.worker, &v))
        return;
    out_init(&o, &v);
    if (collect_work(l, s, &v, o.work)) {
        out_fill(&o, &v);
        o.boot = s->peer.boot;
        o.msg.term = (uint64_t)l->term;
        o.msg.seq = ++l->seq;
        o.msg.boot_id = wire_id_bytes(&o.boot);
        o.msg.lease_ms = (uint64_t)(l->cfg.lease / BF_MSEC);
        o.msg.echo_report = s->stepped_seq;
        s->answered_seq = s->stepped_seq; /* also where the connection is gone: it will say more */
        if (send_frame(l, s, WIRE_ORDERS, &o.msg.base) == 0) {
            s->sent = clock_mono();
            s->met = true;
            peer_sent(&s->peer, l->seq, s->sent);
        }
    }
    out_release(&o);
}

static void on_idle(uv_idle_t *h)
{
    struct link *l = h->data;
    uv_idle_stop(h);
    for (size_t i = 0; i < l->queue.n; i++) {
        struct speaker *s = map_get(&l->speakers, (uint64_t)l->queue.v[i]);
        if (!s)
            continue;
        s->queued = false;
        if (s->dirty)
            send_orders(l, s);
    }
    vec_clear(&l->queue);
}

void link_orders(struct link *l, int64_t worker)
{
    struct speaker *s = map_get(&l->speakers, (uint64_t)worker);
    if (!s)
        return;
    s->dirty = true;
    if (s->queued)
        return;
    s->queued = true;
    *vec_push(&l->queue) = worker;
    uv_idle_start(l->idle, on_idle);
}

/* Most Reports are answered with the next Orders that are sent anyway, or within seconds, many
 * workers' at once: so idle ones cost a third less (each message on its own wakes two threads). Who
 * waits for an answer gets it now: one that has none in this term or on this connection, since it
 * follows nobody until then, and one that is about to end. */
void link_answer(struct link *l, int64_t worker, struct id128 boot, uint64_t seq)
{
    struct speaker *s = map_get(&l->speakers, (uint64_t)worker);
    if (!s)
        return;
    if (!id128_eq(s->stepped_boot, boot))
        s->answered_seq = 0;
    s->stepped_boot = boot;
    s->stepped_seq = seq;
    bool owed = s->owed && seq >= s->owed;
    if (owed)
        s->owed = 0;
    if (!s->met || !s->peer.echoed || owed)
        link_orders(l, worker);
}

static void answer_late(struct link *l, const struct speaker *s)
{
    if (s->answered_seq != s->stepped_seq && clock_mono() - s->sent >= ANSWER_AT_MOST_EVERY)
        link_orders(l, s->peer.worker);
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static void note_phase(struct link *l, int64_t worker, struct id128 attempt, const char *phase)
{
    if (l->phases.attempts.len > PHASES_MAX)
        return;
    pga_i64(&l->phases.workers, worker);
    pga_id(&l->phases.attempts, attempt);
    pga_text(&l->phases.phases, phase);
}

static void take_listed(struct link *l, struct speaker *s, const wire_report *m)
{
    VEC(struct listed) now = VEC_INIT;
    for (size_t i = 0; i < m->n_running; i++) {
        const Bootfarm__Running *x = m->running[i];
        struct listed *e = vec_push(&now);
        e->attempt = wire_id(x->attempt_id);
        snprintf(e->phase, sizeof e->phase, "%s", x->phase);
        const struct listed *old = find_listed(s, e->attempt);
        if (!old)
            farm_work_seen(l->farm, s->peer.worker, e->attempt);
        if (*e->phase && (!old || strcmp(old->phase, e->phase) != 0))
            note_phase(l, s->peer.worker, e->attempt, e->phase);
    }
    for (size_t i = 0; i < m->n_results; i++) {
        struct listed *e = vec_push(&now);
        *e = (struct listed){.attempt = wire_id(m->results[i]->attempt_id)};
        farm_work_seen(l->farm, s->peer.worker, e->attempt);
    }
    vec_release(&s->listed);
    s->listed.v = now.v;
    s->listed.n = now.n;
    s->listed.cap = now.cap;
}

static struct speaker *speaker_for(struct link *l, int64_t worker, const char *user_id)
{
    struct speaker *s = map_get(&l->speakers, (uint64_t)worker);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        s->peer.worker = worker;
        map_put(&l->speakers, (uint64_t)worker, s);
    }
    snprintf(s->user_id, sizeof s->user_id, "%s", user_id);
    return s;
}

static void set_down(struct link *l, struct speaker *s)
{
    if (s->down)
        return;
    s->down = true;
    log_warn("what is sent to a worker does not arrive", "worker",
             roster_name(l->roster, s->peer.worker));
    farm_link_down(l->farm, s->peer.worker);
}

static void send_not_leader(struct link *l, const struct speaker *s)
{
    wire_not_leader msg = BOOTFARM__NOT_LEADER__INIT;
    msg.term = (uint64_t)l->known;
    (void)send_frame(l, s, WIRE_NOT_LEADER, &msg.base);
}

/* Not of a Report that is dropped: an old connection's last ones may come after a new one's. */
static void take_route(struct speaker *s, const struct zpart *route)
{
    if (s->route_len != route->n || memcmp(s->route, route->p, route->n) != 0)
        s->met = false;
    memcpy(s->route, route->p, route->n);
    s->route_len = route->n;
}

static void take_report(struct link *l, struct speaker *s, const struct zpart *route,
                        struct wire_msg *msg)
{
    const wire_report *m = msg->report;
    bool same_term = m->echo_term == (uint64_t)l->term;
    switch (peer_report(&s->peer, wire_id(m->boot_id), m->seq, same_term, m->echo_seq, l->cfg.lease,
                        clock_mono())) {
    case PEER_TAKE:
        take_route(s, route);
        s->down = false;
        if (m->draining != s->draining)
            s->owed = m->draining ? m->seq : 0;
        s->draining = m->draining;
        take_listed(l, s, m);
        farm_report(l->farm, s->peer.worker, msg, s->peer.echoed);
        if (!farm_is_on(l->farm)) /* a large farm takes its time to load: it must not seem dead */
            send_not_leader(l, s);
        break;
    case PEER_STALE: /* go on sending, so that an echo can catch up */
        take_route(s, route);
        set_down(l, s);
        if (clock_mono() - s->sent >= ANSWER_AT_MOST_EVERY)
            link_orders(l, s->peer.worker);
        break;
    case PEER_DROP:
        break;
    }
}

static void answer_not_leader(struct link *l, const struct zpart *route)
{
    struct speaker s = {.route_len = route->n};
    memcpy(s.route, route->p, route->n);
    send_not_leader(l, &s);
}

static void on_message(struct link *l, int64_t worker, const char *user_id,
                       const struct zpart *route, struct wire_msg *msg)
{
    if (!l->term) {
        answer_not_leader(l, route);
        return;
    }
    struct speaker *s = speaker_for(l, worker, user_id);
    switch (msg->type) {
    case WIRE_REPORT:
        take_report(l, s, route, msg);
        break;
    case WIRE_ORDERS:
    case WIRE_NOT_LEADER:
    case WIRE_LOG_CHUNK:
    case WIRE_LOG_SEAL:
    case WIRE_LOG_ACK:
        BUG("the wire let a message of another route through");
    }
}

static void complain(struct link *l, int64_t worker, const char *error)
{
    if (clock_mono() - l->complained < COMPLAIN_AT_MOST_EVERY)
        return;
    l->complained = clock_mono();
    log_warn("a frame was refused", "worker", roster_name(l->roster, worker), "error", error);
}

static void on_recv(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct link *l = arg;
    struct wire_msg msg = {0};
    struct err e = ERR_INIT;
    int64_t worker = roster_check(l->roster, user_id);
    if (!worker || n != 2 || part[0].n == 0 || part[0].n > 255) {
        log_debug("a frame was dropped", "user", user_id ? user_id : "");
        return;
    }
    if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, part[1].p, part[1].n, &msg, &e)) {
        complain(l, worker, e.msg);
        return;
    }
    on_message(l, worker, user_id, &part[0], &msg);
    wire_release(&msg);
}

/* ---- each second ------------------------------------------------------------------------------
 */

static void speaker_free(struct speaker *s)
{
    vec_release(&s->listed);
    free(s);
}

static void check_speakers(struct link *l)
{
    VEC(int64_t) gone = VEC_INIT;
    bool keys = roster_version(l->roster) != l->checked;
    l->checked = roster_version(l->roster);
    size_t pos = 0;
    uint64_t worker;
    void *v;
    while (map_next(&l->speakers, &pos, &worker, &v)) {
        struct speaker *s = v;
        if (keys && roster_check(l->roster, s->user_id) == 0)
            *vec_push(&gone) = s->peer.worker;
        else if (peer_is_stale(&s->peer, l->cfg.lease, clock_mono()))
            set_down(l, s);
        else
            answer_late(l, s);
    }
    vec_for_each (i, &gone) {
        log_info("a worker's key is no longer enrolled", "worker",
                 roster_name(l->roster, gone.v[i]));
        farm_link_down(l->farm, gone.v[i]);
        speaker_free(map_del(&l->speakers, (uint64_t)gone.v[i]));
    }
    vec_release(&gone);
}

static void clear_phases(struct link *l)
{
    str_clear(&l->phases.workers);
    str_clear(&l->phases.attempts);
    str_clear(&l->phases.phases);
}

static void hand_phases_on(struct link *l)
{
    if (!l->phases.attempts.len || l->cfg.phases_wait(l->cfg.arg))
        return;
    l->cfg.on_phases(l->cfg.arg, pga_end(&l->phases.workers), pga_end(&l->phases.attempts),
                     pga_end(&l->phases.phases));
    clear_phases(l);
}

static void on_timer(uv_timer_t *t)
{
    struct link *l = t->data;
    if (!l->term)
        return;
    check_speakers(l);
    hand_phases_on(l);
}

/* ---- life -------------------------------------------------------------------------------------
 */

/* Whoever has heard Orders of the term that is over would report at its next heartbeat only, and
 * the next leader gives nothing to a worker that has not reported. */
static void dismiss_speakers(struct link *l)
{
    size_t pos = 0;
    uint64_t worker;
    void *v;
    while (map_next(&l->speakers, &pos, &worker, &v))
        send_not_leader(l, v);
}

static void forget_speakers(struct link *l)
{
    size_t pos = 0;
    uint64_t worker;
    void *v;
    while (map_next(&l->speakers, &pos, &worker, &v))
        speaker_free(v);
    map_release(&l->speakers);
    l->speakers = (struct map){0};
    vec_clear(&l->queue);
    clear_phases(l);
}

void link_set_term(struct link *l, int64_t term, int64_t known)
{
    l->term = term;
    l->known = known;
    l->seq = 0;
    if (term == 0)
        dismiss_speakers(l);
    forget_speakers(l);
}

const char *link_endpoint(const struct link *l)
{
    return zsock_endpoint(l->sock);
}

int link_open(uv_loop_t *loop, struct zloop *z, struct roster *roster, struct farm *farm,
              const struct link_config *config, struct link **out, struct err *e)
{
    struct link *l = xcalloc(1, sizeof *l);
    struct zsock_spec spec = {.type = ZMQ_ROUTER,
                              .endpoint = config->endpoint,
                              .bind = true,
                              .max_message = (int64_t)wire_max_frame(WIRE_CONTROL_TO_SCHEDULER),
                              .secret_key = config->secret_key,
                              .on_recv = on_recv,
                              .arg = l};
    l->cfg = *config;
    l->roster = roster;
    l->farm = farm;
    if (zsock_open(z, &spec, &l->sock, e)) {
        free(l);
        return -1;
    }
    str_init(&l->phases.workers);
    str_init(&l->phases.attempts);
    str_init(&l->phases.phases);
    l->idle = xcalloc(1, sizeof *l->idle);
    uv_idle_init(loop, l->idle);
    l->idle->data = l;
    l->timer = timer_new(loop, l);
    uv_timer_start(l->timer, on_timer, CHECK_MS, CHECK_MS);
    *out = l;
    return 0;
}

void link_close(struct link *l)
{
    if (!l)
        return;
    forget_speakers(l);
    vec_release(&l->queue);
    str_release(&l->phases.workers);
    str_release(&l->phases.attempts);
    str_release(&l->phases.phases);
    zsock_close(l->sock);
    uv_close((uv_handle_t *)l->idle, (uv_close_cb)free);
    timer_free(l->timer);
    free(l);
}
