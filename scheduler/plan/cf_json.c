/* The JSON form of an instruction: an array of strings. */
#include "scheduler/plan/containerfile.h"

#include "common/base/str.h"
#include "common/base/vec.h"
#include <ctype.h>

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t\r\n\v\f");
}

static int hex4(const char *p)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        if (!isxdigit((unsigned char)p[i]))
            return -1;
        v = v * 16 + (p[i] <= '9' ? p[i] - '0' : (p[i] | 32) - 'a' + 10);
    }
    return v;
}

static void add_utf8(struct str *out, unsigned c)
{
    if (c < 0x80) {
        str_addch(out, (char)c);
    } else if (c < 0x800) {
        str_addch(out, (char)(0xc0 | c >> 6));
        str_addch(out, (char)(0x80 | (c & 0x3f)));
    } else if (c < 0x10000) {
        str_addch(out, (char)(0xe0 | c >> 12));
        str_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
        str_addch(out, (char)(0x80 | (c & 0x3f)));
    } else {
        str_addch(out, (char)(0xf0 | c >> 18));
        str_addch(out, (char)(0x80 | (c >> 12 & 0x3f)));
        str_addch(out, (char)(0x80 | (c >> 6 & 0x3f)));
        str_addch(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* \uXXXX, also as a surrogate pair; *p stands behind the 'u'. A lone half becomes U+FFFD. */
static bool read_unicode(const char **p, struct str *out)
{
    int c = hex4(*p);
    if (c < 0)
        return false;
    *p += 4;
    if (c >= 0xd800 && c < 0xe000) {
        int low = c < 0xdc00 && (*p)[0] == '\\' && (*p)[1] == 'u' ? hex4(*p + 2) : -1;
        if (low >= 0xdc00 && low < 0xe000) {
            *p += 6;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        } else {
            c = 0xfffd;
        }
    }
    if (c == 0)
        return false; /* no path or name holds a NUL */
    add_utf8(out, (unsigned)c);
    return true;
}

/* *p stands behind the opening quote and moves behind the closing one. */
static bool read_string(const char **p, struct str *out)
{
    static const char plain[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    for (;;) {
        char c = *(*p)++;
        if (c == '"')
            return true;
        if ((unsigned char)c < 0x20) {
            --*p;
            return false;
        }
        if (c != '\\') {
            str_addch(out, c);
            continue;
        }
        c = *(*p)++;
        const char *hit = c != '\0' ? strchr(plain, c) : NULL;
        if (hit != NULL)
            str_addch(out, meaning[hit - plain]);
        else if (c != 'u' || !read_unicode(p, out)) {
            --*p;
            return false;
        }
    }
}

/* Is what stands here the start of a JSON value other than a string? */
static bool other_value(const char *p)
{
    return *p == '{' || *p == '[' || *p == '-' || isdigit((unsigned char)*p) ||
           str_starts(p, "true") || str_starts(p, "false") || str_starts(p, "null");
}

int cf_json(struct arena *a, const char *text, const char ***out)
{
    VEC(const char *) items = VEC_INIT;
    struct str s = STR_INIT;
    int result = -1;
    const char *p = skip_space(text);
    if (*p++ != '[')
        return -1;
    p = skip_space(p);
    while (*p != ']' || items.n > 0) {
        if (*p != '"') {
            result = other_value(p) ? -2 : -1;
            goto done;
        }
        p++;
        str_clear(&s);
        if (!read_string(&p, &s))
            goto done;
        *vec_push(&items) = arena_strn(a, s.p, s.len);
        p = skip_space(p);
        if (*p == ']')
            break;
        if (*p++ != ',')
            goto done;
        p = skip_space(p);
    }
    size_t n;
    arena_take(a, &items, out, &n);
    result = (int)n;
done:
    vec_release(&items);
    str_release(&s);
    return result;
}
