/* Any bytes as a Containerfile: read, and resolved for two targets with arguments and a context.
 *
 * Beside what the sanitizers find: every place is inside the text, and what was refused has a code.
 */
#include "scheduler/plan/containerfile.h"
#include "common/base/err.h"
#include "scheduler/plan/reference.h"
#include "tests/fuzz/fuzz.h"

struct text {
    const char *p;
    size_t n;
};

/* Columns are counted in bytes; one behind the end is where something is missing. */
static void check_place(const struct text *t, unsigned line, unsigned column)
{
    const char *p = t->p, *end = t->p + t->n;
    BUG_ON(line == 0 || column == 0);
    for (unsigned i = 1; i < line; i++) {
        p = memchr(p, '\n', (size_t)(end - p));
        BUG_ON(p == NULL);
        p++;
    }
    const char *nl = memchr(p, '\n', (size_t)(end - p));
    size_t mark = line == 1 && t->n >= 3 && memcmp(t->p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    BUG_ON(column - 1 + mark > (size_t)((nl != NULL ? nl : end) - p));
}

static void check_diags(const struct text *t, const struct diags *d)
{
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        BUG_ON(g->code == NULL || g->message == NULL || *g->message == '\0');
        if (g->at.line != 9999) /* the target's place is not in the text */
            check_place(t, g->at.line, g->at.column);
    }
}

static void check_instr(const struct text *t, const struct cf_instr *in)
{
    check_place(t, in->at.line, in->at.column);
    for (size_t i = 0; i < in->words; i++)
        check_place(t, in->word[i].at.line, in->word[i].at.column);
    for (size_t i = 0; i < in->flags; i++)
        check_place(t, in->flag[i].at.line, in->flag[i].at.column);
}

static void check_uses(const struct text *t, struct arena *a, const struct cfile *f,
                       const struct cf_result *r)
{
    BUG_ON(r->target >= f->stages || r->base > r->target || !r->reached[r->target]);
    for (size_t i = 0; i < r->uses; i++) {
        struct reference ref;
        BUG_ON(r->use[i].stage > r->target || !r->reached[r->use[i].stage]);
        check_place(t, r->use[i].at.line, r->use[i].at.column);
        (void)!reference_parse(a, r->use[i].expanded, &ref, NULL);
    }
    for (size_t i = 0; i < r->sources; i++)
        BUG_ON(*r->source[i] == '\0' || *r->source[i] == '/');
}

static void resolve(const struct text *t, struct arena *a, const struct cfile *f,
                    const char *target)
{
    static const struct cf_arg args[] = {{"V", "1.2"}, {"E", ""}, {"R", "q.io/a:1"}};
    static const char *const contexts[] = {"ctx", NULL};
    struct diags errors = {.a = a};
    struct cf_result r;
    struct cf_env env = {.arg = args,
                         .args = ARRAY_SIZE(args),
                         .arch = "amd64",
                         .target = target,
                         .target_at = {.file = "f", .line = 9999, .column = 1},
                         .contexts = contexts};
    int rc = cf_resolve(a, f, &env, &errors, &r);
    BUG_ON((rc == 0) != (errors.list.n == 0));
    check_diags(t, &errors);
    if (rc == 0)
        check_uses(t, a, f, &r);
    diags_release(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct text t = {.p = (const char *)data, .n = n};
    struct arena a = ARENA_INIT;
    struct diags errors = {.a = &a}, warnings = {.a = &a};
    const struct cfile *f = cf_parse(&a, "f", t.p, t.n, &errors, &warnings);
    BUG_ON(f->broken != (errors.list.n > 0));
    check_diags(&t, &errors);
    check_diags(&t, &warnings);
    for (size_t i = 0; i < f->headers; i++)
        check_instr(&t, &f->header[i]);
    for (size_t s = 0; s < f->stages; s++) {
        check_instr(&t, f->stage[s].from);
        for (size_t i = 0; i < f->stage[s].n; i++)
            check_instr(&t, &f->stage[s].instr[i]);
    }
    if (!f->broken) {
        resolve(&t, &a, f, NULL);
        resolve(&t, &a, f, "x");
    }
    diags_release(&errors);
    diags_release(&warnings);
    arena_release(&a);
    return 0;
}
