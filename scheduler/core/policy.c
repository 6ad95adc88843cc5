/* Dispatch: which ready job goes to which worker.
 *
 * Ready jobs that exactly the same workers can run share a bucket, a heap in the order
 *
 *     ready_at − 60 s × priority, then id
 *
 * which is ageing as a static key: a job of priority p overtakes those that became ready up to
 * p minutes before it, and nobody is overtaken for ever. A bucket is hot when it has ready jobs and
 * its jobs or its workers' capacity have changed; dispatch looks at hot buckets only, so a turn
 * costs what is new in it, not the length of the queue. Between buckets the best first job goes
 * first. Of the workers with a free slot a job takes one that has not failed it, then the one with
 * the most free slots, then the lowest id. */
#include "scheduler/core/world.h"

#include "common/base/str.h"

#define PRIORITY_WEIGHT (60 * BF_SEC)

bf_time order_of(bf_time ready_at, int priority)
{
    return ready_at - PRIORITY_WEIGHT * priority;
}

static struct job *job_of(struct heap_node *n)
{
    return n ? container_of(n, struct job, node) : NULL;
}

static bool job_before(const struct job *x, const struct job *y)
{
    return x->order != y->order ? x->order < y->order : x->id < y->id;
}

static bool ready_less(const struct heap_node *a, const struct heap_node *b)
{
    return job_before(heap_item(a, struct job, node), heap_item(b, struct job, node));
}

bool bucket_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct bucket *x = heap_item(a, struct bucket, hot),
                        *y = heap_item(b, struct bucket, hot);
    return job_before(heap_item(x->ready.v[0], struct job, node),
                      heap_item(y->ready.v[0], struct job, node));
}

/* ---- who can run what ------------------------------------------------------------------------ */

static bool has_all(const struct names *have, const struct names *needs)
{
    size_t i = 0;
    for (size_t k = 0; k < needs->n; k++) {
        while (i < have->n && strcmp(have->v[i], needs->v[k]) < 0)
            i++;
        if (i == have->n || strcmp(have->v[i], needs->v[k]) != 0)
            return false;
    }
    return true;
}

static bool can_run(const struct worker *k, const struct bucket *b)
{
    return k->reported && !k->revoked && (k->roles & ROLE_BIT(b->kind)) &&
           (b->site == 0 || b->site == k->site) &&
           (!b->arch || (k->arch && strcmp(k->arch, b->arch) == 0)) &&
           has_all(&k->capabilities, &b->needs);
}

/* Its order in the heap of hot buckets hangs on its first job: whoever changes that, calls. */
static void cool(struct world *w, struct bucket *b)
{
    if (b->hot.pos)
        heap_del(&w->hot, &b->hot);
}

static void heat(struct world *w, struct bucket *b)
{
    cool(w, b);
    if (b->ready.n)
        heap_add(&w->hot, &b->hot);
    else
        vec_clear(&b->fresh);
}

static void leave_buckets(struct worker *k)
{
    vec_for_each (i, &k->buckets) {
        struct bucket *b = k->buckets.v[i];
        size_t at = 0;
        while (b->workers.v[at] != k)
            at++;
        vec_remove_swap(&b->workers, at);
    }
    vec_clear(&k->buckets);
}

void buckets_of_worker(struct world *w, struct worker *k)
{
    buckets_heat(w, k); /* those that it leaves may have another reason now */
    leave_buckets(k);
    list_for_each (it, &w->buckets) {
        struct bucket *b = container_of(it, struct bucket, all);
        if (!can_run(k, b))
            continue;
        *vec_push(&b->workers) = k;
        *vec_push(&k->buckets) = b;
    }
    buckets_heat(w, k);
}

void buckets_heat(struct world *w, struct worker *k)
{
    vec_for_each (i, &k->buckets)
        heat(w, k->buckets.v[i]);
}

static char *bucket_key(enum job_kind kind, int64_t site, const char *arch,
                        const struct names *needs)
{
    struct str s = STR_INIT;
    str_addf(&s, "%d %lld %s", (int)kind, (long long)site, arch ? arch : "*");
    for (size_t i = 0; i < needs->n; i++)
        str_addf(&s, " %s", needs->v[i]);
    return str_steal(&s);
}

static struct bucket *bucket_new(struct world *w, enum job_kind kind, int64_t site,
                                 const char *arch)
{
    struct bucket *b = xcalloc(1, sizeof *b);
    b->kind = kind;
    b->site = site;
    b->arch = arch ? world_name(w, arch) : NULL;
    b->ready.less = ready_less;
    list_add_tail(&w->buckets, &b->all);
    return b;
}

struct bucket *bucket_for(struct world *w, enum job_kind kind, int64_t site, const char *arch,
                          const char *const *needs, size_t n_needs)
{
    struct names set = {0};
    (void)names_set(&set, needs, n_needs);
    char *key = bucket_key(kind, site, arch, &set);
    struct bucket *b = smap_get(&w->bucket_of, key);
    if (b) {
        free(key);
        names_release(&set);
        b->jobs++;
        return b;
    }
    b = bucket_new(w, kind, site, arch);
    b->jobs = 1;
    b->needs = set;
    b->key = key;
    smap_put(&w->bucket_of, key, b);
    vec_for_each (i, &w->all_workers) {
        struct worker *k = w->all_workers.v[i];
        if (!can_run(k, b))
            continue;
        *vec_push(&b->workers) = k;
        *vec_push(&k->buckets) = b;
    }
    return b;
}

void bucket_free(struct bucket *b)
{
    list_del(&b->all);
    heap_release(&b->ready);
    vec_release(&b->workers);
    vec_release(&b->fresh);
    names_release(&b->needs);
    free(b->key);
    free(b);
}

void bucket_put(struct world *w, struct bucket *b)
{
    if (--b->jobs > 0)
        return;
    cool(w, b);
    vec_for_each (i, &b->workers) {
        struct worker *k = b->workers.v[i];
        size_t at = 0;
        while (k->buckets.v[at] != b)
            at++;
        vec_remove_swap(&k->buckets, at);
    }
    smap_del(&w->bucket_of, b->key);
    bucket_free(b);
}

void bucket_add(struct world *w, struct job *j)
{
    cool(w, j->bucket);
    heap_add(&j->bucket->ready, &j->node);
    *vec_push(&j->bucket->fresh) = j->id;
    heat(w, j->bucket);
}

/* Tolerates a job that is ready but not in its heap: its row has just come. */
void bucket_del(struct world *w, struct job *j)
{
    if (j->node.pos == 0)
        return;
    bool was_hot = j->bucket->hot.pos != 0;
    cool(w, j->bucket);
    heap_del(&j->bucket->ready, &j->node);
    if (was_hot)
        heat(w, j->bucket);
}

/* ---- assignments ----------------------------------------------------------------------------- */

static bool better(const struct job *j, const struct worker *a, const struct worker *b)
{
    bool failed_a = a->nr == j->last_worker, failed_b = b->nr == j->last_worker;
    if (failed_a != failed_b)
        return failed_b;
    unsigned free_a = a->slots - a->n_leases - a->strays,
             free_b = b->slots - b->n_leases - b->strays;
    return free_a != free_b ? free_a > free_b : a->id < b->id;
}

static struct worker *choose(const struct bucket *b, const struct job *j)
{
    struct worker *best = NULL;
    vec_for_each (i, &b->workers) {
        struct worker *k = b->workers.v[i];
        if (worker_free_slot(k) && (!best || better(j, k, best)))
            best = k;
    }
    return best;
}

static void claim(struct world *w, struct job *j, struct worker *k)
{
    struct id128 attempt = world_random_id(w);
    struct op *op = emit(w, OP_CLAIM, j->id);
    op->attempt = attempt;
    op->worker = k->id;
    op->boot = k->boot;
    j->attempts = (uint16_t)(j->attempts + (j->attempts < UINT16_MAX));
    job_enter(w, j, JOB_LEASED, WAIT_NONE);
    lease_new(w, j, k, attempt, k->boot);
    *vec_push(&w->undurable) = attempt;
    emit_orders(w, k);
}

/* ---- why the rest waits ---------------------------------------------------------------------- */

static enum wait_reason bucket_reason(const struct bucket *b, const struct worker **drained)
{
    enum wait_reason reason = WAIT_NO_WORKER;
    *drained = NULL;
    vec_for_each (i, &b->workers) {
        const struct worker *k = b->workers.v[i];
        if (!k->connected)
            continue;
        if (!k->drained && k->accepting)
            return WAIT_BUSY;
        reason = WAIT_DRAINED;
        if (!*drained || k->id < (*drained)->id)
            *drained = k;
    }
    return reason;
}

static char *no_worker_text(const struct world *w, const struct bucket *b)
{
    struct str s = STR_INIT;
    str_addf(&s, "no worker for %s", job_kind_name(b->kind));
    if (b->site)
        str_addf(&s, " at %s", site_name(w, b->site));
    if (b->arch)
        str_addf(&s, ", %s", b->arch);
    for (size_t i = 0; i < b->needs.n; i++)
        str_addf(&s, "%s%s", i ? " " : ", with ", b->needs.v[i]);
    return str_steal(&s);
}

/* A new leader has heard of nobody yet: what the database says stays, until a full lease is over.
 */
static bool too_early(const struct world *w, const struct job *j, enum wait_reason reason)
{
    return reason == WAIT_NO_WORKER && j->reason != WAIT_NONE &&
           w->now < w->loaded_at + w->config.lease;
}

static void tell(struct world *w, struct bucket *b, struct job *j, enum wait_reason reason,
                 const struct worker *drained)
{
    if (!j || j->state != JOB_READY || j->bucket != b || j->held || too_early(w, j, reason))
        return;
    int64_t ref = drained ? drained->id : 0;
    if (j->told && j->reason == reason && j->wait_ref == ref)
        return;
    char *detail = NULL;
    if (reason == WAIT_NO_WORKER)
        detail = no_worker_text(w, b);
    else if (drained)
        detail = xstrdup(drained->name);
    emit_wait(w, j, reason, ref, detail);
}

static void explain(struct world *w, struct bucket *b)
{
    const struct worker *drained;
    enum wait_reason reason = bucket_reason(b, &drained);
    if (reason != b->reason) {
        for (size_t i = 0; i < b->ready.n; i++)
            tell(w, b, job_of(b->ready.v[i]), reason, drained);
    } else {
        vec_for_each (i, &b->fresh)
            tell(w, b, world_job(w, b->fresh.v[i]), reason, drained);
    }
    vec_clear(&b->fresh);
    b->reason = reason;
}

void dispatch(struct world *w)
{
    for (struct heap_node *n; (n = heap_top(&w->hot)) != NULL;) {
        struct bucket *b = container_of(n, struct bucket, hot);
        struct job *j = job_of(heap_top(&b->ready));
        struct worker *k = choose(b, j);
        if (k) {
            claim(w, j, k);
            continue;
        }
        cool(w, b);
        explain(w, b);
    }
}

void buckets_listened(struct world *w)
{
    w->listened = true;
    list_for_each (it, &w->buckets) {
        struct bucket *b = container_of(it, struct bucket, all);
        b->reason = WAIT_NONE;
        heat(w, b);
    }
}
