/* What a Report says of attempts: started, finished, gone. */
#include "scheduler/core/world.h"

bool report_ended(const struct worker_report *r, struct id128 attempt)
{
    for (size_t i = 0; i < r->n_results; i++) {
        if (id128_eq(r->results[i].attempt, attempt))
            return true;
    }
    return false;
}

bool report_runs(const struct worker_report *r, struct id128 attempt)
{
    for (size_t i = 0; i < r->n_running; i++) {
        if (id128_eq(r->running[i].attempt, attempt))
            return true;
    }
    return false;
}

/* An attempt belongs to one boot of the worker. What its journal brought over goes on; of the rest
 * nothing is left, and nobody need wait for a lease. */
void report_lost_by_reboot(struct world *w, struct worker *k, const struct worker_report *r)
{
    list_for_each (it, &k->leases) {
        struct lease *l = container_of(it, struct lease, of_worker);
        if (id128_eq(l->boot, r->boot))
            continue;
        if (report_runs(r, l->attempt) || report_ended(r, l->attempt))
            l->boot = r->boot;
        else
            lease_lose(w, l);
    }
}

static void started(struct world *w, struct lease *l, bf_time ago)
{
    if (l->job->state == JOB_LEASED || l->started == 0)
        l->started = w->now - ago;
    if (l->job->state != JOB_LEASED)
        return;
    struct op *op = emit(w, OP_START, l->job->id);
    op->attempt = l->attempt;
    op->worker = l->worker->id;
    op->ago = ago;
    job_enter(w, l->job, JOB_RUNNING, WAIT_NONE);
}

void report_running(struct world *w, struct worker *k, const struct worker_report *r)
{
    k->strays = 0;
    for (size_t i = 0; i < r->n_running; i++) {
        struct lease *l = lease_find(w, r->running[i].attempt);
        if (!l || l->worker != k) {
            k->strays++;
            emit_orders(w, k); /* they will not name it: the worker ends it */
        } else if (r->running[i].started) {
            started(w, l, r->running[i].started_ago);
        }
    }
}

/* ---- results --------------------------------------------------------------------------------- */

static void apply(struct world *w, struct job *j, const struct decision *d,
                  const struct sha256 *digest)
{
    j->not_before = d->not_before;
    if (d->next == JOB_SUCCEEDED) {
        /* Where it lies comes with the answer; what a test passed stands in its slot already. */
        if (j->newest && j->kind != JOB_TEST)
            made_set(w, &j->slot->made, digest, NULL);
    } else {
        j->last_worker = short_nr(j->lease->worker->nr);
        j->keyed = d->next == JOB_WAITING;
        j->rerun |= d->next == JOB_READY;
    }
    job_enter(w, j, d->next, d->reason);
}

/* What the job was to test or publish is in no registry any more: nothing is built from it either.
 * The store makes the jobs that build it again (schema/README.md). */
static void forget_digest(struct world *w, struct job *j)
{
    struct image *im = job_has_arch(j) ? j->image : j->archs->n == 1 ? j->archs->v[0] : NULL;
    if (j->kind != JOB_BUILD && im &&
        sha256_eq(made_digest(im->passing), made_digest(im->test.made)))
        made_share(w, &im->passing, NULL);
}

/* How long such things take, and where the image lies. */
static void learn_from(struct world *w, const struct lease *l, const struct result_report *r)
{
    const struct job *j = l->job;
    if (r->outcome != OUTCOME_SUCCEEDED || !job_has_arch(j))
        return;
    bf_time seen = l->started ? w->now - l->started : 0;
    chain_learn(w, j, r->took > 0 ? r->took : seen);
    image_seen_at(j->image, l->worker);
}

/* What the worker is worth. One that gave the attempt up has shown nothing. */
static void rate(struct world *w, const struct lease *l, const struct decision *d,
                 enum outcome outcome)
{
    struct job *j = l->job;
    struct worker *k = l->worker;
    bool infra = outcome == OUTCOME_FAILED && d->reason == WAIT_BACKOFF;
    if (outcome == OUTCOME_SUCCEEDED && j->blames && j->last_worker && j->last_worker != k->nr)
        worker_blame(w, w->all_workers.v[j->last_worker - 1], l);
    if (infra)
        worker_failed(w, l);
    else if (outcome != OUTCOME_CANCELLED)
        worker_trust(w, k);
    j->blames = infra ? k->trusts : 0;
}

static void finish(struct world *w, struct lease *l, const struct result_report *r)
{
    struct job *j = l->job;
    struct decision d = decide_result(w, j, r->outcome, r->fail_class);
    struct op *op = emit(w, OP_FINISH, j->id);
    op->attempt = l->attempt;
    op->worker = l->worker->id;
    op->next = d.next;
    op->reason = d.reason;
    op->not_before = d.not_before;
    op->cookie = r->cookie;
    if (r->outcome == OUTCOME_FAILED && r->code && strcmp(r->code, "digest-gone") == 0)
        forget_digest(w, j);
    learn_from(w, l, r);
    rate(w, l, &d, r->outcome);
    apply(w, j, &d, &r->digest);
}

/* Of an attempt that is not current: recorded, so that the answer is known. */
static void finish_stranger(struct world *w, const struct worker *k, const struct result_report *r)
{
    struct op *op = emit(w, OP_FINISH, 0);
    op->attempt = r->attempt;
    op->worker = k->id;
    op->next = JOB_FAILED;
    op->cookie = r->cookie;
}

static struct ack_entry *ack_find(struct worker *k, struct id128 attempt)
{
    vec_for_each (i, &k->acks) {
        if (id128_eq(k->acks.v[i].attempt, attempt))
            return &k->acks.v[i];
    }
    return NULL;
}

static void report_result(struct world *w, struct worker *k, const struct result_report *r)
{
    struct ack_entry *known = ack_find(k, r->attempt);
    if (known) {
        if (!known->pending)
            emit_orders(w, k); /* it has not seen the acknowledgement */
        return;
    }
    struct lease *l = lease_find(w, r->attempt);
    if (l && l->job->frozen)
        return; /* in doubt; the worker will say it again */
    if (l && l->worker == k)
        finish(w, l, r);
    else
        finish_stranger(w, k, r);
    *vec_push(&k->acks) =
        (struct ack_entry){.attempt = r->attempt, .status = ST_OK, .pending = true};
    *vec_push(&w->pending_acks) = k->id;
    emit_orders(w, k);
}

void report_results(struct world *w, struct worker *k, const struct worker_report *r)
{
    for (size_t i = 0; i < r->n_results; i++)
        report_result(w, k, &r->results[i]);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

/* They live until a Report shows that the worker has seen them. */
void acks_drop(struct worker *k, const struct worker_report *r)
{
    size_t kept = 0;
    vec_for_each (i, &k->acks) {
        if (k->acks.v[i].pending || report_ended(r, k->acks.v[i].attempt))
            k->acks.v[kept++] = k->acks.v[i];
    }
    k->acks.n = kept;
}

void ack_set(struct world *w, int64_t worker, struct id128 attempt, enum op_status status)
{
    struct worker *k = idmap_get(&w->workers, worker);
    struct ack_entry *a = k ? ack_find(k, attempt) : NULL;
    if (a)
        a->status = status;
}

void acks_committed(struct world *w)
{
    vec_for_each (i, &w->pending_acks) {
        struct worker *k = idmap_get(&w->workers, w->pending_acks.v[i]);
        if (!k)
            continue;
        for (size_t a = 0; a < k->acks.n; a++)
            k->acks.v[a].pending = false;
    }
    vec_clear(&w->pending_acks);
}
