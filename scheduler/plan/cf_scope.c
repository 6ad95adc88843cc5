/* Values of variables: of the header, of arguments and of the environment of each stage. */
#include "scheduler/plan/cf_resolver.h"

#include "common/base/str.h"

void resolver_problem(struct resolver *r, struct cf_pos at, const char *code, const char *hint,
                      const char *message)
{
    *vec_push(&r->problems) = (struct problem){.stage = r->stage,
                                               .at = resolver_at(r, at),
                                               .code = code,
                                               .hint = hint,
                                               .message = message};
}

static const char *builtin(const struct resolver *r, const char *name)
{
    if (str_starts(name, "TARGET"))
        name += strlen("TARGET");
    else if (str_starts(name, "BUILD"))
        name += strlen("BUILD");
    else
        return NULL;
    if (strcmp(name, "PLATFORM") == 0)
        return arena_fmt(r->a, "linux/%s", r->env->arch);
    if (strcmp(name, "OS") == 0)
        return "linux";
    if (strcmp(name, "ARCH") == 0)
        return r->env->arch;
    return strcmp(name, "VARIANT") == 0 ? "" : NULL;
}

/* The definition's value of an argument of the header. */
const char *given_lookup(void *arg, const char *name)
{
    struct resolver *r = arg;
    const struct cf_arg *given = smap_get(&r->user, name);
    return given != NULL && smap_get(&r->header, name) != NULL ? given->value : NULL;
}

const char *header_lookup(void *arg, const char *name)
{
    struct resolver *r = arg;
    const char *value = smap_get(&r->header, name);
    return value != NULL ? value : builtin(r, name);
}

/* ---- values of stages: a stage built on a stage inherits them ---- */

static struct variable *variable_named(struct resolver *r, struct smap *map, const char *name)
{
    struct variable *v = smap_get(map, name);
    if (v == NULL) {
        v = arena_alloc(r->a, sizeof *v);
        smap_put(map, name, v);
    }
    return v;
}

static void variable_set(struct resolver *r, struct smap *map, const char *name, const char *value,
                         bool unsure)
{
    struct variable *v = variable_named(r, map, name);
    if (v->newest == NULL || v->newest->stage != r->stage) {
        struct binding *b = arena_alloc(r->a, sizeof *b);
        *b = (struct binding){.next = v->newest, .stage = r->stage};
        v->newest = b;
    }
    v->newest->value = value;
    v->newest->unsure = unsure;
    v->asked = 0;
}

/* The value in the present stage or in the nearest one below it. Both lists go down in stages, so
 * this takes no more steps than they are long. */
static const struct binding *variable_get(const struct resolver *r, const struct smap *map,
                                          const char *name)
{
    struct variable *v = smap_get(map, name);
    if (v == NULL)
        return NULL;
    if (v->asked == r->stage + 1)
        return v->answer;
    const struct binding *b = v->newest;
    size_t stage = r->stage + 1;
    while (b != NULL && stage > 0 && b->stage + 1 != stage) {
        if (b->stage + 1 > stage)
            b = b->next;
        else
            stage = r->base[stage - 1];
    }
    v->asked = r->stage + 1;
    v->answer = stage > 0 ? b : NULL;
    return v->answer;
}

const char *arg_lookup(void *arg, const char *name)
{
    const struct resolver *r = arg;
    const struct binding *b = variable_get(r, &r->stage_arg, name);
    return b != NULL ? b->value : NULL;
}

/* The environment that a base image brings goes before arguments, and stands where nothing else
 * does. */
const char *scope_lookup(void *arg, const char *name)
{
    struct resolver *r = arg;
    const struct binding *b = variable_get(r, &r->stage_env, name);
    r->unsure |= b != NULL ? b->unsure : !r->bare[r->stage];
    return b != NULL ? b->value : arg_lookup(r, name);
}

/* ---- words ---- */

/* Values that copy each other grow faster than the text: false when the file has had its share. */
static bool may_expand(struct resolver *r, struct cf_pos at)
{
    if (r->expanded > CF_MAX_EXPANDED || r->work > CF_MAX_WORK) {
        resolver_problem(r, at, "too-large", "use fewer or shorter ones",
                         "the values of variables take too much together");
        return false;
    }
    return true;
}

int resolver_expand(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    struct cf_expansion *out)
{
    struct err e = ERR_INIT;
    if (strpbrk(text, "$\\'\"") == NULL) {
        *out = (struct cf_expansion){.text = text};
        return 0;
    }
    if (!may_expand(r, at)) {
        *out = (struct cf_expansion){.text = ""};
        return -1;
    }
    int rc = cf_expand(r->a, text, lookup, r, out, &e);
    r->expanded += rc == 0 ? strlen(out->text) : CF_MAX_VALUE / 16;
    r->work += out->work;
    if (rc == 0)
        return 0;
    resolver_problem(r, at, "bad-substitution", out->hint, arena_str(r->a, e.msg));
    *out = (struct cf_expansion){.text = ""};
    return -1;
}

bool resolver_gives(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    const char *value)
{
    struct cf_expansion x = {.text = ""};
    struct err e = ERR_INIT;
    if (!may_expand(r, at))
        return false;
    int rc = cf_expand(r->a, text, lookup, r, &x, &e);
    r->work += x.work;
    if (rc < 0)
        return false;
    r->expanded += strlen(x.text);
    return strcmp(x.text, value) == 0;
}

/* The definition's value of an argument, or NULL; notes that the argument is declared. */
static const char *given_value(struct resolver *r, const char *name)
{
    const struct cf_arg *arg = smap_get(&r->user, name);
    if (arg == NULL)
        return NULL;
    *vec_push(&r->args) =
        (struct link){.stage = r->in_header ? SIZE_MAX : r->stage, .other = (size_t)(arg - r->own)};
    return arg->value;
}

/* What one assignment of ARG gives: the definition's value, the built-in one, its own default, the
 * header's. */
static void declare_arg(struct resolver *r, const char *text)
{
    char *name = arena_str(r->a, text);
    char *value = strchr(name, '=');
    if (value != NULL)
        *value++ = '\0';
    const char *given = given_value(r, name);
    if (given == NULL)
        given = builtin(r, name);
    if (given == NULL)
        given = value;
    if (given == NULL && !r->in_header)
        given = smap_get(&r->header, name);
    if (given == NULL)
        return;
    if (r->in_header)
        smap_put(&r->header, name, arena_str(r->a, given));
    else
        variable_set(r, &r->stage_arg, name, given, false);
}

struct expanded {
    const char *text;
    bool unsure;
};

/* All values of one ARG or ENV see what was there before it. NULL: one is wrong, which was noted.
 */
static const struct expanded *expand_words(struct resolver *r, const struct cf_instr *in,
                                           cf_lookup_fn *lookup)
{
    struct expanded *list = arena_array(r->a, in->words + 1, sizeof *list);
    for (size_t i = 0; i < in->words; i++) {
        struct cf_expansion x;
        r->unsure = false;
        if (resolver_expand(r, in->word[i].text, in->word[i].at, lookup, &x) < 0)
            return NULL;
        list[i] = (struct expanded){.text = x.text, .unsure = r->unsure};
    }
    return list;
}

void declare_args(struct resolver *r, const struct cf_instr *in)
{
    const struct expanded *x = expand_words(r, in, r->in_header ? header_lookup : scope_lookup);
    for (size_t i = 0; x != NULL && i < in->words; i++)
        declare_arg(r, x[i].text);
}

void read_header(struct resolver *r)
{
    r->own = arena_memdup(r->a, r->env->arg, r->env->args * sizeof *r->own);
    for (size_t i = 0; i < r->env->args; i++)
        smap_put(&r->user, r->env->arg[i].name, &r->own[i]);
    r->in_header = true;
    for (size_t i = 0; i < r->f->headers; i++)
        declare_args(r, &r->f->header[i]);
    r->in_header = false;
}

void declare_env(struct resolver *r, const struct cf_instr *in)
{
    const struct expanded *x = expand_words(r, in, scope_lookup);
    for (size_t i = 0; x != NULL && i + 1 < in->words; i += 2)
        variable_set(r, &r->stage_env, x[i].text, x[i + 1].text, x[i + 1].unsure);
}
