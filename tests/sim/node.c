/* A worker: slots, a journal, a lease, and processes that take time and go wrong.
 *
 * Level-triggered as proto/README.md has it: a Report is its state, Orders are the whole set that
 * is wanted here. It sends on change and as heartbeat. The lease counts from the sending of the
 * newest Report that the scheduler shows to know. */
#include "tests/sim/sim.h"

#define HEARTBEAT (15 * BF_SEC)

bool node_awake(const struct sim *s, const struct node *n)
{
    return n->up && n->paused_until <= s->now;
}

size_t node_processes(const struct node *n)
{
    size_t running = 0;
    vec_for_each (i, &n->journal)
        running += n->journal.v[i].state == PROC_RUNNING || n->journal.v[i].state == PROC_KILLED;
    return running;
}

static struct entry *find(struct node *n, struct id128 attempt)
{
    vec_for_each (i, &n->journal) {
        if (id128_eq(n->journal.v[i].work.attempt, attempt))
            return &n->journal.v[i];
    }
    return NULL;
}

/* ---- Reports --------------------------------------------------------------------------------- */

static void list_entries(const struct sim *s, const struct node *n, struct msg *m)
{
    vec_for_each (i, &n->journal) {
        const struct entry *e = &n->journal.v[i];
        if (e->state == PROC_DONE) {
            if (!e->acked && m->n_results < MAX_LISTED)
                m->results[m->n_results++] = e->result;
        } else if (m->n_running < MAX_LISTED) {
            bool started = e->state != PROC_QUEUED;
            m->running[m->n_running++] = (struct wire_running){
                .attempt = e->work.attempt,
                .started = started,
                .ago = started ? s->now - e->started : 0,
            };
        }
    }
}

static void report(struct sim *s, struct node *n)
{
    n->seq++;
    n->sent_seq[n->seq % ARRAY_SIZE(n->sent_seq)] = n->seq;
    n->sent_at[n->seq % ARRAY_SIZE(n->sent_at)] = s->now;
    for (int hub = 0; hub < N_HUBS; hub++) {
        struct msg *m = msg_new();
        m->node = n->id;
        m->hub = hub;
        m->boot = n->boot;
        m->seq = n->seq;
        m->echo_term = n->term;
        m->echo_seq = n->orders_seq;
        m->slots = n->slots;
        list_entries(s, n, m);
        net_send(s, m);
    }
}

static void heartbeat(struct sim *s, void *what, uint64_t boots)
{
    struct node *n = what;
    if (!n->up || boots != n->boots)
        return;
    if (n->paused_until > s->now) {
        sim_at(s, n->paused_until, heartbeat, n, boots);
        return;
    }
    report(s, n);
    sim_at(s, s->now + rnd_time(s, HEARTBEAT / 2, HEARTBEAT), heartbeat, n, boots);
}

/* ---- processes ------------------------------------------------------------------------------- */

static void end_failed(struct entry *e, enum fail_class fail_class)
{
    e->state = PROC_DONE;
    e->result = (struct wire_result){
        .attempt = e->work.attempt, .outcome = OUTCOME_FAILED, .fail_class = fail_class};
}

static void end_well(struct entry *e, struct sha256 digest)
{
    e->state = PROC_DONE;
    e->result = (struct wire_result){
        .attempt = e->work.attempt, .outcome = OUTCOME_SUCCEEDED, .digest = digest};
}

/* What the work comes to. Builds are not reproducible here: each attempt has its own digest. */
static void decide(struct sim *s, struct entry *e)
{
    const struct work *w = &e->work;
    if (chance(s, s->infra)) {
        end_failed(e, FAIL_INFRA);
        return;
    }
    struct sha256 made = w->digest;
    switch (w->kind) {
    case JOB_BUILD:
        if (recipe_is_bad(&w->recipe)) {
            end_failed(e, chance(s, 50) ? FAIL_USER : FAIL_TIMEOUT);
            return;
        }
        made = sim_hash(w->attempt.b, sizeof w->attempt.b);
        break;
    case JOB_TEST:
        if (tests_are_bad(&w->recipe, &w->tests_key) || chance(s, s->flaky)) {
            end_failed(e, FAIL_USER);
            return;
        }
        break;
    case JOB_PUBLISH:
        check_tag(s, w->image, &w->digest);
        sim_trace(s, "tag of image %lld moves (job %lld)", (long long)w->image, (long long)w->job);
        s->tag[w->image] = (struct tag){w->digest, w->serial};
        break;
    case JOB_MIRROR:
        s->site_tag[w->site][w->image] = (struct tag){w->digest, w->serial};
        break;
    }
    end_well(e, made);
}

static void start_queued(struct sim *s, struct node *n);

static void process_ends(struct sim *s, void *what, uint64_t generation)
{
    struct node *n = what;
    if (!n->up)
        return;
    if (n->paused_until > s->now) {
        sim_at(s, n->paused_until + rnd_time(s, 1, BF_SEC), process_ends, n, generation);
        return;
    }
    vec_for_each (i, &n->journal) {
        struct entry *e = &n->journal.v[i];
        if (e->generation != generation)
            continue;
        if (e->state == PROC_RUNNING)
            decide(s, e);
        else if (e->state == PROC_KILLED)
            end_failed(e, n->fenced ? FAIL_INFRA : FAIL_NONE);
        if (e->result.fail_class == FAIL_NONE && e->result.outcome == OUTCOME_FAILED)
            e->result.outcome = OUTCOME_CANCELLED;
        sim_trace(s, "worker %d: attempt of job %lld ends: %d", n->id, (long long)e->work.job,
                  (int)e->result.outcome);
        start_queued(s, n);
        report(s, n);
        return;
    }
}

static void run_until(struct sim *s, struct node *n, struct entry *e, bf_time end)
{
    e->generation = ++n->generation;
    sim_at(s, end, process_ends, n, e->generation);
}

static void start_queued(struct sim *s, struct node *n)
{
    size_t running = node_processes(n);
    for (size_t i = 0; !n->fenced && i < n->journal.n && running < n->slots; i++) {
        struct entry *e = &n->journal.v[i];
        if (e->state != PROC_QUEUED)
            continue;
        e->state = PROC_RUNNING;
        e->started = s->now;
        running++;
        sim_trace(s, "worker %d: starts job %lld", n->id, (long long)e->work.job);
        run_until(s, n, e,
                  s->now +
                      rnd_time(s, BF_SEC, e->work.kind == JOB_BUILD ? 120 * BF_SEC : 40 * BF_SEC));
    }
}

static void kill_process(struct sim *s, struct node *n, struct entry *e, bf_time within)
{
    e->state = PROC_KILLED;
    run_until(s, n, e, s->now + rnd_time(s, BF_MSEC, within));
}

/* ---- the lease ------------------------------------------------------------------------------- */

/* A host that was stopped looks at its clock before it does anything else. */
static void fence(struct sim *s, struct node *n)
{
    if (!n->kill || n->fenced || s->now <= n->lease_base + LEASE || s->mutation == MUT_NO_FENCE)
        return;
    n->fenced = true;
    sim_trace(s, "worker %d: lease is over", n->id);
    vec_for_each (i, &n->journal) {
        struct entry *e = &n->journal.v[i];
        if (e->state == PROC_QUEUED)
            end_failed(e, FAIL_INFRA);
        else if (e->state == PROC_RUNNING)
            kill_process(s, n, e, KILL_TIME - BF_SEC);
    }
}

static void fence_timer(struct sim *s, void *what, uint64_t boots)
{
    struct node *n = what;
    if (!n->up || boots != n->boots)
        return;
    if (n->paused_until <= s->now)
        fence(s, n);
    bf_time next = n->lease_base + LEASE + 1;
    if (next <= s->now)
        next = s->now + BF_SEC;
    sim_at(s, next > n->paused_until ? next : n->paused_until, fence_timer, n, boots);
}

static void renew_lease(struct sim *s, struct node *n, const struct msg *m)
{
    uint64_t seq = m->echo_report;
    bf_time base = n->sent_at[seq % ARRAY_SIZE(n->sent_at)];
    if (s->mutation == MUT_LEASE_BY_ORDERS)
        base = s->now;
    else if (n->sent_seq[seq % ARRAY_SIZE(n->sent_seq)] != seq)
        return;
    if (base > n->lease_base)
        n->lease_base = base;
    n->kill = m->kill;
    if (s->now <= n->lease_base + LEASE)
        n->fenced = false;
}

/* ---- Orders ---------------------------------------------------------------------------------- */

static bool is_wanted(const struct msg *m, struct id128 attempt)
{
    for (size_t i = 0; i < m->n_wanted; i++) {
        if (id128_eq(m->wanted[i].attempt, attempt))
            return true;
    }
    return false;
}

static bool take_acks(struct node *n, const struct msg *m)
{
    bool news = false;
    for (size_t i = 0; i < m->n_acks; i++) {
        struct entry *e = find(n, m->acks[i].attempt);
        if (e && e->state == PROC_DONE && !e->acked)
            news = e->acked = true;
    }
    return news;
}

/* What is wanted no more ends; what is finished, acknowledged and omitted is forgotten. */
static bool drop_unwanted(struct sim *s, struct node *n, const struct msg *m)
{
    bool news = false;
    size_t kept = 0;
    vec_for_each (i, &n->journal) {
        struct entry *e = &n->journal.v[i];
        bool wanted = is_wanted(m, e->work.attempt);
        if (!wanted && (e->state == PROC_QUEUED || (e->state == PROC_DONE && e->acked))) {
            news |= e->state == PROC_QUEUED;
            continue;
        }
        if (!wanted && e->state == PROC_RUNNING)
            kill_process(s, n, e, 5 * BF_SEC);
        n->journal.v[kept++] = *e;
    }
    n->journal.n = kept;
    return news;
}

static bool add_wanted(struct node *n, const struct msg *m)
{
    bool news = false;
    for (size_t i = 0; i < m->n_wanted; i++) {
        if (!m->has_work[i] || find(n, m->wanted[i].attempt))
            continue;
        *vec_push(&n->journal) = (struct entry){.work = m->wanted[i]};
        news = true;
    }
    return news;
}

static void take_orders(struct sim *s, struct node *n, const struct msg *m)
{
    bool first = n->term != m->term;
    n->term = m->term;
    n->orders_seq = m->seq;
    renew_lease(s, n, m);
    fence(s, n); /* Orders that were long under way may show only an old Report */
    bool news = take_acks(n, m);
    news |= drop_unwanted(s, n, m);
    if (!n->fenced)
        news |= add_wanted(n, m);
    start_queued(s, n);
    if (news || first)
        report(s, n);
}

static void retake(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct msg *m = what;
    node_take(s, &s->nodes[m->node], m);
    msg_put(m);
}

static void drop(void *what)
{
    msg_put(what);
}

void node_take(struct sim *s, struct node *n, const struct msg *m)
{
    if (!n->up || !id128_eq(m->boot, n->boot))
        return;
    if (n->paused_until > s->now) {
        struct msg *copy = xmemdup(m, sizeof *m);
        copy->refs = 1;
        sim_at_owned(s, n->paused_until + rnd_time(s, 0, BF_MSEC), retake, copy, drop);
        return;
    }
    fence(s, n);
    if (m->term < n->term || (m->term == n->term && m->seq <= n->orders_seq))
        return;
    take_orders(s, n, m);
}

/* ---- life ------------------------------------------------------------------------------------ */

void node_start(struct sim *s, struct node *n)
{
    n->up = true;
    n->boots++;
    n->seq = n->orders_seq = 0;
    n->fenced = false;
    n->lease_base = s->now;
    memset(n->sent_seq, 0, sizeof n->sent_seq);
    uint64_t name[2] = {(uint64_t)n->id, n->boots};
    memcpy(n->boot.b, name, sizeof n->boot.b);
    sim_trace(s, "worker %d: up, boot %d", n->id, (int)n->boots);
    report(s, n);
    sim_at(s, s->now + rnd_time(s, BF_SEC, HEARTBEAT), heartbeat, n, n->boots);
    sim_at(s, s->now + LEASE, fence_timer, n, n->boots);
}

/* With its journal it knows, at the next start, what it had begun and what it had finished. */
void node_stop(struct sim *s, struct node *n, bool keep_journal)
{
    if (!n->up)
        return;
    sim_trace(s, "worker %d: down%s", n->id, keep_journal ? "" : ", its disk is lost");
    n->up = false;
    n->paused_until = 0;
    s->restarts++;
    if (!keep_journal) {
        vec_clear(&n->journal);
        n->term = 0;
        return;
    }
    vec_for_each (i, &n->journal) {
        n->journal.v[i].generation = 0;
        if (n->journal.v[i].state != PROC_DONE)
            end_failed(&n->journal.v[i], FAIL_INFRA);
    }
}
