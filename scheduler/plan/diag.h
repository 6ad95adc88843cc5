/* diag.h - what is wrong in a definition, where, and what to do about it.
 *
 * A diag belongs to the images that it concerns; one that names no image may concern any of them,
 * so whoever compares plans must not conclude that an image is gone while it stands. Codes are
 * words of the public plan (planner/README.md); README.md lists them. */
#ifndef BF_PLAN_DIAG_H
#define BF_PLAN_DIAG_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "scheduler/plan/arena.h"

struct diag_at {
    const char *file;      /* path in the tree */
    unsigned line, column; /* from 1; columns count bytes; 0: the whole file */
};

struct diag {
    struct diag_at at;
    const char *code, *message;
    const char *hint; /* NULL: none */
    const char **image;
    size_t images;
};

struct diags {
    struct arena *a;
    VEC(struct diag *) list;
    struct smap seen; /* place, code and message → the diag */
};

/* Adds one (message and hint are copied). The same place and code again returns the one that is
 * there, so that an error in a file that concerns many images stands once. */
struct diag *diag_add(struct diags *d, struct diag_at at, const char *code, const char *hint,
                      const char *fmt, ...) BF_PRINTF(5, 6);
void diag_add_image(struct diags *d, struct diag *g, const char *image); /* no name twice */
/* Adds each of `from` to *d as concerning `image` (NULL: none). */
void diags_absorb(struct diags *d, const struct diags *from, const char *image);
/* By file, line, column, code. */
void diags_sort(struct diags *d);
void diags_release(struct diags *d);

#endif
