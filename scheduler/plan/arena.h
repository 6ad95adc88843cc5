/* arena.h - memory that lives exactly as long as one plan.
 *
 * A plan is thousands of small strings and arrays that die together: they are carved from chunks
 * and freed at once. Everything returned is zeroed and aligned for any type. */
#ifndef BF_PLAN_ARENA_H
#define BF_PLAN_ARENA_H

#include "common/base/base.h"
#include "common/base/mem.h"

struct arena {
    struct arena_chunk *chunk; /* newest first */
    size_t total;              /* bytes handed out, for measuring */
};

#define ARENA_INIT                \
    {                             \
        .chunk = NULL, .total = 0 \
    }

void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
void *arena_array(struct arena *a, size_t n, size_t size) __attribute__((returns_nonnull));
char *arena_str(struct arena *a, const char *s) __attribute__((returns_nonnull));
char *arena_strn(struct arena *a, const char *s, size_t n) __attribute__((returns_nonnull));
char *arena_fmt(struct arena *a, const char *fmt, ...) BF_PRINTF(2, 3)
    __attribute__((returns_nonnull));
void *arena_memdup(struct arena *a, const void *p, size_t n) __attribute__((returns_nonnull));
void arena_release(struct arena *a);

/* A vec's content as an arena array of the same type; the vec is released. */
#define arena_take(a, vec, out, count)                                                       \
    do {                                                                                     \
        *(count) = (vec)->n;                                                                 \
        *(out) = (vec)->n ? arena_memdup((a), (vec)->v, (vec)->n * sizeof *(vec)->v) : NULL; \
        vec_release(vec);                                                                    \
    } while (0)

#endif
