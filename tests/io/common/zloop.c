/* Messages over real TCP connections, under load and while things close. */
#include "tests/io/common/pair.h"
#include <criterion/criterion.h>
#include <stdio.h>

Test(zloop, there_and_back)
{
    struct pair f;

    pair_up(&f);
    cr_expect(f.asked == 1);
    f.server.echo_left = 1;
    cr_assert(send_text(f.client.sock, "report") == 0);
    pair_run(&f, &f.client.got, 1);
    cr_expect(f.server.parts == 2);
    cr_expect_str_eq(f.server.user_id, "worker-1");
    cr_expect_str_eq(f.client.text, "report");
    cr_expect(f.client.parts == 1);
    pair_release(&f);
}

Test(zloop, a_dealer_queues_nothing_before_it_is_connected)
{
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    pair_connect(&f, pair_client_spec(&f));
    cr_assert(send_text(f.client.sock, "early") == 1);
    pair_run(&f, &f.client.up, 1);
    cr_assert(send_text(f.client.sock, "now") == 0);
    pair_run(&f, &f.server.got, 1);
    cr_expect_str_eq(f.server.text, "now");
    pair_release(&f);
}

Test(zloop, a_peer_that_is_not_there)
{
    struct zpart parts[] = {{"\0abcd", 5}, {"orders", 6}};
    struct pair f;

    pair_up(&f);
    cr_assert(zsock_send(f.server.sock, parts, 2, NULL) == 1);
    cr_assert(send_text(f.client.sock, "here I am") == 0);
    pair_run(&f, &f.server.got, 1);
    parts[0] = (struct zpart){f.server.peer, f.server.peer_len};
    cr_assert(zsock_send(f.server.sock, parts, 2, NULL) == 0);
    pair_run(&f, &f.client.got, 1);
    cr_expect_str_eq(f.client.text, "orders");
    pair_release(&f);
}

Test(zloop, too_many_parts_are_dropped_and_counted)
{
    struct zpart many[] = {{"1", 1}, {"2", 1}, {"3", 1}, {"4", 1}};
    struct pair f;

    pair_up(&f);
    cr_assert(zsock_send(f.client.sock, many, 4, NULL) == 0); /* and the routing id: 5 */
    cr_assert(zsock_send(f.client.sock, many, 3, NULL) == 0);
    pair_run(&f, &f.server.got, 1);
    cr_expect(f.server.parts == 4);
    cr_expect_str_eq(f.server.text, "3");
    cr_expect(zsock_dropped(f.server.sock) == 1);
    pair_release(&f);
}

/* libzmq ends the connection of who sends more than is allowed; it may come again. */
Test(zloop, a_message_that_is_too_large_ends_the_connection)
{
    static char large[4097];
    struct zpart part = {large, sizeof large};
    struct pair f;

    pair_up(&f);
    cr_assert(zsock_send(f.client.sock, &part, 1, NULL) == 0);
    pair_run(&f, &f.client.down, 1);
    cr_expect(f.server.got == 0);
    pair_run(&f, &f.client.up, 2);
    part.n--;
    cr_assert(zsock_send(f.client.sock, &part, 1, NULL) == 0);
    pair_run(&f, &f.server.got, 1);
    pair_release(&f);
}

Test(zloop, a_link_comes_again_with_the_server)
{
    struct pair f;
    char endpoint[64];

    pair_up(&f);
    snprintf(endpoint, sizeof endpoint, "%s", zsock_endpoint(f.server.sock));
    zsock_close(f.server.sock);
    pair_run(&f, &f.client.down, 1);
    pair_listen(&f, endpoint);
    pair_run(&f, &f.client.up, 2);
    cr_assert(send_text(f.client.sock, "again") == 0);
    pair_run(&f, &f.server.got, 1);
    pair_release(&f);
}

Test(zloop, a_link_is_made_anew_and_its_old_end_is_not_told_later)
{
    struct pair f;

    pair_up(&f);
    zsock_renew(f.client.sock);
    cr_expect_eq(f.client.down, 1, "said at once");
    pair_run(&f, &f.client.up, 2);
    cr_assert(send_text(f.client.sock, "again") == 0);
    pair_run(&f, &f.server.got, 1);
    for (int i = 0; i < 200; i++) {
        cr_assert(send_text(f.client.sock, "and again") == 0);
        pair_run(&f, &f.server.got, 2 + (unsigned)i);
    }
    cr_expect_eq(f.client.down, 1);
    cr_expect_eq(f.client.up, 2);
    pair_release(&f);
}

/* Many messages in flight in both directions, each answered from a callback. */
Test(zloop, none_is_lost_under_load)
{
    enum { TURNS = 20000, FLIGHT = 200 };
    struct pair f;

    pair_up(&f);
    f.server.echo_left = TURNS;
    f.client.echo_left = TURNS - FLIGHT;
    for (int i = 0; i < FLIGHT; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    pair_run(&f, &f.client.got, TURNS);
    cr_expect(f.server.got == TURNS && f.client.got == TURNS);
    pair_release(&f);
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
    struct pair f;

    pair_up(&f);
    f.server.echo_left = f.client.echo_left = UINT_MAX;
    for (int i = 0; i < 500; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    uv_timer_init(&f.loop, &timer);
    timer.data = &fired;
    pair_run(&f, &f.server.got, 1);
    uv_timer_start(&timer, on_timer, 20, 0);
    pair_run(&f, &fired, 1);
    pair_run(&f, &f.server.got, 2000); /* and the messages go on */
    pair_release(&f);
}

static void hold(struct end *end)
{
    zsock_hold(end->sock, true);
}

/* What comes while a socket is held waits, and is all there afterwards, in order. */
Test(zloop, a_held_socket_hands_nothing_over_and_loses_nothing)
{
    uv_timer_t timer;
    unsigned fired = 0;
    struct pair f;

    pair_up(&f);
    f.server.on_message = hold;
    for (int i = 0; i < 100; i++)
        cr_assert(send_text(f.client.sock, i < 99 ? "x" : "last") == 0);
    pair_run(&f, &f.server.got, 1);
    uv_timer_init(&f.loop, &timer);
    timer.data = &fired;
    uv_timer_start(&timer, on_timer, 50, 0);
    pair_run(&f, &fired, 1);
    cr_expect_eq(f.server.got, 1);
    f.server.on_message = NULL;
    zsock_hold(f.server.sock, false);
    pair_run(&f, &f.server.got, 100);
    cr_expect_str_eq(f.server.text, "last");
    pair_release(&f);
}

static void on_turn(uv_prepare_t *prepare)
{
    ++*(unsigned *)prepare->data;
}

/* What comes meanwhile makes the descriptor readable, and it must not stay so. */
Test(zloop, a_held_socket_lets_the_loop_sleep)
{
    uv_timer_t timer;
    uv_prepare_t prepare;
    unsigned fired = 0, turns = 0;
    struct pair f;

    pair_up(&f);
    zsock_hold(f.server.sock, true);
    uv_prepare_init(&f.loop, &prepare);
    prepare.data = &turns;
    uv_prepare_start(&prepare, on_turn);
    for (int i = 0; i < 3; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    uv_timer_init(&f.loop, &timer);
    timer.data = &fired;
    uv_timer_start(&timer, on_timer, 100, 0);
    pair_run(&f, &fired, 1);
    uv_close((uv_handle_t *)&prepare, NULL);
    cr_expect_lt(turns, 50, "%u turns", turns);
    zsock_hold(f.server.sock, false);
    pair_run(&f, &f.server.got, 3);
    pair_release(&f);
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
    struct pair f;

    pair_up(&f);
    f.server.on_message = act;
    for (int i = 0; i < 10; i++)
        cr_assert(send_text(f.client.sock, "x") == 0);
    pair_run(&f, &f.server.got, 1);
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
    struct pair f;

    pair_init(&f);
    pair_listen(&f, "tcp://127.0.0.1:*");
    pair_connect(&f, pair_client_spec(&f));
    pair_run(&f, &f.asked, 1);
    pair_release(&f);
}

static const char *close_in_zap(void *arg, const char *public_key, const char *address)
{
    struct pair *f = arg;

    (void)public_key;
    (void)address;
    f->asked++;
    zloop_close(f->z);
    return "worker-1";
}

Test(zloop, closing_everything_during_authentication)
{
    struct pair f;

    pair_init(&f);
    zloop_close(f.z);
    f.z = zloop_new(&f.loop, NULL);
    cr_assert(zloop_set_zap(f.z, close_in_zap, &f, NULL) == 0);
    pair_listen(&f, "tcp://127.0.0.1:*");
    pair_connect(&f, pair_client_spec(&f));
    while (uv_run(&f.loop, UV_RUN_ONCE) != 0)
        continue;
    cr_expect(f.asked == 1 && f.client.up == 0);
    cr_expect(uv_loop_close(&f.loop) == 0);
}
