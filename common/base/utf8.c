#include "common/base/utf8.h"
#include "common/base/str.h"

/* How many bytes a character with this first byte has; 0: no character begins so. */
static size_t length_by_lead(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 2;
    if ((lead & 0xF0) == 0xE0)
        return 3;
    if (lead >= 0xF0 && lead <= 0xF4)
        return 4;
    return 0;
}

size_t utf8_next(const char *s, size_t n, uint32_t *cp)
{
    static const unsigned char lead_bits[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char lead = (unsigned char)s[0];
    size_t len = length_by_lead(lead);
    uint32_t c;

    if (len == 0 || len > n)
        goto bad;
    c = lead & lead_bits[len];
    for (size_t i = 1; i < len; i++) {
        unsigned char b = (unsigned char)s[i];
        if ((b & 0xC0) != 0x80)
            goto bad;
        c = c << 6 | (b & 0x3F);
    }
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        goto bad;
    *cp = c;
    return len;
bad:
    *cp = UTF8_BAD + lead;
    return 1;
}

bool utf8_valid(const void *p, size_t n)
{
    const char *s = p;

    while (n > 0) {
        uint32_t cp;
        size_t len = utf8_next(s, n, &cp);
        if (cp >= UTF8_BAD)
            return false;
        s += len;
        n -= len;
    }
    return true;
}

void text_add_safe(struct str *out, const char *text)
{
    size_t n = strlen(text), len;

    for (size_t i = 0; i < n; i += len) {
        uint32_t cp;

        len = utf8_next(text + i, n - i, &cp);
        if (cp == '\n' || cp == '\t' || cp == '\r')
            str_addch(out, ' ');
        else if (cp >= UTF8_BAD || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            str_addch(out, '?');
        else
            str_addmem(out, text + i, len);
    }
}
