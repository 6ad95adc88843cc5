/* str.h - growable strings, and the few questions about text that everybody asks.
 *
 * Life: STR_INIT or str_init, then str_add*, then str_release (accepts a zeroed struct) or
 * str_steal. `p` is always NUL-terminated and never NULL after STR_INIT. */
#ifndef BF_STR_H
#define BF_STR_H

#include "common/base/base.h"
#include <stdarg.h>

struct str {
    char *p;
    size_t len; /* bytes before the NUL */
    size_t cap; /* 0: p points at the shared empty string */
};

extern char str_empty[];
#define STR_INIT                           \
    {                                      \
        .p = str_empty, .len = 0, .cap = 0 \
    }

void str_init(struct str *s);
void str_release(struct str *s);
void str_clear(struct str *s);  /* keeps the memory */
char *str_steal(struct str *s); /* the caller frees; s is empty again */
void str_add(struct str *s, const char *text);
void str_addmem(struct str *s, const void *p, size_t n);
void str_addch(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) BF_PRINTF(2, 3);
void str_addv(struct str *s, const char *fmt, va_list ap) BF_PRINTF(2, 0);
void str_addhex(struct str *s, const void *p, size_t n);

bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
/* Whole-string shell glob over '/'-separated paths: `*` and `?` and `[..]` stay inside a component,
 * `**` crosses components, `{a,b}` is a choice. Iterative over `*`; at most 64 braces deep is
 * -1 (an invalid pattern), else 1 match, 0 none. */
int glob_match(const char *pattern, const char *path);
/* Decimal, whole string, in [min, max]; -1 otherwise. */
int parse_i64(const char *s, int64_t min, int64_t max, int64_t *out) BF_MUST_CHECK;
/* "10m", "7d", "500ms", "90s", "2h"; a bare number is seconds. -1 otherwise. */
int parse_duration(const char *s, bf_time *out) BF_MUST_CHECK;
/* "2GiB", "512MiB", "10KiB", "1000"; -1 otherwise. */
int parse_size(const char *s, uint64_t *out) BF_MUST_CHECK;
/* Length n, no NUL needed; RFC 3629, no surrogates, nothing overlong. */
bool utf8_valid(const void *p, size_t n);
/* For a terminal, as one line: control characters and invalid UTF-8 become '?', newlines become
 * blanks. */
void text_add_safe(struct str *out, const char *text);
/* Optimal string alignment distance capped at 3, for "did you mean". */
unsigned edit_distance(const char *a, const char *b);

#endif
