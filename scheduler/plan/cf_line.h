/* cf_line.h - a Containerfile's logical lines: continuations joined, comments gone, positions kept.
 *
 * Only for the reader (containerfile.h). */
#ifndef BF_PLAN_CF_LINE_H
#define BF_PLAN_CF_LINE_H

#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"

/* A stretch of the logical line that was one physical line. */
struct cf_segment {
    size_t offset; /* in the logical line */
    struct cf_pos at;
};

struct cf_lines {
    const char *p, *end;
    unsigned line; /* number of the physical line that next_physical() gave last */
    char escape;   /* '\\' or '`' */
    bool directives_done, escape_seen;
    struct cf_pos bad_directive;  /* line 0: none; an escape directive that is not understood */
    struct cf_pos late_directive; /* an escape directive where buildah no longer looks for one */
    struct str text;              /* the present logical line, without leading blanks */
    VEC(struct cf_segment) segment;
};

void cf_lines_init(struct cf_lines *l, const char *text, size_t n);
void cf_lines_release(struct cf_lines *l);
/* The next logical line into l->text; false at the end. Never an empty one. */
bool cf_lines_next(struct cf_lines *l);
/* One physical line as it is (a heredoc's body): without the newline; false at the end. */
bool cf_lines_raw(struct cf_lines *l, const char **p, size_t *n);
struct cf_pos cf_lines_at(const struct cf_lines *l, size_t offset);

#endif
