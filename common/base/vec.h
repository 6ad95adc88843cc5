/* vec.h - growable arrays of any type.
 *
 *     VEC(struct job *) jobs = VEC_INIT;      or a member: VEC(int) ids;  (all zero is empty)
 *     *vec_push(&jobs) = j;                    vec_push returns the new, uninitialised slot
 *     vec_for_each(i, &jobs) use(jobs.v[i]);
 *     vec_release(&jobs); */
#ifndef BF_VEC_H
#define BF_VEC_H

#include "common/base/mem.h"

#define VEC(type)      \
    struct {           \
        type *v;       \
        size_t n, cap; \
    }
#define VEC_INIT                    \
    {                               \
        .v = NULL, .n = 0, .cap = 0 \
    }
void *vec_grow_(void *v, size_t *cap, size_t want, size_t size);
#define vec_reserve(vec, want)                                                               \
    ((void)((want) > (vec)->cap                                                              \
                ? ((vec)->v = vec_grow_((vec)->v, &(vec)->cap, (want), sizeof *(vec)->v), 0) \
                : 0))
#define vec_push(vec) (vec_reserve((vec), (vec)->n + 1), &(vec)->v[(vec)->n++])
#define vec_pop(vec) ((vec)->v[--(vec)->n])
#define vec_clear(vec) ((void)((vec)->n = 0))
#define vec_release(vec) (free((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->cap = 0, (void)0)
#define vec_for_each(i, vec) for (size_t i = 0; i < (vec)->n; i++)
/* Order is not kept. */
#define vec_remove_swap(vec, i) ((void)((vec)->v[i] = (vec)->v[--(vec)->n]))

#endif
