/* context.h - contexts and test scripts as content-addressed artifacts.
 *
 * A tar whose bytes depend on the files alone (sorted, owner 0:0, mtime 0, modes 0755, 0644 and,
 * for links, 0777), in an OCI image layout of its own. Also unpacked into a folder, for local runs.
 */
#ifndef BF_PLANNER_CONTEXT_H
#define BF_PLANNER_CONTEXT_H

#include "common/base/err.h"
#include "scheduler/plan/ship.h"

struct artifact {
    struct sha256 manifest; /* names the artifact in a registry */
    uint64_t size;          /* bytes of the tar */
};

#define CONTEXT_MAX_BYTES ((uint64_t)8 << 30)

/* Writes the layout into `dir`, which does not exist yet. ERR_INPUT: a file is too large. */
int context_write(const struct tree *t, const struct ship_list *list, const char *dir,
                  struct artifact *out, struct err *e) BF_MUST_CHECK;
/* Writes the files themselves below `dir`, which exists. */
int context_unpack(const struct tree *t, const struct ship_list *list, const char *dir,
                   struct err *e) BF_MUST_CHECK;

#endif
