/* plan.h - from the files of one revision to images, what each is built from, and the keys that say
 * whether anything changed.
 *
 * A plan is complete or it says what is missing: an image with an error is not in `image`, and the
 * error names it. Everything lives in the plan's arena; the tree must live as long. */
#ifndef BF_PLAN_PLAN_H
#define BF_PLAN_PLAN_H

#include "common/base/hash.h"
#include "scheduler/plan/containerfile.h"
#include "scheduler/plan/prepro.h"
#include "scheduler/plan/settings.h"
#include "scheduler/plan/ship.h"

#define PLAN_MAX_IMAGES 100000

struct plan_alias {
    const char *name, *reference; /* short name → what the farm takes it for */
};

/* The ONBUILD triggers of an image that another ref or repository provides. */
struct plan_onbuild {
    const char *reference; /* normalised, by which it may be meant */
    const char *const *trigger;
    size_t triggers; /* 0: it has some, but which is not known */
};

struct plan_input {
    const struct tree *tree;
    hash_fn *hash;
    const char *slug;     /* of the repository */
    const char *registry; /* host of the release registry; NULL: release references are external */
    const char *arch;     /* the hub's architecture */
    const char *ref;      /* branch or tag, for {ref} */
    const struct plan_alias *alias;
    size_t aliases;
    const struct plan_onbuild *onbuild;
    size_t onbuilds;
    preprocess_fn *preprocess; /* of Containerfile.in; NULL: those are errors */
    void *preprocess_arg;
    const char *config; /* stands in for bootfarm.yaml; NULL: none */
    size_t config_len;
    const char *config_name;
};

enum need_use { NEED_FROM, NEED_EMBED }; /* "from": FROM, --from, from=; "needs": needs_images */
extern const char *const need_use_names[];

/* One image that a build needs, under every name by which the file calls it. */
struct need {
    const char *ref;      /* expanded and normalised */
    const char **written; /* as in the file; also expanded, where that differs from ref */
    size_t n_written;
    enum need_use use;
    struct diag_at at; /* of the first use */
    size_t parent;     /* index of the farm image; PLAN_EXTERNAL: another repository or registry */
    const char *arch;  /* that the parent must have: the child's, or FROM --platform */
    bool final;        /* its layers are the image's first */
};
#define PLAN_EXTERNAL SIZE_MAX

struct plan_arg {
    const char *name, *value;
    const char *file; /* where the value comes from */
};

struct image {
    const char *name, *arch;
    const char *file;          /* the Containerfile */
    const struct prepro *made; /* of a Containerfile.in; NULL: the file is as it is */
    const char *context;       /* folder in the tree */
    struct named_list matrix;
    const char **provides; /* normalised */
    size_t n_provides;
    const char **release; /* normalised release references, of the tags known here */
    size_t n_release;
    struct need *need; /* by the order of the file */
    size_t needs;
    size_t wave;

    struct settings s;    /* placeholders expanded */
    struct plan_arg *arg; /* those that the file declares, by name */
    size_t args;
    const char **tag;
    size_t tags;
    const char **onbuild; /* triggers of the stage that becomes the image */
    size_t onbuilds;
    struct named_list folders; /* named contexts that are folders: name → path inside the tar */
    bool heredoc, from_after, stage_args, stage_own_args; /* capabilities of newer builders */

    struct ship_list context_files; /* key: context_key */
    const char *containerfile;      /* its path inside the tar */
    struct ship_list scripts;       /* key: scripts_key; empty: none */
    struct ship_list inputs;        /* files outside the context that change the result */
    const char **layer;             /* files that define it, the Containerfile not among them */
    size_t layers;

    struct sha256 recipe_key, tests_key, publish_key;
    struct sha256
        settings_key; /* what of the definition can change the result, without arguments */
};

struct plan_layer {
    const char *path;
    struct blob_id id;
};

struct plan {
    struct arena arena;
    const struct tree *tree;
    bool *read;          /* per entry of the tree: its content was looked at; NULL: see update.h */
    struct image *image; /* by name, then architecture */
    size_t images;
    size_t *order;            /* parents before children */
    struct plan_layer *layer; /* configuration files, by path */
    size_t layers;
    struct diags errors, warnings;
};

/* Never fails: what is wrong stands in out->errors. */
void plan_make(const struct plan_input *in, struct plan *out);
void plan_release(struct plan *p);
/* NULL: no such image. `arch` NULL: the first. */
const struct image *plan_find(const struct plan *p, const char *name, const char *arch);
/* The content of a configuration file; NULL: the plan did not read it. */
const struct blob_id *plan_layer_id(const struct plan *p, const char *path);

#endif
