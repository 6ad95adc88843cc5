/* From logical lines to instructions and stages. */
#include "scheduler/plan/cf_line.h"

#include <ctype.h>
#include <strings.h>

struct parser {
    struct arena *a;
    struct cfile *f;
    struct diags *errors, *warnings;
    struct cf_lines lines;
    VEC(struct cf_instr) instrs; /* of the header, then of the present stage */
    VEC(struct cf_stage) stages;
    VEC(struct cf_word) words; /* scratch */
    VEC(struct cf_flag) flags; /* scratch */
};

static struct diag_at at_file(const struct parser *p, struct cf_pos pos)
{
    return (struct diag_at){.file = p->f->file, .line = pos.line, .column = pos.column};
}

#define fail(p, pos, code, hint, ...) \
    ((p)->f->broken = true, (void)diag_add((p)->errors, at_file(p, pos), code, hint, __VA_ARGS__))

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
        fail(p, pos, "template", "build the file from its template and commit the result",
             "this looks like a template, not a Containerfile");
        return;
    }
    const char *near = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(instructions) && near == NULL; i++) {
        if (edit_distance(upper, instructions[i].name) <= 2)
            near = instructions[i].name;
    }
    fail(p, pos, "unknown-instruction",
         near != NULL ? arena_fmt(p->a, "did you mean %s?", near) : NULL,
         "there is no instruction %s", upper);
}

/* ---- words of a logical line; offsets are into lines.text ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t skip_space(const char *s, size_t i, size_t end)
{
    while (i < end && is_space(s[i]))
        i++;
    return i;
}

/* One flag from s[i] on, which is "--": quotes are removed as buildah does it. Returns its end. */
static size_t read_flag(const char *s, size_t i, size_t end, struct str *out, size_t *value_at)
{
    char quote = '\0';
    *value_at = i;
    for (; i < end && (quote != '\0' || !is_space(s[i])); i++) {
        char c = s[i];
        if (quote == '\0' && (c == '\'' || c == '"')) {
            quote = c;
        } else if (c == quote && quote != '\0') {
            quote = '\0';
        } else {
            if (c == '\\' && i + 1 < end)
                c = s[++i];
            str_addch(out, c);
            if (c == '=' && memchr(out->p, '=', out->len - 1) == NULL)
                *value_at = i + 1;
        }
    }
    return i;
}

static void add_flag(struct parser *p, const struct str *text, size_t value_at)
{
    char *name = arena_strn(p->a, text->p + 2, text->len - 2);
    char *eq = strchr(name, '=');
    if (eq != NULL)
        *eq = '\0';
    *vec_push(&p->flags) = (struct cf_flag){
        .name = name, .value = eq != NULL ? eq + 1 : NULL, .at = cf_lines_at(&p->lines, value_at)};
}

/* Flags stand only before the first argument. Returns where the arguments begin. */
static size_t read_flags(struct parser *p, const char *s, size_t i, size_t end)
{
    struct str text = STR_INIT;
    for (;;) {
        i = skip_space(s, i, end);
        if (i + 1 >= end || s[i] != '-' || s[i + 1] != '-')
            break;
        size_t value_at;
        str_clear(&text);
        i = read_flag(s, i, end, &text, &value_at);
        if (strcmp(text.p, "--") == 0)
            break;
        add_flag(p, &text, value_at);
    }
    str_release(&text);
    return skip_space(s, i, end);
}

static void add_word(struct parser *p, const char *s, size_t from, size_t to)
{
    *vec_push(&p->words) = (struct cf_word){.text = arena_strn(p->a, s + from, to - from),
                                            .at = cf_lines_at(&p->lines, from)};
}

static void read_blank_words(struct parser *p, const char *s, size_t i, size_t end)
{
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        while (i < end && !is_space(s[i]))
            i++;
        add_word(p, s, from, i);
    }
}

/* End of the word at i: blanks inside quotes and escaped ones belong to it. */
static size_t quoted_word_end(const char *s, size_t i, size_t end, char escape)
{
    char quote = '\0';
    for (; i < end && (quote != '\0' || !is_space(s[i])); i++) {
        if (s[i] == escape && quote != '\'' && i + 1 < end)
            i++;
        else if (quote != '\0' && s[i] == quote)
            quote = '\0';
        else if (quote == '\0' && (s[i] == '\'' || s[i] == '"'))
            quote = s[i];
    }
    return i;
}

static void read_quoted_words(struct parser *p, const char *s, size_t i, size_t end)
{
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        i = quoted_word_end(s, i, end, p->lines.escape);
        add_word(p, s, from, i);
    }
}

/* ENV: name=value … or the old "name value"; words become names and values by turns. */
static void read_env(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos)
{
    size_t first_end = quoted_word_end(s, i, end, p->lines.escape);
    if (i == end)
        return;
    if (memchr(s + i, '=', first_end - i) == NULL) {
        size_t name = i;
        while (i < end && !is_space(s[i]))
            i++;
        size_t value = skip_space(s, i, end);
        if (value == end) {
            fail(p, pos, "bad-env", NULL, "ENV takes a name and a value");
            return;
        }
        add_word(p, s, name, i);
        add_word(p, s, value, end);
        return;
    }
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        i = quoted_word_end(s, i, end, p->lines.escape);
        const char *eq = memchr(s + from, '=', i - from);
        if (eq == NULL) {
            fail(p, cf_lines_at(&p->lines, from), "bad-env", NULL, "there is no = in '%.*s'",
                 (int)(i - from > 100 ? 100 : i - from), s + from);
            return;
        }
        add_word(p, s, from, (size_t)(eq - s));
        add_word(p, s, (size_t)(eq - s) + 1, i);
    }
}

/* COPY and ADD: the JSON form or words. */
static void read_paths(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos)
{
    const char **item;
    int n = i < end && s[i] == '[' ? cf_json(p->a, s + i, &item) : -1;
    if (n == -2)
        fail(p, pos, "json-form", NULL, "the JSON form takes strings only");
    if (n < 0) {
        read_blank_words(p, s, i, end);
        return;
    }
    for (int k = 0; k < n; k++)
        *vec_push(&p->words) = (struct cf_word){.text = item[k], .at = cf_lines_at(&p->lines, i)};
}

/* ---- heredocs ---- */

/* The word's heredoc name into *name (quotes removed): 1, and *chomp for "<<-"; 0 when it is none.
 */
static int heredoc_name(const char *w, size_t n, struct str *name, bool *chomp)
{
    size_t i = 0;
    while (i < n && isdigit((unsigned char)w[i]))
        i++;
    if (n - i < 3 || w[i] != '<' || w[i + 1] != '<')
        return 0;
    i += 2;
    *chomp = w[i] == '-';
    i += *chomp;
    if (i == n || memchr(w + i, '<', n - i) != NULL)
        return 0;
    char quote = '\0';
    str_clear(name);
    for (; i < n; i++) {
        if (w[i] == quote && quote != '\0')
            quote = '\0';
        else if (quote == '\0' && (w[i] == '\'' || w[i] == '"'))
            quote = w[i];
        else {
            if (w[i] == '\\' && quote != '\'' && i + 1 < n)
                i++;
            str_addch(name, w[i]);
        }
    }
    return name->len > 0;
}

static void skip_body(struct parser *p, const struct str *name, bool chomp, struct cf_pos pos)
{
    const char *line;
    size_t n;
    while (cf_lines_raw(&p->lines, &line, &n)) {
        while (chomp && n > 0 && *line == '\t') {
            line++;
            n--;
        }
        if (n == name->len && memcmp(line, name->p, n) == 0)
            return;
    }
    fail(p, pos, "unterminated-heredoc", NULL, "the heredoc %s is not closed", name->p);
}

/* Consumes the bodies of all heredocs that the logical line opens. */
static bool read_heredocs(struct parser *p, size_t i)
{
    const char *s = p->lines.text.p;
    size_t end = p->lines.text.len;
    bool found = false, chomp = false;
    if (memmem(s + i, end - i, "<<", 2) == NULL)
        return false;
    struct str name = STR_INIT;
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        i = quoted_word_end(s, i, end, '\\');
        if (heredoc_name(s + from, i - from, &name, &chomp)) {
            found = true;
            skip_body(p, &name, chomp, cf_lines_at(&p->lines, from));
        }
    }
    str_release(&name);
    return found;
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
            fail(p, cf_lines_at(&p->lines, i), "template",
                 "build the file from its template and commit the result",
                 "FROM holds a template's placeholder");
            add_word(p, s, i, end);
        } else {
            read_blank_words(p, s, i, end);
        }
        break;
    case CF_ARG:
        read_quoted_words(p, s, i, end);
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
    if (i == p->lines.text.len) {
        fail(p, in->at, "bad-onbuild", NULL, "ONBUILD takes an instruction");
        return;
    }
    if (!read_instr(p, i, true, trigger))
        return;
    if (trigger->op == CF_ONBUILD || trigger->op == CF_FROM)
        fail(p, trigger->at, "bad-onbuild", NULL, "ONBUILD cannot trigger this instruction");
    in->trigger = trigger;
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
        fail(p, pos, "bad-from", NULL, "FROM takes an image");
    else if (in->word[1].text[0] == '#')
        fail(p, pos, "bad-from", "put the comment on a line of its own",
             "a comment cannot stand behind FROM");
    else
        fail(p, pos, "bad-from", NULL, "FROM takes an image, or an image, AS and a name");
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
            fail(p, in->at, "too-large", NULL, "more than %d stages", CF_MAX_STAGES);
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
        fail(p, in->at, "before-from", "only ARG may stand before FROM",
             "this instruction stands before the first FROM");
    } else if (in->op != CF_OTHER) {
        *vec_push(&p->instrs) = *in;
    }
}

static void note_directives(struct parser *p)
{
    const struct cf_lines *l = &p->lines;
    if (l->bad_directive.line > 0)
        fail(p, l->bad_directive, "bad-directive", NULL,
             "the escape directive takes \\ or ` and stands once");
    if (l->late_directive.line > 0)
        diag_add(
            p->warnings, at_file(p, l->late_directive), "late-directive",
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
        fail(&p, start, n > CF_MAX_BYTES ? "too-large" : "bad-text", NULL,
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
        fail(&p, start, "no-from", NULL, "there is no FROM");
    arena_take(a, &p.stages, &p.f->stage, &p.f->stages);
    cf_lines_release(&p.lines);
    vec_release(&p.instrs);
    vec_release(&p.words);
    vec_release(&p.flags);
    return p.f;
}
