/* resident.h - bytes of memory that this process has. */
#ifndef BF_TESTS_RESIDENT_H
#define BF_TESTS_RESIDENT_H

#include "common/base/base.h"
#include <stdio.h>
#include <unistd.h>

static inline size_t resident(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    BUG_ON(!f || fscanf(f, "%*s %zu", &pages) != 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

#endif
