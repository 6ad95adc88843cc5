#include "scheduler/pgtext.h"

#include <errno.h>

static void separate(struct str *a)
{
    str_addch(a, a->len ? ',' : '{');
}

void pga_i64(struct str *a, int64_t v)
{
    separate(a);
    str_addf(a, "%lld", (long long)v);
}

void pga_text(struct str *a, const char *v)
{
    separate(a);
    if (!v) {
        str_add(a, "NULL");
        return;
    }
    str_addch(a, '"');
    for (; *v; v++) {
        if (*v == '"' || *v == '\\')
            str_addch(a, '\\');
        str_addch(a, *v);
    }
    str_addch(a, '"');
}

void pga_bool(struct str *a, bool v)
{
    separate(a);
    str_addch(a, v ? 't' : 'f');
}

void pga_id(struct str *a, struct id128 id)
{
    char text[ID128_TEXT];
    id128_format(id, text);
    separate(a);
    str_add(a, text);
}

void pga_digest(struct str *a, const struct sha256 *d)
{
    char text[DIGEST_TEXT];
    separate(a);
    if (sha256_is_none(d)) {
        str_add(a, "NULL");
        return;
    }
    digest_format(d, text);
    str_add(a, text);
}

const char *pga_end(struct str *a)
{
    if (!a->len)
        str_addch(a, '{');
    str_addch(a, '}');
    return a->p;
}

const char *pga_ids(struct str *a, const int64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pga_i64(a, v[i]);
    return pga_end(a);
}

static void add_i32(struct str *a, uint32_t v)
{
    const unsigned char be[] = {(unsigned char)(v >> 24), (unsigned char)(v >> 16),
                                (unsigned char)(v >> 8), (unsigned char)v};
    str_addmem(a, be, sizeof be);
}

/* Dimensions, whether there are NULLs, the type; of the one dimension its length and first index.
 */
void pgb_begin(struct str *a, size_t elements)
{
    enum { BYTEA_OID = 17 };
    add_i32(a, elements ? 1 : 0);
    add_i32(a, 0);
    add_i32(a, BYTEA_OID);
    if (elements) {
        add_i32(a, (uint32_t)elements);
        add_i32(a, 1);
    }
}

void pgb_bytes(struct str *a, const void *p, size_t n)
{
    add_i32(a, (uint32_t)n);
    str_addmem(a, p, n);
}

int pga_read_ids(const char *text, pg_ids *out)
{
    if (!text)
        return 0;
    if (*text++ != '{')
        return -1;
    if (strcmp(text, "}") == 0)
        return 0;
    for (;;) {
        char *end;
        errno = 0;
        long long v = strtoll(text, &end, 10);
        if (end == text || errno)
            return -1;
        *vec_push(out) = v;
        if (strcmp(end, "}") == 0)
            return 0;
        if (*end != ',')
            return -1;
        text = end + 1;
    }
}

/* One element, quoted or not; *p moves behind it. */
static int read_text(const char **p, struct str *out)
{
    const char *c = *p;
    if (*c == '"') {
        for (c++; *c && *c != '"'; c++) {
            if (*c == '\\' && c[1])
                c++;
            str_addch(out, *c);
        }
        if (*c++ != '"')
            return -1;
    } else {
        size_t n = strcspn(c, ",}");
        str_addmem(out, c, n);
        c += n;
    }
    *p = c;
    return 0;
}

int pga_read_texts(const char *text, pg_texts *out)
{
    if (!text)
        return 0;
    if (*text++ != '{')
        return -1;
    if (strcmp(text, "}") == 0)
        return 0;
    for (;;) {
        struct str one = STR_INIT;
        if (read_text(&text, &one)) {
            str_release(&one);
            return -1;
        }
        *vec_push(out) = one.cap ? str_steal(&one) : xstrdup("");
        if (strcmp(text, "}") == 0)
            return 0;
        if (*text++ != ',')
            return -1;
    }
}

void pg_texts_release(pg_texts *t)
{
    vec_for_each (i, t)
        free(t->v[i]);
    vec_release(t);
}
