/* cf_resolver.h - one walk over the stages of a Containerfile; only for cf_resolve.c and
 * cf_scope.c. */
#ifndef BF_PLAN_CF_RESOLVER_H
#define BF_PLAN_CF_RESOLVER_H

#include "scheduler/plan/containerfile.h"

/* The values that one name has had: newest first, at most one for each stage. */
struct binding {
    const struct binding *next;
    size_t stage;
    const char *value;
    bool unsure; /* a base image's environment may change it */
};

struct variable {
    struct binding *newest;
    size_t asked; /* index + 1 of the stage that asked last; 0: none since the last change */
    const struct binding *answer;
};

struct problem {
    size_t stage;
    struct diag_at at;
    const char *code, *hint, *message; /* hint NULL: none */
};

struct link { /* `stage` needs `other` */
    size_t stage, other;
};

struct resolver {
    struct arena *a;
    const struct cfile *f;
    const struct cf_env *env;
    struct cf_arg *own;               /* env->arg */
    struct smap user, header;         /* name → element of own; values of header ARGs */
    struct smap stage_env, stage_arg; /* name → variable: ENV and ARG of the stages */
    size_t *base;      /* for each stage: index + 1 of the stage that it is built on; 0: none */
    struct smap names; /* stage name or number → index + 1 (size_t), the latest so far */
    size_t *same_name; /* for each stage: index + 1 of the one before of that name; 0: none */
    size_t stage, target;
    const char *file; /* of the instruction at hand: the parent's for ONBUILD */
    VEC(struct cf_use) uses;
    VEC(struct problem) problems;
    VEC(struct link) links;
    VEC(struct link) args; /* stage (SIZE_MAX: the header) declares the argument with this index */
    bool *bare;            /* for each stage: it begins with nothing, not with an image */
    bool unsure; /* some lookup by scope_lookup() since this was cleared: a base image may change it
                  */
    bool in_header;
    size_t expanded, work; /* what the expansions made and took so far; both are bounded */
    struct {
        bool whole;
        /* file NULL: none */
        struct diag_at heredoc, after, stage_args, stage_own_args;
        VEC(const char *) sources;
    } * seen; /* one per stage */
};

static inline struct diag_at resolver_at(const struct resolver *r, struct cf_pos at)
{
    return (struct diag_at){.file = r->file, .line = at.line, .column = at.column};
}

/* Counts only when the present stage turns out to be reached. */
void resolver_problem(struct resolver *r, struct cf_pos at, const char *code, const char *hint,
                      const char *message);

/* ---- cf_scope.c: values ---- */

/* What FROM sees, what of that the definition gives, what --from and from= see, and what all else
 * in the present stage sees (cf_lookup_fn; arg is the resolver). */
const char *header_lookup(void *arg, const char *name);
const char *given_lookup(void *arg, const char *name);
const char *arg_lookup(void *arg, const char *name);
const char *scope_lookup(void *arg, const char *name);
/* One word; -1: the problem was noted, and *out is empty. */
int resolver_expand(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    struct cf_expansion *out);
/* Whether the word, which was expanded without a problem, has this value with other variables. */
bool resolver_gives(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    const char *value);
void read_header(struct resolver *r);
void declare_args(struct resolver *r, const struct cf_instr *in);
void declare_env(struct resolver *r, const struct cf_instr *in);

#endif
