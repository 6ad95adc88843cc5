/* containerfile.h - what a Containerfile says, and which images and files a build of it needs.
 *
 * Two steps. cf_parse() reads the text once, without knowing any argument; its result may serve any
 * number of images. cf_resolve() walks the stages with the arguments of one image and one
 * architecture and says what the stages that the target reaches are built from.
 *
 * The semantics are current buildah's, which builds the images (tests/unit/plan has the cases).
 * Linear in the size of the text; texts of more than CF_MAX_BYTES are refused. */
#ifndef BF_PLAN_CONTAINERFILE_H
#define BF_PLAN_CONTAINERFILE_H

#include "common/base/err.h"
#include "common/base/map.h"
#include "scheduler/plan/diag.h"

#define CF_MAX_BYTES ((size_t)4 * 1024 * 1024)
#define CF_MAX_STAGES 1000
#define CF_MAX_VALUE ((size_t)64 * 1024)           /* of one expanded word */
#define CF_MAX_EXPANDED ((size_t)16 * 1024 * 1024) /* of all expanded words of one image */
#define CF_MAX_WORK ((size_t)64 * 1024 * 1024)     /* steps of ${X#p} and its kin, of one image */
#define CF_MAX_ERRORS 100                          /* more in one file are not reported */

struct cf_pos {
    unsigned line, column;
};

enum cf_op { CF_FROM, CF_ARG, CF_ENV, CF_COPY, CF_ADD, CF_RUN, CF_ONBUILD, CF_OTHER };

struct cf_word {
    const char *text; /* as written */
    struct cf_pos at;
};

struct cf_flag {
    const char *name;  /* "from" of --from=… */
    const char *value; /* quotes removed, not expanded; NULL where there is no "=" */
    struct cf_pos at;  /* of the value, or of the flag */
    bool plain;        /* the value stands there as it is: no quotes, one line */
};

struct cf_instr {
    enum cf_op op;
    struct cf_pos at;
    struct cf_flag *flag;
    size_t flags;
    struct cf_word *word; /* FROM, ARG, ENV (name and value by turns), COPY, ADD; else none */
    size_t words;
    bool heredoc;
    struct cf_instr *trigger; /* of ONBUILD */
    const char *text;         /* of ONBUILD: the trigger as written, its lines joined */
};

struct cf_stage {
    struct cf_instr *from;
    const struct cf_word *name; /* of AS; NULL: none */
    struct cf_instr *instr;     /* after FROM */
    size_t n;
};

struct cfile {
    const char *file;
    struct cf_instr *header; /* the ARGs before the first FROM */
    size_t headers;
    struct cf_stage *stage;
    size_t stages;
    bool broken; /* errors were reported; do not resolve */
};

/* Reads the text. Errors go to *errors (codes: see README.md), advice to *warnings. */
struct cfile *cf_parse(struct arena *a, const char *file, const char *text, size_t n,
                       struct diags *errors, struct diags *warnings);

struct cf_arg {
    const char *name, *value;
};

/* The base image of a stage is built from this file: its ONBUILD triggers act in that stage. */
struct cf_onbuild {
    size_t stage;
    const struct cfile *file;
    size_t target; /* the stage of `file` that became the image */
};

struct cf_env {
    const struct cf_arg *arg; /* what the definition gives; all others have their defaults */
    size_t args;
    const char *arch;
    const char *target;          /* stage name or number; "" or NULL: the last stage */
    struct diag_at target_at;    /* where `target` was written, for the error */
    const char *const *contexts; /* names that are named build contexts; NULL-terminated or NULL */
    const struct cf_onbuild *onbuild;
    size_t onbuilds;
};

enum cf_use_kind { CF_USE_FROM, CF_USE_COPY, CF_USE_MOUNT };

/* A reference that must be an image (or a named context), by a stage that is reached. */
struct cf_use {
    enum cf_use_kind kind;
    const char *written, *expanded;
    const char *unset;    /* the first variable in it that gave nothing; NULL: none */
    const char *platform; /* expanded value of FROM --platform; NULL: none */
    bool context;         /* the name of a named context */
    struct diag_at at;
    size_t stage;
};

struct cf_result {
    struct cf_use *use; /* in the order of the file */
    size_t uses;
    /* Paths of the build context that reached stages copy or mount, expanded, without leading
     * slash; they may hold wildcards (cf_glob). */
    const char **source;
    size_t sources;
    bool whole_context; /* some source is the context itself or not decidable here */
    /* The first use, in a reached stage, of what older builders do not know; file NULL: none. */
    struct diag_at heredoc, from_after, stage_args, stage_own_args;
    size_t target; /* index of the target stage */
    size_t
        base; /* the stage whose FROM is what the target begins with: stages may build on stages */
    bool *reached;  /* for each stage: the target needs it */
    bool *arg_used; /* for each env->arg: the header or a reached stage declares it */
};

/* Fills *out (arena). -1: errors were reported; those of stages that are not reached do not count.
 */
int cf_resolve(struct arena *a, const struct cfile *f, const struct cf_env *env,
               struct diags *errors, struct cf_result *out) BF_MUST_CHECK;

/* ---- pieces, shared by the files of the reader and tested on their own ---- */

/* Values of variables; NULL: unset. */
typedef const char *cf_lookup_fn(void *arg, const char *name);

struct cf_expansion {
    const char *text;
    const char *unset; /* the first variable without a value that was used without a default */
    const char *empty; /* the same for one whose value is empty */
    const char *hint;  /* where the word is refused; NULL: none */
    size_t work;       /* steps that patterns took, also where the word is refused */
};

/* Quotes, escapes, $X and ${X…} in one word. -1: *e says what is wrong. */
int cf_expand(struct arena *a, const char *word, cf_lookup_fn *lookup, void *arg,
              struct cf_expansion *out, struct err *e) BF_MUST_CHECK;
/* The value of one key of a --mount flag; NULL when it is not there. *at moves to it. */
const char *cf_mount_key(struct arena *a, const struct cf_flag *f, const char *key,
                         struct cf_pos *at);
/* Shell wildcards as Go's path.Match knows them: * and ? stop at '/', [..] with ^, \ escapes.
 * False for a malformed pattern. */
bool cf_glob(const char *pattern, const char *name, size_t n);
/* The JSON form ["a", "b"]: the number of strings (arena, into *out), -1 if this is no JSON array,
 * -2 if it is one of something else than strings. */
int cf_json(struct arena *a, const char *text, const char ***out);

#endif
