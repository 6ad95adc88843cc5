/* err.h - errors that say what, where and what to do.
 *
 * A fallible function returns 0 (or a pointer) on success and -1 (or NULL) on failure, and takes a
 * `struct err *` as its last argument, which may be NULL. The lowest level says what went wrong;
 * each level above adds its context with err_wrap(); the top logs once. An err is a plain value:
 * nothing to free. Written after containers/crun's error objects. */
#ifndef BF_ERR_H
#define BF_ERR_H

#include "common/base/base.h"

enum err_kind {
    ERR_NONE = 0,
    ERR_INPUT,  /* the caller, a file or a peer sent something wrong; the same again fails again */
    ERR_CONFIG, /* wrong configuration or usage; exit status 2 */
    ERR_SYSTEM, /* the operating system refused; err_errno tells */
    ERR_TEMPORARY /* somebody else is down or slow; trying again later may work */
};

struct err {
    enum err_kind kind;
    int sys_errno; /* 0 where none applies */
    char msg[1024];
};

#define ERR_INIT         \
    {                    \
        .kind = ERR_NONE \
    }

/* Sets *e (when not NULL) and returns -1, so that `return err_set(...)` reads well. */
int err_set(struct err *e, enum err_kind kind, const char *fmt, ...) BF_PRINTF(3, 4);
/* The same for a failed system call: appends strerror(errno); kind is ERR_SYSTEM. */
int err_sys(struct err *e, const char *fmt, ...) BF_PRINTF(2, 3);
/* Puts "context: " before the message; keeps the kind; returns -1. */
int err_wrap(struct err *e, const char *fmt, ...) BF_PRINTF(2, 3);

#endif
