/* program.h - bootfarm's other programs, found beside this one or else in PATH. */
#ifndef BF_CTL_PROGRAM_H
#define BF_CTL_PROGRAM_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Replaces this process by argv[0]; returns only when that failed. */
void program_become(const char *const *argv, struct err *e);
/* Runs argv[0] with our standard streams (standard output into *out where that is not NULL, at most
 * 16 MiB) and waits. The interrupt key reaches the child, which cleans up; we wait for it. Returns
 * its exit status, 128 + N when a signal ended it, -1 when it could not be run. */
int program_run(const char *const *argv, struct str *out, struct err *e) BF_MUST_CHECK;

#endif
