/* secrets.h - build secrets: files at the worker that a build may read and nobody else may see. */
#ifndef BF_EXEC_SECRETS_H
#define BF_EXEC_SECRETS_H

#include "worker/core/argv_buildah.h"
#include "worker/exec/executor.h"

/* One pair (name, path of the file) for each secret of the order; from here on the log is without
 * their texts. The paths live in `paths`. */
struct secrets {
    VEC(struct pair) list;
    struct argv paths;
};

int secrets_load(struct exec *x, struct result *r, struct secrets *s) BF_MUST_CHECK;
void secrets_release(struct secrets *s);

#endif
