/* cf_parser.h - reading one Containerfile; only for cf_parse.c, cf_words.c and
 * cf_advice.c. */
#ifndef BF_PLAN_CF_PARSER_H
#define BF_PLAN_CF_PARSER_H

#include "scheduler/plan/cf_line.h"

struct parser {
    struct arena *a;
    struct cfile *f;
    struct diags *errors, *warnings;
    struct cf_lines lines;
    unsigned failed;
    bool shifts;                 /* a << with a blank behind it was no heredoc */
    VEC(struct cf_instr) instrs; /* of the header, then of the present stage */
    VEC(struct cf_stage) stages;
    VEC(struct cf_word) words; /* scratch */
    VEC(struct cf_flag) flags; /* scratch */
};

static inline struct diag_at parser_at(const struct parser *p, struct cf_pos pos)
{
    return (struct diag_at){.file = p->f->file, .line = pos.line, .column = pos.column};
}

/* What comes behind the first CF_MAX_ERRORS says nothing new. */
#define parser_fail(p, pos, code, hint, ...)                                         \
    do {                                                                             \
        (p)->f->broken = true;                                                       \
        if ((p)->failed++ < CF_MAX_ERRORS)                                           \
            (void)diag_add((p)->errors, parser_at(p, pos), code, hint, __VA_ARGS__); \
    } while (0)

static inline bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* ---- cf_words.c: words of the present logical line; offsets are into lines.text ---- */

/* Flags stand only before the first argument. Returns where the arguments begin. */
size_t read_flags(struct parser *p, const char *s, size_t i, size_t end);
void add_word(struct parser *p, const char *s, size_t from, size_t to);
void read_blank_words(struct parser *p, const char *s, size_t i, size_t end);
void read_quoted_words(struct parser *p, const char *s, size_t i, size_t end);
/* ENV: name=value … or the old "name value"; words become names and values by turns. */
void read_env(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos);
/* COPY and ADD: the JSON form or words. */
void read_paths(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos);
/* Consumes the bodies of all heredocs that the line opens behind offset i; false: it opens none. */
bool read_heredocs(struct parser *p, size_t i);

/* ---- cf_advice.c ---- */

/* Warns of names of stages that differ from each other, or from what names them, in case only. */
void advise_on_stages(struct parser *p);

#endif
