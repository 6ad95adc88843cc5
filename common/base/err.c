#include "common/base/err.h"
#include "common/base/str.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* A message that was cut may end inside a character; PostgreSQL refuses such text. */
static void trim_partial_char(char *s, size_t n)
{
    size_t tail = 0;

    while (tail < 3 && tail < n && ((unsigned char)s[n - 1 - tail] & 0xC0) == 0x80)
        tail++;
    if (tail < n && ((unsigned char)s[n - 1 - tail] & 0xC0) == 0xC0)
        tail++;
    if (tail > 0 && !utf8_valid(s + n - tail, tail))
        s[n - tail] = '\0';
}

/* Through a copy: the arguments may point into e->msg. `prefix` goes before the old message. */
static void BF_PRINTF(3, 0) format(struct err *e, bool prefix, const char *fmt, va_list ap)
{
    char text[sizeof e->msg];
    int n = vsnprintf(text, sizeof text, fmt, ap);
    size_t at = n < 0 ? 0 : (size_t)n;

    if (prefix && at < sizeof text) {
        n = snprintf(text + at, sizeof text - at, ": %s", e->msg);
        at += n < 0 ? 0 : (size_t)n;
    }
    if (at >= sizeof text)
        trim_partial_char(text, sizeof text - 1);
    memcpy(e->msg, text, sizeof text);
}

int err_set(struct err *e, enum err_kind kind, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    format(e, false, fmt, ap);
    va_end(ap);
    e->kind = kind;
    e->sys_errno = 0;
    return -1;
}

int err_sys(struct err *e, const char *fmt, ...)
{
    int saved = errno;
    va_list ap;
    char reason[128];

    if (!e)
        return -1;
    /* strerror first, then the caller's words before it. */
    snprintf(e->msg, sizeof e->msg, "%s", strerror_r(saved, reason, sizeof reason));
    va_start(ap, fmt);
    format(e, true, fmt, ap);
    va_end(ap);
    e->kind = ERR_SYSTEM;
    e->sys_errno = saved;
    errno = saved;
    return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
    va_list ap;

    if (!e)
        return -1;
    va_start(ap, fmt);
    format(e, true, fmt, ap);
    va_end(ap);
    return -1;
}
