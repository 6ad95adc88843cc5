#include "common/base/base.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void bug_at(const char *file, int line, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "BUG at %s:%d: ", file, line);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    abort();
}

static const char hex_digits[] = "0123456789abcdef";

static char *put_hex(char *to, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *to++ = hex_digits[b[i] >> 4];
        *to++ = hex_digits[b[i] & 15];
    }
    return to;
}

/* One digit, small letters only: a value has one text. */
static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

static int get_hex(const char *text, uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0)
            return -1;
        b[i] = (uint8_t)(high << 4 | low);
    }
    return 0;
}

/* A UUID groups its 16 bytes as 4-2-2-2-6. */
static const uint8_t uuid_group[] = {4, 2, 2, 2, 6};

void id128_format(struct id128 id, char out[static ID128_TEXT])
{
    const uint8_t *from = id.b;

    for (size_t g = 0; g < ARRAY_SIZE(uuid_group); g++) {
        if (g > 0)
            *out++ = '-';
        out = put_hex(out, from, uuid_group[g]);
        from += uuid_group[g];
    }
    *out = '\0';
}

int id128_parse(const char *text, struct id128 *out)
{
    struct id128 id;
    uint8_t *to = id.b;

    for (size_t g = 0; g < ARRAY_SIZE(uuid_group); g++) {
        if (g > 0 && *text++ != '-')
            return -1;
        if (get_hex(text, to, uuid_group[g]) < 0)
            return -1;
        text += (size_t)2 * uuid_group[g];
        to += uuid_group[g];
    }
    if (*text != '\0')
        return -1;
    *out = id;
    return 0;
}

void digest_format(const struct sha256 *d, char out[static DIGEST_TEXT])
{
    memcpy(out, "sha256:", 7);
    *put_hex(out + 7, d->b, sizeof d->b) = '\0';
}

int digest_parse(const char *text, struct sha256 *out)
{
    struct sha256 d;

    if (strncmp(text, "sha256:", 7) != 0 || get_hex(text + 7, d.b, sizeof d.b) < 0 ||
        text[DIGEST_TEXT - 1] != '\0')
        return -1;
    *out = d;
    return 0;
}
