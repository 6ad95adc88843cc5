/* The decisions of core/run.h: tables, and a simulated farm of one worker and one scheduler. */
#include "worker/core/run.h"
#include <criterion/criterion.h>

static struct id128 id(unsigned n)
{
    struct id128 i = {{0}};
    i.b[0] = (uint8_t)n;
    i.b[1] = 0xaa;
    return i;
}

static const struct run_at at9 = {.term = 3, .seq = 9};

/* Orders 3/9 that want `wanted` (with orders) and acknowledge `acked`; 0 ends a list. */
struct fixture {
    struct run_wanted wanted[8];
    struct id128 acks[8];
    struct run_orders o;
    run_actions out;
};

static void orders(struct fixture *f, const unsigned *wanted, const unsigned *acked)
{
    *f = (struct fixture){.o = {.boot = id(200), .at = at9, .wanted = f->wanted, .acks = f->acks}};
    for (; *wanted; wanted++)
        f->wanted[f->o.n_wanted++] = (struct run_wanted){.id = id(*wanted), .has_order = true};
    for (; *acked; acked++)
        f->acks[f->o.n_acks++] = id(*acked);
}

static const char *const names[] = {"take", "drop", "kill", "ack", "report", "forget"};

Test(run, one_attempt_and_what_orders_say_of_it)
{
    static const struct {
        const char *what;
        int state; /* -1: not known here */
        bool acked_by_older, wanted, acked;
        const char *expect; /* NULL: nothing */
    } rows[] = {
        {"new", -1, 0, true, false, "take"},
        {"gone and gone", -1, 0, false, false, NULL},
        {"acknowledged and gone", -1, 0, false, true, NULL},
        {"pending stays", RUN_PENDING, 0, true, false, NULL},
        {"pending not wanted", RUN_PENDING, 0, false, false, "drop"},
        {"running stays", RUN_RUNNING, 0, true, false, NULL},
        {"running not wanted", RUN_RUNNING, 0, false, false, "kill"},
        {"stopping, wanted again: too late", RUN_STOPPING, 0, true, false, NULL},
        {"stopping not wanted", RUN_STOPPING, 0, false, false, NULL},
        {"finished, scheduler does not know yet", RUN_FINISHED, 0, true, false, NULL},
        {"finished, not wanted, not acknowledged", RUN_FINISHED, 0, false, false, NULL},
        {"finished, acknowledged", RUN_FINISHED, 0, false, true, "ack"},
        {"finished, acknowledged, still wanted", RUN_FINISHED, 0, true, true, "ack"},
        {"acked by these very orders", RUN_ACKED, false, false, true, NULL},
        {"acked by orders that are not older", RUN_ACKED, false, false, false, NULL},
        {"acked, omitted by newer orders", RUN_ACKED, true, false, false, "forget"},
        {"acked, acknowledged once more", RUN_ACKED, true, false, true, NULL},
        {"acked, wanted by newer orders", RUN_ACKED, true, true, false, "report"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct fixture f;
        const unsigned seven[] = {7, 0}, none[] = {0};
        orders(&f, rows[i].wanted ? seven : none, rows[i].acked ? seven : none);
        struct run_entry e = {.id = id(7), .state = (enum run_state)rows[i].state};
        e.acked_at = rows[i].acked_by_older ? (struct run_at){3, 8} : at9;
        run_decide(&e, rows[i].state >= 0, &f.o, &f.out);
        if (rows[i].expect == NULL) {
            cr_expect_eq(f.out.n, 0, "%s: %s", rows[i].what, f.out.n ? names[f.out.v[0].what] : "");
        } else {
            cr_expect_eq(f.out.n, 1, "%s: %zu actions", rows[i].what, f.out.n);
            cr_expect_str_eq(f.out.n ? names[f.out.v[0].what] : "nothing", rows[i].expect, "%s",
                             rows[i].what);
        }
        vec_release(&f.out);
    }
}

Test(run, an_assignment_without_its_order_waits_for_it)
{
    struct fixture f;
    const unsigned seven[] = {7, 0}, none[] = {0};
    orders(&f, seven, none);
    f.wanted[0].has_order = false;
    run_decide(NULL, 0, &f.o, &f.out);
    cr_expect_eq(f.out.n, 0);
}

Test(run, a_flood_of_attempts_is_bounded)
{
    static struct run_entry e[RUN_MAX_ENTRIES - 1];
    struct fixture f;
    const unsigned wanted[] = {1, 2, 3, 0}, none[] = {0};
    for (size_t i = 0; i < ARRAY_SIZE(e); i++)
        e[i] = (struct run_entry){.id = {{0xff, (uint8_t)i, (uint8_t)(i >> 8)}},
                                  .state = RUN_FINISHED};
    orders(&f, wanted, none);
    run_decide(e, ARRAY_SIZE(e), &f.o, &f.out);
    cr_expect_eq(f.out.n, 1);
    vec_release(&f.out);
}

Test(run, what_frees_comes_before_what_is_new)
{
    struct fixture f;
    const unsigned wanted[] = {1, 2, 0}, none[] = {0};
    struct run_entry e[] = {{.id = id(9), .state = RUN_RUNNING},
                            {.id = id(1), .state = RUN_RUNNING}};
    orders(&f, wanted, none);
    run_decide(e, 2, &f.o, &f.out);
    cr_assert_eq(f.out.n, 2);
    cr_expect_eq(f.out.v[0].what, RUN_DO_KILL);
    cr_expect(id128_eq(f.out.v[0].id, id(9)));
    cr_expect_eq(f.out.v[1].what, RUN_DO_TAKE);
    cr_expect_eq(f.out.v[1].index, 1);
    vec_release(&f.out);
}

Test(run, which_orders_are_heard)
{
    const struct run_seen seen = {.boot = id(200), .last = {3, 9}, .term_floor = 3};
    static const struct {
        unsigned boot;
        struct run_at at;
        enum run_verdict expect;
    } rows[] = {
        {200, {3, 10}, RUN_ACCEPT},     {200, {4, 1}, RUN_ACCEPT},
        {200, {3, 9}, RUN_STALE_SEQ},   {200, {3, 8}, RUN_STALE_SEQ},
        {200, {2, 99}, RUN_STALE_TERM}, {201, {3, 10}, RUN_OTHER_BOOT},
        {201, {2, 10}, RUN_STALE_TERM},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct run_orders o = {.boot = id(rows[i].boot), .at = rows[i].at};
        cr_expect_eq(run_judge(&seen, &o), rows[i].expect, "row %zu", i);
    }
}

Test(run, a_restarted_worker_still_knows_the_highest_term)
{
    const struct run_seen fresh = {.boot = id(200), .term_floor = 7};
    struct run_orders o = {.boot = id(200), .at = {6, 1000}};
    cr_expect_eq(run_judge(&fresh, &o), RUN_STALE_TERM);
    o.at = (struct run_at){7, 1};
    cr_expect_eq(run_judge(&fresh, &o), RUN_ACCEPT);
}

Test(run, a_slot_is_taken_until_the_process_is_gone)
{
    struct run_entry e[] = {{.state = RUN_RUNNING},
                            {.state = RUN_STOPPING},
                            {.state = RUN_PENDING},
                            {.state = RUN_FINISHED},
                            {.state = RUN_ACKED}};
    cr_expect_eq(run_free_slots(e, 5, 3), 1);
    cr_expect_eq(run_free_slots(e, 5, 2), 0);
    cr_expect_eq(run_free_slots(e, 5, 1), 0); /* slots were taken away by a reload */
    cr_expect_eq(run_free_slots(NULL, 0, 4), 4);
}

Test(run, the_table_of_states)
{
    cr_expect(sm_allows(run_states, RUN_PENDING, RUN_FINISHED));
    cr_expect(sm_allows(run_states, RUN_ACKED, RUN_FINISHED));
    cr_expect(!sm_allows(run_states, RUN_FINISHED, RUN_RUNNING));
    cr_expect(!sm_allows(run_states, RUN_FINISHED, RUN_PENDING));
    cr_expect(!sm_allows(run_states, RUN_STOPPING, RUN_RUNNING));
}

Test(run, the_lease_counts_from_when_the_report_was_sent)
{
    struct run_sent s = {{0}, {0}};
    for (uint64_t seq = 1; seq <= 100; seq++)
        run_sent_note(&s, seq, (bf_time)seq * BF_SEC);
    cr_expect_eq(run_sent_when(&s, 100), 100 * BF_SEC);
    cr_expect_eq(run_sent_when(&s, 37), 37 * BF_SEC);
    cr_expect_eq(run_sent_when(&s, 36), -1); /* overwritten */
    cr_expect_eq(run_sent_when(&s, 101), -1);
    cr_expect_eq(run_sent_when(&s, 0), -1);

    struct run_lease l = {.renewed = 100 * BF_SEC, .length = 45 * BF_SEC, .kill = true};
    cr_expect_eq(run_fence_at(&l), 145 * BF_SEC);
    l.kill = false;
    cr_expect_eq(run_fence_at(&l), INT64_MAX);
    l = (struct run_lease){.kill = true};
    cr_expect_eq(run_fence_at(&l), INT64_MAX); /* never had a lease */
}

/* ---- a farm in a loop: orders are lost, doubled, delayed; an id must start at most once
 * ---------- */

#define IDS 40
#define HISTORY 32

struct farm {
    uint64_t x;
    VEC(struct run_entry) entries;
    unsigned starts[IDS], results[IDS];
    struct run_seen seen;
    uint64_t seq;
    bool wanted[IDS], settled[IDS];
    struct fixture history[HISTORY];
};

static uint64_t rnd(struct farm *f)
{
    f->x ^= f->x << 13;
    f->x ^= f->x >> 7;
    f->x ^= f->x << 17;
    return f->x;
}

static struct run_entry *entry(struct farm *f, struct id128 i)
{
    vec_for_each (k, &f->entries)
        if (id128_eq(f->entries.v[k].id, i))
            return &f->entries.v[k];
    return NULL;
}

static void deliver(struct farm *f, const struct fixture *sent)
{
    run_actions out = VEC_INIT;
    if (run_judge(&f->seen, &sent->o) != RUN_ACCEPT)
        return;
    f->seen.last = sent->o.at;
    run_decide(f->entries.v, f->entries.n, &sent->o, &out);
    vec_for_each (i, &out) {
        struct run_entry *e = entry(f, out.v[i].id);
        switch (out.v[i].what) {
        case RUN_DO_TAKE:
            cr_assert_null(e);
            *vec_push(&f->entries) = (struct run_entry){.id = out.v[i].id, .state = RUN_RUNNING};
            f->starts[out.v[i].id.b[0]]++;
            break;
        case RUN_DO_ACK:
            e->state = RUN_ACKED;
            e->acked_at = sent->o.at;
            break;
        case RUN_DO_REPORT:
        case RUN_DO_DROP:
            e->state = RUN_FINISHED;
            break;
        case RUN_DO_KILL:
            e->state = RUN_STOPPING;
            break;
        case RUN_DO_FORGET:
            *e = vec_pop(&f->entries);
            break;
        }
    }
    vec_release(&out);
}

/* The scheduler: settles every result it is told, wants a few ids that are not settled. */
static void think(struct farm *f)
{
    struct fixture *h = &f->history[f->seq++ % HISTORY];
    *h = (struct fixture){.o = {.boot = id(200), .at = {1, f->seq}}};
    vec_for_each (k, &f->entries)
        if (f->entries.v[k].state == RUN_FINISHED && h->o.n_acks < 8 && rnd(f) % 2) {
            unsigned n = f->entries.v[k].id.b[0];
            f->results[n] += !f->settled[n];
            f->settled[n] = true;
            h->acks[h->o.n_acks++] = f->entries.v[k].id;
        }
    for (unsigned n = 1; n < IDS && h->o.n_wanted < 6; n++) {
        if (!f->settled[n] && rnd(f) % 5)
            h->wanted[h->o.n_wanted++] = (struct run_wanted){.id = id(n), .has_order = true};
    }
    h->o.wanted = h->wanted;
    h->o.acks = h->acks;
}

static void work(struct farm *f)
{
    vec_for_each (k, &f->entries) {
        struct run_entry *e = &f->entries.v[k];
        if ((e->state == RUN_RUNNING || e->state == RUN_STOPPING) && rnd(f) % 4 == 0)
            e->state = RUN_FINISHED;
    }
}

Test(run, nothing_ever_starts_twice_and_everything_settles)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct farm f = {.x = seed * 0x9e3779b97f4a7c15u, .seen = {.boot = id(200)}};
        for (int turn = 0; turn < 400; turn++) {
            think(&f);
            if (rnd(&f) % 5) /* else lost */
                deliver(&f, &f.history[(f.seq - 1) % HISTORY]);
            if (rnd(&f) % 3 == 0) /* an old one again, or a delayed one at last */
                deliver(&f, &f.history[(f.seq - 1 - rnd(&f) % HISTORY) % HISTORY]);
            work(&f);
        }
        for (unsigned n = 1; n < IDS; n++) {
            cr_assert_leq(f.starts[n], 1, "seed %llu: %u started %u times",
                          (unsigned long long)seed, n, f.starts[n]);
            cr_assert_eq(f.results[n], 1, "seed %llu: %u has no result", (unsigned long long)seed,
                         n);
        }
        cr_assert_leq(f.entries.n, 8, "seed %llu: %zu entries stay", (unsigned long long)seed,
                      f.entries.n);
        vec_release(&f.entries);
    }
}

Test(run, hunts_slower_and_slower)
{
    bf_time at = RUN_HUNT_FIRST, sum = 0;
    for (int i = 0; i < 4; i++, at = run_hunt_next(at))
        sum += at;
    cr_expect_eq(sum, 3750 * BF_MSEC); /* 250 ms, 500 ms, 1 s, 2 s */
    cr_expect_eq(at, RUN_HUNT);
    cr_expect_eq(run_hunt_next(at), RUN_HUNT);
}

/* ---- does the link carry both ways? ---------------------------------------------------------- */

Test(replies, an_answered_link_is_left_alone)
{
    struct run_replies r = {0};
    cr_expect_eq(run_renew_at(&r), INT64_MAX, "nothing was said");
    run_said(&r, 1, 10 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), 10 * BF_SEC + RUN_PATIENCE_FIRST);
    run_answered(&r, 1, run_patience(45 * BF_SEC), 11 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), INT64_MAX);
    run_said(&r, 2, 20 * BF_SEC);
    run_said(&r, 3, 25 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), 20 * BF_SEC + 45 * BF_SEC / 4, "of the oldest");
}

Test(replies, orders_that_have_not_heard_the_report_are_no_answer)
{
    struct run_replies r = {0};
    run_said(&r, 7, 10 * BF_SEC);
    run_answered(&r, 6, 5 * BF_SEC, 12 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), 10 * BF_SEC + RUN_PATIENCE_FIRST);
    run_said(&r, 8, 13 * BF_SEC);
    run_answered(&r, 7, 5 * BF_SEC, 14 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), 19 * BF_SEC, "the one after it waits");
    run_answered(&r, UINT64_MAX, 5 * BF_SEC, 15 * BF_SEC);
    cr_expect_eq(run_renew_at(&r), INT64_MAX);
}

Test(replies, each_vain_new_link_is_given_twice_the_time)
{
    struct run_replies r = {.patience = 6 * BF_SEC};
    bf_time at = 0, expected = 6 * BF_SEC;
    for (uint64_t seq = 1; seq < 9; seq++) {
        run_said(&r, seq, at);
        cr_expect_eq(run_renew_at(&r), at + expected);
        at = run_renew_at(&r);
        run_unlinked(&r, true);
        cr_expect_eq(run_renew_at(&r), INT64_MAX, "until it is up");
        expected = 2 * expected < RUN_PATIENCE_MOST ? 2 * expected : RUN_PATIENCE_MOST;
    }
    cr_expect_eq(expected, RUN_PATIENCE_MOST);
    run_said(&r, 9, at);
    run_answered(&r, 9, 6 * BF_SEC, at);
    run_said(&r, 10, at);
    cr_expect_eq(run_renew_at(&r), at + 6 * BF_SEC, "one answer is enough");
    run_unlinked(&r, false);
    run_said(&r, 11, at);
    cr_expect_eq(run_renew_at(&r), at + 6 * BF_SEC, "a link that ended by itself says nothing");
}

Test(replies, a_dead_link_is_found_before_the_lease_is_over)
{
    const bf_time lease = 45 * BF_SEC, beat = 18 * BF_SEC; /* the defaults, at their latest */
    cr_expect_lt(beat + run_patience(lease), lease - 10 * BF_SEC);
    cr_expect_eq(run_patience(BF_SEC), RUN_PATIENCE_LEAST);
    cr_expect_eq(run_patience(600 * BF_SEC), RUN_PATIENCE_FIRST);
}
