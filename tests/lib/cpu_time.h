/* cpu_time.h - seconds of processor time that this process has used. */
#ifndef BF_TESTS_CPU_TIME_H
#define BF_TESTS_CPU_TIME_H

#include "common/base/base.h"
#include <time.h>

static inline double cpu_time(void)
{
    struct timespec t;
    BUG_ON(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) < 0);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
