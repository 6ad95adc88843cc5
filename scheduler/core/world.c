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

struct id128 world_attempt_id(struct world *w, int64_t job)
{
    struct id128 id;
    uint64_t a = rng_next(w->rng), b = rng_next(w->rng);
    memcpy(id.b, &a, 8);
    memcpy(id.b + 8, &b, 8);
    for (int i = 0; i < 6; i++)
        id.b[i] = (uint8_t)(job >> (40 - 8 * i));
    id.b[6] = (uint8_t)((id.b[6] & 0x0f) | 0x80);
    id.b[8] = (uint8_t)((id.b[8] & 0x3f) | 0x80);
    return id;
}

const char *world_name(struct world *w, const char *name)
{
    char *known = smap_get(&w->names, name);
    if (!known) {
        known = xstrdup(name);
        smap_put(&w->names, name, known);
    }
    return known;
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

static bool names_are(const struct names *s, const char *const *v, size_t n)
{
    bool same = s->n == n;
    for (size_t i = 0; same && i < n; i++)
        same = strcmp(s->v[i], v[i]) == 0;
    return same;
}

bool names_set(struct names *to, const char *const *v, size_t n)
{
    if (names_are(to, v, n)) /* as a rule: the same worker says the same again */
        return false;
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
    struct image *im = idmap_get(&w->images, id);
    if (!im) {
        im = slab_get(&w->image_slab);
        im->id = id;
        idmap_put(&w->images, im);
    }
    return im;
}

struct group *world_group(struct world *w, int64_t id)
{
    struct group *g = idmap_get(&w->groups, id);
    if (!g) {
        g = slab_get(&w->group_slab);
        g->id = id;
        idmap_put(&w->groups, g);
    }
    return g;
}

struct base *world_base(struct world *w, int64_t id)
{
    struct base *b = idmap_get(&w->bases, id);
    if (!b) {
        b = xcalloc(1, sizeof *b);
        b->id = id;
        idmap_put(&w->bases, b);
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
        mark_dirty(w, slot_newest(&b->users.v[i]->build));
}

static bool same_edges(const struct image *im, const struct image_row *row)
{
    if (links_n(&im->parents) != row->n_parents || links_n(&im->bases) != row->n_bases)
        return false;
    for (size_t i = 0; i < row->n_parents; i++) {
        const struct image *p = links_at(&im->parents, i);
        if (p->id != row->parents[i])
            return false;
    }
    for (size_t i = 0; i < row->n_bases; i++) {
        const struct base *b = links_at(&im->bases, i);
        if (b->id != row->bases[i])
            return false;
    }
    return true;
}

static void forget_user(struct base *b, const struct image *im)
{
    size_t at = 0;
    while (at < b->users.n && b->users.v[at] != im)
        at++;
    if (at < b->users.n)
        vec_remove_swap(&b->users, at);
}

static void clear_edges(struct world *w, struct image *im)
{
    links_for_each (i, &im->parents) {
        struct image *p = links_at(&im->parents, i);
        links_del(&p->children, im);
    }
    links_for_each (i, &im->bases)
        forget_user(links_at(&im->bases, i), im);
    chain_edges(w, im);
    links_release(&im->parents);
    links_release(&im->bases);
}

/* Rows of one image rarely change their edges, so the search in the parent's list may be slow. */
static void set_edges(struct world *w, struct image *im, const struct image_row *row)
{
    if (same_edges(im, row))
        return;
    clear_edges(w, im);
    for (size_t i = 0; i < row->n_parents; i++) {
        struct image *p = world_image(w, row->parents[i]);
        links_add(&im->parents, p);
        links_add(&p->children, im);
    }
    for (size_t i = 0; i < row->n_bases; i++) {
        struct base *b = world_base(w, row->bases[i]);
        links_add(&im->bases, b);
        *vec_push(&b->users) = im;
    }
}

bool world_has_image(const struct world *w, int64_t image_arch)
{
    const struct image *im = idmap_get(&w->images, image_arch);
    return im && im->known;
}

static void first_row(struct world *w, struct image *im, const struct image_row *row)
{
    im->known = true;
    im->group = world_group(w, row->image);
    links_add(&im->group->archs, im);
    /* Later the world knows better: it hears of each verdict before the row is read. */
    made_set(w, &im->passing, &row->passing_digest, row->passing_repository);
}

void take_image(struct world *w, const struct image_row *row)
{
    struct image *im = world_image(w, row->id);
    if (!im->known)
        first_row(w, im, row);
    if (!im->group->name || strcmp(im->group->name, row->name) != 0)
        set_text(&im->group->name, row->name);
    im->arch = world_name(w, row->arch);
    im->recipe = row->recipe;
    im->tests_key = row->tests_key;
    im->removed = row->removed;
    im->barred = row->barred;
    im->group->repo = world_repo(w, row->repo);
    im->group->repo->weight = row->repo_weight ? row->repo_weight : 1;
    set_edges(w, im, row);
    chain_row(w, im, &(struct took){.build = row->build_ms, .test = row->test_ms});
    image_changed(w, im);
}

/* ---- life ------------------------------------------------------------------------------------ */

struct world *world_new(const struct brain_config *config)
{
    struct world *w = xcalloc(1, sizeof *w);
    w->config = *config;
    rng_seed(w->rng, config->seed);
    list_init(&w->buckets);
    list_init(&w->classes);
    list_init(&w->pools);
    for (size_t i = 0; i < ARRAY_SIZE(w->job_slab); i++)
        w->job_slab[i].size = sizeof(struct job);
    w->lease_slab.size = sizeof(struct lease);
    w->image_slab.size = sizeof(struct image);
    w->group_slab.size = sizeof(struct group);
    w->scratch = xmalloc(sizeof *w->scratch);
    str_init(w->scratch);
    w->hot.less = bucket_less;
    w->timers.less = job_timer_less;
    w->lapses.less = worker_lapse_less;
    return w;
}

static void free_image(struct world *w, struct image *im)
{
    made_share(w, &im->passing, NULL);
    made_share(w, &im->build.made, NULL);
    made_share(w, &im->test.made, NULL);
    links_release(&im->parents);
    links_release(&im->children);
    links_release(&im->bases);
    slab_put(&w->image_slab, im);
}

static void free_group(struct world *w, struct group *g)
{
    links_for_each (i, &g->tags) {
        struct tag_slot *t = links_at(&g->tags, i);
        made_share(w, &t->slot.made, NULL);
        free(t);
    }
    links_release(&g->tags);
    links_release(&g->archs);
    free(g->name);
    slab_put(&w->group_slab, g);
}

static void free_base(struct base *b)
{
    free(b->reference);
    free(b->error);
    vec_release(&b->users);
    free(b);
}

static void free_sites(struct world *w)
{
    void *v;
    uint64_t key;
    for (size_t pos = 0; map_next(&w->sites, &pos, &key, &v);) {
        free(((struct site *)v)->name);
        free(v);
    }
    map_release(&w->sites);
}

static void free_names(struct world *w)
{
    void *v;
    const char *key;
    for (size_t pos = 0; smap_next(&w->names, &pos, &key, &v);)
        free(v);
    smap_release(&w->names);
}

static void free_job(struct world *w, struct job *j)
{
    if (j->lease)
        slab_put(&w->lease_slab, j->lease);
    if (!job_has_arch(j))
        free(j->archs);
    slab_put(&w->job_slab[j->kind], j);
}

static void free_maps(struct world *w)
{
    void *v;
    for (struct idmap_pos pos = {0}; (v = idmap_next(&w->jobs, &pos)) != NULL;)
        free_job(w, v);
    for (struct idmap_pos pos = {0}; (v = idmap_next(&w->bases, &pos)) != NULL;)
        free_base(v);
    for (struct idmap_pos pos = {0}; (v = idmap_next(&w->images, &pos)) != NULL;)
        free_image(w, v);
    for (struct idmap_pos pos = {0}; (v = idmap_next(&w->groups, &pos)) != NULL;)
        free_group(w, v);
    for (struct idmap_pos pos = {0}; (v = idmap_next(&w->repos, &pos)) != NULL;)
        free(v);
    idmap_release(&w->jobs);
    idmap_release(&w->repos);
    idmap_release(&w->bases);
    idmap_release(&w->images);
    idmap_release(&w->groups);
    idmap_release(&w->mades);
    free_sites(w);
    free_names(w);
    for (size_t i = 0; i < ARRAY_SIZE(w->job_slab); i++)
        slab_release(&w->job_slab[i]);
    slab_release(&w->lease_slab);
    slab_release(&w->image_slab);
    slab_release(&w->group_slab);
}

void world_free(struct world *w)
{
    if (!w)
        return;
    queues_free(w);
    classes_free(w);
    vec_for_each (i, &w->all_workers)
        worker_free(w->all_workers.v[i]);
    free_maps(w);
    idmap_release(&w->workers);
    idmap_release(&w->attempts);
    heap_release(&w->hot);
    heap_release(&w->timers);
    heap_release(&w->lapses);
    vec_release(&w->all_workers);
    vec_release(&w->staged);
    vec_release(&w->dirty);
    vec_release(&w->chains);
    vec_release(&w->settling);
    vec_release(&w->grave);
    vec_release(&w->undurable);
    vec_release(&w->pending_acks);
    vec_release(&w->orders_wanted);
    vec_release(&w->orders_acks);
    str_release(w->scratch);
    free(w->scratch);
    free(w);
}
