/* ignore.h - .containerignore and .dockerignore: which files of a context are not shipped.
 *
 * Docker's rules: one pattern a line, "#" comments, "!" takes back, the last match decides; "**"
 * crosses directories; a pattern that matches a directory holds for everything below it. */
#ifndef BF_PLAN_IGNORE_H
#define BF_PLAN_IGNORE_H

#include "scheduler/plan/diag.h"

struct ignore_pattern {
    const char *text; /* as a glob (common/base/str.h), or plain */
    bool plain, back; /* no wildcard; "!" */
};

struct ignore {
    struct ignore_pattern *v;
    size_t n;
};

#define IGNORE_MAX_BYTES ((size_t)256 * 1024)

/* -1: a pattern is malformed (code "bad-glob"). */
int ignore_parse(struct arena *a, const char *file, const char *text, struct diags *errors,
                 struct ignore *out) BF_MUST_CHECK;
/* `path` is relative to the context. */
bool ignore_has(const struct ignore *g, const char *path);

#endif
