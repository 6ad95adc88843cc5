/* argv.h - an argument list that owns its strings. All zero is an empty one.
 *
 * Arguments go to execve(2) as they are: no shell sees them. Values from outside always follow
 * their option in one word (--name=value) or have been checked not to begin with '-'. */
#ifndef BF_WORKER_ARGV_H
#define BF_WORKER_ARGV_H

#include "common/base/vec.h"

struct argv {
    VEC(char *) list;
};

void argv_add(struct argv *a, const char *arg);
void argv_addf(struct argv *a, const char *fmt, ...) BF_PRINTF(2, 3);
/* Several at once; ends with NULL. */
void argv_adds(struct argv *a, ...) __attribute__((sentinel));
/* NULL-terminated; valid until the next change. */
const char *const *argv_get(struct argv *a);
void argv_release(struct argv *a);

#endif
