/* logout.h - the log of an attempt, without the secrets. */
#ifndef BF_EXEC_LOGOUT_H
#define BF_EXEC_LOGOUT_H

#include "worker/core/redact.h"

struct logout {
    struct redact redact;
    int fd;
};

void logout_init(struct logout *l, int fd);
void logout_release(struct logout *l); /* writes what was held back */
void logout_write(struct logout *l, const char *p, size_t n);
/* Only takes the secrets out: appends to *out what may be shown. The end of a stream (p NULL) also
 * gives what was held back. */
void logout_filter(struct logout *l, const char *p, size_t n, struct str *out);
/* Writes what was filtered. */
void logout_put(struct logout *l, const struct str *filtered);
void logout_printf(struct logout *l, const char *fmt, ...) BF_PRINTF(2, 3); /* adds '\n' */

#endif
