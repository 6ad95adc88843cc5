/* now.h - the worker's clock for leases and ages: it also runs while the machine is suspended,
 * which CLOCK_MONOTONIC does not. */
#ifndef BF_WORKER_NOW_H
#define BF_WORKER_NOW_H

#include "common/base/base.h"
#include <time.h>

static inline bf_time now_boot(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (bf_time)t.tv_sec * BF_SEC + t.tv_nsec / 1000;
}

#endif
