/* base.h - the vocabulary every file may use: attributes, small value types, invariants.
 *
 * Nothing here allocates and nothing here can fail. */
#ifndef BF_BASE_H
#define BF_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BF_MUST_CHECK __attribute__((warn_unused_result))
#define BF_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define BF_CLEANUP(fn) __attribute__((cleanup(fn)))
#define BF_NORETURN __attribute__((noreturn))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What cannot happen: logs where and aborts. Never for bad input. */
#define BUG(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
#define BUG_ON(cond)          \
    do {                      \
        if (cond)             \
            BUG("%s", #cond); \
    } while (0)
BF_NORETURN BF_PRINTF(3, 4) void bug_at(const char *file, int line, const char *fmt, ...);

/* Microseconds; what the zero means is said where a value is declared (wall clock: the Unix epoch;
 * monotonic: any fixed point of this boot). */
typedef int64_t bf_time;
#define BF_MSEC ((bf_time)1000)
#define BF_SEC ((bf_time)1000000)

/* A random 128-bit name: an attempt (the fencing token) or one boot of a worker. All zero: none. */
struct id128 {
    uint8_t b[16];
};

/* A SHA-256 value. All zero: none. */
struct sha256 {
    uint8_t b[32];
};

static inline bool id128_eq(struct id128 a, struct id128 b)
{
    return memcmp(a.b, b.b, sizeof a.b) == 0;
}

static inline bool id128_is_none(struct id128 a)
{
    static const struct id128 none;
    return id128_eq(a, none);
}

static inline bool sha256_eq(const struct sha256 *a, const struct sha256 *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

static inline bool sha256_is_none(const struct sha256 *a)
{
    static const struct sha256 none;
    return sha256_eq(a, &none);
}

/* Text forms. An id128 is written as a UUID (36 characters), a digest as "sha256:" and 64 hex
 * digits. The parsers accept nothing else and return -1 for it. */
#define ID128_TEXT 37
#define DIGEST_TEXT 72
void id128_format(struct id128 id, char out[static ID128_TEXT]);
int id128_parse(const char *text, struct id128 *out) BF_MUST_CHECK;
void digest_format(const struct sha256 *d, char out[static DIGEST_TEXT]);
int digest_parse(const char *text, struct sha256 *out) BF_MUST_CHECK;

#endif
