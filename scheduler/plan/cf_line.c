#include "scheduler/plan/cf_line.h"

#include <strings.h>

void cf_lines_init(struct cf_lines *l, const char *text, size_t n)
{
    *l = (struct cf_lines){.p = text, .end = text + n, .escape = '\\'};
    str_init(&l->text);
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        l->p += 3;
}

void cf_lines_release(struct cf_lines *l)
{
    str_release(&l->text);
    vec_release(&l->segment);
}

bool cf_lines_raw(struct cf_lines *l, const char **p, size_t *n)
{
    if (l->p == l->end)
        return false;
    const char *nl = memchr(l->p, '\n', (size_t)(l->end - l->p));
    const char *stop = nl != NULL ? nl : l->end;
    *p = l->p;
    *n = (size_t)(stop - l->p);
    if (*n > 0 && stop[-1] == '\r')
        --*n;
    l->p = nl != NULL ? nl + 1 : l->end;
    l->line++;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static size_t leading_blanks(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && is_blank(p[i]))
        i++;
    return i;
}

/* "# escape = X": the position of X's offset, or 0 when the line is something else. */
static size_t escape_directive(const char *p, size_t n)
{
    size_t i = 1;
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    if (n - i < 6 || strncasecmp(p + i, "escape", 6) != 0)
        return 0;
    i += 6;
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    if (i == n || p[i] != '=')
        return 0;
    i++;
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    return i < n ? i : 0;
}

/* buildah looks for the escape directive in the first lines, until one is something else: even
 * "# syntax=" before it makes it a comment. */
static void look_for_directive(struct cf_lines *l, const char *p, size_t n, size_t blanks)
{
    size_t at = n > 0 && *p == '#' ? escape_directive(p, n) : 0;
    struct cf_pos pos = {.line = l->line, .column = (unsigned)(blanks + at) + 1};
    if (at == 0)
        l->directives_done = true;
    else if (l->directives_done)
        l->late_directive = pos;
    else if (l->escape_seen || (p[at] != '\\' && p[at] != '`'))
        l->bad_directive = pos;
    else
        l->escape = p[at];
    l->escape_seen |= at != 0;
}

/* Does the line end in an escape and blanks? *n then becomes the length before the escape. */
static bool continues(const struct cf_lines *l, const char *p, size_t *n)
{
    size_t i = *n;
    while (i > 0 && (p[i - 1] == ' ' || p[i - 1] == '\t'))
        i--;
    if (i == 0 || p[i - 1] != l->escape)
        return false;
    *n = i - 1;
    return true;
}

static void add_segment(struct cf_lines *l, const char *p, size_t n, size_t column)
{
    *vec_push(&l->segment) = (struct cf_segment){
        .offset = l->text.len, .at = {.line = l->line, .column = (unsigned)column + 1}};
    str_addmem(&l->text, p, n);
}

static void read_continuations(struct cf_lines *l)
{
    const char *p;
    size_t n;
    while (cf_lines_raw(l, &p, &n)) {
        size_t blanks = leading_blanks(p, n);
        if (blanks == n || p[blanks] == '#')
            continue; /* blank lines and comments do not end it */
        bool more = continues(l, p, &n);
        add_segment(l, p, n, 0);
        if (!more)
            return;
    }
}

static bool only_blanks(const struct str *s)
{
    return leading_blanks(s->p, s->len) == s->len;
}

bool cf_lines_next(struct cf_lines *l)
{
    const char *p;
    size_t n;
    str_clear(&l->text);
    vec_clear(&l->segment);
    while (cf_lines_raw(l, &p, &n)) {
        size_t blanks = leading_blanks(p, n);
        bool comment = blanks < n && p[blanks] == '#';
        if (!l->directives_done || comment)
            look_for_directive(l, p + blanks, n - blanks, blanks);
        if (comment || blanks == n)
            continue;
        p += blanks;
        n -= blanks;
        bool more = continues(l, p, &n);
        add_segment(l, p, n, blanks);
        if (more)
            read_continuations(l);
        if (!only_blanks(&l->text))
            return true;
        str_clear(&l->text);
        vec_clear(&l->segment);
    }
    return false;
}

struct cf_pos cf_lines_at(const struct cf_lines *l, size_t offset)
{
    size_t lo = 0, hi = l->segment.n;
    while (hi - lo > 1) {
        size_t mid = lo + (hi - lo) / 2;
        if (l->segment.v[mid].offset <= offset)
            lo = mid;
        else
            hi = mid;
    }
    struct cf_pos at = l->segment.v[lo].at;
    at.column += (unsigned)(offset - l->segment.v[lo].offset);
    return at;
}
