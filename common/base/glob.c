/* Globs as a set of positions in the pattern, moved on by each character of the path: work is at
 * most pattern × path, whatever stars and braces a stranger writes.
 *
 * A position i is in the set when pattern[i..] may match what is left of the path. Braces and stars
 * are positions that one passes without a character (see enter()). */
#include "common/base/str.h"
#include "common/base/utf8.h"

enum { GLOB_MAX = 1024, GLOB_DEPTH = 64 };

struct glob {
    const char *p;
    size_t n;
    /* Of a '{' or a ',' that separates choices: where the next ',' or the '}' stands, and the '}'.
     * 0 for every other character. */
    uint16_t next[GLOB_MAX + 1];
    uint16_t close[GLOB_MAX + 1];
};

struct positions {
    uint16_t at[GLOB_MAX + 1];
    size_t n;
    uint64_t seen[GLOB_MAX / 64 + 1];
};

/* Index of the ']' that ends the class opened at i; 0 if there is none. */
static size_t class_end(const char *p, size_t n, size_t i)
{
    i++;
    if (i < n && (p[i] == '!' || p[i] == '^'))
        i++;
    if (i < n && p[i] == ']') /* the first may be a member */
        i++;
    while (i < n && p[i] != ']' && p[i] != '/')
        i++;
    return i < n && p[i] == ']' ? i : 0;
}

static void close_brace(struct glob *g, size_t open, size_t close)
{
    for (size_t i = open; i != close; i = g->next[i])
        g->close[i] = (uint16_t)close;
}

/* Finds the partners of braces and commas. -1: an invalid pattern. */
static int glob_scan(struct glob *g, const char *pattern)
{
    size_t open[GLOB_DEPTH], last[GLOB_DEPTH]; /* of each brace: '{', latest '{' or ',' */
    size_t depth = 0;

    g->p = pattern;
    g->n = strnlen(pattern, GLOB_MAX + 1);
    if (g->n > GLOB_MAX)
        return -1;
    memset(g->next, 0, sizeof g->next);
    memset(g->close, 0, sizeof g->close);
    for (size_t i = 0; i < g->n; i++) {
        char c = pattern[i];
        if (c == '\\' && ++i == g->n)
            return -1;
        if (c == '[' && (i = class_end(pattern, g->n, i)) == 0)
            return -1;
        if (c == '{') {
            if (depth == GLOB_DEPTH)
                return -1;
            open[depth] = last[depth] = i;
            depth++;
        } else if (depth > 0 && (c == ',' || c == '}')) {
            g->next[last[depth - 1]] = (uint16_t)i;
            last[depth - 1] = i;
            if (c == '}')
                close_brace(g, open[--depth], i);
        } else if (c == '}') {
            return -1;
        }
    }
    return depth == 0 ? 0 : -1;
}

static bool add(struct positions *to, size_t i)
{
    if (to->seen[i / 64] >> (i % 64) & 1)
        return false;
    to->seen[i / 64] |= UINT64_C(1) << (i % 64);
    to->at[to->n++] = (uint16_t)i;
    return true;
}

static bool is_deep(const struct glob *g, size_t i)
{
    return g->p[i] == '*' && i + 1 < g->n && g->p[i + 1] == '*';
}

/* The position behind the braces whose last choice ends at i. */
static size_t leave_braces(const struct glob *g, size_t i)
{
    while (i < g->n && (g->p[i] == '}' || (g->p[i] == ',' && g->close[i])))
        i = g->p[i] == '}' ? i + 1 : (size_t)g->close[i] + 1;
    return i;
}

/* Adds the positions that are reached from those in the set without a character. `fresh`: the path
 * stands at the beginning of a component, where "**" and the '/' after it may match nothing. */
static void enter_all(const struct glob *g, struct positions *set, bool fresh)
{
    for (size_t k = 0; k < set->n; k++) {
        size_t i = set->at[k];
        if (i == g->n)
            continue;
        if (g->p[i] == '{') {
            for (size_t j = i; j != g->close[i]; j = g->next[j])
                add(set, j + 1);
        } else if (g->p[i] == ',' && g->close[i]) {
            add(set, (size_t)g->close[i] + 1);
        } else if (g->p[i] == '}') {
            add(set, i + 1);
        } else if (is_deep(g, i)) {
            size_t slash = leave_braces(g, i + 2);
            add(set, i + 2);
            if (fresh && slash < g->n && g->p[slash] == '/')
                add(set, slash + 1);
        } else if (g->p[i] == '*') {
            add(set, i + 1);
        }
    }
}

/* Is c in the class p[i..end]? */
static bool class_has(const char *p, size_t i, size_t end, uint32_t c)
{
    bool negated = p[i + 1] == '!' || p[i + 1] == '^';
    bool found = false;

    i += negated ? 2 : 1;
    while (i < end) {
        uint32_t low, high;
        i += utf8_next(p + i, end - i, &low);
        high = low;
        if (i + 1 < end && p[i] == '-')
            i += 1 + utf8_next(p + i + 1, end - i - 1, &high);
        found = found || (low <= c && c <= high);
    }
    return found != negated && c != '/';
}

/* The literal character at i is c: the position behind it; else 0. */
static size_t step_literal(const struct glob *g, size_t i, uint32_t c)
{
    uint32_t want;
    size_t len = utf8_next(g->p + i, g->n - i, &want);

    return want == c ? i + len : 0;
}

/* Where position i goes when the path's next character is c; 0: nowhere. */
static size_t step(const struct glob *g, size_t i, uint32_t c)
{
    if (i == g->n)
        return 0;
    switch (g->p[i]) {
    case '{':
    case '}':
        return 0;
    case ',':
        return g->close[i] ? 0 : step_literal(g, i, c);
    case '?':
        return c != '/' ? i + 1 : 0;
    case '[': {
        size_t end = class_end(g->p, g->n, i);
        return class_has(g->p, i, end, c) ? end + 1 : 0;
    }
    case '\\':
        return step_literal(g, i + 1, c);
    default:
        return step_literal(g, i, c);
    }
}

static void advance(const struct glob *g, const struct positions *from, struct positions *to,
                    uint32_t c)
{
    to->n = 0;
    memset(to->seen, 0, sizeof to->seen);
    for (size_t k = 0; k < from->n; k++) {
        size_t i = from->at[k];
        size_t next;
        if (i < g->n && g->p[i] == '*') {
            if (c != '/' || is_deep(g, i))
                add(to, i);
        } else if ((next = step(g, i, c)) != 0) {
            add(to, next);
        }
    }
    enter_all(g, to, c == '/');
}

int glob_match(const char *pattern, const char *path)
{
    struct glob g;
    struct positions set[2] = {{.n = 0}};
    size_t left = strlen(path);
    unsigned now = 0;

    if (glob_scan(&g, pattern) < 0)
        return -1;
    add(&set[now], 0);
    enter_all(&g, &set[now], true);
    while (left > 0 && set[now].n > 0) {
        uint32_t c;
        size_t len = utf8_next(path, left, &c);
        advance(&g, &set[now], &set[!now], c);
        now = !now;
        path += len;
        left -= len;
    }
    return left == 0 && set[now].seen[g.n / 64] >> (g.n % 64) & 1;
}
