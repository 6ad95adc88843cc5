/* fetch_private.h - what fetch.c and verify.c share: how git is run. */
#ifndef BF_PLANNER_FETCH_PRIVATE_H
#define BF_PLANNER_FETCH_PRIVATE_H

#include "common/loop/proc.h"
#include "scheduler/planner/fetch.h"

/* Runs git with this process's own configuration, and `more` ("NAME=VALUE"; NULL: none) in its
 * environment. -1 only when it could not be run or overran the deadline. */
int git_run(const struct remote *r, const char *const *argv, const char *more, const char *in,
            struct str *out, struct str *words, struct proc_exit *how, struct err *e) BF_MUST_CHECK;
/* The lines of `text` that say something, in one, without control characters. */
void git_words(const char *text, char *line, size_t size);

#endif
