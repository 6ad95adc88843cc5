/* One farm: built, worked on and broken for half an hour, healed, and looked at. */
#include "scheduler/core/trace.h"
#include "tests/sim/sim.h"

#define BUILD_TEST (ROLE_BIT(JOB_BUILD) | ROLE_BIT(JOB_TEST))

static const struct {
    int64_t site;
    const char *arch;
    unsigned roles, slots;
} cast[] = {
    {1, "amd64", BUILD_TEST, 2},
    {1, "amd64", BUILD_TEST | ROLE_BIT(JOB_PUBLISH), 2},
    {1, "arm64", BUILD_TEST, 2},
    {1, "amd64", ROLE_BIT(JOB_PUBLISH), 1},
    {2, "amd64", BUILD_TEST | ROLE_BIT(JOB_MIRROR), 2},
    {3, "amd64", BUILD_TEST | ROLE_BIT(JOB_MIRROR), 2},
};

static void people_arrive(struct sim *s)
{
    static const char *const names[] = {"", "w1", "w2", "w3", "w4", "w5", "w6"};
    s->n_nodes = ARRAY_SIZE(cast);
    for (int i = 1; i <= s->n_nodes; i++) {
        s->db.workers[i] = (struct worker_row){
            .id = i, .name = names[i], .site = cast[i - 1].site, .roles = cast[i - 1].roles};
        s->nodes[i] = (struct node){.id = i,
                                    .site = cast[i - 1].site,
                                    .arch = cast[i - 1].arch,
                                    .slots = cast[i - 1].slots};
        node_start(s, &s->nodes[i]);
    }
    for (int i = 0; i < N_HUBS; i++) {
        s->hubs[i].id = i + 1;
        hub_start(s, &s->hubs[i]);
    }
}

static void settle_down(struct sim *s)
{
    faults_heal(s);
    for (int round = 0; round < 60 && !s->failure; round++) {
        resume_all(s); /* a drain that somebody asked for may have been done since */
        sim_run(s, s->now + 120 * BF_SEC);
        if (!is_settled(s) || s->failure)
            continue;
        size_t asked = s->db.commands.n;
        retry_what_failed(s);
        if (s->db.commands.n == asked)
            break;
    }
    sim_run(s, s->now + 60 * BF_SEC);
    if (!s->failure)
        check_end(s);
}

static void release(struct sim *s)
{
    sim_events_free(s);
    for (int i = 0; i < N_HUBS; i++)
        hub_free(&s->hubs[i]);
    for (int i = 1; i <= s->n_nodes; i++)
        vec_release(&s->nodes[i].journal);
    vec_release(&s->replayed);
    db_free(s);
    git_free(s);
}

static struct sim *sim_new(uint64_t seed, enum mutation mutation)
{
    struct sim *s = xcalloc(1, sizeof *s);
    s->seed = s->rng = seed;
    s->mutation = mutation;
    s->now = 1000000 * BF_SEC;
    unsigned wildness = mutation ? 2 : (unsigned)rnd_below(s, 3);
    s->infra = wildness ? (unsigned)rnd_below(s, 15) : 0;
    s->flaky = (unsigned)rnd_below(s, 10);
    s->wildness = wildness;
    return s;
}

static void live(struct sim *s)
{
    git_init(s);
    people_arrive(s);
    faults_start(s, s->wildness);
    sim_at(s, s->now, check_watch, NULL, 0);
    sim_run(s, s->now + rnd_time(s, 600 * BF_SEC, 2400 * BF_SEC));
    if (!s->failure)
        settle_down(s);
    s->hash = rnd(s) ^ s->steps ^ s->db.events.n;
    release(s);
}

char *sim_farm(uint64_t seed, enum mutation mutation, bool trace, struct sim *summary)
{
    struct sim *s = sim_new(seed, mutation);
    s->trace = trace;
    live(s);
    char *failure = s->failure;
    if (summary)
        *summary = *s;
    free(s);
    return failure;
}

char *sim_farm_recorded(uint64_t seed, struct str record[static N_HUBS])
{
    struct sim *s = sim_new(seed, MUT_NONE);
    s->record = record;
    for (int i = 0; i < N_HUBS; i++)
        trace_head(&record[i]);
    live(s);
    for (int i = 0; i < N_HUBS; i++)
        trace_end(&record[i], TRACE_ASKED);
    char *failure = s->failure;
    free(s);
    return failure;
}
