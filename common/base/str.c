#include "common/base/str.h"
#include "common/base/mem.h"
#include <stdio.h>

char str_empty[1] = "";

void str_init(struct str *s)
{
    *s = (struct str)STR_INIT;
}

void str_release(struct str *s)
{
    if (s->cap)
        free(s->p);
    str_init(s);
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->cap)
        s->p[0] = '\0';
}

char *str_steal(struct str *s)
{
    char *p = s->cap ? s->p : xstrdup("");

    str_init(s);
    return p;
}

/* Room for `more` bytes and the NUL. */
static void reserve(struct str *s, size_t more)
{
    size_t want = s->len + more + 1;

    if (want <= more)
        BUG("a string of %zu and %zu bytes", s->len, more);
    if (want <= s->cap)
        return;
    size_t cap = s->cap < 32 ? 32 : s->cap + s->cap / 2;
    if (cap < want)
        cap = want;
    s->p = xreallocarray(s->cap ? s->p : NULL, cap, 1);
    s->cap = cap;
}

void str_add(struct str *s, const char *text)
{
    str_addmem(s, text, strlen(text));
}

void str_addmem(struct str *s, const void *p, size_t n)
{
    reserve(s, n);
    if (n)
        memcpy(s->p + s->len, p, n);
    s->len += n;
    s->p[s->len] = '\0';
}

void str_addch(struct str *s, char c)
{
    str_addmem(s, &c, 1);
}

void str_addf(struct str *s, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    str_addv(s, fmt, ap);
    va_end(ap);
}

void str_addv(struct str *s, const char *fmt, va_list ap)
{
    va_list again;

    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    BUG_ON(n < 0);
    reserve(s, (size_t)n);
    vsnprintf(s->p + s->len, (size_t)n + 1, fmt, ap);
    s->len += (size_t)n;
}

void str_addhex(struct str *s, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *b = p;

    reserve(s, 2 * n);
    for (size_t i = 0; i < n; i++) {
        s->p[s->len++] = digits[b[i] >> 4];
        s->p[s->len++] = digits[b[i] & 15];
    }
    s->p[s->len] = '\0';
}

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}
