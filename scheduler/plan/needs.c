/* What each draft is built from: references of its Containerfile and of needs_images, matched
 * against what the drafts of the same repository and ref provide. */
#include "scheduler/plan/build.h"

#include "common/base/str.h"
#include "scheduler/plan/reference.h"

struct providers {
    VEC(size_t) draft; /* indices, ascending; one image once per architecture */
};

/* ---- who provides what ---- */

static void provide(struct build *b, const char *reference, size_t draft)
{
    struct providers *p = smap_get(&b->provided, reference);
    if (p == NULL) {
        p = arena_alloc(b->a, sizeof *p);
        smap_put(&b->provided, reference, p);
    }
    if (p->draft.n == 0 || p->draft.v[p->draft.n - 1] != draft)
        *vec_push(&p->draft) = draft;
}

static void index_providers(struct build *b)
{
    vec_for_each (i, &b->drafts) {
        const struct image *image = &b->drafts.v[i]->image;
        for (size_t k = 0; k < image->n_provides; k++)
            provide(b, image->provides[k], i);
        for (size_t k = 0; k < image->n_release; k++)
            provide(b, image->release[k], i);
    }
}

void release_needs(struct build *b)
{
    size_t pos = 0;
    const char *key;
    void *value;
    while (smap_next(&b->provided, &pos, &key, &value))
        vec_release(&((struct providers *)value)->draft);
    smap_release(&b->provided);
}

/* ---- one reference ---- */

/* The architecture that FROM --platform=linux/ARCH[/VARIANT] asks for. */
static const char *platform_arch(struct arena *a, const char *platform, const char *arch)
{
    const char *slash = platform != NULL ? strchr(platform, '/') : NULL;
    if (slash == NULL)
        return arch;
    return arena_strn(a, slash + 1, strcspn(slash + 1, "/"));
}

/* Of 10,000 broken references among 10,000 names the first hundred get a hint. */
#define COMPARED_MAX 1000000

/* In a short name every other letter makes another name: a third of it may differ, two letters at
 * most. */
static unsigned letters_that_may_differ(const char *text)
{
    const char *name = path_base(text);
    size_t n = strcspn(name, ":@");
    return n / 3 < 2 ? (unsigned)(n / 3) : 2;
}

static const char *nearest_provided(struct build *b, const char *text)
{
    const char *best = NULL, *key;
    unsigned distance = letters_that_may_differ(text) + 1;
    size_t pos = 0;
    void *value;
    b->compared += b->provided.n;
    if (b->compared > COMPARED_MAX)
        return NULL;
    while (smap_next(&b->provided, &pos, &key, &value)) {
        unsigned n = edit_distance(key, text);
        if (n < distance || (n == distance && best != NULL && strcmp(key, best) < 0)) {
            distance = n;
            best = key;
        }
    }
    return best != NULL ? arena_fmt(b->a, "did you mean %s?", best) : NULL;
}

/* The draft that provides the reference for this architecture. Errors stand where it is used. */
static int find_parent(struct build *b, struct draft *d, struct need *n)
{
    const struct providers *p = smap_get(&b->provided, n->ref);
    size_t found = PLAN_EXTERNAL;
    n->parent = PLAN_EXTERNAL;
    if (p == NULL)
        return 0;
    for (size_t i = 0; i < p->draft.n; i++) {
        const struct draft *candidate = b->drafts.v[p->draft.v[i]];
        if (strcmp(candidate->image.arch, n->arch) != 0)
            continue;
        if (found != PLAN_EXTERNAL) {
            const struct draft *other = b->drafts.v[found];
            diag_add(&d->errors, n->at, "ambiguous", "let only one of them list it in `provides`",
                     "%s is provided by two images: %s (%s) and %s (%s)", n->ref, other->image.name,
                     other->def->file, candidate->image.name, candidate->def->file);
            return -1;
        }
        found = p->draft.v[i];
    }
    n->parent = found;
    if (found != PLAN_EXTERNAL)
        return 0;
    const struct draft *other = b->drafts.v[p->draft.v[0]];
    diag_add(&d->errors, n->at, "no-such-arch",
             arena_fmt(b->a, "add %s to `arch` of %s", n->arch, other->image.name),
             "the image %s (%s) is not built for %s", other->image.name, other->def->file, n->arch);
    return -1;
}

static const char *alias_of(const struct build *b, const char *path)
{
    for (size_t i = 0; i < b->in->aliases; i++) {
        if (strcmp(b->in->alias[i].name, path) == 0)
            return b->in->alias[i].reference;
    }
    return NULL;
}

/* A short name that no image provides: what the farm takes it for. */
static int resolve_short(struct build *b, struct draft *d, struct need *n, struct reference *r)
{
    const char *alias = alias_of(b, r->path);
    struct reference target;
    struct err e = ERR_INIT;
    if (alias == NULL) {
        const char *hint = nearest_provided(b, arena_fmt(b->a, "localhost/%s", n->ref));
        diag_add(&d->errors, n->at, "short-name",
                 hint != NULL ? hint
                              : arena_fmt(b->a, "name the registry, for example docker.io/%s%s",
                                          strchr(r->path, '/') == NULL ? "library/" : "", n->ref),
                 "'%s' names no registry, and the farm has no alias for it", n->ref);
        return -1;
    }
    if (reference_parse(b->a, alias, &target, &e) < 0) {
        diag_add(&d->errors, n->at, "bad-reference", NULL, "the alias of %s: %s", r->path, e.msg);
        return -1;
    }
    r->host = target.host;
    r->path = target.path;
    n->ref = reference_text(b->a, r);
    return find_parent(b, d, n);
}

static bool declares(const struct cf_instr *v, size_t n, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; v[i].op == CF_ARG && k < v[i].words; k++) {
            const char *word = v[i].word[k].text;
            if (strncmp(word, name, len) == 0 && (word[len] == '\0' || word[len] == '='))
                return true;
        }
    }
    return false;
}

/* A file of a thousand mistakes is not searched a thousand times. */
#define SEARCHED_MAX 10

/* What to do about an argument without a value: it may be declared where it is not seen. */
static const char *unset_hint(const struct draft *d, const struct cf_use *u)
{
    static const char usual[] = "give it a default, or a value in `args`";
    const struct cfile *f = d->cf;
    if (d->errors.list.n > SEARCHED_MAX)
        return usual;
    if (u->kind != CF_USE_FROM && declares(f->header, f->headers, u->unset) &&
        !declares(f->stage[u->stage].instr, f->stage[u->stage].n, u->unset))
        return "repeat ARG and its name in this stage: those above the first FROM count in FROM "
               "only";
    if (u->kind == CF_USE_FROM && !declares(f->header, f->headers, u->unset)) {
        for (size_t i = 0; i < f->stages; i++) {
            if (declares(f->stage[i].instr, f->stage[i].n, u->unset))
                return "put its ARG above the first FROM: only those count in FROM";
        }
    }
    return usual;
}

static void bad_reference(struct draft *d, struct diag_at at, const char *text,
                          const struct cf_use *u, const char *why)
{
    if (u != NULL && u->unset != NULL)
        diag_add(&d->errors, at, "unset-argument", unset_hint(d, u),
                 "the argument %s has no value, so this names no image", u->unset);
    else
        diag_add(&d->errors, at, "bad-reference", NULL, "'%s': %s", text, why);
}

/* Brings `text` into its normal form and finds who provides it; -1: reported. `u`: its use in the
 * Containerfile, or NULL. */
static int resolve(struct build *b, struct draft *d, const char *text, const struct cf_use *u,
                   struct need *n)
{
    struct reference r;
    struct err e = ERR_INIT;
    if (reference_parse(b->a, text, &r, &e) < 0) {
        bad_reference(d, n->at, text, u, e.msg);
        return -1;
    }
    n->ref = reference_text(b->a, &r);
    if (find_parent(b, d, n) < 0)
        return -1;
    if (n->parent != PLAN_EXTERNAL)
        return 0;
    if (r.host == NULL)
        return resolve_short(b, d, n, &r);
    if (strcmp(r.host, "localhost") != 0)
        return 0;
    const char *hint = nearest_provided(b, n->ref);
    diag_add(&d->errors, n->at, "no-such-image",
             hint != NULL ? hint : "list it in `provides` of the image that is meant",
             "no image of this repository provides %s", n->ref);
    return -1;
}

/* ---- the list of one draft ---- */

struct need_list {
    VEC(struct need) v;
};

static void add_written(struct build *b, struct need *n, const char *text)
{
    for (size_t i = 0; i < n->n_written; i++) {
        if (strcmp(n->written[i], text) == 0)
            return;
    }
    const char **more = arena_array(b->a, n->n_written + 1, sizeof *more);
    if (n->n_written > 0)
        memcpy(more, n->written, n->n_written * sizeof *more);
    more[n->n_written++] = text;
    n->written = more;
}

/* The same image under another spelling is one need. */
static void add_need(struct build *b, struct need_list *l, const struct need *n,
                     const char *written, const char *expanded)
{
    struct need *same = NULL;
    for (size_t i = 0; i < l->v.n && same == NULL; i++) {
        struct need *x = &l->v.v[i];
        if (x->use == n->use && strcmp(x->ref, n->ref) == 0 && strcmp(x->arch, n->arch) == 0)
            same = x;
    }
    if (same == NULL) {
        same = vec_push(&l->v);
        *same = *n;
    }
    same->final |= n->final;
    add_written(b, same, written);
    if (strcmp(expanded, same->ref) != 0)
        add_written(b, same, expanded);
}

static const struct named *image_context(const struct draft *d, const struct cf_use *u)
{
    for (size_t i = 0; i < d->image_contexts.n; i++) {
        const struct named *c = &d->image_contexts.v[i];
        if (strcmp(c->name, u->written) == 0 || strcmp(c->name, u->expanded) == 0)
            return c;
    }
    return NULL;
}

/* image:NAME is an image of this repository by its name, or else any reference. */
static const char *context_reference(struct build *b, const char *text)
{
    size_t lo = 0, hi = b->drafts.n; /* drafts are in the order of their names */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (strcmp(b->drafts.v[mid]->image.name, text) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    for (; lo < b->drafts.n && strcmp(b->drafts.v[lo]->image.name, text) == 0; lo++) {
        if (b->drafts.v[lo]->image.n_provides > 0)
            return b->drafts.v[lo]->image.provides[0];
    }
    return text;
}

static void need_use(struct build *b, struct draft *d, const struct cf_use *u, struct need_list *l)
{
    struct need n = {.use = NEED_FROM, .at = u->at};
    n.final = u->kind == CF_USE_FROM && u->stage == d->result.base;
    n.arch = platform_arch(b->a, u->platform, d->image.arch);
    const struct named *context = u->context ? image_context(d, u) : NULL;
    if (u->context && context == NULL)
        return; /* a folder, or needs_images */
    if (context != NULL) {
        n.at = context->value.at;
        if (resolve(b, d, context_reference(b, context->value.text), NULL, &n) == 0)
            add_need(b, l, &n, context->name, context->name);
    } else if (resolve(b, d, u->expanded, u, &n) == 0) {
        add_need(b, l, &n, u->written, u->expanded);
    }
}

static void need_embedded(struct build *b, struct draft *d, struct need_list *l)
{
    const struct texts *t = &d->image.s.needs_images;
    for (size_t i = 0; i < t->n; i++) {
        struct need n = {.use = NEED_EMBED, .at = t->v[i].at, .arch = d->image.arch};
        if (resolve(b, d, t->v[i].text, NULL, &n) == 0)
            add_need(b, l, &n, t->v[i].text, t->v[i].text);
    }
}

/* -1: the Containerfile cannot be resolved with these arguments. */
static int resolve_file(struct build *b, struct draft *d, const struct cf_onbuild *onbuild,
                        size_t onbuilds)
{
    struct cf_env env = {.arg = d->arg,
                         .args = d->args,
                         .arch = d->image.arch,
                         .target = d->image.s.target.text,
                         .target_at = d->image.s.target.at,
                         .contexts = d->context_names,
                         .onbuild = onbuild,
                         .onbuilds = onbuilds};
    return cf_resolve(b->a, d->cf, &env, &d->errors, &d->result);
}

static void list_needs(struct build *b, struct draft *d)
{
    struct need_list l = {.v = {.v = NULL}};
    for (size_t i = 0; i < d->result.uses; i++)
        need_use(b, d, &d->result.use[i], &l);
    need_embedded(b, d, &l);
    arena_take(b->a, &l.v, &d->image.need, &d->image.needs);
}

/* ---- ONBUILD ---- */

static bool has_triggers(const struct draft *parent)
{
    if (parent->cf == NULL || parent->errors.list.n > 0)
        return false;
    const struct cf_stage *s = &parent->cf->stage[parent->result.target];
    for (size_t i = 0; i < s->n; i++) {
        if (s->instr[i].op == CF_ONBUILD)
            return true;
    }
    return false;
}

static const struct need *need_of_use(const struct draft *d, const struct cf_use *u)
{
    for (size_t i = 0; i < d->image.needs; i++) {
        const struct need *n = &d->image.need[i];
        if (n->use != NEED_FROM)
            continue;
        for (size_t k = 0; k < n->n_written; k++) {
            if (strcmp(n->written[k], u->written) == 0)
                return n;
        }
    }
    return NULL;
}

/* A file that has the triggers of an image from elsewhere, as its builder reads them; broken: what
 * they do is not known here. Texts that pass for other lines than their own are not known either.
 */
static struct cfile *read_triggers(struct build *b, const struct plan_onbuild *o)
{
    struct str text = STR_INIT;
    struct diags ignored = {.a = b->a};
    str_add(&text, "FROM scratch\n");
    for (size_t i = 0; i < o->triggers; i++)
        str_addf(&text, "ONBUILD %s\n", o->trigger[i]);
    struct cfile *f = cf_parse(b->a, o->reference, text.p, text.len, &ignored, &ignored);
    f->broken |= o->triggers == 0 || f->stages != 1 || f->stage[0].n != o->triggers;
    diags_release(&ignored);
    str_release(&text);
    return f;
}

static void index_triggers(struct build *b)
{
    for (size_t i = 0; i < b->in->onbuilds; i++) {
        const struct plan_onbuild *o = &b->in->onbuild[i];
        smap_put(&b->triggers, o->reference, read_triggers(b, o));
    }
}

/* The file whose triggers act where the child uses this image; NULL: none, or not known. */
static const struct cfile *triggers_of(struct build *b, struct draft *d, const struct need *n,
                                       size_t *target)
{
    *target = 0;
    if (n->parent == PLAN_EXTERNAL) {
        const struct cfile *f = smap_get(&b->triggers, n->ref);
        d->unknown_triggers |= f != NULL && f->broken;
        return f != NULL && !f->broken ? f : NULL;
    }
    const struct draft *parent = b->drafts.v[n->parent];
    *target = parent->result.target;
    return has_triggers(parent) ? parent->cf : NULL;
}

/* Triggers of parents that the farm builds act in the child: it is resolved again with them. */
static void apply_triggers(struct build *b, struct draft *d)
{
    VEC(struct cf_onbuild) list = VEC_INIT;
    for (size_t i = 0; i < d->result.uses; i++) {
        const struct cf_use *u = &d->result.use[i];
        const struct need *n = u->kind == CF_USE_FROM ? need_of_use(d, u) : NULL;
        size_t target;
        const struct cfile *file = n != NULL ? triggers_of(b, d, n, &target) : NULL;
        if (file != NULL)
            *vec_push(&list) =
                (struct cf_onbuild){.stage = u->stage, .file = file, .target = target};
    }
    if (list.n > 0 && resolve_file(b, d, list.v, list.n) == 0)
        list_needs(b, d);
    vec_release(&list);
}

static void keep_triggers(struct build *b, struct draft *d)
{
    VEC(const char *) list = VEC_INIT;
    const struct cf_stage *s = &d->cf->stage[d->result.target];
    for (size_t i = 0; i < s->n; i++) {
        if (s->instr[i].op == CF_ONBUILD)
            *vec_push(&list) = s->instr[i].text;
    }
    arena_take(b->a, &list, &d->image.onbuild, &d->image.onbuilds);
}

void find_needs(struct build *b)
{
    index_providers(b);
    index_triggers(b);
    vec_for_each (i, &b->drafts) {
        struct draft *d = b->drafts.v[i];
        if (d->cf == NULL || resolve_file(b, d, NULL, 0) < 0)
            continue;
        list_needs(b, d);
        keep_triggers(b, d);
    }
    vec_for_each (i, &b->drafts) {
        if (b->drafts.v[i]->cf != NULL && b->drafts.v[i]->errors.list.n == 0)
            apply_triggers(b, b->drafts.v[i]);
    }
}
