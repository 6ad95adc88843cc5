/* mem.h - allocation that cannot fail.
 *
 * Out of memory aborts: all truth is in PostgreSQL or in the worker's journal, and every size that
 * comes from outside has a cap before it reaches these functions. */
#ifndef BF_MEM_H
#define BF_MEM_H

#include "common/base/base.h"
#include <stdlib.h>

void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1)));
void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull, alloc_size(1, 2)));
/* n * size is checked for overflow. */
void *xreallocarray(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xstrndup(const char *s, size_t max) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *p, size_t n) __attribute__((malloc));
char *xasprintf(const char *fmt, ...) BF_PRINTF(1, 2) __attribute__((malloc, returns_nonnull));

/* For BF_CLEANUP(free_ptr) on any pointer variable. */
static inline void free_ptr(void *pp)
{
    free(*(void **)pp);
}

#endif
