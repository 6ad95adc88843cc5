/* Who could run what, and who takes it.
 *
 * Workers that can run exactly the same jobs are a class; a bucket knows the classes that serve it.
 * In its class a worker that stands free is in a heap, most free slots first, then lowest id; one
 * heap for each band of free memory, so that a request meets a worker that has room for it without
 * a search. Choosing costs by the number of classes, whatever the number of workers.
 *
 * Of those with room a job takes
 *
 *     one that has not failed it
 *     one where what it is made from lies: the parent's image, or what a test shall boot
 *     one that built it before, for the layer cache
 *     the one with the most free slots, then the lowest id
 *
 * It never waits for a better one: a pull takes seconds, and when a slot will be free is a guess.
 *
 * A worker that stalls gets nothing more while it has work, but one thing when it has none: what
 * stalls it then is not ours, and the farm must go on. One that fails for infrastructure what then
 * goes through at others is always free, and would take all that those are too busy for: it rests,
 * longer each time, and then gets one job at a time, until one goes through. */
#include "scheduler/core/world.h"

#include "common/base/str.h"

#define MOST_PARENTS 4 /* that are asked who has their image */
#define WARM_UP (60 * BF_SEC)

/* ---- memory ----------------------------------------------------------------------------------
 */

/* 128 MiB, 192, 256, 384, 512, ... */
static uint64_t band_floor(unsigned band)
{
    return (uint64_t)(2 + (band & 1)) << (band / 2 + 6);
}

unsigned band_for(uint64_t mib)
{
    unsigned band = mib ? 1 : 0;
    while (band && band < BANDS - 1 && band_floor(band) < mib)
        band++;
    return band;
}

static unsigned band_of(const struct worker *k)
{
    if (k->memory == 0)
        return BANDS - 1; /* not known: no limit */
    uint64_t left = k->memory > k->promised ? k->memory - k->promised : 0;
    unsigned band = 0;
    while (band < BANDS - 2 && band_floor(band + 1) <= left)
        band++;
    return band;
}

/* ---- standing --------------------------------------------------------------------------------
 */

static bool room_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct worker *x = heap_item(a, struct worker, room),
                        *y = heap_item(b, struct worker, room);
    return x->id < y->id;
}

static enum stand stand_of(const struct worker *k)
{
    if (!k->connected)
        return STAND_AWAY;
    if (k->drained || (!k->accepting && !k->full))
        return STAND_DRAINED;
    if (!k->accepting)
        return STAND_FULL;
    bool works = k->n_leases + k->strays > 0;
    if (worker_is_suspect(k) && (k->resting || works))
        return STAND_RESTING;
    if (k->n_leases + k->strays >= k->slots)
        return STAND_BUSY;
    return k->stalled && works ? STAND_PRESSED : STAND_FREE;
}

static void take_out(struct worker *k)
{
    struct class *c = k->class;
    if (k->room.pos) {
        heap_del(&c->free[k->band], &k->room);
        if (c->free[k->band].n == 0)
            c->bands &= ~(1u << k->band);
    }
    c->stands[k->stand]--;
}

static void put_in(struct worker *k)
{
    struct class *c = k->class;
    c->stands[k->stand]++;
    if (k->stand != STAND_FREE)
        return;
    heap_add(&c->free[k->band], &k->room, -(int64_t)k->spare);
    c->bands |= 1u << k->band;
}

static void class_heat(struct world *w, struct class *c)
{
    vec_for_each (i, &c->buckets) {
        if (c->buckets.v[i]->hot.pos == 0)
            bucket_heat(w, c->buckets.v[i]);
    }
}

/* What waits for a slot only, waits on: a slot that was taken is no news to it. */
void worker_stand(struct world *w, struct worker *k)
{
    if (!k->class || k->in_step)
        return;
    enum stand was = k->stand;
    unsigned spare = k->spare, band = k->band;
    take_out(k);
    k->stand = stand_of(k);
    k->spare = k->stand == STAND_FREE ? k->slots - k->n_leases - k->strays : 0;
    k->band = band_of(k);
    put_in(k);
    bool taken = was == STAND_FREE && k->stand == STAND_BUSY;
    if ((was != k->stand && !taken) || k->spare > spare || k->band > band)
        class_heat(w, k->class);
}

/* ---- classes ---------------------------------------------------------------------------------
 */

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

static bool can_run(const struct class *c, const struct bucket *b)
{
    return (c->roles & ROLE_BIT(b->kind)) && (b->site == 0 || b->site == c->site) &&
           (!b->arch || c->arch == b->arch) && (c->cpus == 0 || c->cpus >= b->cpus) &&
           has_all(&c->capabilities, &b->needs);
}

static void meet(struct class *c, struct bucket *b)
{
    if (!can_run(c, b))
        return;
    *vec_push(&b->classes) = c;
    *vec_push(&c->buckets) = b;
}

void bucket_join(struct world *w, struct bucket *b)
{
    list_for_each (it, &w->classes)
        meet(container_of(it, struct class, all), b);
}

void bucket_leave(struct bucket *b)
{
    vec_for_each (i, &b->classes) {
        struct class *c = b->classes.v[i];
        size_t at = 0;
        while (c->buckets.v[at] != b)
            at++;
        vec_remove_swap(&c->buckets, at);
    }
    vec_clear(&b->classes);
}

static char *class_key(const struct worker *k)
{
    struct str s = STR_INIT;
    str_addf(&s, "%lld %s %u %u", (long long)k->site, k->arch ? k->arch : "*", k->roles, k->cpus);
    for (size_t i = 0; i < k->capabilities.n; i++)
        str_addf(&s, " %s", k->capabilities.v[i]);
    return str_steal(&s);
}

static struct class *class_new(struct world *w, const struct worker *k, char *key)
{
    struct class *c = xcalloc(1, sizeof *c);
    c->site = k->site;
    c->arch = k->arch;
    c->roles = k->roles;
    c->cpus = k->cpus;
    c->key = key;
    (void)names_set(&c->capabilities, (const char *const *)k->capabilities.v, k->capabilities.n);
    for (size_t i = 0; i < BANDS; i++)
        c->free[i].less = room_less;
    list_init(&c->all);
    list_add_tail(&w->classes, &c->all);
    smap_put(&w->class_of, key, c);
    list_for_each (it, &w->buckets)
        meet(c, container_of(it, struct bucket, all));
    return c;
}

static void class_free(struct class *c)
{
    list_del(&c->all);
    for (size_t i = 0; i < BANDS; i++)
        heap_release(&c->free[i]);
    names_release(&c->capabilities);
    vec_release(&c->members);
    vec_release(&c->buckets);
    free(c->key);
    free(c);
}

static void class_drop(struct world *w, struct class *c)
{
    vec_for_each (i, &c->buckets) {
        struct bucket *b = c->buckets.v[i];
        size_t at = 0;
        while (b->classes.v[at] != c)
            at++;
        vec_remove_swap(&b->classes, at);
    }
    smap_del(&w->class_of, c->key);
    class_free(c);
}

static void class_leave(struct world *w, struct worker *k)
{
    struct class *c = k->class;
    if (!c)
        return;
    take_out(k);
    k->class = NULL;
    size_t at = 0;
    while (c->members.v[at] != k)
        at++;
    vec_remove_swap(&c->members, at);
    class_heat(w, c); /* its jobs may have another reason now */
    if (c->members.n == 0)
        class_drop(w, c);
}

static void class_enter(struct world *w, struct worker *k, struct class *c)
{
    k->class = c;
    *vec_push(&c->members) = k;
    k->stand = STAND_AWAY;
    k->spare = k->band = 0;
    put_in(k);
    worker_stand(w, k);
    class_heat(w, c);
}

void worker_sort(struct world *w, struct worker *k)
{
    if (!k->reported || k->revoked) {
        class_leave(w, k);
        return;
    }
    char *key = class_key(k);
    struct class *c = smap_get(&w->class_of, key);
    if (c && c == k->class) {
        free(key);
        worker_stand(w, k);
        return;
    }
    class_leave(w, k);
    c = smap_get(&w->class_of, key);
    if (c)
        free(key);
    class_enter(w, k, c ? c : class_new(w, k, key));
}

void classes_free(struct world *w)
{
    list_for_each (it, &w->classes)
        class_free(container_of(it, struct class, all));
    smap_release(&w->class_of);
}

/* ---- questions -------------------------------------------------------------------------------
 */

static uint32_t bands_from(unsigned band)
{
    return ~UINT32_C(0) << band;
}

bool bucket_has_room(const struct bucket *b)
{
    vec_for_each (i, &b->classes) {
        if (b->classes.v[i]->bands & bands_from(b->band))
            return true;
    }
    return false;
}

const struct worker *bucket_someone(const struct bucket *b, enum stand stand)
{
    const struct worker *lowest = NULL;
    vec_for_each (i, &b->classes) {
        const struct class *c = b->classes.v[i];
        for (size_t m = 0; c->stands[stand] && m < c->members.n; m++) {
            const struct worker *k = c->members.v[m];
            if (k->stand == stand && (!lowest || k->id < lowest->id))
                lowest = k;
        }
    }
    return lowest;
}

/* ---- choice ----------------------------------------------------------------------------------
 */

/* The best so far. */
struct choice {
    const struct bucket *b;
    const struct job *j;
    struct worker *best;
    int score; /* of what lies there */
};

static bool beats(const struct choice *c, const struct worker *k, int score)
{
    bool failed = k->nr == c->j->last_worker, failed_best = c->best->nr == c->j->last_worker;
    if (failed != failed_best)
        return failed_best;
    if (score != c->score)
        return score > c->score;
    return k->spare != c->best->spare ? k->spare > c->best->spare : k->id < c->best->id;
}

static void offer(struct choice *c, struct worker *k, int score)
{
    if (k == c->best && score <= c->score)
        return;
    if (c->best && k != c->best && !beats(c, k, score))
        return;
    c->best = k;
    c->score = score;
}

/* The first of a heap, or the second where the first has failed the job. */
static void offer_heap(struct choice *c, const struct heap *h)
{
    for (size_t i = 0; i < 3 && i < h->n; i++) {
        struct worker *k = container_of(h->v[i].node, struct worker, room);
        offer(c, k, 0);
        if (i == 0 && k->nr != c->j->last_worker)
            return;
    }
}

static void offer_class(struct choice *c, struct class *class)
{
    for (uint32_t bands = class->bands & bands_from(c->b->band); bands; bands &= bands - 1)
        offer_heap(c, &class->free[__builtin_ctz(bands)]);
}

static void offer_holders(const struct world *w, struct choice *c, const struct image *im,
                          int score)
{
    for (size_t i = 0; i < ARRAY_SIZE(im->has); i++) {
        if (im->has[i] == 0)
            continue;
        struct worker *k = w->all_workers.v[im->has[i] - 1];
        if (k->class && k->stand == STAND_FREE && k->band >= c->b->band && can_run(k->class, c->b))
            offer(c, k, score);
    }
}

static void offer_local(const struct world *w, struct choice *c)
{
    const struct image *im = c->j->image;
    if (c->j->kind == JOB_TEST) {
        offer_holders(w, c, im, 2);
        return;
    }
    offer_holders(w, c, im, 1);
    for (size_t i = 0; i < MOST_PARENTS && i < links_n(&im->parents); i++)
        offer_holders(w, c, links_at(&im->parents, i), 2);
}

struct worker *choose(const struct world *w, const struct bucket *b, const struct job *j)
{
    struct choice c = {.b = b, .j = j};
    vec_for_each (i, &b->classes)
        offer_class(&c, b->classes.v[i]);
    if (c.best && job_has_arch(j))
        offer_local(w, &c);
    return c.best;
}

/* ---- pressure --------------------------------------------------------------------------------
 */

static bool over(unsigned value, unsigned limit)
{
    return limit && value > limit;
}

/* What its attempts were promised and may not have taken yet when it looked. */
static uint64_t promised(const struct world *w, const struct worker *k)
{
    uint64_t sum = 0;
    list_for_each (it, &k->leases) {
        const struct lease *l = container_of(it, struct lease, of_worker);
        unsigned band = bucket_of(l->job)->band;
        bool cold = l->job->state == JOB_LEASED || w->now - l->started < WARM_UP;
        sum += band && cold ? band_floor(band) : 0;
    }
    return sum;
}

void worker_pressure(struct world *w, struct worker *k, const struct worker_report *r)
{
    const struct brain_config *c = &w->config;
    k->stalled = over(r->cpu_psi, c->max_cpu_psi) || over(r->io_psi, c->max_io_psi) ||
                 over(r->memory_psi, c->max_memory_psi);
    bool no_disk = r->disk_free_mib && r->disk_free_mib < c->disk_floor_mib;
    k->accepting = r->accepting && !no_disk;
    k->full = r->full || (r->accepting && no_disk);
    k->memory = r->memory_free_mib;
    k->promised = promised(w, k);
}

void worker_promise(struct worker *k, const struct bucket *b)
{
    k->promised += b->band ? band_floor(b->band) : 0;
}
