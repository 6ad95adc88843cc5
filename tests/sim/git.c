/* Two refs of a repository, people who push to them, and the planner: plan_commit of 0011_plans.
 *
 * A tree is an array of definitions; parents have smaller numbers, so that every tree is a graph
 * without cycles. Which content fails to build or to pass its tests follows from its hash, so the
 * checker knows how each image must end. */
#include "tests/sim/sim.h"

#define N_DEFS 9
#define N_BASES 3
#define HISTORY 8

static const char *const arch_names[MAX_ARCHS] = {"amd64", "arm64"};

struct def {
    bool wanted;
    int content, tests, publish, priority;
    int parents[MAX_PARENTS];
    size_t n_parents;
    int base; /* 0: none */
    int64_t place;
    bool arm;
    unsigned mirrors;
};

struct tree {
    struct def defs[N_DEFS];
};

struct git {
    struct tree head[N_REFS], planned[N_REFS];
    struct tree history[N_REFS][HISTORY];
    size_t n_history[N_REFS];
    bool pushed[N_REFS];
    int64_t serial[N_REFS];
    int64_t image_of[N_REFS][N_DEFS]; /* id, or 0 */
    int next;                         /* content that was never there */
};

/* ---- what cannot pass --------------------------------------------------------------------------
 */

bool recipe_is_bad(const struct sha256 *recipe)
{
    return recipe->b[5] < 14;
}

bool tests_are_bad(const struct sha256 *recipe, const struct sha256 *tests_key)
{
    uint8_t both[64];
    memcpy(both, recipe->b, 32);
    memcpy(both + 32, tests_key->b, 32);
    return sim_hash(both, sizeof both).b[7] < 14;
}

static struct sha256 hash_numbers(int64_t a, int64_t b, int64_t c)
{
    int64_t v[3] = {a, b, c};
    return sim_hash(v, sizeof v);
}

/* ---- people ---------------------------------------------------------------------------------- */

static void random_parents(struct sim *s, struct tree *t, int d)
{
    struct def *def = &t->defs[d];
    def->n_parents = 0;
    for (int p = 0; p < d && def->n_parents < MAX_PARENTS; p++) {
        if (t->defs[p].wanted && chance(s, d == 1 ? 90 : 30))
            def->parents[def->n_parents++] = p;
    }
}

static bool has_children(const struct tree *t, int d)
{
    for (int c = d + 1; c < N_DEFS; c++) {
        for (size_t i = 0; t->defs[c].wanted && i < t->defs[c].n_parents; i++) {
            if (t->defs[c].parents[i] == d)
                return true;
        }
    }
    return false;
}

static void random_def(struct sim *s, struct tree *t, int d)
{
    static const int64_t places[] = {1, 1, 1, 2, 3};
    struct def *def = &t->defs[d];
    *def = (struct def){.wanted = true,
                        .content = s->git->next++,
                        .priority = (int)rnd_below(s, 3),
                        .base = (int)rnd_below(s, N_BASES + 1),
                        .place = places[rnd_below(s, ARRAY_SIZE(places))],
                        .arm = chance(s, 25),
                        .mirrors = (unsigned)rnd_below(s, 4) << 2};
    random_parents(s, t, d);
}

static void edit_def(struct sim *s, struct tree *t, int d)
{
    struct def *def = &t->defs[d];
    if (!def->wanted) {
        random_def(s, t, d);
        return;
    }
    switch (rnd_below(s, 8)) {
    case 0:
        def->tests++;
        break;
    case 1:
        def->publish++;
        break;
    case 2:
        random_parents(s, t, d);
        break;
    case 3:
        def->wanted = has_children(t, d);
        break;
    case 4:
        def->arm = !def->arm;
        break;
    default:
        def->content = s->git->next++;
        break;
    }
}

static void push(struct sim *s, int ref, const struct tree *t)
{
    struct git *g = s->git;
    g->history[ref][g->n_history[ref]++ % HISTORY] = g->head[ref];
    g->head[ref] = *t;
    g->pushed[ref] = true;
    sim_trace(s, "push to ref %d", ref);
    for (int i = 0; i < N_HUBS; i++)
        hub_wake(s, &s->hubs[i]);
}

void git_edit(struct sim *s)
{
    struct git *g = s->git;
    int ref = (int)rnd_below(s, N_REFS);
    struct tree t = g->head[ref];
    size_t kept = g->n_history[ref] < HISTORY ? g->n_history[ref] : HISTORY;
    uint64_t what = rnd_below(s, 10);
    if (what == 0 && kept) {
        t = g->history[ref][rnd_below(s, kept)];
    } else if (what == 1) {
        t = g->head[(ref + 1) % N_REFS];
    } else {
        for (uint64_t n = rnd_below(s, 3) + 1; n > 0; n--)
            edit_def(s, &t, (int)rnd_below(s, N_DEFS));
    }
    push(s, ref, &t);
}

void git_republish(struct sim *s, int64_t image)
{
    for (int ref = 0; ref < N_REFS; ref++) {
        struct tree t = s->git->head[ref];
        for (int d = 0; d < N_DEFS; d++) {
            if (s->git->image_of[ref][d] != image)
                continue;
            t.defs[d].publish++;
            push(s, ref, &t);
        }
    }
}

void git_base_moves(struct sim *s)
{
    struct t_base *b = &s->db.bases.v[rnd_below(s, N_BASES)];
    b->digest = hash_numbers(77, s->git->next++, 0);
    for (int i = 0; i < N_HUBS; i++) {
        s->hubs[i].want_bases = true;
        hub_wake(s, &s->hubs[i]);
    }
}

void git_init(struct sim *s)
{
    s->git = xcalloc(1, sizeof *s->git);
    for (int64_t i = 1; i <= N_BASES; i++)
        *vec_push(&s->db.bases) =
            (struct t_base){.id = i, .reference = xasprintf("quay.io/base-%d:1", (int)i)};
    for (int d = 0; d < N_DEFS; d++) {
        if (chance(s, 70))
            random_def(s, &s->git->head[0], d);
    }
    s->git->pushed[0] = true;
}

void git_free(struct sim *s)
{
    free(s->git);
    s->git = NULL;
}

/* ---- the planner ----------------------------------------------------------------------------- */

struct change {
    bool recipe, tests, publish, own;
};

static bool has_arch(const struct tree *t, int d, int arch)
{
    const struct def *def = &t->defs[d];
    if (arch == 0)
        return def->wanted;
    bool all = def->wanted && def->arm && def->place == 1;
    for (size_t i = 0; all && i < def->n_parents; i++)
        all = has_arch(t, def->parents[i], arch);
    return all;
}

static struct sha256 recipe_of(const struct tree *t, int d, int arch)
{
    const struct def *def = &t->defs[d];
    struct sha256 h = hash_numbers(d * 10 + arch, def->content, def->base);
    for (size_t i = 0; i < def->n_parents; i++) {
        struct sha256 both[2] = {h, recipe_of(t, def->parents[i], arch)};
        h = sim_hash(both, sizeof both);
    }
    return h;
}

static struct t_image *image_of(struct sim *s, int ref, int d)
{
    int64_t *id = &s->git->image_of[ref][d];
    if (!*id) {
        *id = (int64_t)s->db.images.n + 1;
        *vec_push(&s->db.images) = (struct t_image){
            .id = *id,
            .ref = ref,
            .repo = 1,
            .name = xasprintf("p:i%d@%s", d, ref ? "dev" : "main"),
            .removed = true,
        };
    }
    return db_image(s, *id);
}

static struct t_arch *arch_of(struct sim *s, struct t_image *im, const char *name, bool make)
{
    for (size_t i = 0; i < im->n_archs; i++) {
        if (strcmp(db_arch(s, im->archs[i])->arch, name) == 0)
            return db_arch(s, im->archs[i]);
    }
    if (!make)
        return NULL;
    int64_t id = (int64_t)s->db.archs.n + 1;
    *vec_push(&s->db.archs) = (struct t_arch){
        .id = id, .image = im->id, .name = xstrdup(im->name), .arch = name, .removed = true};
    im->archs[im->n_archs++] = id;
    return db_arch(s, id);
}

static struct change store_arch(struct sim *s, int ref, int d, int arch)
{
    const struct tree *t = &s->git->head[ref];
    const struct def *def = &t->defs[d], *old = &s->git->planned[ref].defs[d];
    struct t_image *im = image_of(s, ref, d);
    struct t_arch *a = arch_of(s, im, arch_names[arch], true);
    struct sha256 recipe = recipe_of(t, d, arch), tests = hash_numbers(d, def->tests, 1);
    bool fresh = a->removed || im->removed;
    struct change c = {
        .recipe = fresh || !sha256_eq(&a->recipe, &recipe),
        .tests = fresh || !sha256_eq(&a->tests_key, &tests),
        .own = fresh || def->content != old->content || def->base != old->base ||
               def->n_parents != old->n_parents ||
               memcmp(def->parents, old->parents, def->n_parents * sizeof def->parents[0]) != 0,
    };
    a->recipe = recipe;
    a->tests_key = tests;
    a->base = def->base;
    a->n_parents = 0;
    for (size_t i = 0; i < def->n_parents; i++) {
        struct t_image *p = image_of(s, ref, def->parents[i]);
        int64_t parent = arch_of(s, p, arch_names[arch], true)->id;
        a = arch_of(s, image_of(s, ref, d), arch_names[arch], false);
        a->parents[a->n_parents++] = parent;
    }
    a->removed = false;
    return c;
}

static int64_t one_job(struct sim *s, int ref, int d, enum job_kind kind, int64_t arch,
                       int64_t site, bool because_parent)
{
    const struct def *def = &s->git->head[ref].defs[d];
    struct t_image *im = image_of(s, ref, d);
    struct job_row row = {
        .kind = kind,
        .image = im->id,
        .image_arch = arch,
        .target_site = site,
        .run_site = site                  ? site
                    : kind == JOB_PUBLISH ? 1
                                          : def->place,
        .revision_serial = s->git->serial[ref],
        .because_parent = because_parent,
        .priority = def->priority,
    };
    int64_t id = db_add_job(s, row);
    struct t_job *j = db_job(s, id);
    if (kind == JOB_PUBLISH || kind == JOB_MIRROR) {
        for (size_t i = 0; i < im->n_archs; i++) {
            if (!db_arch(s, im->archs[i])->removed)
                j->archs[j->row.n_image_archs++] = im->archs[i];
        }
        j->row.image_archs = j->archs;
    }
    return id;
}

static void jobs_of(struct sim *s, int ref, int d, const struct change *c, struct ids *made)
{
    struct t_image *im = image_of(s, ref, d);
    bool any = false, parent = true;
    for (int arch = 0; arch < MAX_ARCHS; arch++) {
        any |= c[arch].recipe || c[arch].tests || c[arch].publish;
        parent &= !c[arch].own && !c[arch].tests && !c[arch].publish;
    }
    for (int kind = JOB_BUILD; kind <= JOB_TEST; kind++) {
        for (int arch = 0; arch < MAX_ARCHS; arch++) {
            if (!c[arch].recipe && !(kind == JOB_TEST && c[arch].tests))
                continue;
            int64_t id = arch_of(s, im, arch_names[arch], false)->id;
            *vec_push(made) = one_job(s, ref, d, (enum job_kind)kind, id, 0, !c[arch].own);
        }
    }
    if (!any)
        return;
    *vec_push(made) = one_job(s, ref, d, JOB_PUBLISH, 0, 0, parent);
    for (int64_t site = 2; site <= N_SITES; site++) {
        if (s->git->head[ref].defs[d].mirrors & (1u << site))
            *vec_push(made) = one_job(s, ref, d, JOB_MIRROR, 0, site, parent);
    }
}

static void store_image(struct sim *s, int ref, int d, struct ids *made)
{
    const struct tree *t = &s->git->head[ref];
    struct change c[MAX_ARCHS] = {0};
    struct sha256 publish_key = hash_numbers(d, t->defs[d].publish, 2);
    for (int arch = 0; arch < MAX_ARCHS; arch++) {
        struct t_arch *a = arch_of(s, image_of(s, ref, d), arch_names[arch], false);
        if (has_arch(t, d, arch))
            c[arch] = store_arch(s, ref, d, arch);
        else if (a && !a->removed)
            c[0].publish = a->removed = true; /* the index has one less */
    }
    struct t_image *im = image_of(s, ref, d);
    c[0].publish |=
        t->defs[d].wanted && (im->removed || !sha256_eq(&publish_key, &im->publish_key) ||
                              im->mirrors != t->defs[d].mirrors);
    im->removed = !t->defs[d].wanted;
    im->publish_key = publish_key;
    im->mirrors = t->defs[d].mirrors;
    if (t->defs[d].wanted)
        jobs_of(s, ref, d, c, made);
}

bool git_plan(struct sim *s, int ref, struct ids *jobs, struct ids *images)
{
    struct git *g = s->git;
    if (!g->pushed[ref])
        return false;
    g->pushed[ref] = false;
    g->serial[ref]++;
    for (int d = 0; d < N_DEFS; d++) {
        if (g->head[ref].defs[d].wanted || g->image_of[ref][d])
            store_image(s, ref, d, jobs);
    }
    g->planned[ref] = g->head[ref];
    vec_for_each (i, &s->db.archs) {
        if (db_image(s, s->db.archs.v[i].image)->ref == ref)
            *vec_push(images) = s->db.archs.v[i].id;
    }
    sim_trace(s, "plan of ref %d, revision %d: %zu jobs", ref, (int)g->serial[ref], jobs->n);
    return true;
}

bool git_is_pushed(const struct sim *s)
{
    return s->git->pushed[0] || s->git->pushed[1];
}
