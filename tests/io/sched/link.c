/* The two sockets of a real scheduler, with workers that break the rules. */
#include "hand.h"

#include "common/base/clock.h"

#include <criterion/criterion.h>

static const Bootfarm__Assignment *wanted(const struct hand *w, size_t i)
{
    cr_assert_gt(w->orders.orders->n_wanted, i);
    return w->orders.orders->wanted[i];
}

/* The acknowledgement of w->result in the newest Orders; -1: none yet. */
static int ack_of(const struct hand *w)
{
    const wire_orders *o = w->orders.orders;
    for (size_t i = 0; o && i < o->n_acks; i++) {
        if (id128_eq(wire_id(o->acks[i]->attempt_id), w->result))
            return (int)o->acks[i]->kind;
    }
    return -1;
}

static int settle(struct hand *w)
{
    do {
        hand_echo(w);
        hand_next_orders(w);
    } while (ack_of(w) < 0);
    return ack_of(w);
}

/* A farm with one worker that was given an attempt. */
static struct id128 start_with_work(struct hub *h, struct hand *w)
{
    hub_start(h);
    hand_open(w, h, "w", true);
    return hand_until_work(w);
}

Test(link, work_comes_after_an_echo_and_travels_until_it_is_listed)
{
    struct hub h;
    struct hand w;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    hand_report(&w, 0, 0);
    hand_until_orders(&w, 1);
    cr_assert_eq(w.orders.orders->n_wanted, 0, "nothing for a link that may work in one direction");
    cr_assert(id128_eq(wire_id(w.orders.orders->boot_id), w.boot));
    cr_assert_eq(w.orders.orders->lease_ms, 3000);
    cr_assert(w.orders.orders->kill_on_partition, "the hub's policy");
    struct id128 attempt = hand_until_work(&w);
    cr_assert_eq(w.orders.orders->n_wanted, 1, "one slot");
    cr_assert_eq(w.orders.orders->echo_report, w.seq);
    cr_assert_not_null(memmem(wanted(&w, 0)->order.data, wanted(&w, 0)->order.len, "\"build\"", 7));
    *vec_push(&w.running) = attempt;
    hand_echo(&w);
    hub_until_sql(&h, "select count(*) from farm.job where state = 'running'", "1");
    hand_next_orders(&w);
    hand_next_orders(&w);
    cr_assert_eq(wanted(&w, 0)->order.len, 0, "it is listed");
    hub_until_sql(&h, "select phase from farm.attempt", "build");
    hand_close(&w);
    hub_stop(&h);
}

Test(link, results_are_answered_by_what_their_row_says)
{
    struct hub h;
    struct hand w, thief;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    hand_open(&thief, &h, "thief", true);
    struct id128 attempt = hand_until_work(&w);

    thief.result = attempt;
    cr_assert_eq(settle(&thief), BOOTFARM__ACK_KIND__ACK_FENCED, "somebody else's attempt");
    thief.result = (struct id128){{7}};
    cr_assert_eq(settle(&thief), BOOTFARM__ACK_KIND__ACK_UNKNOWN);
    cr_assert_str_eq(hub_sql(&h, "select count(*) from farm.attempt where outcome is not null"),
                     "0");

    w.result = attempt;
    cr_assert_eq(settle(&w), BOOTFARM__ACK_KIND__ACK_ACCEPTED);
    cr_assert_str_eq(
        hub_sql(&h, "select count(*) from farm.job where kind = 'build' and state = 'succeeded'"),
        "1");
    cr_assert_str_eq(hub_sql(&h, "select detail->>'error' from farm.attempt where outcome is not "
                                 "null"),
                     "the worker sent a detail that is not JSON");
    cr_assert_str_eq(hub_sql(&h, "select count(*) from farm.quarantine"), "0");

    hub_kill_scheduler(&h);
    hub_start_scheduler(&h);
    cr_assert_eq(settle(&w), BOOTFARM__ACK_KIND__ACK_DUPLICATE, "the answer was lost: looked up");
    hand_close(&w);
    hand_close(&thief);
    hub_stop(&h);
}

/* The work order that comes with the newest Orders speaks of this. */
static bool speaks_of(const struct hand *w, const char *text)
{
    const Bootfarm__Assignment *a = wanted(w, 0);
    return memmem(a->order.data, a->order.len, text, strlen(text)) != NULL;
}

Test(link, what_the_registry_has_lost_is_built_again)
{
    struct hub h;
    struct hand w;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    w.result = hand_until_work(&w); /* the build of the first image, then its test or another */
    while (speaks_of(&w, "\"kind\":\"build\"")) {
        cr_assert_eq(settle(&w), BOOTFARM__ACK_KIND__ACK_ACCEPTED);
        w.result = hand_until_work(&w);
    }
    w.code = "digest-gone";
    w.message = "staging.test/build/plant/one@sha256:"
                "1111111111111111111111111111111111111111111111111111111111111111 is gone";
    cr_assert_eq(settle(&w), BOOTFARM__ACK_KIND__ACK_ACCEPTED);
    w.result = (struct id128){{0}};
    cr_assert_str_eq(hub_sql(&h, "select count(*) from farm.job where because = 'gone' and kind = "
                                 "'build'"),
                     "1");
    hub_until_sql(&h,
                  "select count(*) from farm.job where because = 'gone' and kind = 'build' and "
                  "state <> 'waiting'",
                  "1");
    hand_close(&w);
    hub_stop(&h);
}

Test(link, a_restarted_scheduler_sends_an_order_that_never_arrived)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    uint64_t term = w.orders.orders->term;
    hub_kill_scheduler(&h);
    hub_start_scheduler(&h);
    while (w.orders.orders->term == term)
        hand_next_orders(&w);
    cr_assert_gt(w.orders.orders->term, term);
    cr_assert(id128_eq(wire_id(wanted(&w, 0)->attempt_id), attempt), "the same attempt");
    cr_assert_gt(wanted(&w, 0)->order.len, 0, "read again from PostgreSQL");
    hand_close(&w);
    hub_stop(&h);
}

/* A large farm takes its time; an answer that stays away would be taken for a dead link. */
Test(link, a_leader_that_loads_says_that_it_does_not_lead_yet)
{
    struct hub h;
    struct hand w;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    hub_kill_scheduler(&h);
    while (w.linked)
        uv_run(&h.loop, UV_RUN_ONCE);
    hub_hold_jobs(&h, true);
    hub_start_scheduler(&h);
    hub_until_sql(&h,
                  "select count(*) > 0 from pg_locks where relation = 'farm.job_state'::regclass "
                  "and not granted",
                  "t");
    while (!w.linked)
        uv_run(&h.loop, UV_RUN_ONCE);
    unsigned orders = w.n_orders;
    for (int i = 0; i < 5; i++) {
        unsigned said = w.n_not_leader;
        hand_echo(&w);
        while (w.n_not_leader == said)
            uv_run(&h.loop, UV_RUN_ONCE);
    }
    cr_expect_eq(w.n_orders, orders);
    hub_hold_jobs(&h, false);
    hand_until_orders(&w, orders + 1);
    hand_close(&w);
    hub_stop(&h);
}

Test(link, what_another_worker_claims_to_have_is_still_sent)
{
    struct hub h;
    struct hand w, thief;
    struct id128 attempt = start_with_work(&h, &w);
    uint64_t term = w.orders.orders->term;
    hand_open(&thief, &h, "thief", true);
    /* Whoever had to read the order again would fail, and take a new term. */
    (void)hub_sql(&h, "alter function farm.work(uuid[]) rename to work_of");
    *vec_push(&thief.running) = attempt;
    hand_until_orders(&thief, 2);
    hand_echo(&w);
    hand_next_orders(&w);
    cr_assert_eq(w.orders.orders->term, term);
    cr_assert(id128_eq(wire_id(wanted(&w, 0)->attempt_id), attempt));
    cr_assert_gt(wanted(&w, 0)->order.len, 0);
    hand_close(&w);
    hand_close(&thief);
    hub_stop(&h);
}

/* Without a work order there is nothing to send, and the row says why. */
Test(link, an_attempt_that_ended_elsewhere_is_read_again)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    hub_kill_scheduler(&h);
    hub_start_scheduler(&h);
    (void)hub_sql(&h, "select dashboard.submit_command('repo_sync', '{\"slug\": \"plant\"}', "
                      "'test', 'test')");
    hub_until_sql(&h, "select count(*) from farm.command where state = 'submitted'", "0");
    (void)hub_sql(&h, "do $do$ begin perform farm.check_term(term) from farm.leader; perform "
                      "farm.lose(array(select id from farm.attempt), '{ready}', '{null}', '{0}'); "
                      "end $do$"); /* the world is loaded, and does not hear of this */
    cr_assert_str_eq(hub_sql(&h, "select outcome from farm.attempt"), "lost");
    while (w.orders.orders->n_wanted == 0 ||
           id128_eq(wire_id(w.orders.orders->wanted[0]->attempt_id), attempt))
        hand_next_orders(&w);
    hand_close(&w);
    hub_stop(&h);
}

/* A plan is there that nobody told the scheduler of; then it loses one connection. */
static void lose_connection(const char *name)
{
    static const char ready[] =
        "select count(*) from farm.job where kind = 'build' and state = 'ready'";
    struct hub h;
    hub_start(&h);
    hub_until_sql(&h, ready, "3");
    pgd_do(&h.pg, "file " BEHIND, NULL);
    cr_assert_str_eq(hub_sql(&h, ready), "3", "nobody looks by itself");
    char *risen =
        xasprintf("select term > %s from farm.leader", hub_sql(&h, "select term from farm.leader"));
    char *end = xasprintf("terminate bootfarm-scheduler %s", name);
    pgd_do(&h.pg, end, NULL);
    hub_until_sql(&h, risen, "t");
    hub_until_sql(&h, ready, "4");
    free(risen);
    free(end);
    hub_stop(&h);
}

Test(doubt, the_loss_of_the_connection_of_plans_loads_again)
{
    lose_connection("plans");
}

Test(doubt, the_loss_of_the_control_connection_loads_again)
{
    lose_connection("control");
}

Test(doubt, the_loss_of_the_connection_of_turns_loads_again)
{
    lose_connection("turns");
}

Test(doubt, the_loss_of_the_connection_of_logs_changes_nothing)
{
    struct hub h;
    hub_start(&h);
    hub_until_sql(&h, "select count(*) from farm.job where state = 'ready'", "3");
    char *same =
        xasprintf("select term = %s from farm.leader", hub_sql(&h, "select term from farm.leader"));
    char *again = xasprintf("select count(*) from pg_stat_activity where application_name = "
                            "'bootfarm-scheduler logs' and pid <> %s",
                            hub_sql(&h, "select pid from pg_stat_activity where application_name "
                                        "= 'bootfarm-scheduler logs'"));
    pgd_do(&h.pg, "terminate bootfarm-scheduler logs", NULL);
    hub_until_sql(&h, again, "1");
    free(again);
    cr_assert_str_eq(hub_sql(&h, same), "t");
    free(same);
    hub_stop(&h);
}

Test(link, an_attempt_belongs_to_a_boot)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    w.boot.b[0] ^= 1;
    w.seq = 0;
    hand_report(&w, 0, 0);
    hub_until_sql(&h, "select outcome from farm.attempt order by leased_at limit 1", "lost");
    while (w.orders.orders->n_wanted == 0 ||
           id128_eq(wire_id(w.orders.orders->wanted[0]->attempt_id), attempt))
        hand_next_orders(&w);
    cr_assert(id128_eq(wire_id(w.orders.orders->boot_id), w.boot));
    hand_close(&w);
    hub_stop(&h);
}

/* Also the second of two in a row, which nothing follows; else a worker would take a link that
 * works for a dead one. A new connection is answered at once. */
Test(link, each_report_is_answered_though_nothing_has_changed)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    *vec_push(&w.running) = attempt;
    hand_echo(&w);
    hub_until_sql(&h, "select count(*) from farm.job where state = 'running'", "1");
    for (int i = 0; i < 2; i++) {
        hand_echo(&w);
        hand_echo(&w);
        uint64_t last = w.seq;
        bf_time began = clock_mono();
        while (w.orders.orders->echo_report < last)
            uv_run(&h.loop, UV_RUN_ONCE);
        cr_expect_eq(w.seq, last);
        cr_expect_lt(clock_mono() - began, 5 * BF_SEC);
    }
    w.linked = false;
    zsock_renew(w.control);
    while (!w.linked)
        uv_run(&h.loop, UV_RUN_ONCE);
    hand_echo(&w);
    bf_time began = clock_mono();
    while (w.orders.orders->echo_report < w.seq)
        uv_run(&h.loop, UV_RUN_ONCE);
    cr_expect_lt(clock_mono() - began, 1900 * BF_MSEC, "not with the late ones");
    hand_close(&w);
    hub_stop(&h);
}

Test(link, a_link_of_one_direction_is_a_dead_link)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    *vec_push(&w.running) = attempt;
    hand_echo(&w);
    w.fixed_echo = true; /* Reports go on, but we seem to hear nothing */
    while (strcmp(hub_sql(&h, "select state from farm.worker"), "disconnected") != 0)
        hand_next_orders(&w);
    hub_until_sql(&h, "select outcome from farm.attempt", "lost");
    vec_clear(&w.running);
    w.fixed_echo = false;
    (void)hand_until_work(&w); /* an echo that has caught up */
    cr_assert_str_eq(hub_sql(&h, "select state from farm.worker"), "connected");
    hand_close(&w);
    hub_stop(&h);
}

Test(link, hostile_frames_change_nothing)
{
    struct hub h;
    struct hand w, stranger;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    hand_open(&stranger, &h, "stranger", false);
    (void)hand_until_work(&w);

    static char big[2 << 20];
    const char orders[] = {WIRE_ORDERS, WIRE_VERSION, 0, 0}, junk[] = {WIRE_REPORT, 1, 0, 0, 'x'};
    hand_send(&w, "", 0, 1);
    hand_send(&w, "\1", 1, 1);
    hand_send(&w, orders, sizeof orders, 1);
    hand_send(&w, junk, sizeof junk, 1);
    hand_send(&w, junk, sizeof junk, 3);
    hand_next_orders(&w);
    hand_send(&w, big, sizeof big, 1); /* beyond the limit: ZeroMQ ends the connection */
    uint64_t seq = w.seq;
    w.seq = 0;
    hand_echo(&w); /* an old one again */
    w.seq = seq;
    hand_next_orders(&w);
    cr_assert_not(stranger.linked);
    cr_assert_eq(stranger.n_orders, 0);
    cr_assert_str_eq(hub_sql(&h, "select count(*) from farm.attempt"), "1");
    hand_close(&w);
    hand_close(&stranger);
    hub_stop(&h);
}

Test(logs, are_stored_in_order_and_sealed_by_their_owner_only)
{
    struct hub h;
    struct hand w, thief;
    hub_start(&h);
    hand_open(&w, &h, "w", true);
    hand_open(&thief, &h, "thief", true);
    struct id128 attempt = hand_until_work(&w);

    hand_chunk(&thief, attempt, 0, "forged");
    hand_until_ack(&thief, 1);
    cr_assert(thief.ack.unknown);
    cr_assert_str_eq(hub_sql(&h, "select count(*) from farm.log_chunk"), "0");

    hand_chunk(&w, attempt, 0, "hello ");
    hand_chunk(&w, attempt, 6, "world");
    hand_until_ack(&w, 2);
    cr_assert_eq(w.ack.stored, 11);
    cr_assert_gt(w.ack.credit_bytes, 0);
    hand_chunk(&w, attempt, 0, "hello ");
    hand_until_ack(&w, 3);
    cr_assert_eq(w.ack.stored, 11, "sent again");
    hand_chunk(&w, attempt, 20, "too far");
    hand_until_ack(&w, 4);
    cr_assert_eq(w.ack.stored, 11, "go back to there");
    hand_seal(&w, attempt, 12, 12);
    hand_until_ack(&w, 5);
    cr_assert_not(w.ack.sealed, "less is stored");
    cr_assert_eq(w.ack.stored, 11);
    (void)hub_sql(&h, "delete from farm.log_chunk where byte_offset = 6");
    hand_seal(&w, attempt, 11, 11);
    hand_until_ack(&w, 6);
    cr_assert_not(w.ack.sealed, "PostgreSQL has lost what it had not flushed");
    cr_assert_eq(w.ack.stored, 6);
    hand_chunk(&w, attempt, 6, "world");
    hand_seal(&w, attempt, 9, 6);
    hand_until_ack(&w, 8);
    cr_assert(w.ack.sealed, "also for a worker that has less than what is stored");
    cr_assert_str_eq(hub_sql(&h, "select string_agg(convert_from(data, 'UTF8'), '' order by "
                                 "byte_offset) from farm.log_chunk"),
                     "hello world");
    hand_close(&w);
    hand_close(&thief);
    hub_stop(&h);
}

/* The end was lost at the worker, which has nothing more to send. */
Test(logs, a_seal_beyond_what_is_stored_is_given_and_says_so)
{
    struct hub h;
    struct hand w;
    struct id128 attempt = start_with_work(&h, &w);
    hand_chunk(&w, attempt, 0, "hello ");
    hand_until_ack(&w, 1);
    hand_seal(&w, attempt, 20, 7);
    hand_until_ack(&w, 2);
    cr_assert_not(w.ack.sealed, "the store was heard to have more");
    cr_assert_eq(w.ack.stored, 6);
    hand_seal(&w, attempt, 20, 6);
    hand_until_ack(&w, 3);
    cr_assert(w.ack.sealed);
    cr_assert_str_eq(hub_sql(&h, "select concat_ws(' ', length, truncated) from farm.log_seal"),
                     "20 t");
    hand_close(&w);
    hub_stop(&h);
}
