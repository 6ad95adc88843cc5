#include "scheduler/plan/jobs.h"

#include "common/base/str.h"
#include "common/base/vec.h"

const char *const plan_job_kind_names[] = {[PLAN_BUILD] = "build",
                                           [PLAN_TEST] = "test",
                                           [PLAN_PUBLISH] = "publish",
                                           [PLAN_MIRROR] = "mirror"};
const char *const plan_reason_names[] = {[REASON_NEW] = "new",
                                         [REASON_CONTEXT] = "context",
                                         [REASON_DEFINITION] = "definition",
                                         [REASON_ARGUMENT] = "argument",
                                         [REASON_INPUT] = "input",
                                         [REASON_PARENT] = "parent",
                                         [REASON_EXTERNAL] = "external"};

/* What becomes of one image. */
struct change {
    const struct image *old; /* NULL: new */
    bool build, test, publish;
    enum plan_reason reason;
    const char *because;
};

struct maker {
    struct plan *now;
    const struct plan *before;
    struct arena *a;
    struct change *change; /* per image */
    VEC(struct plan_job) jobs;
};

static bool differ(const struct sha256 *x, const struct sha256 *y)
{
    return !sha256_eq(x, y);
}

/* The first path that is in one list only or has another content or mode; NULL: none. */
static const char *list_change(const struct ship_list *x, const struct ship_list *y,
                               const char *except)
{
    size_t i = 0, k = 0;
    while (i < x->n || k < y->n) {
        int c = i == x->n ? 1 : k == y->n ? -1 : strcmp(x->v[i].path, y->v[k].path);
        const struct ship_entry *at = c <= 0 ? &x->v[i] : &y->v[k];
        bool same = c == 0 && x->v[i].kind == y->v[k].kind &&
                    memcmp(&x->v[i].entry->id, &y->v[k].entry->id, sizeof(struct blob_id)) == 0;
        if (!same && (except == NULL || strcmp(at->path, except) != 0))
            return at->entry->path;
        i += c <= 0;
        k += c >= 0;
    }
    return NULL;
}

static const struct ship_entry *find_entry(const struct ship_list *l, const char *path)
{
    size_t lo = 0, hi = l->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(l->v[mid].path, path) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < l->n && strcmp(l->v[lo].path, path) == 0 ? &l->v[lo] : NULL;
}

static bool file_changed(const struct image *x, const struct image *y)
{
    const struct ship_entry *a = find_entry(&x->context_files, x->containerfile);
    const struct ship_entry *b = find_entry(&y->context_files, y->containerfile);
    return a == NULL || b == NULL ||
           memcmp(&a->entry->id, &b->entry->id, sizeof(struct blob_id)) != 0;
}

static const struct blob_id *blob_of(const struct plan *p, const char *path)
{
    const struct tree_entry *entry = tree_find(p->tree, path);
    return entry != NULL ? &entry->id : NULL;
}

static bool blob_changed(const struct maker *m, const char *path)
{
    const struct blob_id *was = blob_of(m->before, path), *is = blob_of(m->now, path);
    return is != NULL && (was == NULL || memcmp(was, is, sizeof *is) != 0);
}

/* The file that a Containerfile.in includes and that is another one now, where that itself is not;
 * NULL: none. */
static const char *changed_include(const struct maker *m, const struct image *x)
{
    if (x->made == NULL || blob_changed(m, x->file))
        return NULL;
    for (size_t i = 0; i < x->made->origins; i++) {
        if (blob_changed(m, x->made->origin[i].file))
            return x->made->origin[i].file;
    }
    return NULL;
}

/* The file itself, where a link names it. */
static const char *real_containerfile(const struct image *x)
{
    const struct ship_entry *at = find_entry(&x->context_files, x->containerfile);
    return at != NULL && x->made == NULL ? at->entry->path : x->file;
}

/* The configuration file that says something else about the image now. */
static const char *changed_layer(const struct maker *m, const struct image *image)
{
    for (size_t i = image->layers; i > 0; i--) {
        const struct blob_id *was = plan_layer_id(m->before, image->layer[i - 1]);
        const struct blob_id *is = plan_layer_id(m->now, image->layer[i - 1]);
        if (was == NULL || is == NULL || memcmp(was, is, sizeof *is) != 0)
            return image->layer[i - 1];
    }
    return image->file;
}

static const char *changed_arg(const struct image *x, const struct image *y)
{
    size_t i = 0, k = 0;
    while (i < x->args || k < y->args) {
        int c = i == x->args ? 1 : k == y->args ? -1 : strcmp(x->arg[i].name, y->arg[k].name);
        if (c != 0 || strcmp(x->arg[i].value, y->arg[k].value) != 0)
            return c <= 0 ? x->arg[i].name : y->arg[k].name;
        i++;
        k++;
    }
    return NULL;
}

static const char *changed_parent(const struct maker *m, const struct image *image)
{
    for (size_t i = 0; i < image->needs; i++) {
        size_t parent = image->need[i].parent;
        if (parent != PLAN_EXTERNAL && m->change[parent].build)
            return m->now->image[parent].name;
    }
    return NULL;
}

static const char *changed_reference(const struct image *x, const struct image *y)
{
    for (size_t i = 0; i < x->needs; i++) {
        if (i >= y->needs || strcmp(x->need[i].ref, y->need[i].ref) != 0)
            return x->need[i].ref;
    }
    return y->needs > x->needs ? y->need[x->needs].ref : "";
}

/* Why the recipe is another one. What the image itself says comes before what it is built from. */
static void explain_build(const struct maker *m, const struct image *x, struct change *c)
{
    const struct image *y = c->old;
    if (file_changed(x, y)) {
        c->because = changed_include(m, x);
        c->reason = c->because != NULL ? REASON_INPUT : REASON_DEFINITION;
        if (c->because == NULL)
            c->because = real_containerfile(x);
    } else if (differ(&x->settings_key, &y->settings_key)) {
        c->reason = REASON_DEFINITION;
        c->because = changed_layer(m, x);
    } else if ((c->because = changed_arg(x, y)) != NULL) {
        c->reason = REASON_ARGUMENT;
    } else if ((c->because = list_change(&x->context_files, &y->context_files, NULL)) != NULL) {
        c->reason = REASON_CONTEXT;
    } else if ((c->because = list_change(&x->inputs, &y->inputs, NULL)) != NULL) {
        c->reason = REASON_INPUT;
    } else if ((c->because = changed_parent(m, x)) != NULL) {
        c->reason = REASON_PARENT;
    } else {
        c->reason = REASON_EXTERNAL;
        c->because = changed_reference(x, y);
    }
}

static void explain_test(const struct maker *m, const struct image *x, struct change *c)
{
    c->because = list_change(&x->scripts, &c->old->scripts, NULL);
    c->reason = c->because != NULL ? REASON_INPUT : REASON_DEFINITION;
    if (c->because == NULL)
        c->because = changed_layer(m, x);
}

/* Mostly at the same place. */
static const struct image *earlier(const struct plan *before, size_t i, const struct image *x)
{
    const struct image *y = i < before->images ? &before->image[i] : NULL;
    if (y != NULL && strcmp(y->name, x->name) == 0 && strcmp(y->arch, x->arch) == 0)
        return y;
    return plan_find(before, x->name, x->arch);
}

static void compare(struct maker *m, size_t i)
{
    const struct image *x = &m->now->image[i];
    struct change *c = &m->change[i];
    c->old = m->before != NULL ? earlier(m->before, i, x) : NULL;
    if (c->old == NULL) {
        *c = (struct change){.build = true, .test = true, .publish = true, .reason = REASON_NEW};
        c->because = x->file;
        return;
    }
    c->build = differ(&x->recipe_key, &c->old->recipe_key);
    c->test = c->build || differ(&x->tests_key, &c->old->tests_key);
    c->publish = c->test || differ(&x->publish_key, &c->old->publish_key);
    if (c->build)
        explain_build(m, x, c);
    else if (c->test)
        explain_test(m, x, c);
    else if (c->publish) {
        c->reason = REASON_DEFINITION;
        c->because = changed_layer(m, x);
    }
}

/* ---- jobs ---- */

static struct plan_job *add_job(struct maker *m, enum plan_job_kind kind, size_t i, const char *id)
{
    struct plan_job *j = vec_push(&m->jobs);
    const struct image *image = &m->now->image[i];
    bool per_arch = kind == PLAN_BUILD || kind == PLAN_TEST;
    *j = (struct plan_job){.id = id,
                           .kind = kind,
                           .image = image,
                           .arch = per_arch ? image->arch : NULL,
                           .reason = m->change[i].reason,
                           .because = m->change[i].because};
    return j;
}

static const char *job_id(struct maker *m, const char *kind, const struct image *image)
{
    return arena_fmt(m->a, "%s:%s:%s", kind, image->name, image->arch);
}

static void add_build(struct maker *m, size_t i)
{
    const struct image *image = &m->now->image[i];
    struct plan_job *j = add_job(m, PLAN_BUILD, i, job_id(m, "build", image));
    j->after = arena_array(m->a, image->needs, sizeof *j->after);
    for (size_t k = 0; k < image->needs; k++) {
        size_t parent = image->need[k].parent;
        if (parent == PLAN_EXTERNAL || !m->change[parent].test)
            continue;
        const char *id = job_id(m, "test", &m->now->image[parent]);
        bool twice = false;
        for (size_t n = 0; n < j->n_after; n++)
            twice |= strcmp(j->after[n], id) == 0;
        if (!twice)
            j->after[j->n_after++] = id;
    }
}

static void add_test(struct maker *m, size_t i)
{
    const struct image *image = &m->now->image[i];
    struct plan_job *j = add_job(m, PLAN_TEST, i, job_id(m, "test", image));
    if (!m->change[i].build)
        return;
    j->after = arena_array(m->a, 1, sizeof *j->after);
    j->after[j->n_after++] = job_id(m, "build", image);
}

/* [*from, *to) are the architectures of the image at i. */
static void same_name(const struct plan *p, size_t i, size_t *from, size_t *to)
{
    *from = i;
    *to = i + 1;
    while (*from > 0 && strcmp(p->image[*from - 1].name, p->image[i].name) == 0)
        --*from;
    while (*to < p->images && strcmp(p->image[*to].name, p->image[i].name) == 0)
        ++*to;
}

static void add_mirrors(struct maker *m, size_t i, const char *publish)
{
    const struct texts *sites = &m->now->image[i].s.mirror_sites;
    for (size_t k = 0; k < sites->n; k++) {
        const char *site = sites->v[k].text;
        if (strpbrk(site, "*?[{") != NULL)
            continue; /* which sites that means is the farm's knowledge */
        struct plan_job *j = add_job(m, PLAN_MIRROR, i,
                                     arena_fmt(m->a, "mirror:%s:%s", m->now->image[i].name, site));
        j->site = site;
        j->after = arena_array(m->a, 1, sizeof *j->after);
        j->after[j->n_after++] = publish;
    }
}

/* One publish for all architectures: with the reason of the first that changed. */
static void add_publish(struct maker *m, size_t i)
{
    size_t from, to, reason = SIZE_MAX, tests = 0;
    same_name(m->now, i, &from, &to);
    for (size_t k = from; k < to; k++) {
        tests += m->change[k].test;
        if (m->change[k].publish && reason == SIZE_MAX)
            reason = k;
    }
    if (reason == SIZE_MAX)
        return;
    const char *id = arena_fmt(m->a, "publish:%s", m->now->image[i].name);
    struct plan_job *j = add_job(m, PLAN_PUBLISH, reason, id);
    j->after = arena_array(m->a, tests, sizeof *j->after);
    for (size_t k = from; k < to; k++) {
        if (m->change[k].test)
            j->after[j->n_after++] = job_id(m, "test", &m->now->image[k]);
    }
    add_mirrors(m, reason, id);
}

void plan_jobs_make(struct plan *now, const struct plan *before, struct plan_jobs *out)
{
    struct maker m = {.now = now, .before = before, .a = &now->arena};
    m.change = arena_array(m.a, now->images, sizeof *m.change);
    size_t *left =
        arena_array(m.a, now->images, sizeof *left); /* of the name, by its first index */
    for (size_t i = 0; i < now->images; i++) {
        size_t from, to;
        same_name(now, i, &from, &to);
        left[from] = to - from;
    }
    for (size_t k = 0; k < now->images; k++) {
        size_t i = now->order[k], from, to;
        compare(&m, i);
        if (m.change[i].build)
            add_build(&m, i);
        if (m.change[i].test)
            add_test(&m, i);
        same_name(now, i, &from, &to);
        if (--left[from] == 0)
            add_publish(&m, i);
    }
    arena_take(m.a, &m.jobs, &out->v, &out->n);
}
