#include "common/base/clock.h"
#include <stdio.h>
#include <time.h>

static bf_time read_clock(clockid_t id)
{
    struct timespec t;

    if (clock_gettime(id, &t) != 0)
        BUG("clock %d", (int)id);
    return (bf_time)t.tv_sec * BF_SEC + (bf_time)t.tv_nsec / 1000;
}

bf_time clock_mono(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

bf_time clock_real(void)
{
    return read_clock(CLOCK_REALTIME);
}

void rfc3339_format(bf_time real, char out[static RFC3339_TEXT])
{
    /* Rounds down before 1970, too. */
    int64_t micro = (real % BF_SEC + BF_SEC) % BF_SEC;
    time_t sec = (time_t)((real - micro) / BF_SEC);
    struct tm tm;

    /* Years of more than four digits have no RFC 3339 text: say the epoch's edge instead. */
    if (!gmtime_r(&sec, &tm) || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900) {
        memcpy(out, "9999-12-31T23:59:59.999Z", 25);
        return;
    }
    snprintf(out, RFC3339_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (tm.tm_year + 1900) % 10000,
             (tm.tm_mon + 1) % 100, tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100,
             tm.tm_sec % 100, (int)(micro / 1000) % 1000);
}
