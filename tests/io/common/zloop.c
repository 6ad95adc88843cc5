/* Both ends of real TCP connections on one loop. Each test runs until what it waits for has come.
 */
#include "common/loop/zloop.h"
#include "common/base/str.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

struct end {
    struct zsock *sock;
    struct fixture *f;
    unsigned got, up, down, refused;
    size_t parts;
    char user_id[64], text[64], peer[16], why[128];
    size_t peer_len;
    unsigned echo_left; /* answer that many messages */
    void (*on_message)(struct end *end);
};

struct fixture {
    uv_loop_t loop;
    struct zloop *z;
    struct end server, client;
    char server_public[41], server_secret[41], client_public[41], client_secret[41];
    unsigned asked;
};

static const char *know_client(void *arg, const char *public_key, const char *address)
{
    struct fixture *f = arg;

    f->asked++;
    cr_expect_str_eq(address, "127.0.0.1");
    return strcmp(public_key, f->client_public) == 0 ? "worker-1" : NULL;
}

static void copy_part(char *to, size_t size, const struct zpart *part)
{
    size_t n = part->n < size - 1 ? part->n : size - 1;

    memcpy(to, part->p, n);
    to[n] = '\0';
}

static void on_server_recv(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct end *s = arg;

    s->got++;
    s->parts = n;
    snprintf(s->user_id, sizeof s->user_id, "%s", user_id ? user_id : "(none)");
    s->peer_len = part[0].n;
    memcpy(s->peer, part[0].p, part[0].n);
    copy_part(s->text, sizeof s->text, &part[n - 1]);
    if (s->echo_left > 0) {
        s->echo_left--;
        cr_assert(zsock_send(s->sock, part, n, NULL) == 0);
    }
    if (s->on_message)
        s->on_message(s);
}

static void on_client_recv(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct end *c = arg;

    c->got++;
    c->parts = n;
    cr_expect(user_id == NULL);
    copy_part(c->text, sizeof c->text, &part[n - 1]);
    if (c->echo_left > 0) {
        c->echo_left--;
        cr_assert(zsock_send(c->sock, part, n, NULL) == 0);
    }
    if (c->on_message)
        c->on_message(c);
}

static void on_link(void *arg, bool up)
{
    struct end *c = arg;

    c->up += up;
    c->down += !up;
}

static void on_refused(void *arg, const char *why)
{
    struct end *c = arg;

    c->refused++;
    snprintf(c->why, sizeof c->why, "%s", why);
}

static void setup(struct fixture *f)
{
    struct err e = ERR_INIT;

    *f = (struct fixture){0};
    f->server.f = f->client.f = f;
    cr_assert(uv_loop_init(&f->loop) == 0);
    f->z = zloop_new(&f->loop, &e);
    cr_assert(f->z, "%s", e.msg);
    cr_assert(zcurve_keypair(f->server_public, f->server_secret, &e) == 0);
    cr_assert(zcurve_keypair(f->client_public, f->client_secret, &e) == 0);
    cr_assert(zloop_set_zap(f->z, know_client, f, &e) == 0, "%s", e.msg);
}

static void teardown(struct fixture *f)
{
    zloop_close(f->z);
    while (uv_run(&f->loop, UV_RUN_ONCE) != 0)
        continue;
    cr_expect(uv_loop_close(&f->loop) == 0);
}

static void listen_at(struct fixture *f, const char *endpoint)
{
    struct zsock_spec spec = {.type = ZMQ_ROUTER,
                              .endpoint = endpoint,
                              .bind = true,
                              .max_message = 4096,
                              .secret_key = f->server_secret,
                              .on_recv = on_server_recv,
                              .arg = &f->server};
    struct err e = ERR_INIT;

    cr_assert(zsock_open(f->z, &spec, &f->server.sock, &e) == 0, "%s", e.msg);
}

static struct zsock_spec client_spec(struct fixture *f)
{
    return (struct zsock_spec){.type = ZMQ_DEALER,
                               .endpoint = zsock_endpoint(f->server.sock),
                               .max_message = 4096,
                               .public_key = f->client_public,
                               .secret_key = f->client_secret,
                               .server_key = f->server_public,
                               .on_recv = on_client_recv,
                               .on_link = on_link,
                               .on_refused = on_refused,
                               .arg = &f->client};
}

static void connect_as(struct fixture *f, struct zsock_spec spec)
{
    struct err e = ERR_INIT;

    cr_assert(zsock_open(f->z, &spec, &f->client.sock, &e) == 0, "%s", e.msg);
}

static void run_until(struct fixture *f, const unsigned *counter, unsigned at_least)
{
    while (*counter < at_least)
        cr_assert(uv_run(&f->loop, UV_RUN_ONCE) != 0 || *counter >= at_least);
}

static int send_text(struct zsock *s, const char *text)
{
    struct zpart part = {text, strlen(text)};

    return zsock_send(s, &part, 1, NULL);
}

static void connected(struct fixture *f)
{
    setup(f);
    listen_at(f, "tcp://127.0.0.1:*");
    connect_as(f, client_spec(f));
    run_until(f, &f->client.up, 1);
}

Test(zloop, there_and_back)
{
    struct fixture f;

    connected(&f);
    cr_expect(f.asked == 1);
    f.server.echo_left = 1;
    cr_assert(send_text(f.client.sock, "report") == 0);
    run_until(&f, &f.client.got, 1);
    cr_expect(f.server.parts == 2);
    cr_expect_str_eq(f.server.user_id, "worker-1");
    cr_expect_str_eq(f.client.text, "report");
    cr_expect(f.client.parts == 1);
    teardown(&f);
}

Test(zloop, a_dealer_queues_nothing_before_it_is_connected)
{
    struct fixture f;

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    connect_as(&f, client_spec(&f));
    cr_assert(send_text(f.client.sock, "early") == 1);
    run_until(&f, &f.client.up, 1);
    cr_assert(send_text(f.client.sock, "now") == 0);
    run_until(&f, &f.server.got, 1);
    cr_expect_str_eq(f.server.text, "now");
    teardown(&f);
}

Test(zloop, an_unknown_key_is_refused_and_told)
{
    char other_public[41], other_secret[41];
    struct zsock_spec spec;
    struct fixture f;

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    cr_assert(zcurve_keypair(other_public, other_secret, NULL) == 0);
    spec = client_spec(&f);
    spec.public_key = other_public;
    spec.secret_key = other_secret;
    connect_as(&f, spec);
    run_until(&f, &f.client.refused, 1);
    cr_expect_str_eq(f.client.why, "the other side does not know our key");
    cr_expect(f.client.up == 0 && f.asked >= 1);
    cr_assert(send_text(f.client.sock, "let me in") == 1);
    teardown(&f);
}

Test(zloop, a_false_server_is_refused_by_the_client)
{
    char other_public[41], other_secret[41];
    struct zsock_spec spec;
    struct fixture f;

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    cr_assert(zcurve_keypair(other_public, other_secret, NULL) == 0);
    spec = client_spec(&f);
    spec.server_key = other_public;
    connect_as(&f, spec);
    run_until(&f, &f.client.refused, 1);
    cr_expect(f.client.up == 0 && f.asked == 0);
    teardown(&f);
}

Test(zloop, a_client_without_curve_is_refused)
{
    struct zsock_spec spec;
    struct fixture f;

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    spec = client_spec(&f);
    spec.public_key = spec.secret_key = spec.server_key = NULL;
    connect_as(&f, spec);
    run_until(&f, &f.client.refused, 1);
    cr_expect(f.client.up == 0 && f.server.got == 0 && f.asked == 0);
    teardown(&f);
}

static void expect_refused_spec(struct fixture *f, struct zsock_spec spec, const char *message)
{
    struct err e = ERR_INIT;
    struct zsock *s;

    cr_expect(zsock_open(f->z, &spec, &s, &e) == -1);
    cr_expect(str_ends(e.msg, message), "%s", e.msg);
}

Test(zloop, doors_that_would_stand_open_are_not_opened)
{
    struct zsock_spec spec = {.type = ZMQ_ROUTER,
                              .endpoint = "tcp://127.0.0.1:*",
                              .bind = true,
                              .max_message = 4096,
                              .on_recv = on_server_recv};
    struct fixture f;

    setup(&f);
    zloop_close(f.z);
    f.z = zloop_new(&f.loop, NULL);
    spec.secret_key = f.server_secret;
    expect_refused_spec(&f, spec, "a CURVE server needs an authenticator first");
    spec.secret_key = NULL;
    spec.endpoint = "tcp://*:*";
    expect_refused_spec(&f, spec, "a socket that is not on loopback needs CURVE keys");
    spec.endpoint = "tcp://127.0.0.1:nonsense";
    expect_refused_spec(&f, spec, "cannot listen on tcp://127.0.0.1:nonsense: Invalid argument");
    cr_assert(zloop_set_zap(f.z, know_client, &f, NULL) == 0);
    spec.secret_key = "not forty characters";
    expect_refused_spec(&f, spec, "a CURVE key is malformed: Invalid argument");
    spec.bind = false;
    spec.secret_key = f.client_secret;
    expect_refused_spec(&f, spec, "a CURVE client needs its own pair and the server's key");
    teardown(&f);
}

Test(zloop, an_address_in_use_is_an_error)
{
    struct fixture f;
    struct zsock_spec spec = {.type = ZMQ_ROUTER, .bind = true, .max_message = 4096};

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    spec.on_recv = on_server_recv;
    spec.secret_key = f.server_secret;
    spec.endpoint = zsock_endpoint(f.server.sock);
    expect_refused_spec(&f, spec, "Address already in use");
    teardown(&f);
}

Test(zloop, a_peer_that_is_not_there)
{
    struct zpart parts[] = {{"\0abcd", 5}, {"orders", 6}};
    struct fixture f;

    connected(&f);
    cr_assert(zsock_send(f.server.sock, parts, 2, NULL) == 1);
    cr_assert(send_text(f.client.sock, "here I am") == 0);
    run_until(&f, &f.server.got, 1);
    parts[0] = (struct zpart){f.server.peer, f.server.peer_len};
    cr_assert(zsock_send(f.server.sock, parts, 2, NULL) == 0);
    run_until(&f, &f.client.got, 1);
    cr_expect_str_eq(f.client.text, "orders");
    teardown(&f);
}

Test(zloop, too_many_parts_are_dropped_and_counted)
{
    struct zpart many[] = {{"1", 1}, {"2", 1}, {"3", 1}, {"4", 1}};
    struct fixture f;

    connected(&f);
    cr_assert(zsock_send(f.client.sock, many, 4, NULL) == 0); /* and the routing id: 5 */
    cr_assert(zsock_send(f.client.sock, many, 3, NULL) == 0);
    run_until(&f, &f.server.got, 1);
    cr_expect(f.server.parts == 4);
    cr_expect_str_eq(f.server.text, "3");
    cr_expect(zsock_dropped(f.server.sock) == 1);
    teardown(&f);
}

/* libzmq ends the connection of who sends more than is allowed; it may come again. */
Test(zloop, a_message_that_is_too_large_ends_the_connection)
{
    static char large[4097];
    struct zpart part = {large, sizeof large};
    struct fixture f;

    connected(&f);
    cr_assert(zsock_send(f.client.sock, &part, 1, NULL) == 0);
    run_until(&f, &f.client.down, 1);
    cr_expect(f.server.got == 0);
    run_until(&f, &f.client.up, 2);
    part.n--;
    cr_assert(zsock_send(f.client.sock, &part, 1, NULL) == 0);
    run_until(&f, &f.server.got, 1);
    teardown(&f);
}

Test(zloop, a_link_comes_again_with_the_server)
{
    struct fixture f;
    char endpoint[64];

    connected(&f);
    snprintf(endpoint, sizeof endpoint, "%s", zsock_endpoint(f.server.sock));
    zsock_close(f.server.sock);
    run_until(&f, &f.client.down, 1);
    listen_at(&f, endpoint);
    run_until(&f, &f.client.up, 2);
    cr_assert(send_text(f.client.sock, "again") == 0);
    run_until(&f, &f.server.got, 1);
    teardown(&f);
}

/* Many messages in flight in both directions, each answered from a callback. */
Test(zloop, none_is_lost_under_load)
{
    enum { TURNS = 20000, FLIGHT = 200 };
    struct fixture f;

    connected(&f);
    f.server.echo_left = TURNS;
    f.client.echo_left = TURNS - FLIGHT;
    for (int i = 0; i < FLIGHT; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    run_until(&f, &f.client.got, TURNS);
    cr_expect(f.server.got == TURNS && f.client.got == TURNS);
    teardown(&f);
}

/* Another handle of the loop gets its turn while messages pour in. */
static void on_timer(uv_timer_t *t)
{
    ++*(unsigned *)t->data;
    uv_close((uv_handle_t *)t, NULL);
}

Test(zloop, load_does_not_starve_the_loop)
{
    uv_timer_t timer;
    unsigned fired = 0;
    struct fixture f;

    connected(&f);
    f.server.echo_left = f.client.echo_left = UINT_MAX;
    for (int i = 0; i < 500; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    uv_timer_init(&f.loop, &timer);
    timer.data = &fired;
    run_until(&f, &f.server.got, 1);
    uv_timer_start(&timer, on_timer, 20, 0);
    run_until(&f, &fired, 1);
    run_until(&f, &f.server.got, 2000); /* and the messages go on */
    teardown(&f);
}

static void close_both(struct end *end)
{
    zsock_close(end->f->server.sock);
    zsock_close(end->f->client.sock);
}

static void close_everything(struct end *end)
{
    zloop_close(end->f->z);
}

static void expect_closable(void (*act)(struct end *end), bool whole)
{
    struct fixture f;

    connected(&f);
    f.server.on_message = act;
    for (int i = 0; i < 10; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    run_until(&f, &f.server.got, 1);
    if (!whole)
        zloop_close(f.z);
    while (uv_run(&f.loop, UV_RUN_ONCE) != 0)
        continue;
    cr_expect(f.server.got == 1, "nothing comes after the close");
    cr_expect(uv_loop_close(&f.loop) == 0);
}

Test(zloop, closing_during_a_message)
{
    expect_closable(close_both, false);
}

Test(zloop, closing_everything_during_a_message)
{
    expect_closable(close_everything, true);
}

Test(zloop, closing_during_the_handshake)
{
    struct fixture f;

    setup(&f);
    listen_at(&f, "tcp://127.0.0.1:*");
    connect_as(&f, client_spec(&f));
    run_until(&f, &f.asked, 1);
    teardown(&f);
}

static const char *close_in_zap(void *arg, const char *public_key, const char *address)
{
    struct fixture *f = arg;

    (void)public_key;
    (void)address;
    f->asked++;
    zloop_close(f->z);
    return "worker-1";
}

Test(zloop, closing_everything_during_authentication)
{
    struct fixture f;

    setup(&f);
    zloop_close(f.z);
    f.z = zloop_new(&f.loop, NULL);
    cr_assert(zloop_set_zap(f.z, close_in_zap, &f, NULL) == 0);
    listen_at(&f, "tcp://127.0.0.1:*");
    connect_as(&f, client_spec(&f));
    while (uv_run(&f.loop, UV_RUN_ONCE) != 0)
        continue;
    cr_expect(f.asked == 1 && f.client.up == 0);
    cr_expect(uv_loop_close(&f.loop) == 0);
}

Test(zloop, keys_in_files)
{
    char dir[] = "/tmp/bf-key-XXXXXX", path[64], public_key[41], secret_key[41], p[41], s[41];
    struct err e = ERR_INIT;
    struct stat st;

    cr_assert(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/key", dir);
    cr_assert(zcurve_keypair(public_key, secret_key, &e) == 0);
    cr_expect(zcurve_load(path, p, s, &e) == -1 && e.kind == ERR_CONFIG, "absent");
    cr_expect(zcurve_save(path, secret_key, &e) == 0, "%s", e.msg);
    cr_expect(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    cr_expect(zcurve_save(path, secret_key, &e) == -1, "never over another one");
    cr_expect(zcurve_load(path, p, s, &e) == 0, "%s", e.msg);
    cr_expect(strcmp(p, public_key) == 0 && strcmp(s, secret_key) == 0);
    cr_assert(chmod(path, 0640) == 0);
    cr_expect(zcurve_load(path, p, s, &e) == -1 && strstr(e.msg, "chmod 600"), "%s", e.msg);
    static const char *const bad[] = {"", "short\n", "0123456789012345678901234567890123456789x\n",
                                      "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""
                                      "\"\"\"\"\"\"\"\"\"\"\n"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_assert(file_write_atomic(path, bad[i], strlen(bad[i]), 0600, &e) == 0);
        cr_expect(zcurve_load(path, p, s, &e) == -1 && e.kind == ERR_CONFIG, "%zu", i);
    }
    cr_expect(dir_remove(dir, &e) == 0);
}
