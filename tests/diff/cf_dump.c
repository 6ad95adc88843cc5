/* cf_dump [-a NAME=VALUE]... [-c CONTEXT]... [-t TARGET] [-m ARCH] FILE...
 *
 * What the reader says about each Containerfile, as one line of JSON: instructions with their
 * places, stages, what the target needs, errors. For the tests that compare it with other readers.
 */
#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"
#include "scheduler/plan/reference.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#define LIST_MAX 32

struct options {
    struct cf_arg arg[LIST_MAX];
    const char *context[LIST_MAX + 1];
    size_t args, contexts;
    const char *target, *arch;
};

static const char *const ops[] = {
    [CF_FROM] = "FROM", [CF_ARG] = "ARG", [CF_ENV] = "ENV", [CF_COPY] = "COPY",
    [CF_ADD] = "ADD",   [CF_RUN] = "RUN", [CF_OTHER] = "",  [CF_ONBUILD] = "ONBUILD"};
static const char *const kinds[] = {
    [CF_USE_FROM] = "from", [CF_USE_COPY] = "copy", [CF_USE_MOUNT] = "mount"};

static json_t *text(const char *s)
{
    if (s == NULL)
        return json_null();
    json_t *j = json_string(s);
    return j != NULL ? j : json_string("(no UTF-8)");
}

static void put(json_t *object, const char *key, json_t *value)
{
    if (json_object_set_new(object, key, value) < 0)
        BUG("jansson");
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) < 0)
        BUG("jansson");
}

static json_t *place(unsigned line, unsigned column)
{
    json_t *j = json_object();
    put(j, "line", json_integer(line));
    put(j, "column", json_integer(column));
    return j;
}

static json_t *instruction(const struct cf_instr *in)
{
    json_t *j = place(in->at.line, in->at.column), *flags = json_array(), *words = json_array();
    put(j, "op", text(ops[in->op]));
    for (size_t i = 0; i < in->flags; i++) {
        json_t *flag = place(in->flag[i].at.line, in->flag[i].at.column);
        put(flag, "name", text(in->flag[i].name));
        put(flag, "value", text(in->flag[i].value));
        append(flags, flag);
    }
    for (size_t i = 0; i < in->words; i++) {
        json_t *word = place(in->word[i].at.line, in->word[i].at.column);
        put(word, "text", text(in->word[i].text));
        append(words, word);
    }
    put(j, "flags", flags);
    put(j, "words", words);
    put(j, "heredoc", json_boolean(in->heredoc));
    if (in->trigger != NULL)
        put(j, "trigger", text(ops[in->trigger->op]));
    return j;
}

static json_t *instructions(const struct cf_instr *in, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        append(list, instruction(&in[i]));
    return list;
}

static json_t *stages(const struct cfile *f, const struct cf_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < f->stages; i++) {
        json_t *stage = json_object();
        put(stage, "from", instruction(f->stage[i].from));
        put(stage, "name", text(f->stage[i].name != NULL ? f->stage[i].name->text : NULL));
        put(stage, "reached", json_boolean(r->reached != NULL && r->reached[i]));
        put(stage, "instructions", instructions(f->stage[i].instr, f->stage[i].n));
        append(list, stage);
    }
    return list;
}

static json_t *uses(const struct cf_result *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->uses; i++) {
        const struct cf_use *u = &r->use[i];
        json_t *use = place(u->at.line, u->at.column);
        put(use, "kind", text(kinds[u->kind]));
        put(use, "written", text(u->written));
        put(use, "expanded", text(u->expanded));
        put(use, "unset", text(u->unset));
        put(use, "context", json_boolean(u->context));
        put(use, "stage", json_integer((json_int_t)u->stage));
        append(list, use);
    }
    return list;
}

static json_t *diagnostics(const struct diags *d)
{
    json_t *list = json_array();
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        json_t *j = place(g->at.line, g->at.column);
        put(j, "code", text(g->code));
        put(j, "message", text(g->message));
        put(j, "hint", text(g->hint));
        append(list, j);
    }
    return list;
}

/* What a plan refuses of what the reader passed on. */
static void check_references(struct arena *a, const char *path, const struct cf_result *r,
                             struct diags *errors)
{
    for (size_t i = 0; i < r->uses; i++) {
        struct reference ref;
        struct err e = ERR_INIT;
        const struct cf_use *u = &r->use[i];
        struct diag_at at = {.file = path, .line = u->at.line, .column = u->at.column};
        if (!u->context && reference_parse(a, u->expanded, &ref, &e) < 0)
            diag_add(errors, at, "bad-reference", NULL, "%s", e.msg);
    }
}

static void dump(const struct options *o, const char *path, const struct str *content)
{
    struct arena a = ARENA_INIT;
    struct diags errors = {.a = &a}, warnings = {.a = &a};
    struct cf_result r = {0};
    struct cf_env env = {.arg = o->arg,
                         .args = o->args,
                         .arch = o->arch,
                         .target = o->target,
                         .target_at = {.file = path},
                         .contexts = o->context};
    struct cfile *f = cf_parse(&a, path, content->p, content->len, &errors, &warnings);
    if (!f->broken && cf_resolve(&a, f, &env, &errors, &r) == 0)
        check_references(&a, path, &r, &errors);
    json_t *j = json_object();
    put(j, "file", text(path));
    put(j, "accepted", json_boolean(errors.list.n == 0));
    put(j, "header", instructions(f->header, f->headers));
    put(j, "stages", stages(f, &r));
    put(j, "uses", uses(&r));
    put(j, "errors", diagnostics(&errors));
    put(j, "warnings", diagnostics(&warnings));
    json_dumpf(j, stdout, JSON_COMPACT | JSON_SORT_KEYS);
    putchar('\n');
    json_decref(j);
    diags_release(&errors);
    diags_release(&warnings);
    arena_release(&a);
}

static int dump_file(const struct options *o, const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        perror(path);
        return 1;
    }
    struct str content = STR_INIT;
    char buf[16384];
    size_t n;
    while ((n = fread(buf, 1, sizeof buf, in)) > 0)
        str_addmem(&content, buf, n);
    (void)fclose(in);
    dump(o, path, &content);
    str_release(&content);
    return 0;
}

static int add_arg(struct options *o, char *assignment)
{
    char *eq = strchr(assignment, '=');
    if (eq == NULL || o->args == LIST_MAX)
        return -1;
    *eq = '\0';
    o->arg[o->args++] = (struct cf_arg){.name = assignment, .value = eq + 1};
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.arch = "amd64"};
    int c, rc = 0;
    while ((c = getopt(argc, argv, "a:c:t:m:")) != -1) {
        if (c == 't')
            o.target = optarg;
        else if (c == 'm')
            o.arch = optarg;
        else if (c == 'c' && o.contexts < LIST_MAX)
            o.context[o.contexts++] = optarg;
        else if (c != 'a' || add_arg(&o, optarg) < 0)
            return 2;
    }
    for (; optind < argc; optind++)
        rc |= dump_file(&o, argv[optind]);
    return rc;
}
