#include "tests/io/worker/hub.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <zmq.h>
#include <zstd.h>

#define DEADLINE_MS 60000

static struct err e;

/* ---- sending --------------------------------------------------------------------------------- */

static void send_to(struct hub *h, struct zsock *s, const void *route, size_t n,
                    enum wire_type type, const ProtobufCMessage *msg)
{
    struct str frame = STR_INIT;
    cr_assert_eq(wire_encode(type, msg, &frame, &e), 0, "%s", e.msg);
    struct zpart part[2] = {{route, n}, {frame.p, frame.len}};
    if (zsock_send(s, part, 2, &e) < 0)
        cr_assert_fail("%s", e.msg);
    str_release(&frame);
    (void)h;
}

static void fill_wanted(const struct hub *h, Bootfarm__Assignment *a, Bootfarm__Assignment **list)
{
    for (size_t i = 0; i < h->wanted.n; i++) {
        struct hub_want *w = &h->wanted.v[i];
        bool listed = hub_running(h, w->id) != NULL || hub_result(h, w->id) != NULL;
        bootfarm__assignment__init(&a[i]);
        a[i].attempt_id = wire_id_bytes(&w->id);
        if (!listed) {
            a[i].order.data = (uint8_t *)w->order;
            a[i].order.len = strlen(w->order);
        }
        list[i] = &a[i];
    }
}

static size_t fill_acks(const struct hub *h, Bootfarm__Ack *a, Bootfarm__Ack **list)
{
    size_t n = h->ack ? h->report.report->n_results : 0;
    for (size_t i = 0; i < n; i++) {
        bootfarm__ack__init(&a[i]);
        a[i].attempt_id = h->report.report->results[i]->attempt_id;
        a[i].kind = BOOTFARM__ACK_KIND__ACK_ACCEPTED;
        list[i] = &a[i];
    }
    return n;
}

static void send_orders(struct hub *h, uint64_t term, uint64_t seq, struct id128 boot)
{
    Bootfarm__Assignment a[HUB_MAX], *wanted[HUB_MAX];
    Bootfarm__Ack k[WIRE_MAX_RESULTS], *acks[WIRE_MAX_RESULTS];
    wire_orders o = BOOTFARM__ORDERS__INIT;
    cr_assert_leq(h->wanted.n, HUB_MAX);
    fill_wanted(h, a, wanted);
    o.term = term;
    o.seq = seq;
    o.boot_id = wire_id_bytes(&boot);
    o.wanted = wanted;
    o.n_wanted = h->wanted.n;
    o.acks = acks;
    o.n_acks = fill_acks(h, k, acks);
    o.lease_ms = h->lease_ms;
    o.kill_on_partition = h->kill_on_partition;
    o.echo_report = h->echoed_report;
    send_to(h, h->control, h->route, h->route_len, WIRE_ORDERS, &o.base);
}

void hub_send_orders(struct hub *h)
{
    if (h->report.type != WIRE_REPORT || h->control == NULL)
        return;
    send_orders(h, h->term, ++h->seq, wire_id(h->report.report->boot_id));
}

void hub_send_old_orders(struct hub *h, uint64_t term, uint64_t seq, struct id128 boot)
{
    send_orders(h, term, seq, boot);
}

static void forget_settled(struct hub *h)
{
    for (size_t i = h->wanted.n; i-- > 0 && h->ack && !h->keep_wanting;)
        if (hub_result(h, h->wanted.v[i].id) != NULL)
            hub_unwant(h, h->wanted.v[i].id);
}

/* ---- control --------------------------------------------------------------------------------- */

void hub_send_not_leader(struct hub *h)
{
    wire_not_leader nl = BOOTFARM__NOT_LEADER__INIT;
    nl.term = h->term;
    send_to(h, h->control, h->route, h->route_len, WIRE_NOT_LEADER, &nl.base);
}

static void on_control(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct hub *h = arg;
    struct wire_msg m;
    cr_assert_eq(n, 2);
    cr_assert_str_eq(user_id, "worker-1");
    if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, part[1].p, part[1].n, &m, &e)) {
        h->bad++;
        return;
    }
    cr_assert_leq(part[0].n, sizeof h->route);
    memcpy(h->route, part[0].p, part[0].n);
    h->route_len = part[0].n;
    if (h->report.type != 0 && h->report.report->n_results > 0)
        *vec_push(&h->older) = h->report;
    else
        wire_release(&h->report);
    h->report = m;
    h->reports++;
    if (!h->deaf)
        h->echoed_report = m.report->seq;
    if (h->not_leader) {
        hub_send_not_leader(h);
        return;
    }
    if (h->silent)
        return;
    forget_settled(h);
    hub_send_orders(h);
}

void hub_want(struct hub *h, struct id128 id, const char *order)
{
    *vec_push(&h->wanted) = (struct hub_want){.id = id, .order = xstrdup(order)};
    if (!h->silent)
        hub_send_orders(h);
}

void hub_unwant(struct hub *h, struct id128 id)
{
    for (size_t i = 0; i < h->wanted.n; i++)
        if (id128_eq(h->wanted.v[i].id, id)) {
            free(h->wanted.v[i].order);
            vec_remove_swap(&h->wanted, i);
            return;
        }
}

/* ---- logs ------------------------------------------------------------------------------------ */

struct hub_log *hub_log(struct hub *h, struct id128 id)
{
    vec_for_each (i, &h->logs)
        if (id128_eq(h->logs.v[i].id, id))
            return &h->logs.v[i];
    struct hub_log *l = vec_push(&h->logs);
    *l = (struct hub_log){.id = id, .text = STR_INIT, .hasher = hasher_new()};
    return l;
}

static void take_chunk(struct hub *h, const wire_log_chunk *c)
{
    static char raw[WIRE_MAX_RAW];
    struct hub_log *l = hub_log(h, wire_id(c->attempt_id));
    if (c->offset - c->gap_bytes != l->stored)
        return; /* we have it */
    size_t n = ZSTD_decompress(raw, sizeof raw, c->data.data, c->data.len);
    cr_assert_eq(n, c->raw_bytes);
    if (c->gap_bytes > 0)
        str_addf(&l->text, "<%llu bytes left out>", (unsigned long long)c->gap_bytes);
    str_addmem(&l->text, raw, n);
    hasher_add(l->hasher, raw, n);
    l->stored = c->offset + n;
}

static void take_seal(struct hub *h, const wire_log_seal *s)
{
    struct hub_log *l = hub_log(h, wire_id(s->attempt_id));
    struct sha256 sha;
    if (l->sealed)
        return;
    hasher_finish(l->hasher, &sha);
    l->hasher = NULL;
    l->sealed = true;
    l->length = s->length;
    l->hash_ok = memcmp(sha.b, s->sha256.data, sizeof sha.b) == 0;
}

static void on_log(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct hub *h = arg;
    struct wire_msg m;
    struct id128 id;
    wire_log_ack a = BOOTFARM__LOG_ACK__INIT;
    cr_assert_eq(n, 2);
    cr_assert_str_eq(user_id, "worker-1");
    cr_assert_eq(wire_decode(WIRE_LOG_TO_SCHEDULER, part[1].p, part[1].n, &m, &e), 0, "%s", e.msg);
    if (m.type == WIRE_LOG_CHUNK) {
        id = wire_id(m.log_chunk->attempt_id);
        take_chunk(h, m.log_chunk);
    } else {
        id = wire_id(m.log_seal->attempt_id);
        take_seal(h, m.log_seal);
    }
    const struct hub_log *l = hub_log(h, id);
    a.attempt_id = wire_id_bytes(&id);
    a.stored = l->stored;
    a.sealed = l->sealed;
    a.credit_bytes = h->credit;
    send_to(h, h->log, part[0].p, part[0].n, WIRE_LOG_ACK, &a.base);
    wire_release(&m);
}

/* ---- life ------------------------------------------------------------------------------------ */

static const char *authenticate(void *arg, const char *public_key, const char *address)
{
    const struct hub *h = arg;
    (void)address;
    return !h->refuse_worker && strcmp(public_key, h->worker_key) == 0 ? "worker-1" : NULL;
}

struct listener {
    struct zsock_spec spec;
    struct zsock *s;
};

/* A port that was just closed is free a moment later: libzmq closes in a thread of its own. */
static bool listens(struct hub *h, const void *arg)
{
    struct listener *l = *(struct listener *const *)arg;
    if (zsock_open(h->zloop, &l->spec, &l->s, &e) == 0)
        return true;
    cr_assert_eq(e.sys_errno, EADDRINUSE, "%s", e.msg);
    return false;
}

static struct zsock *listen_on(struct hub *h, char endpoint[64], enum wire_route route,
                               zsock_recv_cb *cb)
{
    struct zsock_spec spec = {.type = ZMQ_ROUTER,
                              .endpoint = endpoint,
                              .bind = true,
                              .max_message = (int64_t)wire_max_frame(route),
                              .secret_key = h->secret_key,
                              .on_recv = cb,
                              .arg = h};
    struct listener l = {.spec = spec}, *arg = &l;
    hub_until(h, listens, &arg, "a free port");
    snprintf(endpoint, 64, "%s", zsock_endpoint(l.s));
    return l.s;
}

void hub_reopen(struct hub *h)
{
    h->control = listen_on(h, h->control_endpoint, WIRE_CONTROL_TO_SCHEDULER, on_control);
    h->log = listen_on(h, h->log_endpoint, WIRE_LOG_TO_SCHEDULER, on_log);
}

void hub_break(struct hub *h)
{
    zsock_close(h->control);
    zsock_close(h->log);
    h->control = h->log = NULL;
}

static void open_with(struct hub *h, const struct hub *twin)
{
    *h = (struct hub){.ack = true, .term = 5, .lease_ms = 60000, .credit = 1u << 20};
    cr_assert_eq(uv_loop_init(&h->loop), 0);
    cr_assert_eq(uv_timer_init(&h->loop, &h->pulse), 0);
    h->pulse.data = h;
    h->zloop = zloop_new(&h->loop, &e);
    cr_assert_not_null(h->zloop, "%s", e.msg);
    if (twin == NULL) {
        cr_assert_eq(zcurve_keypair(h->public_key, h->secret_key, &e), 0);
    } else {
        memcpy(h->public_key, twin->public_key, sizeof h->public_key);
        memcpy(h->secret_key, twin->secret_key, sizeof h->secret_key);
        memcpy(h->worker_key, twin->worker_key, sizeof h->worker_key);
    }
    cr_assert_eq(zloop_set_zap(h->zloop, authenticate, h, &e), 0, "%s", e.msg);
    snprintf(h->control_endpoint, sizeof h->control_endpoint, "tcp://127.0.0.1:*");
    snprintf(h->log_endpoint, sizeof h->log_endpoint, "tcp://127.0.0.1:*");
    hub_reopen(h);
}

void hub_open(struct hub *h)
{
    open_with(h, NULL);
}

void hub_open_twin(struct hub *h, struct hub *leader)
{
    open_with(h, leader);
    h->not_leader = true;
    h->term = leader->term;
    h->twin = leader;
    leader->twin = h;
}

void hub_close(struct hub *h)
{
    struct sha256 ignored;
    zloop_close(h->zloop);
    uv_close((uv_handle_t *)&h->pulse, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&h->loop), 0, "a handle is still open");
    hub_forget_reports(h);
    vec_release(&h->older);
    while (h->wanted.n > 0)
        hub_unwant(h, h->wanted.v[0].id);
    vec_release(&h->wanted);
    vec_for_each (i, &h->logs) {
        str_release(&h->logs.v[i].text);
        if (h->logs.v[i].hasher != NULL)
            hasher_finish(h->logs.v[i].hasher, &ignored);
    }
    vec_release(&h->logs);
    cr_expect_eq(h->bad, 0, "%u messages of the worker were not valid", h->bad);
}

/* ---- waiting and asking ---------------------------------------------------------------------- */

/* Also the pulse at which conditions outside of the loop (files, processes) are looked at. */
static void on_pulse(uv_timer_t *t)
{
    struct hub *h = t->data;
    h->late = uv_now(&h->loop) - h->waiting_since > DEADLINE_MS;
}

void hub_until(struct hub *h, hub_cond *ready, const void *arg, const char *what)
{
    h->late = false;
    uv_update_time(&h->loop);
    h->waiting_since = uv_now(&h->loop);
    uv_timer_start(&h->pulse, on_pulse, 10, 10);
    while (!ready(h, arg)) {
        if (h->late && h->on_late != NULL)
            h->on_late(h->on_late_arg);
        cr_assert(!h->late, "waited in vain for: %s", what);
        uv_run(&h->loop, UV_RUN_ONCE);
        if (h->twin != NULL)
            uv_run(&h->twin->loop, UV_RUN_NOWAIT);
    }
    uv_timer_stop(&h->pulse);
}

static bool more_reports(struct hub *h, const void *arg)
{
    return h->reports > *(const unsigned *)arg;
}

void hub_next_report(struct hub *h)
{
    unsigned now = h->reports;
    hub_until(h, more_reports, &now, "one more report");
}

const Bootfarm__Running *hub_running(const struct hub *h, struct id128 id)
{
    for (size_t i = 0; h->report.type != 0 && i < h->report.report->n_running; i++)
        if (id128_eq(wire_id(h->report.report->running[i]->attempt_id), id))
            return h->report.report->running[i];
    return NULL;
}

static const Bootfarm__Result *find_result(const struct wire_msg *m, struct id128 id)
{
    for (size_t i = 0; m->type != 0 && i < m->report->n_results; i++)
        if (id128_eq(wire_id(m->report->results[i]->attempt_id), id))
            return m->report->results[i];
    return NULL;
}

const Bootfarm__Result *hub_result(const struct hub *h, struct id128 id)
{
    return find_result(&h->report, id);
}

const Bootfarm__Result *hub_past_result(const struct hub *h, struct id128 id)
{
    const Bootfarm__Result *r = hub_result(h, id);
    for (size_t i = h->older.n; r == NULL && i-- > 0;)
        r = find_result(&h->older.v[i], id);
    return r;
}

void hub_forget_reports(struct hub *h)
{
    wire_release(&h->report);
    vec_for_each (i, &h->older)
        wire_release(&h->older.v[i]);
    vec_clear(&h->older);
}

bool hub_has_report(struct hub *h, const void *arg)
{
    (void)arg;
    return h->report.type == WIRE_REPORT;
}

bool hub_is_started(struct hub *h, const void *id)
{
    const Bootfarm__Running *r = hub_running(h, *(const struct id128 *)id);
    return r != NULL && r->started;
}

bool hub_has_result(struct hub *h, const void *id)
{
    return hub_result(h, *(const struct id128 *)id) != NULL;
}

bool hub_had_result(struct hub *h, const void *id)
{
    return hub_past_result(h, *(const struct id128 *)id) != NULL;
}

bool hub_is_gone(struct hub *h, const void *id)
{
    return !hub_has_result(h, id) && hub_running(h, *(const struct id128 *)id) == NULL;
}

bool hub_is_sealed(struct hub *h, const void *id)
{
    return hub_log(h, *(const struct id128 *)id)->sealed;
}

bool hub_echoes_term(struct hub *h, const void *term)
{
    return h->report.report->echo_term == *(const uint64_t *)term;
}
