#include "common/base/vec.h"

void *vec_grow_(void *v, size_t *cap, size_t want, size_t size)
{
    size_t grown = *cap < 8 ? 8 : *cap + *cap / 2;

    if (grown < want)
        grown = want;
    v = xreallocarray(v, grown, size);
    *cap = grown;
    return v;
}
