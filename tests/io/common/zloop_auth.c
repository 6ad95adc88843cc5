/* Who is let in, which doors are not even opened, and keys in files. */
#include "common/base/str.h"
#include "common/loop/file.h"
#include "common/loop/zloop_port.h"
#include "tests/io/common/pair.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static void expect_stranger_refused(struct pair *f)
{
    char other_public[41], other_secret[41];
    struct zsock_spec spec = pair_client_spec(f);

    cr_assert(zcurve_keypair(other_public, other_secret, NULL) == 0);
    spec.public_key = other_public;
    spec.secret_key = other_secret;
    pair_connect(f, spec);
    pair_run(f, &f->client.refused, 1);
    cr_expect_str_eq(f->client.why, "the other side does not know our key");
}

Test(zloop, an_unknown_key_is_refused_and_told)
{
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    expect_stranger_refused(&f);
    cr_expect(f.client.up == 0 && f.asked >= 1);
    cr_assert(send_text(f.client.sock, "let me in") == 1);
    pair_release(&f);
}

Test(zloop, a_key_that_was_refused_is_tried_again)
{
    struct pair f;

    pair_init(&f);
    f.refuse = 1;
    pair_listen(&f, "tcp://127.0.0.1:*");
    pair_connect(&f, pair_client_spec(&f));
    pair_run(&f, &f.client.up, 1);
    cr_expect(f.client.refused >= 1 && f.asked == 2);
    cr_assert(send_text(f.client.sock, "let in") == 0);
    pair_run(&f, &f.server.got, 1);
    pair_release(&f);
}

static void let_in(uv_timer_t *t)
{
    struct pair *f = t->data;

    cr_expect(f->client.up == 0 && f->client.refused > 0 && f->asked == 0);
    zloop_hold_zap(f->z, false);
    uv_close((uv_handle_t *)t, NULL);
}

Test(zloop, who_comes_before_the_keys_are_known_comes_again)
{
    struct pair f;
    uv_timer_t timer;
    uint64_t waited;

    pair_init(&f);
    zloop_hold_zap(f.z, true);
    pair_listen(&f, "tcp://127.0.0.1:*");
    pair_connect(&f, pair_client_spec(&f));
    uv_timer_init(&f.loop, &timer);
    timer.data = &f;
    uv_timer_start(&timer, let_in, 500, 0);
    pair_run(&f, &f.client.up, 1);
    waited = uv_now(&f.loop);
    cr_expect(f.asked == 1);
    cr_assert(send_text(f.client.sock, "in") == 0);
    pair_run(&f, &f.server.got, 1);
    cr_expect_lt(uv_now(&f.loop) - waited, 1000);
    pair_release(&f);
}

/* What libzmq keeps of a question goes with the socket that answered. */
Test(zloop, the_authenticator_is_replaced_and_all_are_asked_about)
{
    struct pair f;
    unsigned replaced = 0;
    const struct zport *last;

    pair_up(&f);
    last = f.z->zap;
    for (unsigned up = 1; up < 400; up++) {
        zsock_renew(f.client.sock);
        pair_run(&f, &f.client.up, up + 1);
        cr_assert_eq(f.asked, up + 1);
        cr_assert(send_text(f.client.sock, "me again") == 0);
        pair_run(&f, &f.server.got, up);
        replaced += f.z->zap != last;
        last = f.z->zap;
    }
    cr_expect_geq(replaced, 2);
    while (f.z->zap_old)
        uv_run(&f.loop, UV_RUN_ONCE);
    zsock_close(f.client.sock);
    expect_stranger_refused(&f);
    pair_release(&f);
}

Test(zloop, without_an_authenticator_nobody_is_let_in)
{
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    cr_assert(zmq_unbind(f.z->zap->zmq, "inproc://zeromq.zap.01") == 0);
    pair_connect(&f, pair_client_spec(&f));
    pair_run(&f, &f.client.refused, 3);
    cr_expect(f.client.up == 0 && f.asked == 0);
    cr_assert(zmq_bind(f.z->zap->zmq, "inproc://zeromq.zap.01") == 0);
    pair_run(&f, &f.client.up, 1);
    cr_expect(f.asked == 1);
    pair_release(&f);
}

Test(zloop, a_false_server_is_refused_by_the_client)
{
    char other_public[41], other_secret[41];
    struct zsock_spec spec;
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    cr_assert(zcurve_keypair(other_public, other_secret, NULL) == 0);
    spec = pair_client_spec(&f);
    spec.server_key = other_public;
    pair_connect(&f, spec);
    pair_run(&f, &f.client.refused, 1);
    cr_expect(f.client.up == 0 && f.asked == 0);
    pair_release(&f);
}

Test(zloop, a_client_without_curve_is_refused)
{
    struct zsock_spec spec;
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    spec = pair_client_spec(&f);
    spec.public_key = spec.secret_key = spec.server_key = NULL;
    pair_connect(&f, spec);
    pair_run(&f, &f.client.refused, 1);
    cr_expect(f.client.up == 0 && f.server.got == 0 && f.asked == 0);
    pair_release(&f);
}

static void expect_refused_spec(struct pair *f, struct zsock_spec spec, const char *message)
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
    struct pair f;

    pair_init(&f);
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
    pair_release(&f);
}

Test(zloop, an_address_in_use_is_an_error)
{
    struct pair f;
    struct zsock_spec spec = {.type = ZMQ_ROUTER, .bind = true, .max_message = 4096};

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    spec.on_recv = on_server_recv;
    spec.secret_key = f.server_secret;
    spec.endpoint = zsock_endpoint(f.server.sock);
    expect_refused_spec(&f, spec, "Address already in use");
    pair_release(&f);
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
