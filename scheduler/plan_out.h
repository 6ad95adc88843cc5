/* plan_out.h - the planner's documents (planner/README.md): its input made, its output checked. */
#ifndef BF_PLAN_OUT_H
#define BF_PLAN_OUT_H

#include "common/base/err.h"
#include "common/base/vec.h"
#include "scheduler/store_pg.h"
#include <jansson.h>

struct planner_paths {
    const char *mirror, *out;
    const char *registry, *arch;
    bf_time timeout;
    const char *onbuild; /* JSON; may be NULL */
};

/* The document for standard input; the caller frees. `contexts` may be NULL. */
char *planner_input(const struct repo_row *repo, const PGresult *contexts,
                    const struct planner_paths *paths);

/* One artifact to be uploaded. Strings are borrowed from the document. */
struct plan_artifact {
    const char *key, *digest, *path;
    int64_t size;
};
typedef VEC(struct plan_artifact) plan_artifacts;

/* The parsed output; NULL with an error that may be shown to people: also the planner's own. The
 * caller decrefs. `exited_well`: the exit status was 0. */
json_t *planner_output(const char *text, size_t n, bool exited_well, struct err *e);
/* Every artifact of every plan, each key once. -1: one of them is not what it must be. */
int planner_artifacts(const json_t *doc, plan_artifacts *out, struct err *e) BF_MUST_CHECK;

#endif
