/* result.h - how an attempt ended, as the executor wrote it, cut to what the wire allows.
 *
 * The executor ran what strangers wrote; its result.json is checked, cleaned of secrets and control
 * characters, and cut to size here, once, so that a Report can never be refused because of it. */
#ifndef BF_WORKER_RESULT_H
#define BF_WORKER_RESULT_H

#include "common/base/err.h"
#include "worker/core/redact.h"

#define RESULT_MAX_FILE (1024 * 1024)

/* The values are those of the wire. */
enum result_outcome { RESULT_SUCCEEDED = 1, RESULT_FAILED = 2, RESULT_CANCELLED = 3 };
enum result_class { CLASS_NONE, CLASS_USER, CLASS_INFRA, CLASS_TIMEOUT };

/* Strings are never NULL and owned. */
struct result {
    enum result_outcome outcome;
    enum result_class fail_class;
    char *code, *step, *message, *digest;
    uint64_t size;
    char *detail; /* JSON object, or "" */
};

/* A failure that is ours; `code` stands in the table of blame. */
void result_infra(struct result *r, const char *code, const char *fmt, ...) BF_PRINTF(3, 4);
void result_cancelled(struct result *r, const char *message);
/* Reads DIR/result.json. -1: it is absent or says nothing usable. */
int result_read(const char *path, const struct redact *secrets, struct result *r,
                struct err *e) BF_MUST_CHECK;
/* Bytes that it takes in a Report, generously. */
size_t result_wire_size(const struct result *r);
void result_release(struct result *r); /* accepts a zeroed one */

#endif
