/* Farms whose brains are recorded, and fed to others again. */
#include "tests/sim/replay.h"
#include "tests/sim/sim.h"

#include <criterion/criterion.h>
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 6
#else
#define SEEDS 12
#endif

struct records {
    struct str hub[N_HUBS];
};

static struct records recorded(uint64_t seed)
{
    struct records x;
    for (int i = 0; i < N_HUBS; i++)
        str_init(&x.hub[i]);
    char *failure = sim_farm_recorded(seed, x.hub);
    cr_assert_null(failure, "BF_SIM_SEED=%llu: %s", (unsigned long long)seed, failure);
    return x;
}

static void records_release(struct records *x)
{
    for (int i = 0; i < N_HUBS; i++)
        str_release(&x->hub[i]);
}

Test(sim_trace, a_recorded_farm_is_decided_the_same_again)
{
    size_t inputs = 0, ops = 0, worlds = 0, bytes = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct records x = recorded(seed);
        for (int i = 0; i < N_HUBS; i++) {
            struct replay r = {0};
            struct str said = STR_INIT;
            enum replay_end end = replay_run(&r, x.hub[i].p, x.hub[i].len, &said);
            cr_assert_eq(end, REPLAY_SAME, "seed %llu: %s", (unsigned long long)seed, said.p);
            cr_assert(r.ended);
            inputs += r.inputs;
            ops += r.ops;
            worlds += r.worlds;
            bytes += x.hub[i].len;
            str_release(&said);
        }
        records_release(&x);
    }
    cr_assert_gt(worlds, (size_t)SEEDS);
    cr_assert_gt(ops, 100 * (size_t)SEEDS);
    fprintf(stderr, "%zu worlds, %zu inputs, %zu ops, %zu bytes\n", worlds, inputs, ops, bytes);
}

Test(sim_trace, recording_changes_nothing)
{
    struct sim plain;
    free(sim_farm(5, MUT_NONE, false, &plain));
    struct records x = recorded(5), y = recorded(5);
    for (int i = 0; i < N_HUBS; i++) {
        cr_assert_eq(x.hub[i].len, y.hub[i].len);
        cr_assert_arr_eq(x.hub[i].p, y.hub[i].p, x.hub[i].len);
    }
    records_release(&x);
    records_release(&y);
}

/* ---- another brain is noticed ---------------------------------------------------------------- */

static void longer_lease(struct brain_config *c)
{
    c->lease += 5 * BF_SEC;
}

static void longer_kill_time(struct brain_config *c)
{
    c->kill_time += 30 * BF_SEC;
}

static void shorter_backoff(struct brain_config *c)
{
    c->backoff_min -= BF_MSEC;
}

static void sooner_quarantined(struct brain_config *c)
{
    c->lost_limit = 1;
}

static void another_seed(struct brain_config *c)
{
    c->seed++;
}

static const struct {
    const char *name;
    void (*change)(struct brain_config *c);
} changes[] = {
    {"lease", longer_lease},          {"kill_time", longer_kill_time},
    {"backoff_min", shorter_backoff}, {"lost_limit", sooner_quarantined},
    {"seed", another_seed},
};

static void configure(void *arg, struct brain_config *c)
{
    void (*const *change)(struct brain_config *) = arg;
    (*change)(c);
}

static bool is_noticed(void (*change)(struct brain_config *), struct str *said)
{
    bool noticed = false;
    for (uint64_t seed = 1; seed <= SEEDS && !noticed; seed++) {
        struct records x = recorded(seed);
        for (int i = 0; i < N_HUBS && !noticed; i++) {
            struct replay r = {.configure = configure, .arg = &change};
            str_clear(said);
            noticed = replay_run(&r, x.hub[i].p, x.hub[i].len, said) == REPLAY_DIFFERS;
        }
        records_release(&x);
    }
    return noticed;
}

Test(sim_trace, a_changed_policy_is_noticed_and_told)
{
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        struct str said = STR_INIT;
        cr_assert(is_noticed(changes[i].change, &said), "%s", changes[i].name);
        cr_assert_not_null(strstr(said.p, "is decided in another way"), "%s", said.p);
        fprintf(stderr, "%s: %s\n", changes[i].name, said.p);
        str_release(&said);
    }
}

/* ---- broken traces --------------------------------------------------------------------------- */

Test(sim_trace, one_that_was_cut_off_is_replayed_as_far_as_it_goes)
{
    struct records x = recorded(3);
    const struct str *file = &x.hub[0];
    for (size_t n = file->len; n > file->len - 400; n--) {
        struct replay r = {0};
        struct str said = STR_INIT;
        char *cut = xmemdup(file->p, n);
        enum replay_end end = replay_run(&r, cut, n, &said);
        cr_assert(end == REPLAY_SAME || (end == REPLAY_BROKEN && strstr(said.p, "cut off")), "%s",
                  said.p);
        cr_assert_eq(r.ended, n == file->len);
        cr_assert_gt(r.inputs, 100);
        free(cut);
        str_release(&said);
    }
    records_release(&x);
}

static enum replay_end replay_text(const struct str *file, struct str *said)
{
    struct replay r = {0};
    str_clear(said);
    return replay_run(&r, file->p, file->len, said);
}

Test(sim_trace, records_in_a_wrong_order_are_refused)
{
    const struct input tick = {.type = IN_TICK};
    const struct effects none = {0};
    const struct brain_config config = {.term = 1, .lost_limit = 3, .hash = sim_hash_fn};
    struct str file = STR_INIT, said = STR_INIT;
    trace_head(&file);
    trace_input(&file, &tick, 1);
    cr_assert_eq(replay_text(&file, &said), REPLAY_BROKEN);
    cr_assert_not_null(strstr(said.p, "before any world"), "%s", said.p);
    str_clear(&file);
    trace_head(&file);
    trace_world(&file, &config);
    trace_input(&file, &tick, 1);
    cr_assert_eq(replay_text(&file, &said), REPLAY_SAME); /* the input that nobody survived */
    trace_input(&file, &tick, 1);
    cr_assert_eq(replay_text(&file, &said), REPLAY_BROKEN);
    str_clear(&file);
    trace_head(&file);
    trace_output(&file, &none, 0, 0);
    cr_assert_eq(replay_text(&file, &said), REPLAY_BROKEN);
    str_clear(&file);
    trace_head(&file);
    trace_end(&file, TRACE_ASKED);
    trace_world(&file, &config);
    cr_assert_eq(replay_text(&file, &said), REPLAY_BROKEN);
    str_release(&file);
    str_release(&said);
}
