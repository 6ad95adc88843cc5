#include "common/base/str.h"

static unsigned min_u(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* The distance where it is at most `budget`, else budget + 1. With a budget of 2 this looks at some
 * twenty pairs of tails, however long the words are. */
static unsigned within(const char *a, const char *b, unsigned budget)
{
    unsigned best;

    while (*a && *a == *b)
        a++, b++;
    if (!*a && !*b)
        return 0;
    if (budget == 0)
        return 1;
    best = budget;
    if (*a && *b)
        best = min_u(best, within(a + 1, b + 1, budget - 1)); /* another letter */
    if (*a)
        best = min_u(best, within(a + 1, b, budget - 1)); /* one too many */
    if (*b)
        best = min_u(best, within(a, b + 1, budget - 1)); /* one too few */
    if (*a && *b && a[0] == b[1] && a[1] == b[0])
        best = min_u(best, within(a + 2, b + 2, budget - 1)); /* two swapped */
    return best + 1;
}

unsigned edit_distance(const char *a, const char *b)
{
    return within(a, b, 2);
}
