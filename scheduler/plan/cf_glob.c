/* Go's path.Match, which buildah uses for sources, ignore files and ${X#pattern}. */
#include "scheduler/plan/containerfile.h"

/* One character or escape of a class at *p; -1: malformed. */
static int class_char(const char **p)
{
    if (**p == '\0' || **p == '-' || **p == ']')
        return -1;
    if (**p == '\\' && *++*p == '\0')
        return -1;
    return (unsigned char)*(*p)++;
}

/* *p stands after '['. 1 match, 0 none, -1 malformed; *p moves behind ']'. */
static int match_class(const char **p, unsigned char c)
{
    bool negated = **p == '^', hit = false;
    *p += negated;
    for (int ranges = 0;; ranges++) {
        if (**p == ']' && ranges > 0) {
            ++*p;
            return hit != negated;
        }
        int lo = class_char(p), hi = lo;
        if (lo >= 0 && **p == '-') {
            ++*p;
            hi = class_char(p);
        }
        if (lo < 0 || hi < 0)
            return -1;
        hit |= lo <= c && c <= hi;
    }
}

/* One pattern element against one character. Moves *p. 1, 0, or -1 for a malformed pattern. */
static int match_one(const char **p, unsigned char c)
{
    switch (**p) {
    case '?':
        ++*p;
        return c != '/';
    case '[':
        ++*p;
        return match_class(p, c);
    case '\\':
        if (*++*p == '\0')
            return -1;
        break;
    }
    return (unsigned char)*(*p)++ == c;
}

bool cf_glob(const char *pattern, const char *name, size_t n)
{
    const char *p = pattern, *star = NULL;
    size_t i = 0, from = 0;
    for (;;) {
        if (*p == '*') {
            while (*p == '*')
                p++;
            star = p;
            from = i;
            continue;
        }
        const char *q = p;
        int hit = *p == '\0' ? i == n : i < n ? match_one(&q, (unsigned char)name[i]) : 0;
        if (hit < 0)
            return false;
        if (hit > 0 && *p == '\0')
            return true;
        if (hit > 0) {
            p = q;
            i++;
            continue;
        }
        /* One character more for the last star. */
        if (star == NULL || from >= n || name[from] == '/')
            return false;
        i = ++from;
        p = star;
    }
}
