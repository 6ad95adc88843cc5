/* The promises, looked at from outside: rows, events, processes and registries.
 *
 * Numbers are those of the list of invariants: I1 one result, I2 nothing lost, I3 one owner, I4 tag
 * safety, I7 slots, I9 live, I13 history. */
#include "tests/sim/sim.h"

/* ---- I13: events replay to the current state --------------------------------------------------
 */

/* Written down once more, on purpose: farm.job_transition. */
static bool is_legal(enum job_state from, enum job_state to)
{
    static const char *const table[] = {
        "waiting ready",     "waiting skipped",   "waiting superseded", "waiting cancelled",
        "ready leased",      "ready waiting",     "ready superseded",   "ready cancelled",
        "leased running",    "leased succeeded",  "leased failed",      "leased ready",
        "leased waiting",    "leased superseded", "leased cancelled",   "running succeeded",
        "running failed",    "running ready",     "running waiting",    "running superseded",
        "running cancelled", "failed waiting",    "cancelled waiting",
    };
    char *step = xasprintf("%s %s", job_state_name(from), job_state_name(to));
    bool legal = false;
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        legal |= strcmp(step, table[i]) == 0;
    free(step);
    return legal;
}

static void replay(struct sim *s)
{
    while (s->replayed.n < s->db.jobs.n)
        *vec_push(&s->replayed) = JOB_WAITING;
    for (; s->events_seen < s->db.events.n; s->events_seen++) {
        const struct t_event *e = &s->db.events.v[s->events_seen];
        uint8_t *state = &s->replayed.v[e->job - 1];
        if (*state != e->from || !is_legal(e->from, e->to))
            sim_fail(s, "I13: job %lld went from %s to %s, it was %s", (long long)e->job,
                     job_state_name(e->from), job_state_name(e->to),
                     job_state_name((enum job_state) * state));
        *state = (uint8_t)e->to;
    }
    vec_for_each (i, &s->db.jobs) {
        if (s->replayed.v[i] != s->db.jobs.v[i]->row.state)
            sim_fail(s, "I13: the events of job %zu do not lead to its state", i + 1);
    }
}

/* ---- I1, I3: attempts -------------------------------------------------------------------------
 */

static void one_owner(struct sim *s)
{
    vec_for_each (i, &s->db.attempts) {
        const struct t_attempt *a = &s->db.attempts.v[i];
        const struct t_job *j = db_job(s, a->job);
        if (a->accepted > 1)
            sim_fail(s, "I1: a result of job %lld was accepted twice", (long long)a->job);
        bool current = job_is_live(j->row.state) && id128_eq(j->row.attempt, a->id);
        if (!a->ended && !current)
            sim_fail(s, "I3: job %lld has a live attempt that is not its current one",
                     (long long)a->job);
        if (a->ended && current)
            sim_fail(s, "I3: the current attempt of job %lld has ended", (long long)a->job);
    }
    vec_for_each (i, &s->db.jobs) {
        if (s->db.jobs.v[i]->decided > 1)
            sim_fail(s, "I1: job %zu was decided twice", i + 1);
    }
}

/* ---- I4: releases -----------------------------------------------------------------------------
 */

static bool has_passed(struct sim *s, const struct sha256 *digest)
{
    vec_for_each (i, &s->db.verdicts) {
        if (s->db.verdicts.v[i].passed && sha256_eq(&s->db.verdicts.v[i].digest, digest))
            return true;
    }
    return false;
}

static void check_release(struct sim *s, size_t at)
{
    const struct t_release *r = &s->db.releases.v[at];
    const struct t_job *j = db_job(s, r->job);
    for (size_t i = 0; i < j->n_pins; i++) {
        if (!has_passed(s, &j->pins[i].digest))
            sim_fail(s, "I4: %s was released without a passing verdict",
                     db_image(s, r->image)->name);
    }
    for (size_t i = 0; i < at; i++) {
        const struct t_release *o = &s->db.releases.v[i];
        if (o->image == r->image && o->released && o->revision > r->revision)
            sim_fail(s, "I4: %s went back to an older revision", db_image(s, r->image)->name);
    }
}

static void releases(struct sim *s)
{
    vec_for_each (i, &s->db.releases) {
        if (!s->db.releases.v[i].released || s->db.releases.v[i].checked)
            continue;
        s->db.releases.v[i].checked = true;
        check_release(s, i);
    }
}

void check_tag(struct sim *s, int64_t image, const struct sha256 *digest)
{
    vec_for_each (i, &s->db.releases) {
        if (s->db.releases.v[i].image == image && sha256_eq(&s->db.releases.v[i].digest, digest))
            return;
    }
    sim_fail(s, "I4: a tag of %s moves to a digest that has no release row",
             db_image(s, image)->name);
}

void check_commit(struct sim *s)
{
    replay(s);
    one_owner(s);
    releases(s);
}

/* ---- I3: processes ----------------------------------------------------------------------------
 */

static void check_process(struct sim *s, const struct node *n, const struct entry *e)
{
    const struct t_attempt *a = db_attempt(s, e->work.attempt);
    long long job = e->work.job;
    if (!a) {
        sim_fail(s, "I3: worker %d runs an attempt of job %lld that was never committed", n->id,
                 job);
        return;
    }
    if (!a->ended || n->site == 2)
        return; /* site 2 continues: it learns of the end when it is joined again */
    if (a->lost == 1)
        sim_fail(s, "I3: worker %d runs job %lld, which was given to another", n->id, job);
    else if (s->now > a->ended + LEASE + KILL_TIME + BF_SEC)
        sim_fail(s, "I3: worker %d runs job %lld without a lease", n->id, job);
}

void check_node(struct sim *s, const struct node *n)
{
    vec_for_each (i, &n->journal) {
        const struct entry *e = &n->journal.v[i];
        if (e->state == PROC_RUNNING || e->state == PROC_KILLED)
            check_process(s, n, e);
    }
}

void check_watch(struct sim *s, void *what, uint64_t n)
{
    (void)what;
    for (int i = 1; i <= s->n_nodes; i++) {
        /* One that was stopped wakes up late, and then it too needs the time to kill. */
        if (s->nodes[i].up && s->nodes[i].paused_until + KILL_TIME < s->now)
            check_node(s, &s->nodes[i]);
    }
    sim_at(s, s->now + BF_SEC, check_watch, what, n);
}

/* ---- the world and the database ---------------------------------------------------------------
 */

static void compare_job(struct sim *s, const struct job *j, const struct t_job *t)
{
    if (j->frozen || j->staged || j->refused)
        return;
    if (j->state != t->row.state)
        sim_fail(s, "job %lld is %s in the world, %s in the database", (long long)j->id,
                 job_state_name((enum job_state)j->state), job_state_name(t->row.state));
    if (t->row.state > JOB_READY)
        return;
    enum wait_reason ours = (enum wait_reason)j->reason, shown = db_reason(s, t);
    bool told = j->told;
    if (j->state == JOB_READY) {
        ours = bucket_of(j)->reason;
        told = bucket_of(j)->told && t->row.reason == WAIT_NONE;
    }
    if (shown == WAIT_NONE && !j->held)
        sim_fail(s, "I2: job %lld is %s and nobody says why", (long long)j->id,
                 job_state_name(t->row.state));
    if (told && ours != shown)
        sim_fail(s, "job %lld waits for two reasons: %s and %s", (long long)j->id,
                 ours ? wait_reason_name(ours) : "none", shown ? wait_reason_name(shown) : "none");
}

/* I9: a ready job and a free slot that could run it have met. */
static void check_idle(struct sim *s, const struct world *w)
{
    list_for_each (it, &w->buckets) {
        const struct bucket *b = container_of(it, struct bucket, all);
        if (b->queues.n && bucket_has_room(b))
            sim_fail(s, "I9: worker %d idles while jobs of %zu repositories are ready for it",
                     (int)bucket_someone(b, STAND_FREE)->id, b->queues.n);
    }
}

void check_hub(struct sim *s, struct hub *h)
{
    unsigned leases[MAX_NODES + 1] = {0};
    if (h->planning || brain_deadline(h->world) <= s->now)
        return;
    vec_for_each (i, &s->db.jobs) {
        const struct t_job *t = s->db.jobs.v[i];
        const struct job *j = world_job(h->world, (int64_t)i + 1);
        if (j)
            compare_job(s, j, t);
        else if (t->row.state <= JOB_RUNNING && !h->want_jobs.n)
            sim_fail(s, "I2: the leader does not know job %zu", i + 1);
        if (job_is_live(t->row.state))
            leases[t->row.worker]++;
    }
    check_idle(s, h->world);
    for (int i = 1; i <= s->n_nodes; i++) {
        const struct worker *k = idmap_get(&h->world->workers, i);
        if (k && k->n_leases != leases[i])
            sim_fail(s, "I7: worker %d has %u slots taken and %u live leases", i, k->n_leases,
                     leases[i]);
    }
}
