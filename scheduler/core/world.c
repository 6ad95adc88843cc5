/* Containers and the rows of sites, bases and images. */
#include "scheduler/core/world.h"

#include "common/base/str.h"

/* ---- small things ---------------------------------------------------------------------------- */

/* xoshiro256** (Blackman and Vigna, public domain), seeded by splitmix64. */
static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

static uint64_t rng_next(uint64_t s[4])
{
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

static void rng_seed(uint64_t s[4], uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += UINT64_C(0x9e3779b97f4a7c15));
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        s[i] = z ^ (z >> 31);
    }
}

/* A UUID of version 4, so that every reader of one takes it. */
struct id128 world_random_id(struct world *w)
{
    struct id128 id;
    uint64_t a = rng_next(w->rng), b = rng_next(w->rng);
    memcpy(id.b, &a, 8);
    memcpy(id.b + 8, &b, 8);
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x40);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

void set_text(char **slot, const char *value)
{
    char *old = *slot;
    *slot = value ? xstrdup(value) : NULL;
    free(old);
}

static int name_cmp(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void names_release(struct names *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->v[i]);
    free(s->v);
    *s = (struct names){0};
}

bool names_set(struct names *to, const char *const *v, size_t n)
{
    struct names s = {.v = n ? xcalloc(n, sizeof *s.v) : NULL};
    for (size_t i = 0; i < n; i++)
        s.v[s.n++] = xstrdup(v[i]);
    if (n > 1)
        qsort(s.v, s.n, sizeof *s.v, name_cmp);
    size_t kept = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (kept && strcmp(s.v[kept - 1], s.v[i]) == 0)
            free(s.v[i]);
        else
            s.v[kept++] = s.v[i];
    }
    s.n = kept;
    bool same = s.n == to->n;
    for (size_t i = 0; same && i < s.n; i++)
        same = strcmp(s.v[i], to->v[i]) == 0;
    names_release(same ? &s : to);
    if (!same)
        *to = s;
    return !same;
}

/* ---- rows ------------------------------------------------------------------------------------ */

struct image *world_image(struct world *w, int64_t id)
{
    struct image *im = map_get(&w->images, (uint64_t)id);
    if (!im) {
        im = xcalloc(1, sizeof *im);
        im->id = id;
        map_put(&w->images, (uint64_t)id, im);
    }
    return im;
}

struct group *world_group(struct world *w, int64_t id)
{
    struct group *g = map_get(&w->groups, (uint64_t)id);
    if (!g) {
        g = xcalloc(1, sizeof *g);
        g->id = id;
        map_put(&w->groups, (uint64_t)id, g);
    }
    return g;
}

struct base *world_base(struct world *w, int64_t id)
{
    struct base *b = map_get(&w->bases, (uint64_t)id);
    if (!b) {
        b = xcalloc(1, sizeof *b);
        b->id = id;
        map_put(&w->bases, (uint64_t)id, b);
    }
    return b;
}

const char *site_name(const struct world *w, int64_t id)
{
    const struct site *s = map_get(&w->sites, (uint64_t)id);
    return s && s->name ? s->name : "an unknown site";
}

void take_site(struct world *w, const struct site_row *row)
{
    struct site *s = map_get(&w->sites, (uint64_t)row->id);
    if (!s) {
        s = xcalloc(1, sizeof *s);
        s->id = row->id;
        map_put(&w->sites, (uint64_t)row->id, s);
    }
    set_text(&s->name, row->name);
    s->continue_on_partition = row->continue_on_partition;
    s->grace = row->grace;
}

/* What is said of a job that waits for this base is no longer true. */
static void base_untell(const struct base *b, struct job *j)
{
    if (j && j->reason == WAIT_BASE && j->wait_ref == -b->id)
        j->told = false;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

void take_base(struct world *w, const struct base_row *row)
{
    struct base *b = world_base(w, row->id);
    if (!same_text(b->error, row->error)) {
        vec_for_each (i, &b->users)
            base_untell(b, b->users.v[i]->build.newest);
    }
    set_text(&b->reference, row->reference);
    set_text(&b->error, row->error);
    b->digest = row->digest;
    vec_for_each (i, &b->users)
        mark_dirty(w, b->users.v[i]->build.newest);
}

static bool same_edges(const struct image *im, const struct image_row *row)
{
    if (im->parents.n != row->n_parents || im->bases.n != row->n_bases)
        return false;
    for (size_t i = 0; i < row->n_parents; i++) {
        if (im->parents.v[i]->id != row->parents[i])
            return false;
    }
    for (size_t i = 0; i < row->n_bases; i++) {
        if (im->bases.v[i]->id != row->bases[i])
            return false;
    }
    return true;
}

#define forget(vec, what)                                 \
    do {                                                  \
        size_t at_ = 0;                                   \
        while (at_ < (vec)->n && (vec)->v[at_] != (what)) \
            at_++;                                        \
        if (at_ < (vec)->n)                               \
            vec_remove_swap(vec, at_);                    \
    } while (0)

/* Rows of one image rarely change their edges, so the search in the parent's list may be slow. */
static void set_edges(struct world *w, struct image *im, const struct image_row *row)
{
    if (same_edges(im, row))
        return;
    vec_for_each (i, &im->parents)
        forget(&im->parents.v[i]->children, im);
    vec_for_each (i, &im->bases)
        forget(&im->bases.v[i]->users, im);
    vec_clear(&im->parents);
    vec_clear(&im->bases);
    for (size_t i = 0; i < row->n_parents; i++) {
        struct image *p = world_image(w, row->parents[i]);
        *vec_push(&im->parents) = p;
        *vec_push(&p->children) = im;
    }
    for (size_t i = 0; i < row->n_bases; i++) {
        struct base *b = world_base(w, row->bases[i]);
        *vec_push(&im->bases) = b;
        *vec_push(&b->users) = im;
    }
}

bool world_has_image(const struct world *w, int64_t image_arch)
{
    const struct image *im = map_get(&w->images, (uint64_t)image_arch);
    return im && im->known;
}

void take_image(struct world *w, const struct image_row *row)
{
    struct image *im = world_image(w, row->id);
    if (!im->known) {
        im->known = true;
        im->group = world_group(w, row->image);
        *vec_push(&im->group->archs) = im;
        /* Later the world knows better: it hears of each verdict before the row is read. */
        im->passing = row->passing_digest;
        set_text(&im->passing_repository, row->passing_repository);
    }
    set_text(&im->name, row->name);
    set_text(&im->arch, row->arch);
    im->recipe = row->recipe;
    im->tests_key = row->tests_key;
    im->removed = row->removed;
    im->barred = row->barred;
    set_edges(w, im, row);
    image_changed(w, im);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct world *world_new(const struct brain_config *config)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->config = *config;
    rng_seed(w->rng, config->seed);
    list_init(&w->buckets);
    w->hot.less = bucket_less;
    w->timers.less = job_timer_less;
    w->lapses.less = worker_lapse_less;
    return w;
}

static void free_image(struct image *im)
{
    free(im->name);
    free(im->arch);
    free(im->passing_repository);
    free(im->build.repository);
    free(im->test.repository);
    vec_release(&im->parents);
    vec_release(&im->children);
    vec_release(&im->bases);
    free(im);
}

static void free_group(struct group *g)
{
    vec_for_each (i, &g->mirrors) {
        free(g->mirrors.v[i]->repository);
        free(g->mirrors.v[i]);
    }
    vec_release(&g->mirrors);
    vec_release(&g->archs);
    free(g->publish.repository);
    free(g);
}

static void free_maps(struct world *w)
{
    void *v;
    uint64_t key;
    for (size_t pos = 0; map_next(&w->sites, &pos, &key, &v);) {
        free(((struct site *)v)->name);
        free(v);
    }
    for (size_t pos = 0; map_next(&w->bases, &pos, &key, &v);) {
        struct base *b = v;
        free(b->reference);
        free(b->error);
        vec_release(&b->users);
        free(b);
    }
    for (size_t pos = 0; map_next(&w->images, &pos, &key, &v);)
        free_image(v);
    for (size_t pos = 0; map_next(&w->groups, &pos, &key, &v);)
        free_group(v);
    map_release(&w->sites);
    map_release(&w->bases);
    map_release(&w->images);
    map_release(&w->groups);
}

void world_free(struct world *w)
{
    if (!w)
        return;
    void *v;
    uint64_t key;
    for (size_t pos = 0; map_next(&w->jobs, &pos, &key, &v);) {
        struct job *j = v;
        free(j->lease);
        free(j->archs);
        free(j);
    }
    list_for_each (it, &w->buckets)
        bucket_free(container_of(it, struct bucket, all));
    vec_for_each (i, &w->all_workers)
        worker_free(w->all_workers.v[i]);
    free_maps(w);
    map_release(&w->jobs);
    map_release(&w->workers);
    map_release(&w->attempts);
    smap_release(&w->bucket_of);
    heap_release(&w->hot);
    heap_release(&w->timers);
    heap_release(&w->lapses);
    vec_release(&w->all_workers);
    vec_release(&w->staged);
    vec_release(&w->dirty);
    vec_release(&w->settling);
    vec_release(&w->grave);
    vec_release(&w->undurable);
    vec_release(&w->pending_acks);
    vec_release(&w->orders_wanted);
    vec_release(&w->orders_acks);
    free(w);
}
