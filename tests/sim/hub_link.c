/* The scheduler's end of the wire: which Reports count, and what Orders say. */
#include "tests/sim/sim.h"

#define HEARTBEAT (12 * BF_SEC)
#define ECHO_LIMIT (30 * BF_SEC)

/* ---- Orders ---------------------------------------------------------------------------------- */

static bool is_listed(const struct msg *report, struct id128 attempt)
{
    for (size_t i = 0; i < report->n_running; i++) {
        if (id128_eq(report->running[i].attempt, attempt))
            return true;
    }
    for (size_t i = 0; i < report->n_results; i++) {
        if (id128_eq(report->results[i].attempt, attempt))
            return true;
    }
    return false;
}

static struct work work_of(struct sim *s, struct id128 attempt)
{
    const struct t_attempt *a = db_attempt(s, attempt);
    if (!a) { /* sent before its commit; the order was composed in the open transaction */
        sim_fail(s, "Orders name an attempt that is not in the database");
        return (struct work){0};
    }
    const struct t_job *j = db_job(s, a->job);
    struct work w = {.attempt = attempt,
                     .job = a->job,
                     .kind = j->row.kind,
                     .image = j->row.image,
                     .arch = j->row.image_arch,
                     .site = j->row.target_site,
                     .recipe = j->recipe,
                     .tests_key = j->tests_key};
    if (j->row.kind == JOB_TEST)
        w.digest = j->pins[0].digest;
    const struct t_release *r = NULL;
    if (j->row.kind == JOB_MIRROR)
        r = db_released(s, j->row.image);
    for (size_t i = 0; j->row.kind == JOB_PUBLISH && i < s->db.releases.n; i++) {
        if (s->db.releases.v[i].job == a->job)
            r = &s->db.releases.v[i];
    }
    if (r) {
        w.digest = r->digest;
        w.serial = r->serial;
    }
    return w;
}

void hub_send_orders(struct sim *s, struct hub *h, int64_t worker)
{
    struct hub_peer *p = &h->peers[worker];
    struct orders_view o;
    if (!h->on || !hub_may_act(s, h) || !p->stepped || !world_orders(h->world, worker, &o))
        return;
    struct msg *m = msg_new();
    m->orders = true;
    m->node = (int)worker;
    m->hub = h->id;
    m->term = h->term;
    m->seq = ++p->orders_seq;
    m->boot = p->stepped->boot;
    m->echo_report = p->stepped->seq;
    m->kill = o.kill_on_partition;
    for (size_t i = 0; i < o.n_wanted && i < MAX_LISTED; i++) {
        m->wanted[m->n_wanted] = (struct work){.attempt = o.wanted[i]};
        m->has_work[m->n_wanted] = !is_listed(p->stepped, o.wanted[i]);
        if (m->has_work[m->n_wanted])
            m->wanted[m->n_wanted] = work_of(s, o.wanted[i]);
        m->n_wanted++;
    }
    for (size_t i = 0; i < o.n_acks && i < MAX_LISTED; i++)
        m->acks[m->n_acks++] = o.acks[i];
    p->sent_at = s->now;
    p->unechoed_seq = m->seq;
    if (!p->unechoed_since) {
        p->unechoed_since = s->now;
        p->unechoed_first = m->seq;
    }
    net_send(s, m);
}

void hub_heartbeat(struct sim *s, struct hub *h)
{
    for (int i = 1; i <= s->n_nodes; i++) {
        if (h->peers[i].stepped && s->now - h->peers[i].sent_at >= HEARTBEAT)
            hub_send_orders(s, h, i);
    }
}

/* ---- Reports --------------------------------------------------------------------------------- */

static void take_echo(struct sim *s, struct hub *h, struct hub_peer *p, const struct msg *m)
{
    if (m->echo_term != h->term || !p->unechoed_since || m->echo_seq < p->unechoed_first)
        return;
    p->unechoed_since = m->echo_seq >= p->unechoed_seq ? 0 : s->now;
    p->unechoed_first = m->echo_seq + 1;
}

/* False: old, replayed, or of a boot that was left behind. */
static bool take_place(struct hub_peer *p, const struct msg *m)
{
    if (!id128_eq(m->boot, p->boot)) {
        if (id128_eq(m->boot, p->old_boot))
            return false;
        p->old_boot = p->boot;
        p->boot = m->boot;
        p->report_seq = 0;
        p->unechoed_since = 0;
    }
    if (m->seq <= p->report_seq)
        return false;
    p->report_seq = m->seq;
    return true;
}

static void retake(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct msg *m = what;
    hub_take(s, &s->hubs[m->hub], m);
}

static void drop(void *what)
{
    msg_put(what);
}

/* Takes the reference. */
void hub_take(struct sim *s, struct hub *h, struct msg *m)
{
    struct hub_peer *p = &h->peers[m->node];
    if (h->up && h->paused_until > s->now) {
        sim_at_owned(s, h->paused_until + rnd_time(s, 0, BF_MSEC), retake, m, drop);
        return;
    }
    if (!h->up || !h->on || !take_place(p, m)) {
        msg_put(m);
        return;
    }
    take_echo(s, h, p, m);
    if (p->unechoed_since && s->now - p->unechoed_since > ECHO_LIMIT) {
        if (!p->cut)
            *vec_push(&h->link_down) = (struct input){.type = IN_LINK_DOWN, .worker_id = m->node};
        p->cut = true;
        msg_put(m);
    } else {
        p->cut = false;
        msg_put(p->report);
        p->report = m;
    }
    hub_wake(s, h);
}

static void step_report(struct sim *s, struct hub *h, const struct msg *m)
{
    struct running_report running[MAX_LISTED];
    struct result_report results[MAX_LISTED];
    for (size_t i = 0; i < m->n_running; i++)
        running[i] = (struct running_report){.attempt = m->running[i].attempt,
                                             .started = m->running[i].started,
                                             .phase = "",
                                             .started_ago = m->running[i].ago};
    for (size_t i = 0; i < m->n_results; i++)
        results[i] = (struct result_report){.attempt = m->results[i].attempt,
                                            .outcome = m->results[i].outcome,
                                            .fail_class = m->results[i].fail_class,
                                            .code = "",
                                            .digest = m->results[i].digest,
                                            .cookie = &m->results[i]};
    struct worker_report r = {.worker = m->node,
                              .boot = m->boot,
                              .arch = s->nodes[m->node].arch,
                              .slots = m->slots,
                              .accepting = true,
                              .running = running,
                              .n_running = m->n_running,
                              .results = results,
                              .n_results = m->n_results};
    hub_step(s, h, &(struct input){.type = IN_REPORT, .report = &r});
}

void hub_step_reports(struct sim *s, struct hub *h)
{
    for (int i = 1; i <= s->n_nodes; i++) {
        struct hub_peer *p = &h->peers[i];
        if (!p->report)
            continue;
        msg_put(p->stepped);
        p->stepped = p->report;
        p->report = NULL;
        step_report(s, h, p->stepped);
    }
}
