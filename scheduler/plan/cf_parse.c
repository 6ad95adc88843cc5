/* From logical lines to instructions and stages. */
#include "scheduler/plan/cf_parser.h"

#include <ctype.h>
#include <strings.h>

/* ---- instructions' names ---- */

static const struct {
    const char *name;
    enum cf_op op;
} instructions[] = {
    {"FROM", CF_FROM},         {"ARG", CF_ARG},      {"ENV", CF_ENV},
    {"COPY", CF_COPY},         {"ADD", CF_ADD},      {"RUN", CF_RUN},
    {"ONBUILD", CF_ONBUILD},   {"CMD", CF_OTHER},    {"ENTRYPOINT", CF_OTHER},
    {"EXPOSE", CF_OTHER},      {"LABEL", CF_OTHER},  {"MAINTAINER", CF_OTHER},
    {"HEALTHCHECK", CF_OTHER}, {"SHELL", CF_OTHER},  {"STOPSIGNAL", CF_OTHER},
    {"USER", CF_OTHER},        {"VOLUME", CF_OTHER}, {"WORKDIR", CF_OTHER},
};

static int find_instruction(const char *p, size_t n, enum cf_op *op)
{
    for (size_t i = 0; i < ARRAY_SIZE(instructions); i++) {
        if (strlen(instructions[i].name) == n && strncasecmp(p, instructions[i].name, n) == 0) {
            *op = instructions[i].op;
            return 0;
        }
    }
    return -1;
}

static void unknown_instruction(struct parser *p, const char *word, size_t n, struct cf_pos pos)
{
    char *upper = arena_strn(p->a, word, n > 40 ? 40 : n);
    for (char *c = upper; *c != '\0'; c++)
        *c = (char)toupper((unsigned char)*c);
    if (strstr(upper, "{{") != NULL || strstr(upper, "{%") != NULL) {
        parser_fail(p, pos, "template", "build the file from its template and commit the result",
                    "this looks like a template, not a Containerfile");
        return;
    }
    const char *near = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(instructions) && near == NULL; i++) {
        if (edit_distance(upper, instructions[i].name) <= 2)
            near = instructions[i].name;
    }
    parser_fail(p, pos, "unknown-instruction",
                near != NULL ? arena_fmt(p->a, "did you mean %s?", near) : NULL,
                "there is no instruction %s", upper);
}

/* ---- one instruction ---- */

static bool is_template(const char *s, size_t i, size_t end)
{
    return memmem(s + i, end - i, "{{", 2) != NULL || memmem(s + i, end - i, "{%", 2) != NULL;
}

static bool starts_json(const char *s, size_t i, size_t end)
{
    return i < end && s[i] == '[';
}

static void read_arguments(struct parser *p, struct cf_instr *in, size_t i, size_t end)
{
    const char *s = p->lines.text.p;
    switch (in->op) {
    case CF_FROM:
        if (is_template(s, i, end)) {
            parser_fail(p, cf_lines_at(&p->lines, i), "template",
                        "build the file from its template and commit the result",
                        "FROM holds a template's placeholder");
            add_word(p, s, i, end);
        } else {
            read_blank_words(p, s, i, end);
        }
        break;
    case CF_ARG:
        read_quoted_words(p, s, i, end);
        if (p->words.n == 0)
            parser_fail(p, in->at, "bad-arg", "write ARG NAME or ARG NAME=value",
                        "ARG takes a name");
        break;
    case CF_ENV:
        read_env(p, s, i, end, in->at);
        break;
    case CF_COPY:
    case CF_ADD:
        read_paths(p, s, i, end, in->at);
        break;
    case CF_RUN:
    case CF_ONBUILD:
    case CF_OTHER:
        break;
    }
}

static bool read_instr(struct parser *p, size_t i, bool inside_onbuild, struct cf_instr *in);

/* ONBUILD INSTRUCTION …: the trigger is read like a line of its own. */
static void read_trigger(struct parser *p, struct cf_instr *in, size_t i)
{
    struct cf_instr *trigger = arena_alloc(p->a, sizeof *trigger);
    const char *text = arena_strn(p->a, p->lines.text.p + i, p->lines.text.len - i);
    if (i == p->lines.text.len) {
        parser_fail(p, in->at, "bad-onbuild", "name what a child does first, for example RUN",
                    "ONBUILD takes an instruction");
        return;
    }
    if (!read_instr(p, i, true, trigger))
        return;
    if (trigger->op == CF_ONBUILD || trigger->op == CF_FROM)
        parser_fail(p, trigger->at, "bad-onbuild", "all but FROM and ONBUILD can be triggered",
                    "ONBUILD cannot trigger this instruction");
    in->trigger = trigger;
    in->text = text;
    in->heredoc = trigger->heredoc;
}

static bool read_instr(struct parser *p, size_t i, bool inside_onbuild, struct cf_instr *in)
{
    const char *s = p->lines.text.p;
    size_t end = p->lines.text.len, word = i;
    while (end > i && is_space(s[end - 1]))
        end--;
    while (i < end && !is_space(s[i]))
        i++;
    in->at = cf_lines_at(&p->lines, word);
    if (find_instruction(s + word, i - word, &in->op) < 0) {
        unknown_instruction(p, s + word, i - word, in->at);
        return false;
    }
    vec_clear(&p->words);
    vec_clear(&p->flags);
    i = read_flags(p, s, i, end);
    if (in->op == CF_ONBUILD) {
        if (!inside_onbuild)
            read_trigger(p, in, i);
        return true;
    }
    read_arguments(p, in, i, end);
    in->words = p->words.n;
    in->word = arena_memdup(p->a, p->words.v, p->words.n * sizeof *p->words.v);
    in->flags = p->flags.n;
    in->flag = arena_memdup(p->a, p->flags.v, p->flags.n * sizeof *p->flags.v);
    if ((in->op == CF_RUN || in->op == CF_COPY || in->op == CF_ADD) && !starts_json(s, i, end))
        in->heredoc = read_heredocs(p, i);
    return true;
}

/* ---- stages ---- */

static void check_from(struct parser *p, struct cf_instr *in)
{
    if (in->words == 1 || (in->words == 3 && strcasecmp(in->word[1].text, "as") == 0))
        return;
    struct cf_pos pos = in->words > 1 ? in->word[1].at : in->at;
    if (in->words == 0)
        parser_fail(p, pos, "bad-from", "name an image, or scratch", "FROM takes an image");
    else if (in->word[1].text[0] == '#')
        parser_fail(p, pos, "bad-from", "put the comment on a line of its own",
                    "a comment cannot stand behind FROM");
    else
        parser_fail(p, pos, "bad-from", "a stage's name stands behind AS",
                    "FROM takes an image, or an image, AS and a name");
}

static void finish_stage(struct parser *p)
{
    struct cf_instr **instr;
    size_t *n;
    if (p->stages.n == 0) {
        instr = &p->f->header;
        n = &p->f->headers;
    } else {
        struct cf_stage *s = &p->stages.v[p->stages.n - 1];
        instr = &s->instr;
        n = &s->n;
    }
    *n = p->instrs.n;
    *instr = arena_memdup(p->a, p->instrs.v, p->instrs.n * sizeof *p->instrs.v);
    vec_clear(&p->instrs);
}

static void open_stage(struct parser *p, const struct cf_instr *in)
{
    finish_stage(p);
    if (p->stages.n >= CF_MAX_STAGES) {
        if (p->stages.n == CF_MAX_STAGES)
            parser_fail(p, in->at, "too-large", "split the file", "more than %d stages",
                        CF_MAX_STAGES);
        return;
    }
    struct cf_instr *from = arena_memdup(p->a, in, sizeof *in);
    check_from(p, from);
    *vec_push(&p->stages) =
        (struct cf_stage){.from = from, .name = from->words == 3 ? &from->word[2] : NULL};
}

static void take_instr(struct parser *p, const struct cf_instr *in)
{
    if (in->op == CF_FROM) {
        open_stage(p, in);
    } else if (p->stages.n == 0 && in->op != CF_ARG) {
        parser_fail(p, in->at, "before-from", "only ARG may stand before FROM",
                    "this instruction stands before the first FROM");
    } else if (in->op != CF_OTHER) {
        *vec_push(&p->instrs) = *in;
    }
}

static void note_directives(struct parser *p)
{
    const struct cf_lines *l = &p->lines;
    if (l->bad_directive.line > 0)
        parser_fail(p, l->bad_directive, "bad-directive", "write # escape=` or leave the line out",
                    "the escape directive takes \\ or ` and stands once");
    if (l->late_directive.line > 0)
        diag_add(
            p->warnings, parser_at(p, l->late_directive), "late-directive",
            "move it to the first line",
            "this escape directive is only a comment to buildah, since it is not the first line");
}

struct cfile *cf_parse(struct arena *a, const char *file, const char *text, size_t n,
                       struct diags *errors, struct diags *warnings)
{
    struct parser p = {.a = a, .errors = errors, .warnings = warnings};
    p.f = arena_alloc(a, sizeof *p.f);
    p.f->file = arena_str(a, file);
    struct cf_pos start = {.line = 1, .column = 1};
    if (n > CF_MAX_BYTES || memchr(text, '\0', n) != NULL) {
        parser_fail(&p, start, n > CF_MAX_BYTES ? "too-large" : "bad-text", NULL,
                    n > CF_MAX_BYTES ? "larger than 4 MiB" : "the file holds a NUL byte");
        return p.f;
    }
    cf_lines_init(&p.lines, text, n);
    while (cf_lines_next(&p.lines)) {
        struct cf_instr in = {0};
        if (read_instr(&p, 0, false, &in))
            take_instr(&p, &in);
    }
    finish_stage(&p);
    note_directives(&p);
    if (p.stages.n == 0 && !p.f->broken)
        parser_fail(&p, start, "no-from", "begin with FROM and an image, or FROM scratch",
                    "there is no FROM");
    if (!p.f->broken)
        advise_on_stages(&p);
    arena_take(a, &p.stages, &p.f->stage, &p.f->stages);
    cf_lines_release(&p.lines);
    vec_release(&p.instrs);
    vec_release(&p.words);
    vec_release(&p.flags);
    return p.f;
}
