/* Flags, words and heredocs of one instruction. */
#include "scheduler/plan/cf_parser.h"

#include <ctype.h>

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

static void add_flag(struct parser *p, const struct str *text, size_t value_at, size_t end)
{
    char *name = arena_strn(p->a, text->p + 2, text->len - 2);
    char *eq = strchr(name, '=');
    if (eq != NULL)
        *eq = '\0';
    struct cf_pos at = cf_lines_at(&p->lines, value_at);
    *vec_push(&p->flags) =
        (struct cf_flag){.name = name,
                         .value = eq != NULL ? eq + 1 : NULL,
                         .at = at,
                         .plain = eq != NULL && strlen(eq + 1) == end - value_at &&
                                  cf_lines_at(&p->lines, end - 1).line == at.line};
}

size_t read_flags(struct parser *p, const char *s, size_t i, size_t end)
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
        add_flag(p, &text, value_at, i);
    }
    str_release(&text);
    return skip_space(s, i, end);
}

void add_word(struct parser *p, const char *s, size_t from, size_t to)
{
    *vec_push(&p->words) = (struct cf_word){.text = arena_strn(p->a, s + from, to - from),
                                            .at = cf_lines_at(&p->lines, from)};
}

void read_blank_words(struct parser *p, const char *s, size_t i, size_t end)
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

void read_quoted_words(struct parser *p, const char *s, size_t i, size_t end)
{
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        i = quoted_word_end(s, i, end, p->lines.escape);
        add_word(p, s, from, i);
    }
}

void read_env(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos)
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
            parser_fail(p, pos, "bad-env", "write ENV NAME=value", "ENV takes a name and a value");
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
            parser_fail(p, cf_lines_at(&p->lines, from), "bad-env",
                        "put quotes around a value with blanks", "there is no = in '%.*s'",
                        (int)(i - from > 100 ? 100 : i - from), s + from);
            return;
        }
        add_word(p, s, from, (size_t)(eq - s));
        add_word(p, s, (size_t)(eq - s) + 1, i);
    }
}

void read_paths(struct parser *p, const char *s, size_t i, size_t end, struct cf_pos pos)
{
    const char **item;
    int n = i < end && s[i] == '[' ? cf_json(p->a, s + i, &item) : -1;
    if (n == -2)
        parser_fail(p, pos, "json-form", "put each path into double quotes",
                    "the JSON form takes strings only");
    if (n < 0) {
        read_blank_words(p, s, i, end);
        return;
    }
    for (int k = 0; k < n; k++)
        *vec_push(&p->words) = (struct cf_word){.text = item[k], .at = cf_lines_at(&p->lines, i)};
}

const char *cf_mount_key(struct arena *a, const struct cf_flag *f, const char *key,
                         struct cf_pos *at)
{
    size_t n = strlen(key);
    for (const char *p = f->value; p != NULL && *p != '\0';) {
        size_t len = strcspn(p, ",");
        if (len > n && memcmp(p, key, n) == 0 && p[n] == '=') {
            *at = f->at;
            if (f->plain)
                at->column += (unsigned)(p + n + 1 - f->value);
            return arena_strn(a, p + n + 1, len - n - 1);
        }
        p += len;
        p += *p == ',';
    }
    return NULL;
}

/* ---- heredocs ---- */

/* The same for the words in which heredocs are looked for: blanks behind << belong to it, too.
 * *open: a quote is not closed. */
static size_t heredoc_word_end(const char *s, size_t i, size_t end, bool *open)
{
    char quote = '\0';
    for (; i < end && (quote != '\0' || !is_space(s[i])); i++) {
        if (s[i] == '\\' && quote != '\'' && i + 1 < end)
            i++;
        else if (quote != '\0' && s[i] == quote)
            quote = '\0';
        else if (quote == '\0' && (s[i] == '\'' || s[i] == '"'))
            quote = s[i];
        else if (quote == '\0' && s[i] == '<' && i + 1 < end && s[i + 1] == '<')
            i = skip_space(s, i + 2, end) - 1;
    }
    *open = quote != '\0';
    return i;
}

/* Text without quotes and escapes into *out. */
static void unquote(const char *w, size_t n, struct str *out)
{
    char quote = '\0';
    str_clear(out);
    for (size_t i = 0; i < n; i++) {
        if (w[i] == quote && quote != '\0')
            quote = '\0';
        else if (quote == '\0' && (w[i] == '\'' || w[i] == '"'))
            quote = w[i];
        else {
            if (w[i] == '\\' && quote != '\'' && i + 1 < n)
                i++;
            str_addch(out, w[i]);
        }
    }
}

struct heredoc {
    struct str name;
    bool chomp; /* <<- */
    bool apart; /* blanks between << and the name */
};

/* What the word opens; false when that is nothing. */
static bool heredoc_of(const char *w, size_t n, struct heredoc *h)
{
    size_t i = 0;
    while (i < n && isdigit((unsigned char)w[i]))
        i++;
    if (n - i < 3 || w[i] != '<' || w[i + 1] != '<')
        return false;
    i += 2;
    h->chomp = w[i] == '-';
    i += h->chomp;
    h->apart = i < n && is_space(w[i]);
    i = skip_space(w, i, n);
    if (i == n || memchr(w + i, '<', n - i) != NULL)
        return false;
    unquote(w + i, n - i, &h->name);
    return h->name.len > 0;
}

/* To the line behind the body; false when it has no end. */
static bool skip_body(struct cf_lines *lines, const struct heredoc *h)
{
    const char *line;
    size_t n;
    while (cf_lines_raw(lines, &line, &n)) {
        while (h->chomp && n > 0 && *line == '\t') {
            line++;
            n--;
        }
        if (n == h->name.len && memcmp(line, h->name.p, n) == 0)
            return true;
    }
    return false;
}

/* Only the newest builders take "<< NAME" for a heredoc, and others have written $((1 << 2)): where
 * it has no end it is none, and then there are none of this kind in the rest of the file. */
static bool take_body(struct parser *p, const struct heredoc *h, struct cf_pos pos)
{
    const char *here = p->lines.p;
    unsigned line = p->lines.line;
    if (h->apart && p->shifts)
        return false;
    if (skip_body(&p->lines, h))
        return true;
    if (!h->apart) {
        parser_fail(p, pos, "unterminated-heredoc",
                    arena_fmt(p->a, "write %s on a line of its own behind the text", h->name.p),
                    "the heredoc %s is not closed", h->name.p);
        return true;
    }
    p->shifts = true;
    p->lines.p = here;
    p->lines.line = line;
    return false;
}

/* A quote that is not closed: buildah then sees no heredoc in the whole line. */
static bool quotes_closed(const char *s, size_t i, size_t end)
{
    bool open = false;
    while ((i = skip_space(s, i, end)) < end && !open)
        i = heredoc_word_end(s, i, end, &open);
    return !open;
}

bool read_heredocs(struct parser *p, size_t i)
{
    const char *s = p->lines.text.p;
    size_t end = p->lines.text.len;
    bool found = false, open;
    if (memmem(s + i, end - i, "<<", 2) == NULL || !quotes_closed(s, i, end))
        return false;
    struct heredoc h = {.name = STR_INIT};
    while ((i = skip_space(s, i, end)) < end) {
        size_t from = i;
        i = heredoc_word_end(s, i, end, &open);
        if (heredoc_of(s + from, i - from, &h))
            found |= take_body(p, &h, cf_lines_at(&p->lines, from));
    }
    str_release(&h.name);
    return found;
}
