/* init: a first bootfarm.yaml that says what held without it. */
#include "common/loop/file.h"
#include "scheduler/plan/definition.h"
#include "scheduler/planner/commands.h"

#include <unistd.h>

/* "images/hmi/Containerfile" → "images/[star]/Containerfile"; a file at the root stays itself. */
static char *pattern_of(struct arena *a, const char *file)
{
    const char *dir = path_dir(a, file);
    const char *above = path_dir(a, dir);
    if (*dir == '\0')
        return arena_str(a, file);
    return arena_fmt(a, "%s%s*/%s", above, *above != '\0' ? "/" : "", path_base(file));
}

static bool is_known(const char **v, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(v[i], text) == 0)
            return true;
    }
    return false;
}

/* Rules for all definitions of the tree, those with errors too. `name` is the whole directory, as
 * it is without rules. */
static void write_rules(struct str *out, const struct tree *tree)
{
    struct plan scratch = {.tree = tree};
    struct arena *a = &scratch.arena;
    struct definition_set set;
    size_t n = 0;
    scratch.errors.a = scratch.warnings.a = a;
    definitions_read(a, &(struct definition_input){.tree = tree}, &scratch.errors,
                     &scratch.warnings, &set);
    const char **patterns = arena_array(a, set.n + 1, sizeof *patterns);
    for (size_t i = 0; i < set.n; i++) {
        const char *pattern = pattern_of(a, set.v[i].file);
        if (is_known(patterns, n, pattern))
            continue;
        patterns[n++] = pattern;
        const char *above = glob_prefix(a, pattern);
        str_addf(out, "%s  - files: [\"%s\"]\n", n == 1 ? "images:\n" : "", pattern);
        if (*above != '\0')
            str_addf(out, "    name: \"%s/{dir}\"\n", above);
    }
    definitions_release(&set);
    plan_release(&scratch);
}

static void write_head(struct str *out, const struct options *o)
{
    str_addf(out,
             "# Which files of this repository are images of the farm.\n"
             "bootfarm: 1\n"
             "defaults:\n"
             "  arch: [%s]\n"
             "  publish: { tags: [\"{ref}\"] }\n",
             o->arch != NULL ? o->arch : host_arch());
}

static const char without_rules[] = "# Every Containerfile and Dockerfile outside vendor/, "
                                    "node_modules/ and testdata/ is an image.\n"
                                    "# With rules only what they match is, for example:\n"
                                    "# images:\n"
                                    "#   - files: [\"images/*/Containerfile\"]\n";

/* Also of what is broken: it has the same errors. */
static bool same_images(const struct plan *p, const struct plan *q)
{
    bool same = p->images == q->images && p->errors.list.n == q->errors.list.n;
    for (size_t i = 0; same && i < p->images; i++) {
        const struct image *x = &p->image[i], *y = &q->image[i];
        same = strcmp(x->name, y->name) == 0 && strcmp(x->file, y->file) == 0 &&
               memcmp(&x->recipe_key, &y->recipe_key, sizeof x->recipe_key) == 0 &&
               memcmp(&x->publish_key, &y->publish_key, sizeof x->publish_key) == 0;
    }
    for (size_t i = 0; same && i < p->errors.list.n; i++) {
        const struct diag *x = p->errors.list.v[i], *y = q->errors.list.v[i];
        same = strcmp(x->at.file, y->at.file) == 0 && strcmp(x->code, y->code) == 0;
    }
    return same;
}

/* Rules that say what held without them, or none: where a folder that is left out lies beside
 * others, or a name is no plain text in YAML or in a glob, rules would change what is an image. */
static void write_config(struct str *out, const struct options *o, const char *path,
                         const struct offline *now)
{
    struct offline f = {.repo = NULL};
    write_head(out, o);
    size_t head = out->len;
    write_rules(out, &now->files.tree);
    bool same = out->len > head && offline_plan(o, path, NULL, true, out->p, &f, NULL) == 0 &&
                same_images(&now->plan, &f.plan);
    if (out->len > head)
        offline_close(&f);
    if (same)
        return;
    str_clear(out);
    write_head(out, o);
    str_add(out, without_rules);
}

int cmd_init(const struct options *o)
{
    struct offline f;
    struct err e = ERR_INIT;
    struct str text = STR_INIT;
    const char *path = path_argument(o);
    char *target = xasprintf("%s/" CONFIG_FILE, path);
    int status = 0;
    if (access(target, F_OK) == 0)
        status = (err_set(&e, ERR_INPUT, "%s is there already", target), complain(&e, 1));
    else if (offline_plan(o, path, NULL, true, "bootfarm: 1\n", &f, &e) < 0)
        status = complain(&e, status_of(&e));
    if (status == 0) {
        write_config(&text, o, path, &f);
        if (file_write_atomic(target, text.p, text.len, 0644, &e) < 0)
            status = complain(&e, 1);
        else
            printf("wrote %s: %zu image%s\n", target, f.plan.images, f.plan.images == 1 ? "" : "s");
        print_findings(&f.plan, stderr);
        offline_close(&f);
    }
    str_release(&text);
    free(target);
    return status;
}
