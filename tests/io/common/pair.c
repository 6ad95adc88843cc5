#include "tests/io/common/pair.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <zmq.h>

const char *know_client(void *arg, const char *public_key, const char *address)
{
    struct pair *f = arg;

    f->asked++;
    if (f->asked <= f->refuse)
        return NULL;
    cr_expect_str_eq(address, "127.0.0.1");
    return strcmp(public_key, f->client_public) == 0 ? "worker-1" : NULL;
}

static void copy_part(char *to, size_t size, const struct zpart *part)
{
    size_t n = part->n < size - 1 ? part->n : size - 1;

    memcpy(to, part->p, n);
    to[n] = '\0';
}

void on_server_recv(void *arg, const struct zpart *part, size_t n, const char *user_id)
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

void pair_init(struct pair *f)
{
    struct err e = ERR_INIT;

    *f = (struct pair){0};
    f->server.f = f->client.f = f;
    cr_assert(uv_loop_init(&f->loop) == 0);
    f->z = zloop_new(&f->loop, &e);
    cr_assert(f->z, "%s", e.msg);
    cr_assert(zcurve_keypair(f->server_public, f->server_secret, &e) == 0);
    cr_assert(zcurve_keypair(f->client_public, f->client_secret, &e) == 0);
    cr_assert(zloop_set_zap(f->z, know_client, f, &e) == 0, "%s", e.msg);
}

void pair_release(struct pair *f)
{
    zloop_close(f->z);
    while (uv_run(&f->loop, UV_RUN_ONCE) != 0)
        continue;
    cr_expect(uv_loop_close(&f->loop) == 0);
}

void pair_listen(struct pair *f, const char *endpoint)
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

struct zsock_spec pair_client_spec(struct pair *f)
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

void pair_connect(struct pair *f, struct zsock_spec spec)
{
    struct err e = ERR_INIT;

    cr_assert(zsock_open(f->z, &spec, &f->client.sock, &e) == 0, "%s", e.msg);
}

void pair_run(struct pair *f, const unsigned *counter, unsigned at_least)
{
    while (*counter < at_least)
        cr_assert(uv_run(&f->loop, UV_RUN_ONCE) != 0 || *counter >= at_least);
}

int send_text(struct zsock *s, const char *text)
{
    struct zpart part = {text, strlen(text)};

    return zsock_send(s, &part, 1, NULL);
}

void pair_up(struct pair *f)
{
    pair_init(f);
    pair_listen(f, "tcp://127.0.0.1:*");
    pair_connect(f, pair_client_spec(f));
    pair_run(f, &f->client.up, 1);
}
