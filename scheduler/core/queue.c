/* Who waits where, and who is first.
 *
 *     pool (site, architecture) ◄── bucket (what the same workers can run)
 *       └ share (of a repository) ◄──┴─ queue ── jobs
 *
 * In a queue jobs stand by
 *
 *     since when they are wanted − 60 s × priority − expected time of the longest chain behind them
 *
 * which is ageing as a static key. The chain counts for 4 h at most, so nobody is overtaken for
 * ever; among the jobs of one plan it decides.
 *
 * Between repositories the one comes first that has had the least of the pool: each start is
 * charged with the job's expected duration over the repository's weight, on a virtual clock. One
 * that had nothing to do begins at the clock of the pool, so that it is next, and cannot save up.
 * Priority counts for a minute of that clock, too. Clocks only rise, so the key under which a queue
 * stands in its bucket is a lower bound, corrected when it comes to the top: a start costs nothing
 * in the other buckets of its repository. Publishes and mirrors have pools of their own, which come
 * before the others: they are the end of chains, and short. */
#include "scheduler/core/world.h"

#include "common/base/siphash.h"

#include "common/base/str.h"

#define PRIORITY_WEIGHT (60 * BF_SEC)
#define CHAIN_MAX (4 * 3600 * BF_SEC)
#define LEAST_CHARGE BF_SEC

static struct job *first_of(const struct queue *q)
{
    return container_of(q->ready.v[0].node, struct job, node);
}

static bool job_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct job *x = heap_item(a, struct job, node), *y = heap_item(b, struct job, node);
    return x->id < y->id;
}

/* Their first jobs decide. */
static bool queue_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct heap_slot *x = &heap_item(a, struct queue, node)->ready.v[0],
                           *y = &heap_item(b, struct queue, node)->ready.v[0];
    return x->key != y->key ? x->key < y->key : job_less(x->node, y->node);
}

/* Of pools of one kind, which rarely share a worker, in the order of their making. */
bool bucket_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct bucket *x = heap_item(a, struct bucket, hot),
                        *y = heap_item(b, struct bucket, hot);
    if (x->pool != y->pool)
        return x->pool->nr < y->pool->nr;
    const struct heap_slot *p = &x->queues.v[0], *q = &y->queues.v[0];
    return p->key != q->key ? p->key < q->key : queue_less(p->node, q->node);
}

/* ---- keys ------------------------------------------------------------------------------------ */

static bf_time order_of(const struct world *w, const struct job *j)
{
    bf_time chain = job_remaining(w, j);
    return j->queued_at - PRIORITY_WEIGHT * j->priority - (chain < CHAIN_MAX ? chain : CHAIN_MAX);
}

static bf_time queue_key(const struct queue *q)
{
    return q->share->vtime - PRIORITY_WEIGHT * first_of(q)->priority;
}

/* Of a hot bucket: publishes and mirrors first. */
static int64_t rank(const struct bucket *b)
{
    return b->pool->tags ? 0 : 1;
}

void bucket_cool(struct world *w, struct bucket *b)
{
    if (b->hot.pos)
        heap_del(&w->hot, &b->hot);
}

void bucket_heat(struct world *w, struct bucket *b)
{
    if (b->queues.n == 0) {
        bucket_cool(w, b);
    } else if (b->hot.pos) {
        heap_moved(&w->hot, &b->hot, rank(b));
    } else {
        heap_add(&w->hot, &b->hot, rank(b));
    }
}

/* Its first job or its key is another. A bucket that was hot is so still, at its place. */
static void queue_settle(struct world *w, struct queue *q)
{
    struct bucket *b = q->bucket;
    bool hot = b->hot.pos != 0;
    if (q->ready.n == 0) {
        if (q->node.pos)
            heap_del(&b->queues, &q->node);
    } else {
        q->key = queue_key(q);
        if (q->node.pos)
            heap_moved(&b->queues, &q->node, q->key);
        else
            heap_add(&b->queues, &q->node, q->key);
    }
    if (hot)
        bucket_heat(w, b);
}

struct job *bucket_first(struct world *w, struct bucket *b)
{
    struct queue *q = container_of(b->queues.v[0].node, struct queue, node), *first = q;
    while (q->key != queue_key(q)) {
        q->key = queue_key(q);
        heap_moved(&b->queues, &q->node, q->key);
        q = container_of(b->queues.v[0].node, struct queue, node);
        first = NULL;
    }
    if (!first) {
        heap_moved(&w->hot, &b->hot, rank(b));
        if (w->hot.v[0].node != &b->hot)
            return NULL;
    }
    return first_of(q);
}

void share_charge(struct world *w, const struct job *j)
{
    struct share *s = j->queue->share;
    bf_time cost = job_expected(w, j);
    if (s->pool->vtime < s->vtime)
        s->pool->vtime = s->vtime;
    s->vtime += (cost > LEAST_CHARGE ? cost : LEAST_CHARGE) / s->repo->weight;
}

/* ---- jobs ------------------------------------------------------------------------------------ */

void queue_add(struct world *w, struct job *j)
{
    struct queue *q = j->queue;
    struct share *s = q->share;
    if (s->ready++ == 0 && s->vtime < s->pool->vtime)
        s->vtime = s->pool->vtime;
    j->order = order_of(w, j);
    /* A bucket that is hot stands in a heap by its first queue, which is about to change. */
    heap_add(&q->ready, &j->node, j->order);
    queue_settle(w, q);
    bucket_heat(w, q->bucket);
}

/* Tolerates a job that is ready but not in its queue: its row has just come. */
void queue_del(struct world *w, struct job *j)
{
    if (j->node.pos == 0)
        return;
    heap_del(&j->queue->ready, &j->node);
    j->queue->share->ready--;
    j->not_before = 0;
    queue_settle(w, j->queue);
}

void queue_move(struct world *w, struct job *j)
{
    if (!j || j->state != JOB_READY || j->held || j->node.pos == 0)
        return;
    j->order = order_of(w, j);
    heap_moved(&j->queue->ready, &j->node, j->order);
    queue_settle(w, j->queue);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct pool *pool_for(struct world *w, bool tags, int64_t site, const char *arch)
{
    list_for_each (it, &w->pools) {
        struct pool *p = container_of(it, struct pool, all);
        if (p->tags == tags && p->site == site && p->arch == arch)
            return p;
    }
    struct pool *p = xcalloc(1, sizeof *p);
    *p = (struct pool){.nr = w->n_pools++, .tags = tags, .site = site, .arch = arch};
    list_init(&p->all);
    list_add_tail(&w->pools, &p->all);
    return p;
}

static struct share *share_for(struct pool *p, struct repo *repo)
{
    struct share *s = idmap_get(&p->shares, repo->id);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        *s = (struct share){.repo_id = repo->id, .repo = repo, .pool = p};
        idmap_put(&p->shares, s);
    }
    return s;
}

static char *bucket_key(const struct job_row *row, const char *arch, const struct names *needs)
{
    struct str s = STR_INIT;
    str_addf(&s, "%d %lld %s %u %u", (int)row->kind, (long long)row->run_site, arch ? arch : "*",
             band_for(row->memory_mib), row->cpus);
    for (size_t i = 0; i < needs->n; i++)
        str_addf(&s, " %s", needs->v[i]);
    return str_steal(&s);
}

static int64_t bucket_id(const char *key)
{
    static const uint64_t hash_key[2] = {0};
    return (int64_t)(siphash13(hash_key, key, strlen(key)) >> 1);
}

static struct bucket *bucket_new(struct world *w, const struct job_row *row, const char *arch)
{
    struct bucket *b = xcalloc(1, sizeof *b);
    bool tags = row->kind == JOB_PUBLISH || row->kind == JOB_MIRROR;
    b->kind = row->kind;
    b->site = row->run_site;
    b->arch = arch;
    b->band = band_for(row->memory_mib);
    b->cpus = row->cpus;
    b->pool = pool_for(w, tags, b->site, arch);
    b->queues.less = queue_less;
    list_init(&b->all);
    list_add_tail(&w->buckets, &b->all);
    return b;
}

static struct bucket *bucket_for(struct world *w, const struct job_row *row, const char *arch)
{
    struct names set = {0};
    (void)names_set(&set, row->needs, row->n_needs);
    char *key = bucket_key(row, arch, &set);
    struct bucket *b = smap_get(&w->bucket_of, key);
    if (b) {
        free(key);
        names_release(&set);
        return b;
    }
    b = bucket_new(w, row, arch);
    b->needs = set;
    b->key = key;
    b->id = bucket_id(key);
    smap_put(&w->bucket_of, key, b);
    bucket_join(w, b);
    return b;
}

static void bucket_free(struct bucket *b)
{
    list_del(&b->all);
    heap_release(&b->queues);
    idmap_release(&b->of_repo);
    vec_release(&b->classes);
    names_release(&b->needs);
    free(b->key);
    free(b);
}

static void queue_free(struct queue *q)
{
    heap_release(&q->ready);
    free(q);
}

struct queue *queue_for(struct world *w, const struct job_row *row, const char *arch,
                        struct repo *repo)
{
    struct bucket *b = bucket_for(w, row, arch);
    struct queue *q = idmap_get(&b->of_repo, repo->id);
    if (!q) {
        q = xcalloc(1, sizeof *q);
        q->repo_id = repo->id;
        q->bucket = b;
        q->share = share_for(b->pool, repo);
        q->ready.less = job_less;
        idmap_put(&b->of_repo, q);
    }
    q->jobs++;
    return q;
}

void queue_put(struct world *w, struct queue *q)
{
    struct bucket *b = q->bucket;
    if (--q->jobs > 0)
        return;
    idmap_del(&b->of_repo, q->repo_id);
    queue_free(q);
    if (b->of_repo.n > 0)
        return;
    bucket_cool(w, b);
    bucket_leave(b);
    smap_del(&w->bucket_of, b->key);
    bucket_free(b);
}

static void pool_free(struct pool *p)
{
    void *v;
    for (struct idmap_pos pos = {0}; (v = idmap_next(&p->shares, &pos)) != NULL;)
        free(v);
    idmap_release(&p->shares);
    free(p);
}

void queues_free(struct world *w)
{
    list_for_each (it, &w->buckets) {
        struct bucket *b = container_of(it, struct bucket, all);
        void *v;
        for (struct idmap_pos pos = {0}; (v = idmap_next(&b->of_repo, &pos)) != NULL;)
            queue_free(v);
        bucket_free(b);
    }
    list_for_each (it, &w->pools)
        pool_free(container_of(it, struct pool, all));
    smap_release(&w->bucket_of);
}
