/* build.h - how a plan comes about; only for the files of this folder.
 *
 * Each image starts as a draft. Drafts are made from definitions (images.c), find out what they
 * need (needs.c), are ordered (plan.c) and get their files and keys (key.c). A draft with an error
 * stays, so that others can be told what they are built from; it does not become an image of the
 * plan. */
#ifndef BF_PLAN_BUILD_H
#define BF_PLAN_BUILD_H

#include "scheduler/plan/definition.h"
#include "scheduler/plan/names.h"
#include "scheduler/plan/plan.h"

struct draft {
    struct image image;
    const struct definition *def;
    struct names names;
    struct text_at name_at;    /* where the name comes from */
    bool nameless;             /* its name has a placeholder without a value */
    const struct cfile *cf;    /* NULL: unreadable */
    const char *real_file;     /* the Containerfile, links resolved */
    const struct prepro *made; /* of it, by the C preprocessor; NULL: the file is as it is */
    const char *real_context;  /* folder, links resolved */
    struct cf_arg *arg;        /* all that the definition gives */
    const char **arg_file;
    size_t args;
    struct named_list image_contexts; /* named contexts that are images */
    struct named_list folders;        /* and folders of the tree */
    const char **context_names;       /* NULL-terminated, for cf_env */
    struct ship_entry *script;
    size_t scripts;
    struct cf_result result;
    struct diags errors;   /* its own; not empty: broken */
    bool unknown_triggers; /* of an image from elsewhere: they may read any file */
    bool broken;
    size_t index; /* in plan->image */
};

struct parsed_file {
    const struct cfile *cf;
    const struct prepro *made; /* NULL: read as it is */
    struct diags errors;
};

struct build {
    const struct plan_input *in;
    struct plan *plan;
    struct arena *a;
    struct definition_set defs;
    VEC(struct draft *) drafts;
    struct smap parsed;   /* path of a Containerfile (and context) → struct parsed_file */
    struct smap made;     /* name of a preprocessed text → struct prepro */
    struct smap provided; /* reference → struct providers (needs.c) */
    struct smap triggers; /* reference from elsewhere → struct cfile with its triggers (needs.c) */
    struct smap shipped;  /* what a context consists of → struct ship_list */
    struct smap ignores;  /* path of an ignore file → struct ignore */
    size_t compared;      /* names, in search of what somebody may have meant (needs.c) */
    struct smap globs;    /* glob over the tree → struct glob_files (key.c) */
};

/* images.c: b->defs → b->drafts, by name and architecture; names that stand twice are errors. */
void make_drafts(struct build *b);
/* args.c: d->arg. */
void make_args(struct build *b, struct draft *d);
/* needs.c: fills image.need of every draft, with parents as indices into b->drafts. */
void find_needs(struct build *b);
void release_needs(struct build *b);
/* key.c: for a draft whose parents have theirs. */
void find_files(struct build *b, struct draft *d);
void make_keys(struct build *b, struct draft *d);
/* Two of them, from what stands in the image; parent[i] is the recipe key of need i, or NULL. */
void make_recipe_key(hash_fn *hash, struct image *image, const struct sha256 *const *parent);
void make_tests_key(hash_fn *hash, struct image *image);
/* The path of a file that a definition names: relative to its folder, "/" is the root of the tree.
 */
const char *definition_path(struct build *b, struct draft *d, const struct text_at *t);

#define PATHS_BEGIN "paths begin at the definition's folder, or with / at the root"

static inline struct diag_at whole_file(const char *file)
{
    return (struct diag_at){.file = file, .line = 1, .column = 1};
}

#endif
