/* sm.h - a checked state machine: a table of names and allowed next states. After dqlite's lib/sm.
 *
 *     static const struct sm_state table[] = {
 *         [A] = {.name = "a", .next = SM_BIT(B) | SM_BIT(C)}, ... };
 */
#ifndef BF_SM_H
#define BF_SM_H

#include "common/base/base.h"

struct sm_state {
    const char *name;
    uint32_t next; /* SM_BIT of each state that may follow */
};
#define SM_BIT(s) (UINT32_C(1) << (s))

static inline bool sm_allows(const struct sm_state *table, unsigned from, unsigned to)
{
    return (table[from].next & SM_BIT(to)) != 0;
}

#endif
