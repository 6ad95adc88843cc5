/* node.c - one simulated worker: its connection, its attempts, its clock. */
#include "common/base/clock.h"
#include "common/base/log.h"
#include "swarm.h"
#include <sys/random.h>
#include <zmq.h>

#define MOMENT (25 * BF_MSEC) /* several changes become one Report, as in the daemon */
#define CONTROL_HWM 16

static void arm(struct node *n);

/* ---- Reports --------------------------------------------------------------------------------- */

static bf_time earlier(bf_time a, bf_time b)
{
    return a < b ? a : b;
}

static void beat_later(struct node *n, bf_time now)
{
    struct swarm *s = n->swarm;
    bf_time every = n->hunt > 0 ? earlier(n->hunt, s->options->heartbeat) : s->options->heartbeat;
    n->beat_at = now + (bf_time)((double)every * (0.8 + 0.4 * swarm_random(s)));
}

static void report(struct node *n)
{
    struct swarm *s = n->swarm;
    struct str frame = STR_INIT;
    struct err e = ERR_INIT;
    n->report_at = INT64_MAX;
    if (!n->up || !s->gone_live)
        return;
    bf_time now = clock_mono();
    run_sent_note(&n->sent, ++n->seq, now);
    if (report_encode(s->report, n, now, &frame, &e))
        BUG("a report breaks the protocol: %s", e.msg);
    struct zpart part = {.p = frame.p, .n = frame.len};
    int rc = zsock_send(n->sock, &part, 1, &e);
    if (rc < 0)
        log_warn("report not sent", "why", e.msg);
    if (rc != 0)
        s->stats.unsent++;
    s->stats.reports++;
    s->stats.bytes_out += frame.len;
    str_release(&frame);
    if (n->hunt > 0)
        n->hunt = run_hunt_next(n->hunt);
    beat_later(n, now);
}

/* Jobs that take no time are answered at once; those that take some, in one Report a moment. */
static void changed(struct node *n)
{
    if (n->swarm->options->hold == 0)
        report(n);
    else if (n->report_at == INT64_MAX)
        n->report_at = clock_mono() + MOMENT;
}

void node_go_live(struct node *n)
{
    report(n);
    arm(n);
}

/* ---- attempts -------------------------------------------------------------------------------- */

static void finish(struct node *n, struct attempt *a, enum ending ending, bf_time now)
{
    struct stats *st = &n->swarm->stats;
    a->run.state = RUN_FINISHED;
    a->ending = ending;
    a->due = now;
    st->finished++;
    st->failed += ending == END_FAILURE;
    st->dropped += ending == END_CANCELLED;
    st->lapsed += ending == END_LAPSED;
}

static enum ending drawn(struct swarm *s)
{
    return s->fail > 0 && swarm_random(s) < s->fail ? END_FAILURE : END_SUCCESS;
}

static bool start_some(struct node *n, bf_time now)
{
    const struct options *o = n->swarm->options;
    size_t busy = 0;
    bool any = false;
    vec_for_each (i, &n->attempts)
        busy += n->attempts.v[i].run.state == RUN_RUNNING;
    vec_for_each (i, &n->attempts) {
        struct attempt *a = &n->attempts.v[i];
        if (busy >= (size_t)o->slots)
            break;
        if (a->run.state != RUN_PENDING)
            continue;
        any = true;
        a->run.state = RUN_RUNNING;
        a->due = now + o->hold;
        if (o->hold == 0)
            finish(n, a, drawn(n->swarm), now);
        else
            busy++;
    }
    return any;
}

static bool end_due(struct node *n, bf_time now)
{
    bool any = false;
    vec_for_each (i, &n->attempts) {
        struct attempt *a = &n->attempts.v[i];
        if (a->run.state != RUN_RUNNING || a->due > now)
            continue;
        finish(n, a, drawn(n->swarm), now);
        any = true;
    }
    return any;
}

/* No Orders for a lease, and the site wants its attempts killed then. */
static bool end_lapsed(struct node *n, bf_time now)
{
    bool any = false;
    if (now < run_fence_at(&n->lease))
        return false;
    vec_for_each (i, &n->attempts) {
        struct attempt *a = &n->attempts.v[i];
        if (a->run.state != RUN_PENDING && a->run.state != RUN_RUNNING)
            continue;
        finish(n, a, END_LAPSED, now);
        any = true;
    }
    return any;
}

/* ---- Orders ---------------------------------------------------------------------------------- */

/* The work order is JSON as PostgreSQL writes it. The swarm looks at two of its members. */
static bool member(const ProtobufCBinaryData *order, const char *name, const char **value,
                   size_t *n)
{
    const char *at = memmem(order->data, order->len, name, strlen(name));
    if (at == NULL)
        return false;
    at += strlen(name);
    const char *end = (const char *)order->data + order->len;
    const char *quote = memchr(at, '"', (size_t)(end - at));
    if (quote == NULL)
        return false;
    *value = at;
    *n = (size_t)(quote - at);
    return true;
}

static void note_start(struct swarm *s, const ProtobufCBinaryData *order)
{
    const char *image;
    size_t n;
    struct timespec t;
    if (s->starts == NULL || !member(order, "\"image\":\"", &image, &n))
        return;
    clock_gettime(CLOCK_MONOTONIC, &t);
    fprintf(s->starts, "%.*s %lld\n", (int)n, image,
            (long long)t.tv_sec * 1000000000 + (long long)t.tv_nsec);
}

static void take(struct node *n, const Bootfarm__Assignment *w, bf_time now)
{
    struct stats *st = &n->swarm->stats;
    const char *kind;
    size_t len;
    bool build =
        member(&w->order, "\"kind\":\"", &kind, &len) && len == 5 && memcmp(kind, "build", 5) == 0;
    note_start(n->swarm, &w->order);
    *vec_push(&n->attempts) = (struct attempt){
        .run = {.id = wire_id(w->attempt_id), .state = RUN_PENDING}, .build = build, .taken = now};
    st->taken++;
    if (!st->first_order)
        st->first_order = now;
}

static bool awaits_ack(const struct node *n, struct id128 id)
{
    vec_for_each (i, &n->attempts)
        if (id128_eq(n->attempts.v[i].run.id, id))
            return n->attempts.v[i].run.state == RUN_FINISHED;
    return false;
}

/* Orders repeat an acknowledgement until a Report shows that it was seen: only the first counts. */
static void count_acks(struct node *n, const wire_orders *o)
{
    struct stats *st = &n->swarm->stats;
    for (size_t i = 0; i < o->n_acks; i++) {
        if (!awaits_ack(n, wire_id(o->acks[i]->attempt_id)))
            continue;
        switch (o->acks[i]->kind) {
        case BOOTFARM__ACK_KIND__ACK_ACCEPTED:
            st->accepted++;
            break;
        case BOOTFARM__ACK_KIND__ACK_DUPLICATE:
            st->duplicate++;
            break;
        case BOOTFARM__ACK_KIND__ACK_FENCED:
            st->fenced++;
            break;
        case BOOTFARM__ACK_KIND__ACK_UNKNOWN:
            st->unknown++;
            break;
        case BOOTFARM__ACK_KIND__ACK_UNSPECIFIED:
        case _BOOTFARM__ACK_KIND_IS_INT_SIZE:
            BUG("ack kind %d passed the wire", (int)o->acks[i]->kind);
        }
    }
}

static void act_on_known(struct node *n, struct attempt *a, enum run_do what, struct run_at at,
                         bf_time now)
{
    switch (what) {
    case RUN_DO_DROP:
    case RUN_DO_KILL:
        finish(n, a, END_CANCELLED, now);
        return;
    case RUN_DO_ACK:
        a->run.state = RUN_ACKED;
        a->run.acked_at = at;
        hist_add(&n->swarm->stats.order_to_ack, now - a->taken);
        n->swarm->stats.last_ack = now;
        return;
    case RUN_DO_REPORT:
        a->run.state = RUN_FINISHED;
        return;
    case RUN_DO_FORGET:
        a->run.id = (struct id128){{0}}; /* compacted below */
        return;
    case RUN_DO_TAKE:
        break;
    }
    BUG("action %d", (int)what);
}

static void compact(struct node *n)
{
    size_t kept = 0;
    vec_for_each (i, &n->attempts)
        if (!id128_is_none(n->attempts.v[i].run.id))
            n->attempts.v[kept++] = n->attempts.v[i];
    n->attempts.n = kept;
}

/* Actions come in the order of the attempts, then those that take new ones. Does a Report have
 * news? An acknowledgement makes room for further results; a forgotten attempt is no news. */
static bool act(struct node *n, const wire_orders *o, const struct run_orders *ro, bf_time now)
{
    const run_actions *todo = &n->swarm->actions;
    bool news = false;
    size_t at = 0, i = 0;
    for (; i < todo->n && todo->v[i].what != RUN_DO_TAKE; i++) {
        while (!id128_eq(n->attempts.v[at].run.id, todo->v[i].id))
            at++;
        act_on_known(n, &n->attempts.v[at], todo->v[i].what, ro->at, now);
        news |= todo->v[i].what != RUN_DO_FORGET && todo->v[i].what != RUN_DO_ACK;
    }
    compact(n);
    for (; i < todo->n; i++)
        take(n, o->wanted[todo->v[i].index], now);
    return news;
}

static size_t unsaid(const struct node *n)
{
    size_t results = 0;
    vec_for_each (i, &n->attempts)
        results += n->attempts.v[i].run.state == RUN_FINISHED;
    return results;
}

static void decide(struct node *n, const wire_orders *o, struct run_orders *ro)
{
    static struct run_wanted wanted[WIRE_MAX_RUNNING];
    static struct id128 acks[WIRE_MAX_RUNNING];
    static struct run_entry entries[RUN_MAX_ENTRIES];
    for (size_t i = 0; i < o->n_wanted; i++)
        wanted[i] = (struct run_wanted){.id = wire_id(o->wanted[i]->attempt_id),
                                        .has_order = o->wanted[i]->order.len > 0};
    for (size_t i = 0; i < o->n_acks; i++)
        acks[i] = wire_id(o->acks[i]->attempt_id);
    vec_for_each (i, &n->attempts)
        entries[i] = n->attempts.v[i].run;
    ro->wanted = wanted;
    ro->n_wanted = o->n_wanted;
    ro->acks = acks;
    ro->n_acks = o->n_acks;
    vec_clear(&n->swarm->actions);
    run_decide(entries, n->attempts.n, ro, &n->swarm->actions);
}

static void renew_lease(struct node *n, const wire_orders *o, bf_time now)
{
    bf_time when = o->echo_report ? run_sent_when(&n->sent, o->echo_report) : now;
    if (when > n->lease.renewed)
        n->lease.renewed = when;
    n->lease.length = (bf_time)o->lease_ms * BF_MSEC;
    n->lease.kill = o->kill_on_partition;
}

static void cut(struct node *n, bf_time now)
{
    struct swarm *s = n->swarm;
    s->stats.cut++;
    zsock_close(n->sock);
    n->sock = NULL;
    n->up = false;
    n->back_at = now + (bf_time)((double)s->options->away * (0.5 + swarm_random(s)));
}

static void accept_orders(struct node *n, const wire_orders *o, struct run_orders *ro)
{
    struct swarm *s = n->swarm;
    bf_time now = clock_mono();
    bool first = n->seen.last.term != o->term; /* a new leader counts on us once it sees an echo */
    n->seen.term_floor = o->term;
    n->seen.last = ro->at;
    n->hunt = 0;
    size_t before = unsaid(n);
    decide(n, o, ro);
    count_acks(n, o);
    bool news = act(n, o, ro, now);
    news |= start_some(n, now) || before > WIRE_MAX_RESULTS;
    renew_lease(n, o, now);
    if (s->disconnect > 0 && swarm_random(s) < s->disconnect)
        cut(n, now);
    else if (first || news)
        changed(n);
    arm(n);
    swarm_check_done(s);
}

static void on_orders(struct node *n, const wire_orders *o)
{
    struct run_orders ro = {.boot = wire_id(o->boot_id), .at = {.term = o->term, .seq = o->seq}};
    n->swarm->stats.orders++;
    if (run_judge(&n->seen, &ro) == RUN_ACCEPT)
        accept_orders(n, o, &ro);
    else
        n->swarm->stats.stale++;
}

static void on_not_leader(struct node *n, uint64_t term)
{
    if (term > n->seen.term_floor)
        n->seen.term_floor = term;
    if (n->hunt > 0)
        return;
    n->hunt = RUN_HUNT_FIRST;
    beat_later(n, clock_mono());
    arm(n);
}

static void on_recv(void *arg, const struct zpart *part, size_t parts, const char *user_id)
{
    struct node *n = arg;
    struct wire_msg m = {0};
    struct err e = ERR_INIT;
    (void)user_id;
    if (n->swarm->ending)
        return;
    if (parts != 1 || wire_decode(WIRE_CONTROL_TO_WORKER, part->p, part->n, &m, &e)) {
        n->swarm->stats.refused++;
        log_warn("frame refused", "why", e.msg);
        return;
    }
    n->swarm->stats.bytes_in += part->n;
    if (m.type == WIRE_ORDERS)
        on_orders(n, m.orders);
    else if (m.type == WIRE_NOT_LEADER)
        on_not_leader(n, m.not_leader->term);
    wire_release(&m);
}

/* ---- the link -------------------------------------------------------------------------------- */

static void on_link(void *arg, bool up)
{
    struct node *n = arg;
    struct swarm *s = n->swarm;
    n->up = up;
    if (!up) {
        n->hunt = RUN_HUNT;
        return;
    }
    s->stats.connected++;
    if (s->gone_live) {
        node_go_live(n);
        return;
    }
    s->n_up++;
    if (s->options->together && s->n_up < s->n)
        return;
    s->gone_live = true;
    for (unsigned i = 0; i < s->n; i++)
        node_go_live(&s->nodes[i]);
}

static void on_refused(void *arg, const char *why)
{
    struct node *n = arg;
    if (!n->swarm->ending)
        log_warn("not connected", "why", why);
}

int node_connect(struct node *n, struct err *e)
{
    struct swarm *s = n->swarm;
    struct zsock_spec spec = {.type = ZMQ_DEALER,
                              .endpoint = s->options->scheduler,
                              .max_message = (int64_t)wire_max_frame(WIRE_CONTROL_TO_WORKER),
                              .hwm = CONTROL_HWM,
                              .secret_key = n->secret_key,
                              .public_key = n->public_key,
                              .server_key = s->options->server_key,
                              .on_recv = on_recv,
                              .on_link = on_link,
                              .on_refused = on_refused,
                              .arg = n};
    n->back_at = INT64_MAX;
    return zsock_open(s->zloops[n->index / NODES_PER_ZLOOP % s->n_zloops], &spec, &n->sock, e);
}

/* ---- the clock ------------------------------------------------------------------------------- */

static void come_back(struct node *n)
{
    struct err e = ERR_INIT;
    if (node_connect(n, &e))
        BUG("cannot connect again: %s", e.msg);
}

static void on_timer(uv_timer_t *t)
{
    struct node *n = t->data;
    bf_time now = clock_mono();
    if (n->back_at <= now)
        come_back(n);
    if (end_due(n, now) || end_lapsed(n, now)) {
        (void)start_some(n, now);
        changed(n);
    }
    if (n->report_at <= now || n->beat_at <= now)
        report(n);
    if (n->beat_at <= now) /* not connected: the link says when */
        n->beat_at = now + n->swarm->options->heartbeat;
    arm(n);
}

static void arm(struct node *n)
{
    bf_time next = earlier(n->beat_at, earlier(n->report_at, n->back_at));
    bool busy = false;
    vec_for_each (i, &n->attempts) {
        const struct attempt *a = &n->attempts.v[i];
        if (a->run.state == RUN_RUNNING)
            next = earlier(next, a->due);
        busy |= a->run.state == RUN_RUNNING || a->run.state == RUN_PENDING;
    }
    if (busy)
        next = earlier(next, run_fence_at(&n->lease));
    bf_time left = next - clock_mono();
    uv_timer_start(&n->timer, on_timer, left > 0 ? (uint64_t)(left / BF_MSEC) + 1 : 0, 0);
}

/* ---- life ------------------------------------------------------------------------------------ */

void node_init(struct node *n, struct swarm *s, unsigned index)
{
    n->swarm = s;
    n->index = index;
    n->report_at = n->back_at = INT64_MAX;
    n->hunt = RUN_HUNT;
    n->beat_at = clock_mono() + s->options->heartbeat;
    if (getrandom(n->boot.b, sizeof n->boot.b, 0) != (ssize_t)sizeof n->boot.b)
        BUG("no random bits");
    n->seen.boot = n->boot;
    uv_timer_init(&s->loop, &n->timer);
    n->timer.data = n;
}

void node_close(struct node *n)
{
    uv_close((uv_handle_t *)&n->timer, NULL);
}

void node_release(struct node *n)
{
    explicit_bzero(n->secret_key, sizeof n->secret_key);
    vec_release(&n->attempts);
}
