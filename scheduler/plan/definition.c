#include "scheduler/plan/definition.h"

#include "common/base/str.h"
#include <strings.h>

struct rule {
    struct ynode *map; /* NULL: the rule that holds without bootfarm.yaml */
    struct settings s;
    struct diag_range bad; /* empty: nothing is wrong */
    bool matched;
};

struct reader {
    struct arena *a;
    const struct tree *tree;
    struct diags *errors, *warnings;
    struct definition_set *set;
    const char *config_name;
    bool has_config;
    struct ynode *defaults;
    struct diag_range defaults_bad;
    VEC(struct rule) rules;
    VEC(struct definition) list;
    struct smap files; /* path → struct layer, of image.yaml files */
    bool *claimed;     /* per tree entry */
};

struct layer {
    const char *path;
    struct ynode *map; /* NULL: unreadable */
    struct diag_range bad;
};

/* The errors reported since `from` of them were there. */
static struct diag_range errors_since(const struct reader *r, size_t from)
{
    return (struct diag_range){.from = from, .to = r->errors->list.n};
}

static void add_bad(struct definition *d, struct diag_range bad)
{
    if (bad.from < bad.to)
        d->bad[d->bads++] = bad;
}

/* ---- names of files ---- */

static const char *const plain_names[] = {"Containerfile", "Dockerfile"};

static size_t plain_name_at(const char *base)
{
    for (size_t i = 0; i < ARRAY_SIZE(plain_names); i++) {
        size_t n = strlen(plain_names[i]);
        if (strncasecmp(base, plain_names[i], n) == 0)
            return n;
    }
    return 0;
}

const char *definition_stem(struct arena *a, const char *base)
{
    if (str_ends(base, ".in")) /* what cpp makes of it has the same name without */
        base = arena_strn(a, base, strlen(base) - strlen(".in"));
    size_t n = plain_name_at(base);
    if (n > 0 && (base[n] == '\0' || base[n] == '.'))
        return base[n] == '.' ? arena_str(a, base + n + 1) : "";
    const char *dot = strrchr(base, '.');
    return dot != NULL ? arena_strn(a, base, (size_t)(dot - base)) : base;
}

static bool has_wildcard(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strchr("*?[{\\", s[i]) != NULL)
            return true;
    }
    return false;
}

const char *glob_prefix(struct arena *a, const char *glob)
{
    size_t n = strcspn(glob, "*?[{\\");
    if (glob[n] == '\0')
        return "";
    while (n > 0 && glob[n - 1] != '/')
        n--;
    return n > 0 ? arena_strn(a, glob, n - 1) : "";
}

/* The literal end of a glob: a path that does not end so cannot match. */
static const char *literal_tail(const char *glob)
{
    const char *tail = glob;
    for (const char *p = glob; *p != '\0'; p++) {
        if (strchr("*?[]{},\\", *p) != NULL)
            tail = p + 1;
    }
    return *tail == '/' ? tail + 1 : tail; /* "**" and its slash may stand for nothing */
}

/* ---- bootfarm.yaml ---- */

static const char *const builtin_files[] = {"**/Containerfile", "**/Dockerfile"};
static const char *const builtin_exclude[] = {"**/vendor/**", "**/node_modules/**",
                                              "**/testdata/**"};

static struct texts texts_of(struct arena *a, const char *const *v, size_t n)
{
    struct texts t = {.v = arena_array(a, n, sizeof *t.v), .n = n, .set = true};
    for (size_t i = 0; i < n; i++)
        t.v[i].text = v[i];
    return t;
}

static void add_builtin_rule(struct reader *r)
{
    struct rule *rule = vec_push(&r->rules);
    *rule = (struct rule){.matched = true};
    (void)settings_decode(r->a, NULL, SETTINGS_RULE, r->errors, &rule->s);
    rule->s.files = texts_of(r->a, builtin_files, ARRAY_SIZE(builtin_files));
    rule->s.exclude = texts_of(r->a, builtin_exclude, ARRAY_SIZE(builtin_exclude));
}

static void add_rule(struct reader *r, struct ynode *map)
{
    struct rule *rule = vec_push(&r->rules);
    size_t before = r->errors->list.n;
    *rule = (struct rule){.map = map};
    (void)settings_decode(r->a, map, SETTINGS_RULE, r->errors, &rule->s);
    if (map->kind == YNODE_MAP && ynode_get(map, "files") == NULL)
        diag_add(r->errors, map->at, "missing-key",
                 "say which files, for example files: [\"**/Containerfile\"]",
                 "a rule needs `files`");
    rule->bad = errors_since(r, before);
}

static void read_rules(struct reader *r, const struct ynode *images)
{
    if (images->kind != YNODE_LIST) {
        diag_add(r->errors, images->at, "bad-type", "for example `- files: [\"**/Containerfile\"]`",
                 "`images` takes a list of rules");
        r->set->broken = true;
        return;
    }
    for (size_t i = 0; i < images->n; i++)
        add_rule(r, images->item[i]);
}

static void check_version(struct reader *r, const struct ynode *root)
{
    const struct ynode *version = ynode_get(root, "bootfarm");
    int64_t number;
    if (version == NULL) {
        diag_add(r->errors, root->at, "missing-key", "begin the file with `bootfarm: 1`",
                 "the version of the format is missing");
    } else if (version->kind != YNODE_SCALAR || parse_i64(version->text, 1, 1, &number) < 0) {
        diag_add(r->errors, version->at, "bad-value", "write `bootfarm: 1`",
                 "this planner knows version 1 only");
    } else {
        return;
    }
    r->set->broken = true;
}

static void check_root_keys(struct reader *r, const struct ynode *root)
{
    static const char *const known[] = {"bootfarm", "defaults", "images"};
    for (size_t i = 0; i < root->n; i++) {
        const char *hint = NULL;
        bool ok = false;
        for (size_t k = 0; k < ARRAY_SIZE(known); k++) {
            ok |= strcmp(known[k], root->pair[i].key) == 0;
            if (edit_distance(known[k], root->pair[i].key) <= 2)
                hint = arena_fmt(r->a, "did you mean '%s'?", known[k]);
        }
        if (ok)
            continue;
        diag_add(r->errors, root->pair[i].at, "unknown-key", hint, "there is no key '%.100s' here",
                 root->pair[i].key);
        r->set->broken = true;
    }
}

static void read_config(struct reader *r, const char *text, size_t n)
{
    struct ynode *root = yaml_parse(r->a, r->config_name, text, n, r->errors);
    r->has_config = true;
    if (root == NULL || root->kind != YNODE_MAP) {
        if (root != NULL)
            diag_add(r->errors, root->at, "bad-type", "begin the file with `bootfarm: 1`",
                     "expected a map of keys");
        r->set->broken = true;
        return;
    }
    check_version(r, root);
    check_root_keys(r, root);
    struct settings unused;
    size_t before = r->errors->list.n;
    r->defaults = ynode_get(root, "defaults");
    (void)settings_decode(r->a, r->defaults, SETTINGS_FILE, r->errors, &unused);
    r->defaults_bad = errors_since(r, before);
    const struct ynode *images = ynode_get(root, "images");
    if (images != NULL)
        read_rules(r, images);
    else
        add_builtin_rule(r);
}

/* ---- image.yaml ---- */

/* NULL: there is no such file. */
static const struct layer *read_layer(struct reader *r, const char *path)
{
    struct layer *l = smap_get(&r->files, path);
    if (l != NULL)
        return l;
    const struct tree_entry *entry = tree_open(r->tree, r->a, path);
    if (entry == NULL)
        return NULL;
    l = arena_alloc(r->a, sizeof *l);
    *l = (struct layer){.path = arena_str(r->a, path)};
    struct str text = STR_INIT;
    struct err e = ERR_INIT;
    size_t before = r->errors->list.n;
    if (r->tree->read(r->tree->arg, entry, YAML_MAX_BYTES, &text, &e) < 0)
        diag_add(r->errors, (struct diag_at){.file = l->path, .line = 1, .column = 1}, "unreadable",
                 NULL, "%s", e.msg);
    else
        l->map = yaml_parse(r->a, l->path, text.p, text.len, r->errors);
    str_release(&text);
    struct settings unused;
    (void)settings_decode(r->a, l->map, SETTINGS_FILE, r->errors, &unused);
    l->bad = errors_since(r, before);
    smap_put(&r->files, l->path, l);
    smap_put(&r->set->layer_files, l->path, l);
    return l;
}

static void add_layer(struct reader *r, struct definition *d, const char *path,
                      struct ynode **merged)
{
    const struct layer *l = read_layer(r, path);
    if (l == NULL)
        return;
    d->layer[d->layers++] = l->path;
    add_bad(d, l->bad);
    if (l->map != NULL && l->map->kind == YNODE_MAP)
        *merged = ynode_merge(r->a, *merged, l->map, 2);
}

/* ---- definitions ---- */

static void add_definition(struct reader *r, const struct rule *rule, const char *prefix,
                           const char *path)
{
    struct definition *d = vec_push(&r->list);
    const char *base = path_base(path);
    *d = (struct definition){.file = path, .dir = path_dir(r->a, path)};
    d->stem = definition_stem(r->a, base);
    d->below = path_below(prefix, d->dir);
    BUG_ON(d->below == NULL);
    add_bad(d, rule->bad);
    add_bad(d, r->defaults_bad);
    struct ynode *merged = ynode_merge(r->a, r->defaults, rule->map, 2);
    if (r->has_config)
        d->layer[d->layers++] = r->config_name;
    add_layer(r, d, path_join(r->a, d->dir, "image.yaml"), &merged);
    if (*d->stem != '\0')
        add_layer(r, d, path_join(r->a, d->dir, arena_fmt(r->a, "%s.image.yaml", d->stem)),
                  &merged);
    /* Whatever is wrong was reported for its own layer. */
    struct diags again = {.a = r->a};
    (void)settings_decode(r->a, merged, SETTINGS_RULE, &again, &d->s);
    diags_release(&again);
}

static bool excluded(const struct rule *rule, const char *path)
{
    if (str_ends(path, ".containerignore") || str_ends(path, ".dockerignore"))
        return true; /* which Containerfile* matches, too */
    for (size_t i = 0; i < rule->s.exclude.n; i++) {
        const char *glob = rule->s.exclude.v[i].text;
        if (glob_match(glob + (*glob == '/'), path) == 1)
            return true;
    }
    return false;
}

/* In one directory a Containerfile wins over a Dockerfile, where no rule says otherwise. */
static bool loses_to_containerfile(struct reader *r, const char *path)
{
    if (strcmp(path_base(path), "Dockerfile") != 0)
        return false;
    const char *other = path_join(r->a, path_dir(r->a, path), "Containerfile");
    if (tree_find(r->tree, other) == NULL)
        return false;
    diag_add(r->warnings, (struct diag_at){.file = path, .line = 1, .column = 1}, "shadowed",
             "remove one of them, or name both in " CONFIG_FILE,
             "the Containerfile in this folder is used instead");
    return true;
}

static void take_file(struct reader *r, struct rule *rule, const char *prefix, size_t i)
{
    const char *path = r->tree->entry[i].path;
    if (r->claimed[i] || excluded(rule, path))
        return;
    rule->matched = true;
    r->claimed[i] = true;
    if (r->list.n >= DEFINITIONS_MAX)
        diag_add(r->errors, (struct diag_at){.file = r->config_name}, "too-large", NULL,
                 "more than %d definitions", DEFINITIONS_MAX);
    else if (rule->map != NULL || !loses_to_containerfile(r, path))
        add_definition(r, rule, prefix, path);
}

static void take_pattern(struct reader *r, struct rule *rule, const char *glob)
{
    if (*glob == '/')
        glob++;
    if (!has_wildcard(glob, strlen(glob))) {
        const struct tree_entry *hit = tree_find(r->tree, glob);
        if (hit != NULL)
            take_file(r, rule, "", (size_t)(hit - r->tree->entry));
        return;
    }
    const char *prefix = glob_prefix(r->a, glob), *tail = literal_tail(glob);
    size_t from, to;
    tree_range(r->tree, prefix, &from, &to);
    for (size_t i = from; i < to; i++) {
        const char *path = r->tree->entry[i].path;
        if (!r->claimed[i] && str_ends(path, tail) && glob_match(glob, path) == 1)
            take_file(r, rule, prefix, i);
    }
}

static void take_rule(struct reader *r, struct rule *rule)
{
    for (size_t i = 0; i < rule->s.files.n; i++)
        take_pattern(r, rule, rule->s.files.v[i].text);
    if (!rule->matched && rule->s.files.set)
        diag_add(r->warnings, rule->s.files.at, "no-match",
                 "patterns begin at the root of the repository; ** stands for any folders",
                 "no file matches this rule");
}

/* STEM.image.yaml beside definitions of other stems: a slip, and nobody reads it. */
static void warn_of_strays(struct reader *r)
{
    static const char ending[] = ".image.yaml";
    struct smap dirs = {.slot = NULL};
    vec_for_each (i, &r->list)
        smap_put(&dirs, r->list.v[i].dir, r);
    for (size_t i = 0; i < r->tree->n; i++) {
        const char *path = r->tree->entry[i].path;
        if (!str_ends(path, ending) || smap_get(&r->files, path) != NULL ||
            smap_get(&dirs, path_dir(r->a, path)) == NULL)
            continue;
        const char *base = path_base(path);
        diag_add(
            r->warnings, (struct diag_at){.file = path, .line = 1, .column = 1}, "no-match",
            "STEM.image.yaml is for Containerfile.STEM, Dockerfile.STEM and STEM.containerfile",
            "no definition in this folder has the stem '%.*s'",
            (int)(strlen(base) - strlen(ending)), base);
    }
    smap_release(&dirs);
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const struct definition *)x)->file, ((const struct definition *)y)->file);
}

static void find_config(struct reader *r, const struct definition_input *in)
{
    struct str text = STR_INIT;
    struct err e = ERR_INIT;
    r->config_name = in->config != NULL ? in->config_name : CONFIG_FILE;
    const struct tree_entry *entry = tree_open(r->tree, r->a, CONFIG_FILE);
    if (entry != NULL)
        smap_put(&r->set->layer_files, CONFIG_FILE, r);
    if (in->config != NULL) {
        read_config(r, in->config, in->config_len);
    } else if (entry == NULL) {
        add_builtin_rule(r);
    } else if (r->tree->read(r->tree->arg, entry, YAML_MAX_BYTES, &text, &e) < 0) {
        diag_add(r->errors, (struct diag_at){.file = CONFIG_FILE, .line = 1, .column = 1},
                 "unreadable", NULL, "%s", e.msg);
        r->set->broken = true;
    } else {
        read_config(r, text.p, text.len);
    }
    str_release(&text);
}

void definitions_read(struct arena *a, const struct definition_input *in, struct diags *errors,
                      struct diags *warnings, struct definition_set *out)
{
    struct reader r = {
        .a = a, .tree = in->tree, .errors = errors, .warnings = warnings, .set = out};
    *out = (struct definition_set){.v = NULL};
    find_config(&r, in);
    r.claimed = arena_array(a, in->tree->n, sizeof *r.claimed);
    for (size_t i = 0; i < r.rules.n && !out->broken; i++)
        take_rule(&r, &r.rules.v[i]);
    warn_of_strays(&r);
    if (r.list.n > 1)
        qsort(r.list.v, r.list.n, sizeof *r.list.v, by_path);
    arena_take(a, &r.list, &out->v, &out->n);
    vec_release(&r.rules);
    smap_release(&r.files);
}

void definitions_release(struct definition_set *set)
{
    smap_release(&set->layer_files);
}
