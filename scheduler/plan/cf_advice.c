/* Advice: what is no mistake, but reads otherwise elsewhere. */
#include "scheduler/plan/cf_parser.h"

#include <ctype.h>

/* Names of the stages so far, as written and in small letters → the name as first written. */
struct stage_names {
    struct smap exact, folded;
    struct str key; /* scratch */
};

static const char *fold(struct stage_names *names, const char *text)
{
    str_clear(&names->key);
    for (; *text != '\0'; text++)
        str_addch(&names->key, (char)tolower((unsigned char)*text));
    return names->key.p;
}

/* The stage that Docker, which does not look at case, takes for `text`, where buildah takes none.
 */
static const char *other_case(struct stage_names *names, const char *text)
{
    if (smap_get(&names->exact, text) != NULL)
        return NULL;
    return smap_get(&names->folded, fold(names, text));
}

static void check_reference(struct parser *p, struct stage_names *names, const char *text,
                            struct cf_pos at)
{
    const char *stage = other_case(names, text);
    if (stage != NULL)
        diag_add(p->warnings, parser_at(p, at), "stage-case",
                 arena_fmt(p->a, "write %s where the stage is meant", stage),
                 "%s is no stage to buildah, where case counts; Docker takes the stage %s", text,
                 stage);
}

static void check_name(struct parser *p, struct stage_names *names, const struct cf_word *name)
{
    const char *stage = other_case(names, name->text);
    if (stage != NULL)
        diag_add(p->warnings, parser_at(p, name->at), "stage-case", "rename one of them",
                 "the stages %s and %s differ in case only: two to buildah, one to Docker", stage,
                 name->text);
    smap_put(&names->exact, name->text, arena_str(p->a, name->text));
    if (stage == NULL)
        smap_put(&names->folded, fold(names, name->text), arena_str(p->a, name->text));
}

static void check_instr(struct parser *p, struct stage_names *names, const struct cf_instr *in)
{
    for (size_t i = 0; i < in->flags; i++) {
        const struct cf_flag *f = &in->flag[i];
        struct cf_pos at = f->at;
        const char *from = NULL;
        if ((in->op == CF_COPY || in->op == CF_ADD) && strcmp(f->name, "from") == 0)
            from = f->value;
        else if (in->op == CF_RUN && strcmp(f->name, "mount") == 0)
            from = cf_mount_key(p->a, f, "from", &at);
        if (from != NULL)
            check_reference(p, names, from, at);
    }
}

void advise_on_stages(struct parser *p)
{
    struct stage_names names = {.key = STR_INIT};
    vec_for_each (i, &p->stages) {
        const struct cf_stage *s = &p->stages.v[i];
        if (s->from->words > 0)
            check_reference(p, &names, s->from->word[0].text, s->from->word[0].at);
        for (size_t k = 0; k < s->n && names.exact.n > 0; k++)
            check_instr(p, &names, &s->instr[k]);
        if (s->name != NULL)
            check_name(p, &names, s->name);
    }
    smap_release(&names.exact);
    smap_release(&names.folded);
    str_release(&names.key);
}
