/* prepro.h - Containerfile.in: what the C preprocessor makes of it, as buildah does before it
 * builds (`cpp -E -iquote CONTEXT -traditional -undef`).
 *
 * Pure code finds the files that may be included, in the commit's tree only; the caller's
 * `preprocess_fn` runs the program on them. What comes out travels to the builder in place of the
 * file, so that no builder needs cpp, and its content is in the recipe key. */
#ifndef BF_PLAN_PREPRO_H
#define BF_PLAN_PREPRO_H

#include "scheduler/plan/diag.h"
#include "scheduler/plan/tree.h"

#define PREPRO_MAX_FILES 256                       /* that one file may include */
#define PREPRO_MAX_BYTES ((size_t)4 * 1024 * 1024) /* of all of them, and of the result */

struct prepro_file {
    const char *path; /* in the tree */
    const char *text;
    size_t n;
};

struct prepro_input {
    const char *dir;                /* of the context, in the tree: paths begin here */
    struct prepro_file main;        /* standard input of cpp */
    const struct prepro_file *file; /* the only others that may be read */
    size_t files;
};

/* Appends what cpp prints: the text, and its complaints, one a line, with "<stdin>" for the main
 * file and paths relative to `dir` for others. -1: *e says why nothing came out. */
typedef int preprocess_fn(void *arg, const struct prepro_input *in, struct str *text,
                          struct str *complaints, struct err *e);

/* Where a line of the text comes from. */
struct prepro_origin {
    unsigned line; /* of the text, from 1: it and the lines behind it */
    const char *file;
    unsigned from;
};

struct prepro {
    const char *name; /* stands for the text in errors, until prepro_place */
    const char *text;
    size_t n;
    struct prepro_origin *origin; /* by line */
    size_t origins;
};

bool prepro_is_wanted(const char *file); /* by its name */
/* Preprocesses `file`, whose content is in `entry`, for a context. NULL: *errors says why. */
const struct prepro *prepro_run(struct arena *a, const struct tree *t, const char *file,
                                const struct tree_entry *entry, const char *context,
                                preprocess_fn *run, void *arg, struct diags *errors);
/* Moves a place in the text to where it was written. */
void prepro_place(const struct prepro *p, struct diag_at *at);

#endif
