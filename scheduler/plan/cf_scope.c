/* Values of variables: of the header, of arguments and of the environment of each stage. */
#include "scheduler/plan/cf_resolver.h"

#include "common/base/str.h"

void resolver_problem(struct resolver *r, struct cf_pos at, const char *code, const char *message)
{
    *vec_push(&r->problems) = (struct problem){
        .stage = r->stage, .at = resolver_at(r, at), .code = code, .message = message};
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

const char *header_lookup(void *arg, const char *name)
{
    struct resolver *r = arg;
    const char *value = smap_get(&r->header, name);
    return value != NULL ? value : builtin(r, name);
}

const char *arg_lookup(void *arg, const char *name)
{
    const struct resolver *r = arg;
    for (const struct scope *s = &r->scope[r->stage]; s != NULL; s = s->base) {
        const char *value = smap_get(&s->arg, name);
        if (value != NULL)
            return value;
    }
    return NULL;
}

const char *scope_lookup(void *arg, const char *name)
{
    struct resolver *r = arg;
    for (const struct scope *s = &r->scope[r->stage]; s != NULL; s = s->base) {
        const char *value = smap_get(&s->env, name);
        if (value != NULL)
            return value;
    }
    return arg_lookup(r, name);
}

int resolver_expand(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    struct cf_expansion *out)
{
    struct err e = ERR_INIT;
    if (strpbrk(text, "$\\'\"") == NULL) {
        *out = (struct cf_expansion){.text = text};
        return 0;
    }
    if (cf_expand(r->a, text, lookup, r, out, &e) == 0)
        return 0;
    resolver_problem(r, at, "bad-substitution", arena_str(r->a, e.msg));
    *out = (struct cf_expansion){.text = ""};
    return -1;
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
static void declare_arg(struct resolver *r, const char *text, struct smap *into)
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
    char *copy = arena_str(r->a, given);
    smap_put(into, name, copy);
}

/* All values of one ARG or ENV see what was there before it. NULL: one is wrong, which was noted.
 */
static const struct cf_expansion *expand_words(struct resolver *r, const struct cf_instr *in,
                                               cf_lookup_fn *lookup)
{
    struct cf_expansion *x = arena_array(r->a, in->words + 1, sizeof *x);
    for (size_t i = 0; i < in->words; i++) {
        if (resolver_expand(r, in->word[i].text, in->word[i].at, lookup, &x[i]) < 0)
            return NULL;
    }
    return x;
}

static void declare_all(struct resolver *r, const struct cf_instr *in, cf_lookup_fn *lookup,
                        struct smap *into)
{
    const struct cf_expansion *x = expand_words(r, in, lookup);
    for (size_t i = 0; x != NULL && i < in->words; i++)
        declare_arg(r, x[i].text, into);
}

void read_header(struct resolver *r)
{
    r->own = arena_memdup(r->a, r->env->arg, r->env->args * sizeof *r->own);
    for (size_t i = 0; i < r->env->args; i++)
        smap_put(&r->user, r->env->arg[i].name, &r->own[i]);
    r->in_header = true;
    for (size_t i = 0; i < r->f->headers; i++)
        declare_all(r, &r->f->header[i], header_lookup, &r->header);
    r->in_header = false;
}

void declare_args(struct resolver *r, const struct cf_instr *in)
{
    declare_all(r, in, scope_lookup, &r->scope[r->stage].arg);
}

void declare_env(struct resolver *r, const struct cf_instr *in)
{
    const struct cf_expansion *x = expand_words(r, in, scope_lookup);
    for (size_t i = 0; x != NULL && i + 1 < in->words; i += 2)
        smap_put(&r->scope[r->stage].env, x[i].text, arena_str(r->a, x[i + 1].text));
}
