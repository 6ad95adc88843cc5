/* names.h - the placeholders of definitions: {dir}, {stem}, {repo}, {name}, {version}, {ref},
 * {matrix.KEY}. */
#ifndef BF_PLAN_NAMES_H
#define BF_PLAN_NAMES_H

#include "scheduler/plan/settings.h"

/* Values; NULL: cannot be used here (yet). */
struct names {
    const char *dir, *stem, *repo, *name, *version, *ref;
    const struct named_list *cell; /* of the matrix; NULL: none */
};

enum names_mode {
    NAMES_STRICT, /* any other {word} is an error */
    NAMES_LOOSE   /* any other braces are text: JSON in arguments, choices in globs */
};

/* Result in the arena; NULL when there was an error (code "placeholder", reported at t->at). */
const char *names_expand(struct arena *a, const struct text_at *t, const struct names *n,
                         enum names_mode mode, struct diags *errors);

enum tag_result { TAG_OK, TAG_UNSET, TAG_ERROR };
/* A tag: {commit12} and {build} stay for the scheduler, and a text that is too long is cut beside
 * them; TAG_UNSET when {version} has no value. */
enum tag_result names_expand_tag(struct arena *a, const struct text_at *t, const struct names *n,
                                 struct diags *errors, const char **out);

#endif
