/* Many farms, each from its seed.
 *
 *     BF_SIM_SEED=n    runs this one only, and tells what happens
 *     BF_SIM_SEEDS=n   how many (default below)
 *     BF_SIM_FIRST=n   from which (default 1) */
#include "tests/sim/sim.h"

#include <criterion/criterion.h>
#include <stdio.h>

#if defined(__SANITIZE_ADDRESS__)
#define SEEDS 60
#else
#define SEEDS 300
#endif

static uint64_t from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    int64_t v;
    return text && parse_i64(text, 0, INT64_MAX, &v) == 0 ? (uint64_t)v : otherwise;
}

Test(sim, every_seed_keeps_the_promises)
{
    uint64_t only = from_env("BF_SIM_SEED", 0);
    uint64_t first = only ? only : from_env("BF_SIM_FIRST", 1);
    uint64_t n = only ? 1 : from_env("BF_SIM_SEEDS", SEEDS);
    uint64_t steps = 0, attempts = 0, losses = 0, restarts = 0, commits = 0, messages = 0;
    for (uint64_t seed = first; seed < first + n; seed++) {
        struct sim s;
        char *failure = sim_farm(seed, MUT_NONE, only != 0, &s);
        cr_assert_null(failure, "BF_SIM_SEED=%llu: %s", (unsigned long long)seed, failure);
        steps += s.steps;
        attempts += s.attempts;
        losses += s.losses;
        restarts += s.restarts;
        commits += s.db.commits;
        messages += s.messages;
    }
    fprintf(stderr,
            "%llu farms: %llu events, %llu messages, %llu transactions, %llu attempts, %llu lost, "
            "%llu crashes\n",
            (unsigned long long)n, (unsigned long long)steps, (unsigned long long)messages,
            (unsigned long long)commits, (unsigned long long)attempts, (unsigned long long)losses,
            (unsigned long long)restarts);
}

Test(sim, the_same_seed_is_the_same_run)
{
    struct sim a, b;
    free(sim_farm(7, MUT_NONE, false, &a));
    free(sim_farm(7, MUT_NONE, false, &b));
    cr_assert_eq(a.hash, b.hash);
    cr_assert_eq(a.steps, b.steps);
    cr_assert_eq(a.messages, b.messages);
}

/* A checker that finds nothing proves nothing: each of these mistakes must be found. */
static const struct {
    enum mutation mutation;
    const char *name;
} mutations[] = {
    {MUT_DOUBLE_RESULT, "a result is applied twice"},
    {MUT_NO_FENCE, "a worker does not fence itself"},
    {MUT_LEASE_BY_ORDERS, "a lease that counts from the arrival of Orders"},
    {MUT_ACT_FIRST, "sending before the commit"},
    {MUT_NO_KILL_TIME, "dispatching again without the kill time"},
    {MUT_LOST_ACK, "answers that are not handed on"},
    {MUT_SLOT_LEAK, "a lost attempt that does not end"},
};

Test(sim, every_mistake_is_found)
{
    for (size_t i = 0; i < ARRAY_SIZE(mutations); i++) {
        char *found = NULL;
        uint64_t seed = 1;
        for (; seed <= 200 && !found; seed++)
            found = sim_farm(seed, mutations[i].mutation, false, NULL);
        cr_assert_not_null(found, "not found: %s", mutations[i].name);
        fprintf(stderr, "%s: seed %llu: %s\n", mutations[i].name, (unsigned long long)seed - 1,
                found);
        free(found);
    }
}
