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

/* One artifact to be uploaded. Strings are borrowed from the first line. */
struct plan_artifact {
    const char *key, *digest, *path;
    int64_t size;
};
typedef VEC(struct plan_artifact) plan_artifacts;

struct planner_output {
    json_t *doc; /* the first line */
    plan_artifacts artifacts;
    VEC(char *) plans; /* the other lines: JSON that nobody here looks into */
};

/* `exited_well`: the exit status was 0. -1 with an error that may be shown to people: also the
 * planner's own. Release in any case. */
int planner_output(struct planner_output *out, const char *text, size_t n, bool exited_well,
                   struct err *e) BF_MUST_CHECK;
void planner_output_release(struct planner_output *out); /* accepts a zeroed one */

#endif
