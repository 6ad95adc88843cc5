/* The files that travel and the keys: what can change the result is in a key, nothing else is. */
#include "scheduler/plan/build.h"

#include "common/base/str.h"

/* ---- files ---- */

static const struct ignore *read_ignore(struct build *b, struct draft *d, const char *path)
{
    struct ignore *g = smap_get(&b->ignores, path);
    const struct tree_entry *entry = g == NULL ? tree_open(b->in->tree, b->a, path) : NULL;
    if (entry == NULL)
        return g;
    struct str text = STR_INIT;
    struct err e = ERR_INIT;
    g = arena_alloc(b->a, sizeof *g);
    if (b->in->tree->read(b->in->tree->arg, entry, IGNORE_MAX_BYTES, &text, &e) < 0)
        diag_add(&d->errors, whole_file(path), "unreadable", NULL, "%s", e.msg);
    else
        (void)!ignore_parse(b->a, path, text.p, &d->errors, g);
    str_release(&text);
    smap_put(&b->ignores, path, g);
    return g;
}

/* The file's own variant goes first (*own), beside the name that it is built by, be that a link;
 * then the context's; .containerignore before .dockerignore. */
static const struct ignore *find_ignore(struct build *b, struct draft *d, bool *own)
{
    static const struct ignore none;
    const char *const candidates[] = {
        arena_fmt(b->a, "%s.containerignore", d->image.file),
        arena_fmt(b->a, "%s.dockerignore", d->image.file),
        path_join(b->a, d->real_context, ".containerignore"),
        path_join(b->a, d->real_context, ".dockerignore"),
    };
    for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
        const struct ignore *g = read_ignore(b, d, candidates[i]);
        *own = i < 2;
        if (g != NULL)
            return g;
    }
    return &none;
}

struct file_list {
    VEC(struct ship_entry) v;
};

struct glob_files {
    size_t *v; /* indices into the tree */
    size_t n;
};

/* Every image may name the same glob over the whole tree: it is matched once. */
static const struct glob_files *glob_files(struct build *b, const char *glob)
{
    const struct tree *tree = b->in->tree;
    struct glob_files *g = smap_get(&b->globs, glob);
    VEC(size_t) list = VEC_INIT;
    size_t from, to;
    if (g != NULL)
        return g;
    tree_range(tree, glob_prefix(b->a, glob), &from, &to);
    for (size_t i = from; i < to; i++) {
        if (glob_match(glob, tree->entry[i].path) == 1)
            *vec_push(&list) = i;
    }
    g = arena_alloc(b->a, sizeof *g);
    arena_take(b->a, &list, &g->v, &g->n);
    smap_put(&b->globs, glob, g);
    return g;
}

/* Adds the files of the tree that a glob of the definition matches; their names are relative to the
 * definition's folder where they are below it. */
static size_t match_files(struct build *b, struct draft *d, const struct text_at *t,
                          struct file_list *out)
{
    const struct tree *tree = b->in->tree;
    const char *glob = definition_path(b, d, t);
    size_t before = out->v.n;
    if (glob == NULL)
        return 0;
    const struct glob_files *g = glob_files(b, glob);
    for (size_t i = 0; i < g->n; i++) {
        const char *path = tree->entry[g->v[i]].path;
        const struct tree_entry *file = tree_open(tree, b->a, path);
        const char *rest = path_below(d->def->dir, path);
        if (file != NULL)
            *vec_push(&out->v) = (struct ship_entry){
                .path = rest != NULL ? rest : path, .entry = file, .kind = file->kind};
    }
    return out->v.n - before;
}

static void find_list(struct build *b, struct draft *d, const struct texts *globs,
                      struct ship_list *out)
{
    struct file_list files = {.v = {.v = NULL}};
    for (size_t i = 0; i < globs->n; i++) {
        const struct text_at *t = &globs->v[i];
        if (match_files(b, d, t, &files) > 0)
            continue;
        if (strpbrk(t->text, "*?[{") == NULL)
            diag_add(&d->errors, t->at, "no-such-file", PATHS_BEGIN, "there is no file '%s'",
                     t->text);
        else
            diag_add(&b->plan->warnings, t->at, "no-match", PATHS_BEGIN, "no file matches '%s'",
                     t->text);
    }
    ship_scripts(b->a, b->in->tree, b->in->hash, files.v.v, files.v.n, out);
    vec_release(&files.v);
}

/* A base from outside the farm may bring ONBUILD triggers that read the context; such images say
 * so. */
static bool external_triggers(const struct draft *d)
{
    if (d->unknown_triggers)
        return true;
    for (size_t i = 0; i < d->image.needs; i++) {
        if (d->image.need[i].parent == PLAN_EXTERNAL &&
            strstr(d->image.need[i].ref, "onbuild") != NULL)
            return true;
    }
    return false;
}

static char *context_id(struct build *b, const struct draft *d, bool whole, bool shared)
{
    struct str s = STR_INIT;
    str_addf(&s, "%s\n%s\n%d\n", d->real_context, shared ? "" : d->image.file, whole);
    for (size_t i = 0; !whole && i < d->result.sources; i++)
        str_addf(&s, "%s\n", d->result.source[i]);
    for (size_t i = 0; i < d->folders.n; i++)
        str_addf(&s, "=%s=%s\n", d->folders.v[i].name, d->folders.v[i].value.text);
    for (size_t i = 0; i < d->image.scripts.n; i++)
        str_addf(&s, "-%s\n", d->image.scripts.v[i].entry->path);
    char *id = arena_strn(b->a, s.p, s.len);
    str_release(&s);
    return id;
}

static bool names_folder(const struct draft *d, const char *name)
{
    for (size_t i = 0; i < d->result.uses; i++) {
        const struct cf_use *u = &d->result.use[i];
        if (u->context && (strcmp(u->written, name) == 0 || strcmp(u->expanded, name) == 0))
            return true;
    }
    return strcmp(name, "scratch") == 0; /* which is no reference to the reader */
}

/* A named folder that no reached stage names changes nothing, so it does not travel. */
static void drop_unused_folders(struct draft *d)
{
    size_t n = 0;
    if (external_triggers(d))
        return;
    for (size_t i = 0; i < d->folders.n; i++) {
        if (!names_folder(d, d->folders.v[i].name))
            continue;
        d->folders.v[n] = d->folders.v[i];
        d->image.folders.v[n++] = d->image.folders.v[i];
    }
    d->folders.n = d->image.folders.n = n;
}

struct shipped {
    struct ship_list list;
    const char *containerfile;
};

static void find_context(struct build *b, struct draft *d)
{
    struct smap tests = {.slot = NULL};
    bool own_ignore;
    const struct ignore *ignore = find_ignore(b, d, &own_ignore);
    bool whole = d->result.whole_context || external_triggers(d);
    for (size_t i = 0; i < d->image.scripts.n; i++)
        smap_put(&tests, d->image.scripts.v[i].entry->path, d);
    struct ship_context c = {.tree = b->in->tree,
                             .hash = b->in->hash,
                             .dir = d->real_context,
                             .containerfile = d->real_file,
                             .made = d->made != NULL ? d->made->text : NULL,
                             .made_len = d->made != NULL ? d->made->n : 0,
                             .ignore = ignore,
                             .not_shipped = &b->defs.layer_files,
                             .tests = &tests,
                             .source = d->result.source,
                             .narrowed = !whole,
                             .sources = d->result.sources,
                             .contexts = d->folders.v,
                             .n_contexts = d->folders.n};
    /* A whole context that has the Containerfile at its own place is the same for all in it. */
    const char *place = ship_place(&c);
    bool shared = whole && !own_ignore && place != NULL;
    const char *id = context_id(b, d, whole, shared);
    struct shipped *known = smap_get(&b->shipped, id);
    if (known == NULL) {
        known = arena_alloc(b->a, sizeof *known);
        ship_context(b->a, &c, &known->list, &known->containerfile);
        smap_put(&b->shipped, id, known);
    }
    smap_release(&tests);
    d->image.context_files = known->list;
    d->image.containerfile = shared ? place : known->containerfile;
}

void find_files(struct build *b, struct draft *d)
{
    find_list(b, d, &d->image.s.test.scripts, &d->image.scripts);
    find_list(b, d, &d->image.s.inputs, &d->image.inputs);
    drop_unused_folders(d);
    find_context(b, d);
}

/* ---- keys ---- */

/* Text that cannot be read in two ways: each value with its name and length. */
static void add(struct str *k, const char *name, const char *value)
{
    str_addf(k, "%s %zu:", name, strlen(value));
    str_add(k, value);
    str_addch(k, '\n');
}

static void add_number(struct str *k, const char *name, int64_t value)
{
    str_addf(k, "%s %lld\n", name, (long long)value);
}

static void add_digest(struct str *k, const char *name, const struct sha256 *digest)
{
    char text[DIGEST_TEXT];
    digest_format(digest, text);
    str_addf(k, "%s %s\n", name, text);
}

static void seal(hash_fn *hash, struct str *k, struct sha256 *out)
{
    struct span span = {.p = k->p, .n = k->len};
    hash(&span, 1, out);
    str_release(k);
}

static int by_text(const void *x, const void *y)
{
    return strcmp(*(const char *const *)x, *(const char *const *)y);
}

/* A list whose order does not matter. */
static void add_set(struct build *b, struct str *k, const char *name, const char *const *v,
                    size_t n)
{
    const char **sorted = arena_memdup(b->a, v, n * sizeof *sorted);
    if (n > 1)
        qsort(sorted, n, sizeof *sorted, by_text);
    for (size_t i = 0; i < n; i++)
        add(k, name, sorted[i]);
}

static void add_texts(struct str *k, const char *name, const struct texts *t)
{
    for (size_t i = 0; i < t->n; i++)
        add(k, name, t->v[i].text);
}

static int by_arg_name(const void *x, const void *y)
{
    return strcmp(((const struct plan_arg *)x)->name, ((const struct plan_arg *)y)->name);
}

/* Arguments that the file does not declare change nothing, but for those that every RUN sees. */
static bool is_predefined(const char *name)
{
    static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY",   "NO_PROXY",
                                        "ALL_PROXY",  "http_proxy",  "https_proxy", "ftp_proxy",
                                        "no_proxy",   "all_proxy"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static void keep_used_args(struct build *b, struct draft *d)
{
    struct image *image = &d->image;
    image->arg = arena_array(b->a, d->args, sizeof *image->arg);
    for (size_t i = 0; i < d->args; i++) {
        if (d->result.arg_used[i] || is_predefined(d->arg[i].name))
            image->arg[image->args++] = (struct plan_arg){
                .name = d->arg[i].name, .value = d->arg[i].value, .file = d->arg_file[i]};
    }
    if (image->args > 1)
        qsort(image->arg, image->args, sizeof *image->arg, by_arg_name);
}

static void make_settings_key(struct build *b, struct image *image)
{
    struct str k = STR_INIT;
    str_add(&k, "bootfarm-settings-1\n");
    add(&k, "containerfile", image->containerfile);
    add(&k, "target", image->s.target.text != NULL ? image->s.target.text : "");
    add(&k, "network", net_policy_names[image->s.build.network]);
    add_number(&k, "cache", image->s.build.cache);
    const char **secrets = arena_array(b->a, image->s.build.secrets.n, sizeof *secrets);
    for (size_t i = 0; i < image->s.build.secrets.n; i++)
        secrets[i] = image->s.build.secrets.v[i].text;
    add_set(b, &k, "secret", secrets, image->s.build.secrets.n);
    for (size_t i = 0; i < image->folders.n; i++) {
        add(&k, "context", image->folders.v[i].name);
        add(&k, "folder", image->folders.v[i].value.text);
    }
    seal(b->in->hash, &k, &image->settings_key);
}

void make_recipe_key(hash_fn *hash, struct image *image, const struct sha256 *const *parent)
{
    struct str k = STR_INIT;
    str_add(&k, "bootfarm-recipe-1\n");
    add_number(&k, "timestamp", BUILD_TIMESTAMP);
    add(&k, "arch", image->arch);
    add_digest(&k, "settings", &image->settings_key);
    add_digest(&k, "context", &image->context_files.key);
    add_digest(&k, "inputs", &image->inputs.key);
    for (size_t i = 0; i < image->args; i++) {
        add(&k, "arg", image->arg[i].name);
        add(&k, "value", image->arg[i].value);
    }
    for (size_t i = 0; i < image->needs; i++) {
        const struct need *n = &image->need[i];
        add(&k, need_use_names[n->use], n->ref);
        add(&k, "platform", n->arch);
        for (size_t w = 0; w < n->n_written; w++)
            add(&k, "written", n->written[w]);
        if (parent[i] != NULL)
            add_digest(&k, "parent", parent[i]);
    }
    seal(hash, &k, &image->recipe_key);
}

void make_tests_key(hash_fn *hash, struct image *image)
{
    struct str k = STR_INIT;
    str_add(&k, "bootfarm-tests-1\n");
    add(&k, "boot", boot_policy_names[image->s.test.boot]);
    add(&k, "ready", image->s.test.ready.text);
    add_number(&k, "memory", image->s.test.memory);
    add_number(&k, "cpus", image->s.test.cpus);
    add_texts(&k, "container", &image->s.test.container);
    add_digest(&k, "scripts", &image->scripts.key);
    seal(hash, &k, &image->tests_key);
}

static void make_publish_key(struct build *b, struct image *image)
{
    struct str k = STR_INIT;
    str_add(&k, "bootfarm-publish-1\n");
    add(&k, "when", publish_when_names[image->s.publish.when]);
    add_number(&k, "partial", image->s.publish.partial);
    add_set(b, &k, "tag", image->tag, image->tags);
    seal(b->in->hash, &k, &image->publish_key);
}

void make_keys(struct build *b, struct draft *d)
{
    const struct sha256 **parent = arena_array(b->a, d->image.needs, sizeof(const struct sha256 *));
    for (size_t i = 0; i < d->image.needs; i++) {
        if (d->image.need[i].parent != PLAN_EXTERNAL)
            parent[i] = &b->drafts.v[d->image.need[i].parent]->image.recipe_key;
    }
    d->image.heredoc = d->result.heredoc.file != NULL;
    d->image.from_after = d->result.from_after.file != NULL;
    d->image.stage_args = d->result.stage_args.file != NULL;
    d->image.stage_own_args = d->result.stage_own_args.file != NULL;
    keep_used_args(b, d);
    make_settings_key(b, &d->image);
    make_recipe_key(b->in->hash, &d->image, parent);
    make_tests_key(b->in->hash, &d->image);
    make_publish_key(b, &d->image);
}
