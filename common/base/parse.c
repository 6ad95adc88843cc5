/* Numbers, durations and sizes as people write them in options and definitions. */
#include "common/base/str.h"

/* The digits at *s as a number; moves *s behind them. -1: none, or too large. */
static int take_number(const char **s, uint64_t *out)
{
    const char *p = *s;
    uint64_t n = 0;

    if (*p < '0' || *p > '9')
        return -1;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return -1;
    }
    *s = p;
    *out = n;
    return 0;
}

int parse_i64(const char *s, int64_t min, int64_t max, int64_t *out)
{
    bool negative = *s == '-';
    uint64_t n;
    int64_t value;

    s += negative;
    if (take_number(&s, &n) < 0 || *s != '\0')
        return -1;
    if (negative ? __builtin_sub_overflow(0, n, &value) : __builtin_add_overflow(0, n, &value))
        return -1;
    if (value < min || value > max)
        return -1;
    *out = value;
    return 0;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* NUMBER[UNIT], in [0, INT64_MAX] after the multiplication. */
static int parse_with_unit(const char *s, const struct unit *units, size_t n_units, uint64_t *out)
{
    uint64_t n;

    if (take_number(&s, &n) < 0)
        return -1;
    for (size_t i = 0; i < n_units; i++) {
        if (strcmp(s, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(n, units[i].factor, &n) || n > INT64_MAX)
            return -1;
        *out = n;
        return 0;
    }
    return -1;
}

int parse_duration(const char *s, bf_time *out)
{
    static const struct unit units[] = {
        {"", 1000000},       {"ms", 1000},       {"s", 1000000},
        {"m", 60 * 1000000}, {"h", 3600000000u}, {"d", 86400000000u},
    };
    uint64_t n;

    if (parse_with_unit(s, units, ARRAY_SIZE(units), &n) < 0)
        return -1;
    *out = (bf_time)n;
    return 0;
}

int parse_size(const char *s, uint64_t *out)
{
    static const struct unit units[] = {
        {"", 1},
        {"KiB", UINT64_C(1) << 10},
        {"MiB", UINT64_C(1) << 20},
        {"GiB", UINT64_C(1) << 30},
        {"TiB", UINT64_C(1) << 40},
    };

    return parse_with_unit(s, units, ARRAY_SIZE(units), out);
}
