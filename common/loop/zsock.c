#include "common/loop/zsock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include <errno.h>
#include <zmq.h>

/* Without an authenticator nobody is let in; else libzmq would take everybody. A "draft" in the
 * headers of 4.3, but built in: zmq_setsockopt() says where it is not. */
#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

/* Messages handed over in one turn, so that one busy socket does not starve the others. */
enum { BATCH = 64, DEFAULT_HWM = 1000 };

/* libzmq's limit is on frames as encrypted: 33 bytes more than the message's part. */
enum { CURVE_OVERHEAD = 33 };

/* Of all sockets, milliseconds and seconds. The handshake limit ends connections that say nothing;
 * keepalives tell the server of a client that went silent, and the time of retransmission (MAXRT)
 * of one that does not take what is sent: keepalives rest then. A proxy takes everything; who
 * connects through one must see for himself that answers stay away, and call zsock_renew().
 * libzmq's own heartbeats would be a fifth of what 5,000 idle workers cost, beside Reports that are
 * answered anyway. */
static const struct {
    int option, value;
} common_options[] =
    {
        {ZMQ_LINGER, 0},
        {ZMQ_HANDSHAKE_IVL, 10000},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, 30},
        {ZMQ_TCP_KEEPALIVE_INTVL, 10},
        {ZMQ_TCP_KEEPALIVE_CNT, 3},
        {ZMQ_TCP_MAXRT, 15000},
},
  dealer_options[] = {
      {ZMQ_IMMEDIATE, 1}, /* nothing is queued for a peer that is not there */
      {ZMQ_RECONNECT_IVL, 200},
      {ZMQ_RECONNECT_IVL_MAX, 10000},
};

static int set_int(void *zmq, int option, int value)
{
    return zmq_setsockopt(zmq, option, &value, sizeof value);
}

static int set_key(void *zmq, int option, const char *key)
{
    return zmq_setsockopt(zmq, option, key, strlen(key) + 1);
}

static int set_options(void *zmq, const struct zsock_spec *spec)
{
    int64_t max_frame = spec->max_message + (spec->secret_key ? CURVE_OVERHEAD : 0);
    int hwm = spec->hwm ? spec->hwm : DEFAULT_HWM;
    int backlog = spec->backlog ? spec->backlog : hwm;
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(common_options); i++)
        rc |= set_int(zmq, common_options[i].option, common_options[i].value);
    for (size_t i = 0; spec->type == ZMQ_DEALER && i < ARRAY_SIZE(dealer_options); i++)
        rc |= set_int(zmq, dealer_options[i].option, dealer_options[i].value);
    rc |= set_int(zmq, ZMQ_SNDHWM, hwm) | set_int(zmq, ZMQ_RCVHWM, backlog);
    rc |= zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &max_frame, sizeof max_frame);
    if (strchr(spec->endpoint, '['))
        rc |= set_int(zmq, ZMQ_IPV6, 1);
    if (spec->type == ZMQ_ROUTER)
        rc |= set_int(zmq, ZMQ_ROUTER_MANDATORY, 1);
    if (spec->bind && spec->secret_key)
        rc |= set_int(zmq, ZMQ_ZAP_ENFORCE_DOMAIN, 1);
    return rc;
}

static int set_keys(void *zmq, const struct zsock_spec *spec)
{
    static const char domain[] = "bootfarm"; /* an empty one would switch the check off */

    if (!spec->secret_key)
        return 0;
    if (spec->bind)
        return set_int(zmq, ZMQ_CURVE_SERVER, 1) |
               set_key(zmq, ZMQ_CURVE_SECRETKEY, spec->secret_key) |
               zmq_setsockopt(zmq, ZMQ_ZAP_DOMAIN, domain, strlen(domain));
    return set_key(zmq, ZMQ_CURVE_SECRETKEY, spec->secret_key) |
           set_key(zmq, ZMQ_CURVE_PUBLICKEY, spec->public_key) |
           set_key(zmq, ZMQ_CURVE_SERVERKEY, spec->server_key);
}

static bool is_loopback(const char *endpoint)
{
    return str_starts(endpoint, "tcp://127.") || str_starts(endpoint, "tcp://[::1]:") ||
           str_starts(endpoint, "inproc://");
}

/* What libzmq would take and what would leave a door open. */
static int check_spec(const struct zloop *z, const struct zsock_spec *spec, struct err *e)
{
    BUG_ON(spec->max_message <= 0 || !spec->on_recv);
    if (!spec->secret_key && !is_loopback(spec->endpoint))
        return err_set(e, ERR_CONFIG, "%s: a socket that is not on loopback needs CURVE keys",
                       spec->endpoint);
    if (spec->secret_key && spec->bind && !z->zap)
        return err_set(e, ERR_CONFIG, "%s: a CURVE server needs an authenticator first",
                       spec->endpoint);
    if (spec->secret_key && !spec->bind && (!spec->public_key || !spec->server_key))
        return err_set(e, ERR_CONFIG, "%s: a CURVE client needs its own pair and the server's key",
                       spec->endpoint);
    return 0;
}

enum { RETRY_MS = 2000 };

/* libzmq gives a connection up for good when the other side has refused the key. But the key may be
 * enrolled a moment later. */
static void on_retry(uv_timer_t *t)
{
    struct zsock *s = t->data;

    (void)zmq_disconnect(s->data.zmq, s->endpoint);
    uv_timer_stop(t);
    if (zmq_connect(s->data.zmq, s->endpoint) < 0)
        uv_timer_start(t, on_retry, RETRY_MS, 0);
    zport_touch(&s->data);
}

static void on_retry_closed(uv_handle_t *handle)
{
    struct zsock *s = handle->data;

    zloop_handle_gone(s->data.z, s);
}

static void retry_later(struct zsock *s)
{
    uint32_t r = 0;

    (void)uv_random(NULL, NULL, &r, sizeof r, 0, NULL);
    uv_timer_start(&s->retry, on_retry, RETRY_MS + r % RETRY_MS, 0);
}

/* The monitor is a socket beside the socket, which tells of handshakes and ends. */
static int open_monitor(struct zsock *s, void *zmq, struct err *e)
{
    struct zloop *z = s->data.z;
    BF_CLEANUP(free_ptr) char *name = xasprintf("inproc://monitor-%u", z->monitors++);
    int events = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;
    void *pair;

    if (zmq_socket_monitor(zmq, name, events) < 0)
        return err_set(e, ERR_SYSTEM, "cannot monitor a socket: %s", zmq_strerror(errno));
    pair = zmq_socket(z->ctx, ZMQ_PAIR);
    if (!pair || set_int(pair, ZMQ_LINGER, 0) < 0 || zmq_connect(pair, name) < 0) {
        err_set(e, ERR_SYSTEM, "cannot monitor a socket: %s", zmq_strerror(errno));
        if (pair)
            zmq_close(pair);
        return -1;
    }
    zport_open(&s->monitor, z, s, pair);
    uv_timer_init(z->loop, &s->retry);
    s->retry.data = s;
    z->handles++;
    s->ports += 2;
    return 0;
}

static int configure(void *zmq, const struct zsock_spec *spec, struct err *e)
{
    if (set_options(zmq, spec) != 0)
        return err_set(e, ERR_CONFIG, "%s: a socket option was refused: %s", spec->endpoint,
                       zmq_strerror(errno));
    if (set_keys(zmq, spec) != 0)
        return err_set(e, ERR_CONFIG, "%s: a CURVE key is malformed: %s", spec->endpoint,
                       zmq_strerror(errno));
    return 0;
}

static int attach(struct zsock *s, const struct zsock_spec *spec, struct err *e)
{
    void *zmq = s->data.zmq;
    size_t len = sizeof s->endpoint;
    int rc = spec->bind ? zmq_bind(zmq, spec->endpoint) : zmq_connect(zmq, spec->endpoint);

    if (rc < 0) {
        err_set(e, ERR_SYSTEM, "cannot %s %s: %s", spec->bind ? "listen on" : "connect to",
                spec->endpoint, zmq_strerror(errno));
        if (e)
            e->sys_errno = errno;
        return -1;
    }
    if (zmq_getsockopt(zmq, ZMQ_LAST_ENDPOINT, s->endpoint, &len) < 0)
        BUG("no endpoint of %s", spec->endpoint);
    return 0;
}

int zsock_open(struct zloop *z, const struct zsock_spec *spec, struct zsock **out, struct err *e)
{
    struct zsock *s;
    void *zmq;

    BUG_ON(z->closing);
    if (check_spec(z, spec, e) < 0)
        return -1;
    zmq = zmq_socket(z->ctx, spec->type);
    if (!zmq)
        return err_set(e, ERR_SYSTEM, "cannot make a socket: %s", zmq_strerror(errno));
    if (configure(zmq, spec, e) < 0) {
        zmq_close(zmq);
        return -1;
    }
    s = xcalloc(1, sizeof *s);
    s->on_recv = spec->on_recv;
    s->on_link = spec->on_link;
    s->on_refused = spec->on_refused;
    s->arg = spec->arg;
    s->batch = spec->batch ? (size_t)spec->batch : BATCH;
    list_add_tail(&z->socks, &s->link);
    zport_open(&s->data, z, s, zmq);
    s->ports++;
    if (((s->on_link || s->on_refused) && open_monitor(s, zmq, e) < 0) || attach(s, spec, e) < 0) {
        zsock_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

/* Part by part: once libzmq has taken the first it takes them all, unless the peer goes away in
 * between; then the rest must still be offered, or the next message would be taken for it. */
int zsock_send(struct zsock *s, const struct zpart *part, size_t n, struct err *e)
{
    bool lost = false;

    BUG_ON(n == 0 || !s->data.zmq);
    zport_touch(&s->data);
    for (size_t i = 0; i < n; i++) {
        int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);
        if (zmq_send(s->data.zmq, part[i].p, part[i].n, flags) >= 0)
            continue;
        if (errno != EAGAIN && errno != EHOSTUNREACH)
            return err_set(e, ERR_SYSTEM, "cannot send to %s: %s", s->endpoint,
                           zmq_strerror(errno));
        if (i == 0)
            return 1;
        lost = true;
    }
    return lost;
}

static void close_parts(zmq_msg_t *msg, size_t n)
{
    for (size_t i = 0; i < n; i++)
        zmq_msg_close(&msg[i]);
}

/* Reads one message; returns its number of parts, those beyond the limit counted and not kept. 0:
 * there is none. */
static size_t receive(struct zsock *s, zmq_msg_t msg[static ZLOOP_MAX_PARTS])
{
    size_t n = 0;
    bool more = true;

    for (; more; n++) {
        zmq_msg_t extra, *m = n < ZLOOP_MAX_PARTS ? &msg[n] : &extra;
        zmq_msg_init(m);
        if (zmq_msg_recv(m, s->data.zmq, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(m);
            close_parts(msg, n < ZLOOP_MAX_PARTS ? n : ZLOOP_MAX_PARTS);
            return 0;
        }
        more = zmq_msg_more(m);
        if (m == &extra)
            zmq_msg_close(m);
    }
    return n;
}

static void deliver(struct zsock *s, zmq_msg_t *msg, size_t n)
{
    struct zpart part[ZLOOP_MAX_PARTS];

    for (size_t i = 0; i < n; i++)
        part[i] = (struct zpart){zmq_msg_data(&msg[i]), zmq_msg_size(&msg[i])};
    /* The first frame of a ROUTER is libzmq's own and has no properties. */
    s->on_recv(s->arg, part, n, zmq_msg_gets(&msg[n - 1], "User-Id"));
}

/* libzmq may put off looking at its own news by a millisecond when one sends; asking for the events
 * makes it look, so that who hears of a link can use it. */
static void look(struct zsock *s)
{
    int events;
    size_t len = sizeof events;

    (void)zmq_getsockopt(s->data.zmq, ZMQ_EVENTS, &events, &len);
}

/* Until libzmq has nothing more, or the batch is full. Of a socket that is held it must at least
 * take the news, or the descriptor would stay readable and the loop never sleep. */
static bool receive_some(struct zsock *s)
{
    zmq_msg_t msg[ZLOOP_MAX_PARTS];
    size_t n, count = 0;

    while (count < s->batch && !s->held && s->data.zmq && (n = receive(s, msg)) > 0) {
        count++;
        if (n > ZLOOP_MAX_PARTS) {
            s->dropped++;
            n = ZLOOP_MAX_PARTS;
        } else {
            deliver(s, msg, n);
        }
        close_parts(msg, n);
    }
    if (!s->data.zmq)
        return true;
    if (s->held)
        look(s);
    else if (count == s->batch)
        zport_touch(&s->data);
    return count > 0;
}

static const char *refusal(int event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return "the other side does not know our key";
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        return "the other side does not speak CURVE with the key we expect of it";
    return "the connection ended during the handshake";
}

static void set_link(struct zsock *s, bool up)
{
    if (s->up == up)
        return;
    s->up = up;
    look(s);
    zport_touch(&s->data);
    if (s->on_link)
        s->on_link(s->arg, up);
}

/* Where libzmq knows why, it says so just before it says that the connection has ended. */
static void tell_refused(struct zsock *s, int event)
{
    bool told = s->told;

    s->told = event != ZMQ_EVENT_DISCONNECTED;
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
        retry_later(s);
    if (s->on_refused && !(told && event == ZMQ_EVENT_DISCONNECTED))
        s->on_refused(s->arg, refusal(event));
}

static void note_event(struct zsock *s, int event)
{
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED)
        set_link(s, true);
    else if (event == ZMQ_EVENT_DISCONNECTED && s->up)
        set_link(s, false);
    else
        tell_refused(s, event);
}

/* An event is two frames: its number (16 bits) with a value, and the endpoint. */
static bool read_events(struct zsock *s)
{
    bool any = false;
    uint16_t event;
    zmq_msg_t m;

    while (s->monitor.zmq) {
        zmq_msg_init(&m);
        bool got = zmq_msg_recv(&m, s->monitor.zmq, ZMQ_DONTWAIT) >= 0;
        bool first = got && zmq_msg_more(&m) && zmq_msg_size(&m) >= sizeof event;
        if (first)
            memcpy(&event, zmq_msg_data(&m), sizeof event);
        zmq_msg_close(&m);
        if (!got)
            break;
        any = true;
        if (first)
            note_event(s, event);
    }
    return any;
}

bool zsock_work(struct zsock *s)
{
    bool events = zport_take_news(&s->monitor) && read_events(s);
    bool messages = zport_take_news(&s->data) && receive_some(s);

    return events || messages;
}

/* libzmq says nothing of a connection that was taken from it. */
void zsock_renew(struct zsock *s)
{
    BUG_ON(!s->monitor.zmq);
    on_retry(&s->retry);
    set_link(s, false);
}

void zsock_hold(struct zsock *s, bool hold)
{
    s->held = hold;
    if (!hold)
        zport_touch(&s->data);
}

const char *zsock_endpoint(const struct zsock *s)
{
    return s->endpoint;
}

uint64_t zsock_dropped(const struct zsock *s)
{
    return s->dropped;
}

void zsock_close(struct zsock *s)
{
    if (s->data.zmq)
        zmq_socket_monitor(s->data.zmq, NULL, 0);
    if (s->monitor.zmq)
        uv_close((uv_handle_t *)&s->retry, on_retry_closed);
    zport_close(&s->monitor);
    zport_close(&s->data);
}

void zsock_port_gone(struct zsock *s)
{
    if (--s->ports > 0)
        return;
    list_del(&s->link);
    free(s);
}
