#include "worker/core/redact.h"

#define MASK "******"

void redact_init(struct redact *r)
{
    *r = (struct redact){.held = STR_INIT};
}

void redact_release(struct redact *r)
{
    vec_for_each (i, &r->words) {
        explicit_bzero(r->words.v[i], strlen(r->words.v[i]));
        free(r->words.v[i]);
    }
    vec_release(&r->words);
    str_release(&r->held);
}

static void learn_word(struct redact *r, const char *p, size_t n)
{
    if (n < REDACT_MIN || memchr(p, '\0', n) != NULL)
        return;
    size_t at = 0;
    while (at < r->words.n && strlen(r->words.v[at]) >= n)
        at++;
    (void)vec_push(&r->words);
    memmove(&r->words.v[at + 1], &r->words.v[at], (r->words.n - 1 - at) * sizeof *r->words.v);
    r->words.v[at] = xstrndup(p, n);
    r->first[(unsigned char)p[0]] = true;
}

void redact_learn(struct redact *r, const char *secret, size_t n)
{
    while (n > 0 && (secret[n - 1] == '\n' || secret[n - 1] == '\r'))
        n--;
    bool many = memchr(secret, '\n', n) != NULL;
    learn_word(r, secret, n);
    for (size_t i = 0, len; many && i < n; i += len + 1) {
        const char *end = memchr(secret + i, '\n', n - i);
        len = end != NULL ? (size_t)(end - secret) - i : n - i;
        size_t text = len > 0 && secret[i + len - 1] == '\r' ? len - 1 : len;
        learn_word(r, secret + i, text);
    }
}

/* The length of the longest word at p, 0 for none; SIZE_MAX: more text must decide. */
static size_t match(const struct redact *r, const char *p, size_t n, bool last)
{
    vec_for_each (i, &r->words) {
        size_t len = strlen(r->words.v[i]);
        if (memcmp(r->words.v[i], p, len < n ? len : n) != 0)
            continue;
        if (len <= n)
            return len;
        if (!last)
            return SIZE_MAX;
    }
    return 0;
}

/* Appends the clean form of p[0..n) to *out; returns how many bytes were decided, all of them when
 * this is the last piece. Clean bytes are copied in runs: most text begins no secret. */
static size_t clean(const struct redact *r, const char *p, size_t n, bool last, struct str *out)
{
    size_t from = 0, i = 0;
    while (i < n) {
        size_t len = r->first[(unsigned char)p[i]] ? match(r, p + i, n - i, last) : 0;
        if (len == 0) {
            i++;
            continue;
        }
        str_addmem(out, p + from, i - from);
        if (len == SIZE_MAX)
            return i;
        str_add(out, MASK);
        from = i += len;
    }
    str_addmem(out, p + from, i - from);
    return i;
}

static void drain(struct redact *r, bool last, struct str *out)
{
    size_t done = clean(r, r->held.p, r->held.len, last, out);
    struct str rest = STR_INIT;
    str_addmem(&rest, r->held.p + done, r->held.len - done);
    str_release(&r->held);
    r->held = rest;
}

void redact_text(const struct redact *r, const char *p, size_t n, struct str *out)
{
    (void)clean(r, p, n, true, out);
}

void redact_feed(struct redact *r, const char *p, size_t n, struct str *out)
{
    if (r->words.n == 0) {
        str_addmem(out, p, n);
        return;
    }
    str_addmem(&r->held, p, n);
    drain(r, false, out);
}

void redact_end(struct redact *r, struct str *out)
{
    drain(r, true, out);
}
