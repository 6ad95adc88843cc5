/* definition.h - which files of a tree are definitions of images, and what is said about each.
 *
 * Without bootfarm.yaml every Containerfile and Dockerfile is one; with it, its rules decide, the
 * first rule that matches a file claims it. Said about a definition: defaults < its rule <
 * image.yaml of the folder < {stem}.image.yaml, merged; one definition may become several images
 * (matrix, arch). */
#ifndef BF_PLAN_DEFINITION_H
#define BF_PLAN_DEFINITION_H

#include "scheduler/plan/settings.h"
#include "scheduler/plan/tree.h"

#define DEFINITIONS_MAX 50000
#define CONFIG_FILE "bootfarm.yaml"

struct diag_range {
    size_t from, to;
};

struct definition {
    const char *file; /* path of the Containerfile in the tree, as matched (may be a link) */
    const char *dir, *stem;
    const char *below; /* {dir}: the directory below the rule's literal prefix */
    struct settings s;
    const char *layer[4]; /* the files that say something about it: for reasons and errors */
    size_t layers;
    /* Something said about it is wrong: these errors (indices into *errors as it is after reading).
     * It is kept, to know which images that concerns. */
    struct diag_range bad[4];
    size_t bads;
};

struct definition_set {
    struct definition *v; /* by path */
    size_t n;
    struct smap layer_files; /* every file that was read as configuration; the value is not used */
    bool broken; /* bootfarm.yaml itself could not be understood: no definition is known */
};

struct definition_input {
    const struct tree *tree;
    const char *config; /* stands in for bootfarm.yaml; NULL: the tree's, if there is one */
    size_t config_len;
    const char *config_name; /* how errors call it */
};

void definitions_read(struct arena *a, const struct definition_input *in, struct diags *errors,
                      struct diags *warnings, struct definition_set *out);
void definitions_release(struct definition_set *set);

/* "Containerfile.hmi", "hmi.containerfile" → "hmi"; "Containerfile" → "". */
const char *definition_stem(struct arena *a, const char *base);
/* The directory part of a glob before its first wildcard; "" for a path without any. */
const char *glob_prefix(struct arena *a, const char *glob);

#endif
