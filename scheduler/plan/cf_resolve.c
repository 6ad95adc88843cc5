/* The stages of a Containerfile with the arguments of one image: what is reached, and what that
 * needs.
 *
 * Stages depend on earlier ones only, so one pass forward collects what each needs, and one pass
 * backward from the target marks what is reached. */
#include "scheduler/plan/cf_resolver.h"

#include "common/base/str.h"
#include "scheduler/plan/reference.h"
#include "scheduler/plan/tree.h"
#include <strings.h>

/* ---- references ---- */

static bool is_context(const struct resolver *r, const char *name)
{
    for (size_t i = 0; r->env->contexts != NULL && r->env->contexts[i] != NULL; i++) {
        if (strcmp(r->env->contexts[i], name) == 0)
            return true;
    }
    return false;
}

/* Index + 1 of the earlier stage that has this name, or this number and no name; 0: none. */
static size_t stage_named(const struct resolver *r, const char *name)
{
    const size_t *hit = smap_get(&r->names, name);
    return hit != NULL ? *hit : 0;
}

/* The same, where numbers mean named stages, too: in --from and --after, but not in FROM and
 * mounts. */
static size_t stage_counted(const struct resolver *r, const char *name)
{
    size_t hit = stage_named(r, name);
    int64_t number;
    if (hit > 0 || parse_i64(name, 0, (int64_t)r->f->stages, &number) < 0 ||
        (size_t)number >= r->stage)
        return hit;
    return (size_t)number + 1;
}

static void needs_stage(struct resolver *r, size_t other)
{
    *vec_push(&r->links) = (struct link){.stage = r->stage, .other = other};
}

/* buildah leaves out the stages that it thinks unused. To see that one is used whose name hangs on
 * variables took it until 1.37, for FROM with values that the command line gives until 1.28, and
 * for
 * --from with the stage's own variables until 1.44. */
static void note_stage_args(struct resolver *r, const struct cf_use *use, struct cf_pos at,
                            const struct cf_stage *meant)
{
    bool named_by_args = meant->name != NULL && strchr(meant->name->text, '$') != NULL;
    struct diag_at *seen = &r->seen[r->stage].stage_args;
    if (use->kind == CF_USE_MOUNT || (strchr(use->written, '$') == NULL && !named_by_args))
        return;
    if (use->kind == CF_USE_FROM && !named_by_args && strpbrk(use->written, "#%/") == NULL &&
        resolver_gives(r, use->written, at, given_lookup, use->expanded))
        return;
    if (use->kind == CF_USE_COPY &&
        !resolver_gives(r, use->written, at, header_lookup, use->expanded))
        seen = &r->seen[r->stage].stage_own_args;
    if (seen->file == NULL)
        *seen = use->at;
}

/* A FROM, --from or from= : a context, an earlier stage, nothing (scratch, a transport), or an
 * image. Returns index + 1 of the stage that it means, else 0. */
static size_t take_reference(struct resolver *r, enum cf_use_kind kind, const char *written,
                             struct cf_pos at, cf_lookup_fn *lookup, const char *platform)
{
    struct cf_expansion x;
    if (resolver_expand(r, written, at, lookup, &x) < 0)
        return 0;
    struct cf_use use = {.kind = kind,
                         .written = written,
                         .expanded = x.text,
                         .unset = x.unset != NULL ? x.unset : x.empty,
                         .platform = platform,
                         .context = is_context(r, written) || is_context(r, x.text),
                         .at = resolver_at(r, at),
                         .stage = r->stage};
    size_t stage = kind == CF_USE_COPY ? stage_counted(r, x.text) : stage_named(r, x.text);
    if (stage > 0 && !use.context) {
        needs_stage(r, stage - 1);
        note_stage_args(r, &use, at, &r->f->stage[stage - 1]);
        return stage;
    }
    if (strcmp(x.text, "scratch") != 0)
        *vec_push(&r->uses) = use;
    else if (kind == CF_USE_FROM)
        r->bare[r->stage] = !use.context;
    return 0;
}

static const struct cf_flag *find_flag(const struct cf_instr *in, const char *name)
{
    for (size_t i = in->flags; i > 0; i--) {
        if (strcmp(in->flag[i - 1].name, name) == 0)
            return &in->flag[i - 1];
    }
    return NULL;
}

static void take_after(struct resolver *r, const struct cf_flag *after)
{
    struct cf_expansion x;
    r->seen[r->stage].after = resolver_at(r, after->at);
    if (after->value == NULL || resolver_expand(r, after->value, after->at, header_lookup, &x) < 0)
        return;
    size_t other = stage_counted(r, x.text);
    if (other > 0)
        needs_stage(r, other - 1);
    else
        resolver_problem(r, after->at, "no-such-stage", "only stages above this one count",
                         arena_fmt(r->a, "--after names no earlier stage '%s'", x.text));
}

static void take_from(struct resolver *r, const struct cf_instr *from)
{
    const struct cf_flag *platform = find_flag(from, "platform");
    const struct cf_flag *after = find_flag(from, "after");
    struct cf_expansion x = {.text = NULL};
    if (platform != NULL && platform->value != NULL)
        (void)!resolver_expand(r, platform->value, platform->at, header_lookup, &x);
    if (after != NULL)
        take_after(r, after);
    size_t base =
        take_reference(r, CF_USE_FROM, from->word[0].text, from->word[0].at, header_lookup, x.text);
    if (base > 0) {
        r->base[r->stage] = base;
        r->bare[r->stage] = r->bare[base - 1];
    }
}

/* ---- what is read from the context ---- */

static bool is_remote(const char *source)
{
    return str_starts(source, "http://") || str_starts(source, "https://") ||
           str_starts(source, "git://") || str_starts(source, "git@");
}

static void add_source(struct resolver *r, const char *path)
{
    if (path == NULL || *path == '\0')
        r->seen[r->stage].whole = true;
    else
        *vec_push(&r->seen[r->stage].sources) = path;
}

static void take_source(struct resolver *r, const char *text, struct cf_pos at)
{
    struct cf_expansion x;
    r->unsure = false;
    if (resolver_expand(r, text, at, scope_lookup, &x) == 0)
        add_source(r, x.unset == NULL && !r->unsure ? path_join(r->a, "", x.text) : NULL);
}

static void take_copy(struct resolver *r, const struct cf_instr *in)
{
    const struct cf_flag *from = find_flag(in, "from");
    if (in->words < 2)
        resolver_problem(r, in->at, "bad-copy", "name what is copied, and where to",
                         "COPY and ADD take a source and a destination");
    if (from != NULL && from->value != NULL) {
        take_reference(r, CF_USE_COPY, from->value, from->at, arg_lookup, NULL);
        return;
    }
    for (size_t i = 0; i + 1 < in->words; i++) {
        const char *word = in->word[i].text;
        if (!str_starts(word, "<<") && !(in->op == CF_ADD && is_remote(word)))
            take_source(r, word, in->word[i].at);
    }
}

static void take_mount(struct resolver *r, const struct cf_flag *f)
{
    struct cf_pos at = f->at;
    const char *type = cf_mount_key(r->a, f, "type", &at);
    const char *from = cf_mount_key(r->a, f, "from", &at);
    if (from != NULL) {
        take_reference(r, CF_USE_MOUNT, from, at, arg_lookup, NULL);
        return;
    }
    if (type != NULL && strcmp(type, "bind") != 0)
        return;
    const char *source = cf_mount_key(r->a, f, "source", &at);
    if (source == NULL)
        source = cf_mount_key(r->a, f, "src", &at);
    /* What a variable means here differs from builder to builder. */
    if (source != NULL && strpbrk(source, "$\\'\"") != NULL)
        source = NULL;
    add_source(r, source != NULL ? path_join(r->a, "", source) : NULL);
}

static void take_instr(struct resolver *r, const struct cf_instr *in)
{
    if (in->heredoc && r->seen[r->stage].heredoc.file == NULL)
        r->seen[r->stage].heredoc = resolver_at(r, in->at);
    switch (in->op) {
    case CF_ARG:
        declare_args(r, in);
        break;
    case CF_ENV:
        declare_env(r, in);
        break;
    case CF_COPY:
    case CF_ADD:
        take_copy(r, in);
        break;
    case CF_RUN:
        for (size_t i = 0; i < in->flags; i++) {
            if (strcmp(in->flag[i].name, "mount") == 0 && in->flag[i].value != NULL)
                take_mount(r, &in->flag[i]);
        }
        break;
    case CF_FROM:
    case CF_ONBUILD:
    case CF_OTHER:
        break;
    }
}

/* Triggers of a parent that is built here act before the stage's own instructions. */
static void take_triggers(struct resolver *r)
{
    for (size_t i = 0; i < r->env->onbuilds; i++) {
        const struct cf_onbuild *o = &r->env->onbuild[i];
        if (o->stage != r->stage)
            continue;
        const struct cf_stage *parent = &o->file->stage[o->target];
        r->file = o->file->file;
        for (size_t k = 0; k < parent->n; k++) {
            if (parent->instr[k].op == CF_ONBUILD && parent->instr[k].trigger != NULL)
                take_instr(r, parent->instr[k].trigger);
        }
        r->file = r->f->file;
    }
}

static void take_stage(struct resolver *r, const struct cf_stage *s)
{
    struct cf_expansion name = {.text = NULL};
    take_from(r, s->from);
    take_triggers(r);
    for (size_t i = 0; i < s->n; i++)
        take_instr(r, &s->instr[i]);
    if (s->name == NULL)
        name.text = arena_fmt(r->a, "%zu", r->stage);
    else if (resolver_expand(r, s->name->text, s->name->at, header_lookup, &name) < 0)
        return;
    const size_t *same = smap_get(&r->names, name.text);
    if (same != NULL)
        r->same_name[r->stage] = *same;
    size_t *mine = arena_alloc(r->a, sizeof *mine);
    *mine = r->stage + 1;
    smap_put(&r->names, name.text, mine);
}

/* ---- the target and what it reaches ---- */

/* The later of two equal names wins; a number counts stages. */
static int find_target(struct resolver *r, struct diags *errors)
{
    const char *target = r->env->target;
    int64_t number;
    r->target = r->f->stages - 1;
    if (target == NULL || *target == '\0')
        return 0;
    for (size_t i = r->f->stages; i > 0; i--) {
        const struct cf_word *name = r->f->stage[i - 1].name;
        struct cf_expansion x;
        if (name != NULL && resolver_expand(r, name->text, name->at, header_lookup, &x) == 0 &&
            strcmp(x.text, target) == 0) {
            r->target = i - 1;
            return 0;
        }
    }
    if (parse_i64(target, 0, (int64_t)r->f->stages - 1, &number) == 0) {
        r->target = (size_t)number;
        return 0;
    }
    diag_add(errors, r->env->target_at, "no-such-stage", NULL, "%s has no stage '%s'", r->f->file,
             target);
    return -1;
}

static bool *mark_reached(const struct resolver *r)
{
    bool *reached = arena_array(r->a, r->f->stages, sizeof *reached);
    size_t link = r->links.n; /* links stand in the order of their stages */
    reached[r->target] = true;
    for (size_t i = r->target + 1; i > 0; i--) {
        size_t stage = i - 1;
        for (; link > 0 && r->links.v[link - 1].stage == stage; link--)
            reached[r->links.v[link - 1].other] |= reached[stage];
        /* buildah knows stages by name: it builds all of one name, or none. */
        if (r->same_name[stage] > 0)
            reached[r->same_name[stage] - 1] |= reached[stage];
    }
    return reached;
}

static int report(struct resolver *r, const bool *reached, struct diags *errors)
{
    int rc = 0, reported = 0;
    vec_for_each (i, &r->problems) {
        const struct problem *p = &r->problems.v[i];
        if (!reached[p->stage])
            continue;
        rc = -1;
        if (reported++ < CF_MAX_ERRORS)
            diag_add(errors, p->at, p->code, p->hint, "%s", p->message);
    }
    return rc;
}

static void collect(struct resolver *r, const bool *reached, struct cf_result *out)
{
    VEC(struct cf_use) uses = VEC_INIT;
    VEC(const char *) sources = VEC_INIT;
    vec_for_each (i, &r->uses) {
        const struct cf_use *u = &r->uses.v[i];
        /* An archive that an earlier stage writes is no image of a registry. */
        if (reached[u->stage] && !(u->unset == NULL && reference_is_transport(u->expanded)))
            *vec_push(&uses) = *u;
    }
    for (size_t s = 0; s <= r->target; s++) {
        if (!reached[s])
            continue;
        out->whole_context |= r->seen[s].whole;
        if (out->heredoc.file == NULL)
            out->heredoc = r->seen[s].heredoc;
        if (out->from_after.file == NULL)
            out->from_after = r->seen[s].after;
        if (out->stage_args.file == NULL)
            out->stage_args = r->seen[s].stage_args;
        if (out->stage_own_args.file == NULL)
            out->stage_own_args = r->seen[s].stage_own_args;
        vec_for_each (i, &r->seen[s].sources)
            *vec_push(&sources) = r->seen[s].sources.v[i];
    }
    out->arg_used = arena_array(r->a, r->env->args, sizeof *out->arg_used);
    vec_for_each (i, &r->args) {
        if (r->args.v[i].stage == SIZE_MAX || reached[r->args.v[i].stage])
            out->arg_used[r->args.v[i].other] = true;
    }
    arena_take(r->a, &uses, &out->use, &out->uses);
    arena_take(r->a, &sources, &out->source, &out->sources);
}

static void resolver_release(struct resolver *r)
{
    for (size_t i = 0; i < r->f->stages; i++)
        vec_release(&r->seen[i].sources);
    smap_release(&r->stage_env);
    smap_release(&r->stage_arg);
    smap_release(&r->user);
    smap_release(&r->header);
    smap_release(&r->names);
    vec_release(&r->uses);
    vec_release(&r->problems);
    vec_release(&r->links);
    vec_release(&r->args);
}

static size_t base_of(const struct resolver *r, size_t stage)
{
    while (r->base[stage] > 0)
        stage = r->base[stage] - 1;
    return stage;
}

int cf_resolve(struct arena *a, const struct cfile *f, const struct cf_env *env,
               struct diags *errors, struct cf_result *out)
{
    BUG_ON(f->broken || f->stages == 0);
    struct resolver r = {.a = a, .f = f, .env = env, .file = f->file};
    r.base = arena_array(a, f->stages, sizeof *r.base);
    r.bare = arena_array(a, f->stages, sizeof *r.bare);
    r.seen = arena_array(a, f->stages, sizeof *r.seen);
    r.same_name = arena_array(a, f->stages, sizeof *r.same_name);
    *out = (struct cf_result){0};
    read_header(&r);
    int rc = find_target(&r, errors);
    if (rc == 0) {
        for (r.stage = 0; r.stage <= r.target; r.stage++)
            take_stage(&r, &f->stage[r.stage]);
        out->reached = mark_reached(&r);
        rc = report(&r, out->reached, errors);
        out->target = r.target;
        out->base = base_of(&r, r.target);
        collect(&r, out->reached, out);
    }
    resolver_release(&r);
    return rc;
}
