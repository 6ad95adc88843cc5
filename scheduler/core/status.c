/* What PostgreSQL answered to the ops of a transaction.
 *
 * The world is ahead of the database by at most one transaction and normally right. Here it is set
 * right where it was not: corrected when the answer says how, else the row is asked for again. */
#include "scheduler/core/world.h"

/* Nothing is done to it until its row has come. */
static void doubt(struct world *w, struct job *j)
{
    if (j->state == JOB_READY && !j->held)
        queue_del(w, j);
    emit_reload(w, j);
}

/* Its row is against a constraint of the schema: it rests, the farm goes on. */
static void refuse(struct world *w, struct job *j)
{
    j->refused = true;
    if (!job_is_over(j->state) && j->state != JOB_WAITING)
        job_correct(w, j, JOB_WAITING, WAIT_NONE);
    j->told = false;
    emit_wait(w, j, WAIT_QUARANTINED, 0, xstrdup("refused by the database, see farm.quarantine"));
}

/* What children are built from. A late result of an older revision does not turn it back. */
static void passed(struct world *w, const struct job *test, const struct sha256 *digest,
                   const char *repository)
{
    struct image *im = test->image;
    if (test->revision < im->passing_serial || sha256_is_none(digest))
        return;
    im->passing_serial = test->revision;
    made_set(w, &im->passing, digest, repository);
}

/* Where it lies is kept when the answer does not say. */
static void slot_answer(struct world *w, struct slot *s, const struct sha256 *digest,
                        const char *repository)
{
    made_set(w, &s->made, digest, repository ? repository : made_repository(s->made));
}

static void of_ready(struct world *w, struct job *j, enum op_status st, const struct sha256 *digest,
                     const char *repository)
{
    switch (st) {
    case ST_OK:
        return;
    case ST_SKIPPED:
        if (j->newest)
            slot_answer(w, j->slot, digest, repository);
        job_correct(w, j, JOB_SKIPPED, WAIT_NONE);
        return;
    case ST_REFUSED:
        refuse(w, j);
        return;
    case ST_STALE:
    case ST_BUSY:
    case ST_OUTDATED:
    case ST_DUPLICATE:
    case ST_FENCED:
    case ST_UNKNOWN:
        doubt(w, j);
        return;
    }
    BUG("status %d", (int)st);
}

static void hold(struct world *w, struct job *j)
{
    queue_del(w, j);
    j->held = true;
    job_until(w, j, w->now + w->config.backoff_min);
}

static void of_claim(struct world *w, struct job *j, const struct op *op, enum op_status st)
{
    if (st == ST_OK || !j->lease || !id128_eq(j->lease->attempt, op->attempt))
        return; /* it was skipped in the same transaction, say */
    emit_orders(w, j->lease->worker);
    j->attempts--;
    job_correct(w, j, JOB_READY, WAIT_NONE);
    switch (st) {
    case ST_BUSY:
        hold(w, j);
        return;
    case ST_OUTDATED:
        job_supersede(w, j);
        return;
    case ST_REFUSED:
        refuse(w, j);
        return;
    case ST_OK:
    case ST_STALE:
    case ST_SKIPPED:
    case ST_DUPLICATE:
    case ST_FENCED:
    case ST_UNKNOWN:
        doubt(w, j);
        return;
    }
    BUG("status %d", (int)st);
}

/* The result cannot be stored, so the attempt counts as lost, and people must look. */
static void refuse_result(struct world *w, struct job *j, const struct op *finish)
{
    struct op *op = emit(w, OP_LOSE, j->id);
    op->attempt = finish->attempt;
    op->worker = finish->worker;
    op->next = JOB_FAILED;
    op->reason = WAIT_QUARANTINED;
    job_correct(w, j, JOB_FAILED, WAIT_QUARANTINED);
}

static void of_finish(struct world *w, struct job *j, const struct op *op, enum op_status st,
                      const struct sha256 *digest, const char *repository)
{
    ack_set(w, op->worker, op->attempt, st == ST_REFUSED ? ST_UNKNOWN : st);
    if (!j)
        return;
    if (st == ST_REFUSED) {
        refuse_result(w, j, op);
    } else if (st != ST_OK) {
        doubt(w, j);
    } else if (op->next == JOB_SUCCEEDED && !sha256_is_none(digest)) {
        if (j->newest)
            slot_answer(w, j->slot, digest, repository);
        if (j->kind == JOB_TEST)
            passed(w, j, digest, repository ? repository : made_repository(j->slot->made));
    }
}

void take_status(struct world *w, const struct op *op, enum op_status st,
                 const struct sha256 *digest, const char *repository)
{
    struct job *j = op->job ? world_job(w, op->job) : NULL;
    if (!j && op->type != OP_FINISH)
        return;
    switch (op->type) {
    case OP_MAKE_READY:
    case OP_RETRY_READY:
        of_ready(w, j, st, digest, repository);
        return;
    case OP_CLAIM:
        of_claim(w, j, op, st);
        return;
    case OP_FINISH:
        of_finish(w, j, op, st, digest, repository);
        return;
    case OP_START:
    case OP_LOSE:
    case OP_END:
    case OP_REOPEN:
        if (st != ST_OK && st != ST_REFUSED && j->state != JOB_SKIPPED)
            doubt(w, j);
        return;
    case OP_WAIT: /* the job went on in the same transaction */
    case OP_WORKER_SEEN:
    case OP_DRAIN:
    case OP_COMMAND_DONE:
    case OP_EXPLAIN:
        return;
    }
    BUG("op %d", (int)op->type);
}

void take_committed(struct world *w)
{
    leases_durable(w);
    acks_committed(w);
    w->committed = true;
}

/* What ended in that transaction counts now, with the digests that its answers brought. */
void settle(struct world *w)
{
    if (!w->committed)
        return;
    w->committed = false;
    for (size_t i = 0; i < w->settling.n; i++) {
        struct job *j = w->settling.v[i];
        j->settling = false;
        if (!j->newest)
            continue;
        bool through = job_is_through(j->state);
        if (through && j->kind == JOB_TEST)
            passed(w, j, made_digest(j->slot->made), made_repository(j->slot->made));
        notify_successors(w, j);
        if (through && !j->frozen)
            job_through(w, j);
    }
    vec_clear(&w->settling);
}
