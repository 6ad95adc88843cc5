/* cf_resolver.h - one walk over the stages of a Containerfile; only for cf_resolve.c and
 * cf_scope.c. */
#ifndef BF_PLAN_CF_RESOLVER_H
#define BF_PLAN_CF_RESOLVER_H

#include "scheduler/plan/containerfile.h"

/* What a stage knows. ENV goes before ARG; a stage built on a stage inherits both. */
struct scope {
    const struct scope *base;
    struct smap env, arg;
};

struct problem {
    size_t stage;
    struct diag_at at;
    const char *code, *message;
};

struct link { /* `stage` needs `other` */
    size_t stage, other;
};

struct resolver {
    struct arena *a;
    const struct cfile *f;
    const struct cf_env *env;
    struct cf_arg *own;       /* env->arg */
    struct smap user, header; /* name → element of own; values of header ARGs */
    struct scope *scope;      /* one per stage */
    struct smap names;        /* stage name or number → index + 1 (size_t), the latest so far */
    size_t *same_name; /* for each stage: index + 1 of the one before of that name; 0: none */
    size_t stage, target;
    const char *file; /* of the instruction at hand: the parent's for ONBUILD */
    VEC(struct cf_use) uses;
    VEC(struct problem) problems;
    VEC(struct link) links;
    VEC(struct link) args; /* stage (SIZE_MAX: the header) declares the argument with this index */
    bool in_header;
    struct {
        bool whole;
        struct diag_at heredoc, after; /* file NULL: none */
        VEC(const char *) sources;
    } * seen; /* one per stage */
};

static inline struct diag_at resolver_at(const struct resolver *r, struct cf_pos at)
{
    return (struct diag_at){.file = r->file, .line = at.line, .column = at.column};
}

/* Counts only when the present stage turns out to be reached. */
void resolver_problem(struct resolver *r, struct cf_pos at, const char *code, const char *message);

/* ---- cf_scope.c: values ---- */

/* What FROM sees, what --from and from= see, and what all else in the present stage sees
 * (cf_lookup_fn; arg is the resolver). */
const char *header_lookup(void *arg, const char *name);
const char *arg_lookup(void *arg, const char *name);
const char *scope_lookup(void *arg, const char *name);
/* One word; -1: the problem was noted, and *out is empty. */
int resolver_expand(struct resolver *r, const char *text, struct cf_pos at, cf_lookup_fn *lookup,
                    struct cf_expansion *out);
void read_header(struct resolver *r);
void declare_args(struct resolver *r, const struct cf_instr *in);
void declare_env(struct resolver *r, const struct cf_instr *in);

#endif
