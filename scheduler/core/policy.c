/* Dispatch: which ready job goes to which worker, and why the others wait.
 *
 * Ready jobs that exactly the same workers can run share a bucket; queue.c says who is first in it,
 * capacity.c who gets it. A bucket is hot when it has ready jobs and its jobs or its workers'
 * capacity have changed; dispatch looks at hot buckets only, so a turn costs what is new in it, not
 * the length of the queue. A step makes a bounded number of starts; brain_deadline says at once
 * while buckets are hot. */
#include "scheduler/core/world.h"

#include "common/base/str.h"

#define MOST_CLAIMS 1024

static void claim(struct world *w, struct job *j, struct worker *k)
{
    struct id128 attempt = world_attempt_id(w, j->id);
    struct op *op = emit(w, OP_CLAIM, j->id);
    op->attempt = attempt;
    op->worker = k->id;
    op->boot = k->boot;
    op->apart = job_has_arch(j);
    j->attempts = (uint16_t)(j->attempts + (j->attempts < UINT16_MAX));
    share_charge(w, j);
    job_enter(w, j, JOB_LEASED, WAIT_NONE);
    worker_promise(k, bucket_of(j));
    struct lease *l = lease_new(w, j, k, attempt, k->boot);
    l->started = w->now;
    *vec_push(&w->undurable) = attempt;
    emit_orders(w, k);
}

/* ---- why the rest waits ---------------------------------------------------------------------- */

static bool anyone(const struct bucket *b, enum stand stand)
{
    vec_for_each (i, &b->classes) {
        if (b->classes.v[i]->stands[stand])
            return true;
    }
    return false;
}

/* The first of these that somebody stands for. */
static const struct {
    enum stand stand;
    enum wait_reason reason;
    bool named; /* whom it waits for is said */
} reasons[] = {
    {STAND_BUSY, WAIT_BUSY, false},      {STAND_PRESSED, WAIT_PRESSURE, true},
    {STAND_FREE, WAIT_PRESSURE, true}, /* but not with the memory that the jobs ask for */
    {STAND_FULL, WAIT_PRESSURE, true},   {STAND_RESTING, WAIT_RESTING, true},
    {STAND_DRAINED, WAIT_DRAINED, true},
};

static enum wait_reason bucket_reason(const struct bucket *b, const struct worker **who)
{
    *who = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (!anyone(b, reasons[i].stand))
            continue;
        *who = reasons[i].named ? bucket_someone(b, reasons[i].stand) : NULL;
        return reasons[i].reason;
    }
    return WAIT_NO_WORKER;
}

static char *no_worker_text(const struct world *w, const struct bucket *b)
{
    struct str s = STR_INIT;
    str_addf(&s, "no worker for %s", job_kind_name(b->kind));
    if (b->site)
        str_addf(&s, " at %s", site_name(w, b->site));
    if (b->arch)
        str_addf(&s, ", %s", b->arch);
    if (b->cpus)
        str_addf(&s, ", with %u processors", b->cpus);
    for (size_t i = 0; i < b->needs.n; i++)
        str_addf(&s, "%s%s", i ? " " : ", with ", b->needs.v[i]);
    return str_steal(&s);
}

/* One row for all jobs of the bucket, written when it changes: they share the workers, and so the
 * reason. A new leader has heard of nobody yet: what the database says stays, until a full lease is
 * over. */
static void explain(struct world *w, struct bucket *b)
{
    const struct worker *who;
    enum wait_reason reason = bucket_reason(b, &who);
    int64_t ref = who ? who->id : 0;
    if (b->told && b->reason == reason && b->wait_ref == ref)
        return;
    if (reason == WAIT_NO_WORKER && b->shown && !b->told && w->now < w->loaded_at + w->config.lease)
        return;
    b->shown = b->told = true;
    b->reason = reason;
    b->wait_ref = ref;
    struct op *op = emit(w, OP_EXPLAIN, 0);
    op->bucket = b->id;
    op->reason = reason;
    if (reason == WAIT_NO_WORKER)
        op->detail = no_worker_text(w, b);
    else if (who)
        op->detail = xstrdup(who->name);
}

/* ---- assignments ----------------------------------------------------------------------------- */

/* True: a job was started. */
static bool serve(struct world *w, struct bucket *b)
{
    if (!bucket_has_room(b)) {
        bucket_cool(w, b);
        explain(w, b);
        return false;
    }
    struct job *j = bucket_first(w, b);
    if (!j)
        return false;
    claim(w, j, choose(w, b, j));
    return true;
}

void dispatch(struct world *w)
{
    unsigned left = MOST_CLAIMS;
    for (struct heap_node *n; left && (n = heap_top(&w->hot)) != NULL;)
        left -= serve(w, container_of(n, struct bucket, hot));
}

void buckets_listened(struct world *w)
{
    w->listened = true;
    list_for_each (it, &w->buckets) {
        struct bucket *b = container_of(it, struct bucket, all);
        bucket_heat(w, b);
    }
}
