/* pgd.h - a private PostgreSQL for one test (the script pgd), over two pipes. */
#ifndef BF_TEST_PGD_H
#define BF_TEST_PGD_H

#include "common/base/str.h"
#include <stdio.h>
#include <sys/types.h>

struct pgd {
    FILE *to, *from;
    pid_t pid;
    char host[128], port[16];
    char conninfo[256];
};

void pgd_start(struct pgd *p);
/* Sends one line and waits until it was done; what it printed is appended to `out` (may be NULL).
 */
void pgd_do(struct pgd *p, const char *line, struct str *out);
void pgd_stop(struct pgd *p);

#endif
