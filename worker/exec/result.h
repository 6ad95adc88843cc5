/* result.h - how an attempt ended, and the file that says so. */
#ifndef BF_EXEC_RESULT_H
#define BF_EXEC_RESULT_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "worker/core/blame.h"
#include <jansson.h>

struct result {
    enum blame blame;                   /* BLAME_NONE: succeeded */
    const char *fake_code, *fake_class; /* override the table, for the fake twin */
    char digest[DIGEST_TEXT];           /* "" where there is none */
    int64_t size;                       /* bytes; 0: unknown */
    struct str step, message;
    json_t *detail; /* an object */
};

void result_init(struct result *r);
void result_release(struct result *r);

/* Records the failure and returns -1, so that `return result_fail(...)` reads well. The first
 * failure stays: what goes wrong while cleaning up is not the reason. */
int result_fail(struct result *r, enum blame blame, const char *fmt, ...) BF_PRINTF(3, 4);
/* The same with the message of an error. */
int result_err(struct result *r, enum blame blame, const struct err *e);

/* Writes DIR/result.json: temporary file, fsync, rename. */
int result_write(const struct result *r, const char *dir, struct err *e) BF_MUST_CHECK;

#endif
