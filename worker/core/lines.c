#include "worker/core/lines.h"

#define HALF (LINE_MAX_BYTES / 2)
#define DOTS " ... "

void lines_init(struct lines *l)
{
    str_init(&l->buf);
    l->cut = false;
}

void lines_release(struct lines *l)
{
    str_release(&l->buf);
}

/* Drops the middle, so that the head and the last HALF bytes stay. */
static void shorten(struct lines *l)
{
    if (l->buf.len < 2 * LINE_MAX_BYTES)
        return;
    memmove(l->buf.p + HALF, l->buf.p + l->buf.len - HALF, HALF);
    l->buf.len = 2 * HALF;
    l->buf.p[l->buf.len] = '\0';
    l->cut = true;
}

/* The length of the escape sequence at s[0] == ESC: CSI, OSC or two bytes. */
static size_t escape_length(const char *s)
{
    size_t n = 1;
    if (s[n] == '[') {
        for (n++; s[n] >= 0x20 && s[n] < 0x40; n++)
            ;
        return s[n] >= 0x40 && s[n] < 0x7f ? n + 1 : n;
    }
    if (s[n] == ']') {
        while (s[n] != '\0' && s[n] != '\a' && s[n] != 0x1b)
            n++;
        return s[n] == '\a' ? n + 1 : n;
    }
    return s[n] != '\0' ? 2 : 1;
}

static void clean(char *s)
{
    char *out = s;
    for (size_t step = 1; *s != '\0'; s += step) {
        unsigned char c = (unsigned char)*s;
        step = c == 0x1b ? escape_length(s) : 1;
        if (c == '\t' || (c >= 0x20 && c != 0x7f))
            *out++ = *s;
    }
    *out = '\0';
}

static void make_utf8(char *s)
{
    if (utf8_valid(s, strlen(s)))
        return;
    for (; *s != '\0'; s++)
        if ((unsigned char)*s >= 0x80)
            *s = '?';
}

/* Cleans the buffer, and cuts it to LINE_MAX_BYTES. */
static void finish(struct lines *l)
{
    clean(l->buf.p);
    size_t n = strlen(l->buf.p);
    if (n > LINE_MAX_BYTES) {
        memmove(l->buf.p + HALF, l->buf.p + n - HALF, HALF + 1);
        l->cut = true;
    }
    if (l->cut && n > HALF)
        memcpy(l->buf.p + HALF - strlen(DOTS), DOTS, strlen(DOTS));
    make_utf8(l->buf.p);
}

static void emit(struct lines *l, line_fn *fn, void *arg)
{
    if (l->buf.len > 0) {
        finish(l);
        if (l->buf.p[0] != '\0')
            fn(arg, l->buf.p);
    }
    str_clear(&l->buf);
    l->cut = false;
}

static size_t until_end(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '\n' || p[i] == '\r' || p[i] == '\0')
            return i;
    return n;
}

void lines_feed(struct lines *l, const char *p, size_t n, line_fn *fn, void *arg)
{
    while (n > 0) {
        size_t len = until_end(p, n < LINE_MAX_BYTES ? n : LINE_MAX_BYTES);
        str_addmem(&l->buf, p, len);
        shorten(l);
        p += len;
        n -= len;
        if (n == 0 || (*p != '\n' && *p != '\r' && *p != '\0'))
            continue;
        if (*p != '\0')
            emit(l, fn, arg);
        p++;
        n--;
    }
}

void lines_end(struct lines *l, line_fn *fn, void *arg)
{
    emit(l, fn, arg);
}

const char *lines_rest(struct lines *l)
{
    if (l->buf.len > 0) {
        clean(l->buf.p);
        l->buf.len = strlen(l->buf.p);
    }
    return l->buf.p;
}

size_t text_cut(const char *s, size_t max)
{
    size_t n = strlen(s);
    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80;)
        n--;
    return n;
}
