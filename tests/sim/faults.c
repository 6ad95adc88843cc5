/* Everything that goes wrong, and the people who work on meanwhile. */
#include "tests/sim/sim.h"

static struct node *any_node(struct sim *s)
{
    return &s->nodes[1 + rnd_below(s, (uint64_t)s->n_nodes)];
}

static struct hub *any_hub(struct sim *s)
{
    return &s->hubs[rnd_below(s, N_HUBS)];
}

/* ---- processes ------------------------------------------------------------------------------- */

static void restart_node(struct sim *s, void *what, uint64_t boots)
{
    struct node *n = what;
    if (!n->up && n->boots == boots)
        node_start(s, n);
}

static void crash_node(struct sim *s)
{
    struct node *n = any_node(s);
    node_stop(s, n, chance(s, 70));
    sim_at(s, s->now + rnd_time(s, BF_SEC / 10, 120 * BF_SEC), restart_node, n, n->boots);
}

static void pause_node(struct sim *s)
{
    struct node *n = any_node(s);
    if (n->paused_until <= s->now)
        n->paused_until = s->now + rnd_time(s, BF_SEC, 120 * BF_SEC);
    sim_trace(s, "worker %d: stopped until %lld s", n->id, (long long)(n->paused_until / BF_SEC));
}

static void restart_hub(struct sim *s, void *what, uint64_t life)
{
    struct hub *h = what;
    if (!h->up && h->life == life)
        hub_start(s, h);
}

static void crash_hub(struct sim *s)
{
    struct hub *h = any_hub(s);
    if (!h->up)
        return;
    hub_stop(s, h);
    sim_at(s, s->now + rnd_time(s, BF_SEC / 10, 60 * BF_SEC), restart_hub, h, h->life);
}

static void pause_hub(struct sim *s)
{
    struct hub *h = any_hub(s);
    if (h->paused_until <= s->now)
        h->paused_until = s->now + rnd_time(s, BF_SEC / 10, 60 * BF_SEC);
    sim_trace(s, "hub %d: stopped until %lld s", h->id, (long long)(h->paused_until / BF_SEC));
}

static void stop_database(struct sim *s)
{
    s->db.down_until = s->now + rnd_time(s, BF_SEC / 10, 40 * BF_SEC);
    sim_trace(s, "database down until %lld s", (long long)(s->db.down_until / BF_SEC));
}

/* ---- network --------------------------------------------------------------------------------- */

static void join_up(struct sim *s, void *what, uint64_t site)
{
    (void)what;
    s->cut_up[site] = false;
}

static void join_down(struct sim *s, void *what, uint64_t site)
{
    (void)what;
    s->cut_down[site] = false;
}

static void cut_site(struct sim *s)
{
    uint64_t site = 1 + rnd_below(s, N_SITES);
    bf_time end = s->now + rnd_time(s, 5 * BF_SEC, site == 2 ? 40 * 60 * BF_SEC : 300 * BF_SEC);
    uint64_t how = rnd_below(s, 3);
    sim_trace(s, "site %d cut (%d)", (int)site, (int)how);
    if (how != 1) {
        s->cut_up[site] = true;
        sim_at(s, end, join_up, NULL, site);
    }
    if (how != 2) {
        s->cut_down[site] = true;
        sim_at(s, end + rnd_time(s, 0, 60 * BF_SEC), join_down, NULL, site);
    }
}

static void join_node(struct sim *s, void *what, uint64_t n)
{
    (void)what;
    s->cut_node[n] = false;
}

static void cut_node(struct sim *s)
{
    int n = any_node(s)->id;
    s->cut_node[n] = true;
    sim_trace(s, "worker %d cut", n);
    sim_at(s, s->now + rnd_time(s, BF_SEC, 120 * BF_SEC), join_node, NULL, (uint64_t)n);
}

static void weather(struct sim *s)
{
    s->loss = chance(s, 50) ? 0 : (unsigned)rnd_below(s, 25);
    s->doubled = chance(s, 50) ? 0 : (unsigned)rnd_below(s, 50);
    s->delay = rnd_time(s, 0, 20 * BF_SEC);
}

/* ---- operators ------------------------------------------------------------------------------- */

void operator_asks(struct sim *s, enum input_type type, int64_t object)
{
    *vec_push(&s->db.commands) = (struct t_command){.type = type, .object = object};
    sim_trace(s, "operator asks %d of %lld", (int)type, (long long)object);
    for (int i = 0; i < N_HUBS; i++)
        hub_wake(s, &s->hubs[i]);
}

static void ask_about_a_job(struct sim *s, enum input_type type)
{
    size_t n = s->db.jobs.n;
    size_t live = chance(s, 50) ? n : 0;
    while (live && !job_is_live(s->db.jobs.v[live - 1]->row.state))
        live--;
    if (live)
        operator_asks(s, type, (int64_t)live); /* the newest that runs: a publish, with luck */
    else if (n)
        operator_asks(s, type, (int64_t)(n - rnd_below(s, n < 40 ? n : 40)));
}

/* Somebody cancels a publish or mirror that runs at a worker out of reach, and wants it otherwise.
 */
static void change_mind(struct sim *s)
{
    vec_for_each (i, &s->db.jobs) {
        const struct job_row *r = &s->db.jobs.v[i]->row;
        if (r->state != JOB_RUNNING || (r->kind != JOB_PUBLISH && r->kind != JOB_MIRROR))
            continue;
        s->cut_node[r->worker] = true;
        sim_at(s, s->now + rnd_time(s, BF_SEC, 90 * BF_SEC), join_node, NULL, (uint64_t)r->worker);
        operator_asks(s, IN_CANCEL_JOB, r->id);
        git_republish(s, r->image);
        return;
    }
}

static void drain_or_resume(struct sim *s)
{
    int64_t worker = any_node(s)->id;
    operator_asks(s, s->db.workers[worker].drained ? IN_RESUME : IN_DRAIN, worker);
}

static void set_slots(struct sim *s)
{
    int worker = any_node(s)->id;
    s->db.workers[worker].slots_wanted = (unsigned)rnd_below(s, 3); /* 0: what it says itself */
    sim_trace(s, "operator wants %u slots of worker %d", s->db.workers[worker].slots_wanted,
              worker);
    for (int i = 0; i < N_HUBS; i++) {
        s->hubs[i].want_workers = true;
        hub_wake(s, &s->hubs[i]);
    }
}

static void change_slots(struct sim *s)
{
    any_node(s)->slots = 1 + (unsigned)rnd_below(s, 3);
}

/* ---- the dice -------------------------------------------------------------------------------- */

static void break_something(struct sim *s)
{
    static void (*const faults[])(struct sim *) = {
        crash_node, crash_node, crash_node,    pause_node, crash_hub,
        crash_hub,  pause_hub,  stop_database, cut_site,   cut_site,
        cut_node,   cut_node,   weather,       weather,    change_slots,
    };
    faults[rnd_below(s, ARRAY_SIZE(faults))](s);
}

static void people(struct sim *s)
{
    uint64_t what = rnd_below(s, 25);
    if (what >= 23)
        set_slots(s);
    else if (what >= 20)
        change_mind(s);
    else if (what < 10)
        git_edit(s);
    else if (what < 12)
        git_base_moves(s);
    else if (what < 15)
        ask_about_a_job(s, IN_CANCEL_JOB);
    else if (what < 18)
        ask_about_a_job(s, IN_RETRY_JOB);
    else
        drain_or_resume(s);
}

static void roll(struct sim *s, void *what, uint64_t wildness)
{
    (void)what;
    if (s->healed)
        return;
    if (wildness && chance(s, 60))
        break_something(s);
    else
        people(s);
    sim_at(s, s->now + rnd_time(s, BF_SEC, wildness == 2 ? 25 * BF_SEC : 90 * BF_SEC), roll, NULL,
           wildness);
}

void faults_start(struct sim *s, unsigned wildness)
{
    sim_at(s, s->now + BF_SEC, roll, NULL, wildness);
}

void resume_all(struct sim *s)
{
    for (int i = 1; i <= s->n_nodes; i++) {
        if (s->db.workers[i].drained)
            operator_asks(s, IN_RESUME, i);
    }
}

void faults_heal(struct sim *s)
{
    sim_trace(s, "everything heals");
    s->healed = true;
    s->loss = s->doubled = s->infra = s->flaky = 0;
    s->delay = 0;
    s->db.down_until = 0;
    for (int site = 1; site <= N_SITES; site++)
        s->cut_up[site] = s->cut_down[site] = false;
    memset(s->cut_node, 0, sizeof s->cut_node);
    for (int i = 1; i <= s->n_nodes; i++) {
        if (!s->nodes[i].up)
            node_start(s, &s->nodes[i]);
    }
    for (int i = 0; i < N_HUBS; i++) {
        if (!s->hubs[i].up)
            hub_start(s, &s->hubs[i]);
    }
    vec_for_each (i, &s->db.bases) {
        if (sha256_is_none(&s->db.bases.v[i].digest)) {
            s->db.bases.v[i].digest = sim_hash(&i, sizeof i);
            s->hubs[0].want_bases = s->hubs[1].want_bases = true;
        }
    }
}
