/* From definitions to drafts: one for each cell of the matrix and architecture, with every
 * placeholder expanded. */
#include "scheduler/plan/build.h"

#include "common/base/str.h"
#include "scheduler/plan/reference.h"

#define CELLS_MAX 10000

/* ---- placeholders ---- */

static const char *expand(struct build *b, struct draft *d, const struct text_at *t,
                          enum names_mode mode)
{
    const char *text = names_expand(b->a, t, &d->names, mode, &d->errors);
    return text != NULL ? text : t->text;
}

static void expand_text(struct build *b, struct draft *d, struct text_at *t, enum names_mode mode)
{
    if (t->text != NULL)
        t->text = expand(b, d, t, mode);
}

static void expand_texts(struct build *b, struct draft *d, struct texts *t, enum names_mode mode)
{
    struct text_at *copy = arena_memdup(b->a, t->v, t->n * sizeof *t->v);
    for (size_t i = 0; i < t->n; i++)
        copy[i].text = expand(b, d, &copy[i], mode);
    t->v = copy;
}

static void expand_named(struct build *b, struct draft *d, struct named_list *l,
                         enum names_mode mode)
{
    struct named *copy = arena_memdup(b->a, l->v, l->n * sizeof *l->v);
    for (size_t i = 0; i < l->n; i++)
        copy[i].value.text = expand(b, d, &copy[i].value, mode);
    l->v = copy;
}

/* ---- the name ---- */

static void set_name(struct build *b, struct draft *d)
{
    const struct definition *def = d->def;
    struct text_at t = def->s.name;
    if (t.text == NULL) {
        t.at = whole_file(def->file);
        t.text = *def->stem == '\0' ? "{dir}" : "{dir}/{stem}";
    }
    d->name_at = t;
    const char *text = names_expand(b->a, &t, &d->names, NAMES_STRICT, &d->errors);
    d->nameless = text == NULL;
    const char *name = registry_path(b->a, text != NULL ? text : t.text);
    if (*name == '\0') /* directly in the rule's folder */
        name = registry_path(b->a, path_base(def->dir));
    d->names.name = d->image.name = *name != '\0' ? name : b->in->slug;
}

/* ---- paths ---- */

const char *definition_path(struct build *b, struct draft *d, const struct text_at *t)
{
    const char *path = path_join(b->a, d->def->dir, t->text);
    if (path == NULL)
        diag_add(&d->errors, t->at, "outside",
                 "bring what it needs into the repository; / is its root",
                 "'%s' leads out of the repository", t->text);
    return path;
}

/* ---- contexts ---- */

static void set_context(struct build *b, struct draft *d)
{
    struct text_at t = d->image.s.context;
    if (t.text == NULL)
        t = (struct text_at){.text = ".", .at = whole_file(d->def->file)};
    const char *path = definition_path(b, d, &t);
    d->image.context = path != NULL ? path : "";
    d->real_context = "";
    if (path != NULL && tree_resolve(b->in->tree, b->a, path, &d->real_context) != TREE_FOUND_DIR &&
        *path != '\0')
        diag_add(&d->errors, t.at, "no-such-context", PATHS_BEGIN, "there is no folder '%s'", path);
}

static void add_folder(struct build *b, struct draft *d, const struct named *c)
{
    const char *path = definition_path(b, d, &c->value), *real;
    if (path == NULL)
        return;
    if (tree_resolve(b->in->tree, b->a, path, &real) != TREE_FOUND_DIR && *path != '\0') {
        diag_add(&d->errors, c->value.at, "no-such-context", "write image:NAME for an image",
                 "there is no folder '%s'", path);
        return;
    }
    struct named_list *l = &d->folders;
    l->v[l->n] = *c;
    l->v[l->n++].value.text = *path != '\0' ? real : "";
    l = &d->image.folders;
    l->v[l->n] = *c;
    l->v[l->n++].value.text = arena_fmt(b->a, SHIP_PRIVATE "/contexts/%s", c->name);
}

static bool context_name_ok(struct draft *d, const struct named *c)
{
    if (*c->name != '\0' && *c->name != '.' && strpbrk(c->name, "/=") == NULL)
        return true;
    diag_add(&d->errors, c->value.at, "bad-value",
             "the name of a folder context has no / and no =", "'%s' cannot name a folder context",
             c->name);
    return false;
}

static void set_contexts(struct build *b, struct draft *d)
{
    const struct named_list *given = &d->image.s.contexts;
    struct named_list *images = &d->image_contexts;
    images->v = arena_array(b->a, given->n, sizeof *images->v);
    d->folders.v = arena_array(b->a, given->n, sizeof *images->v);
    d->image.folders.v = arena_array(b->a, given->n, sizeof *images->v);
    d->context_names = arena_array(b->a, given->n + 2, sizeof *d->context_names);
    for (size_t i = 0; i < given->n; i++) {
        const struct named *c = &given->v[i];
        d->context_names[i] = c->name;
        if (str_starts(c->value.text, "image:")) {
            images->v[images->n] = *c;
            images->v[images->n++].value.text += strlen("image:");
        } else if (context_name_ok(d, c)) {
            add_folder(b, d, c);
        }
    }
    d->context_names[given->n] = "needs_images"; /* offered by the build executor */
}

/* ---- references that mean this image, and tags ---- */

static void add_reference(struct build *b, struct draft *d, const struct text_at *t,
                          const char **list, size_t *n)
{
    struct reference r;
    struct err e = ERR_INIT;
    if (reference_parse(b->a, t->text, &r, &e) < 0)
        diag_add(&d->errors, t->at, "bad-reference", NULL, "%s", e.msg);
    else
        list[(*n)++] = reference_text(b->a, &r);
}

static void set_provides(struct build *b, struct draft *d)
{
    struct texts given = d->image.s.provides;
    struct text_at usual = {.text = arena_fmt(b->a, "localhost/%s:latest", d->image.name),
                            .at = d->name_at.at};
    if (!given.set) {
        given.v = &usual;
        given.n = 1;
    }
    d->image.provides = arena_array(b->a, given.n, sizeof *d->image.provides);
    for (size_t i = 0; i < given.n; i++)
        add_reference(b, d, &given.v[i], d->image.provides, &d->image.n_provides);
}

static bool has_tag(const struct image *image, const char *tag)
{
    for (size_t i = 0; i < image->tags; i++) {
        if (strcmp(image->tag[i], tag) == 0)
            return true;
    }
    return false;
}

static void set_tags(struct build *b, struct draft *d)
{
    static struct text_at usual = {.text = "{ref}"};
    struct texts given = d->def->s.publish.tags;
    struct image *image = &d->image;
    struct names names = d->names;
    names.ref = b->in->ref; /* in tags only: content must not depend on the branch's name */
    if (!given.set)
        given = (struct texts){.v = &usual, .n = 1};
    image->tag = arena_array(b->a, given.n, sizeof *image->tag);
    image->release = arena_array(b->a, given.n, sizeof *image->release);
    for (size_t i = 0; i < given.n; i++) {
        const char *tag;
        if (names_expand_tag(b->a, &given.v[i], &names, &d->errors, &tag) != TAG_OK ||
            has_tag(image, tag))
            continue;
        image->tag[image->tags++] = tag;
        if (b->in->registry != NULL && strchr(tag, '{') == NULL)
            image->release[image->n_release++] =
                arena_fmt(b->a, "%s/%s/%s:%s", b->in->registry, b->in->slug, image->name, tag);
    }
}

/* ---- one draft ---- */

static void expand_settings(struct build *b, struct draft *d)
{
    struct settings *s = &d->image.s;
    expand_text(b, d, &s->version, NAMES_STRICT);
    d->names.version = s->version.text;
    expand_text(b, d, &s->context, NAMES_STRICT);
    expand_text(b, d, &s->target, NAMES_STRICT);
    expand_texts(b, d, &s->provides, NAMES_STRICT);
    expand_texts(b, d, &s->args_files, NAMES_LOOSE);
    expand_texts(b, d, &s->inputs, NAMES_LOOSE);
    expand_texts(b, d, &s->needs_images, NAMES_STRICT);
    expand_named(b, d, &s->args, NAMES_LOOSE);
    expand_named(b, d, &s->contexts, NAMES_STRICT);
    expand_texts(b, d, &s->build.secrets, NAMES_STRICT);
    expand_texts(b, d, &s->test.container, NAMES_LOOSE);
    expand_texts(b, d, &s->test.scripts, NAMES_LOOSE);
    expand_text(b, d, &s->test.ready, NAMES_LOOSE);
    expand_texts(b, d, &s->mirror_sites, NAMES_LOOSE);
    expand_text(b, d, &s->place_site, NAMES_STRICT);
}

static void read_file(struct build *b, const char *path, const struct tree_entry *entry,
                      struct parsed_file *f)
{
    struct str text = STR_INIT;
    struct err e = ERR_INIT;
    if (b->in->tree->read(b->in->tree->arg, entry, CF_MAX_BYTES, &text, &e) < 0)
        diag_add(&f->errors, whole_file(path), "unreadable", NULL, "%s", e.msg);
    else
        f->cf = cf_parse(b->a, path, text.p, text.len, &f->errors, &b->plan->warnings);
    str_release(&text);
}

static void read_made(struct build *b, const char *path, const struct tree_entry *entry,
                      const char *context, struct parsed_file *f)
{
    const struct plan_input *in = b->in;
    f->made = prepro_run(b->a, in->tree, path, entry, context, in->preprocess, in->preprocess_arg,
                         &f->errors);
    if (f->made == NULL)
        return;
    smap_put(&b->made, f->made->name, (void *)(uintptr_t)f->made);
    f->cf =
        cf_parse(b->a, f->made->name, f->made->text, f->made->n, &f->errors, &b->plan->warnings);
}

/* What cpp makes of a file depends on the context, too. */
static const struct parsed_file *parse_file(struct build *b, const char *path,
                                            const struct tree_entry *entry, const char *context)
{
    bool make = prepro_is_wanted(path);
    const char *id = make ? arena_fmt(b->a, "%s\n%s", path, context) : path;
    struct parsed_file *f = smap_get(&b->parsed, id);
    if (f != NULL)
        return f;
    f = arena_alloc(b->a, sizeof *f);
    f->errors.a = b->a;
    if (make)
        read_made(b, path, entry, context, f);
    else
        read_file(b, path, entry, f);
    smap_put(&b->parsed, id, f);
    return f;
}

/* Files that are made into a Containerfile by another program. */
static const char *generated_by(const char *file)
{
    static const struct {
        const char *ending, *what;
    } kinds[] = {{".j2", "a Jinja template"}, {".template", "a template"}, {".tmpl", "a template"}};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (str_ends(file, kinds[i].ending))
            return kinds[i].what;
    }
    return NULL;
}

static void set_file(struct build *b, struct draft *d)
{
    const struct tree_entry *entry = tree_open(b->in->tree, b->a, d->def->file);
    const char *what = generated_by(d->def->file);
    d->image.file = d->def->file;
    if (what != NULL)
        diag_add(&d->errors, whole_file(d->def->file), "template",
                 "build the file from it and commit the result", "this is %s, not a Containerfile",
                 what);
    else if (entry == NULL)
        diag_add(&d->errors, whole_file(d->def->file), "no-such-file",
                 "links are followed inside the repository only",
                 "the link leads to no file of the repository");
    if (what != NULL || entry == NULL)
        return;
    d->real_file = entry->path;
    const struct parsed_file *f = parse_file(b, d->def->file, entry, d->real_context);
    d->made = d->image.made = f->made;
    diags_absorb(&d->errors, &f->errors, NULL);
    d->cf = f->cf != NULL && !f->cf->broken ? f->cf : NULL;
}

static void attach_bad(struct build *b, struct draft *d)
{
    for (size_t i = 0; i < d->def->bads; i++) {
        for (size_t k = d->def->bad[i].from; k < d->def->bad[i].to; k++)
            diag_add_image(&b->plan->errors, b->plan->errors.list.v[k], d->image.name);
    }
    d->broken = d->def->bads > 0;
}

static void make_draft(struct build *b, const struct definition *def, const char *arch,
                       const struct named_list *cell)
{
    if (b->drafts.n >= PLAN_MAX_IMAGES) {
        diag_add(&b->plan->errors, whole_file(def->file), "too-large", NULL, "more than %d images",
                 PLAN_MAX_IMAGES);
        return;
    }
    struct draft *d = arena_alloc(b->a, sizeof *d);
    *vec_push(&b->drafts) = d;
    d->def = def;
    d->errors.a = b->a;
    d->image.s = def->s;
    d->image.arch = arch;
    d->image.matrix = *cell;
    d->image.layer = arena_memdup(b->a, def->layer, sizeof def->layer);
    d->image.layers = def->layers;
    d->names =
        (struct names){.dir = def->below, .stem = def->stem, .repo = b->in->slug, .cell = cell};
    set_name(b, d);
    attach_bad(b, d);
    expand_settings(b, d);
    set_context(b, d);
    set_file(b, d);
    make_args(b, d);
    set_contexts(b, d);
    set_provides(b, d);
    set_tags(b, d);
}

/* ---- cells ---- */

static void make_archs(struct build *b, const struct definition *def, const struct named_list *cell)
{
    const struct texts *arch = &def->s.arch;
    struct named_list *copy = arena_memdup(b->a, cell, sizeof *cell);
    if (arch->n == 0)
        make_draft(b, def, b->in->arch, copy);
    for (size_t i = 0; i < arch->n; i++) {
        bool again = false;
        for (size_t k = 0; k < i; k++)
            again |= strcmp(arch->v[k].text, arch->v[i].text) == 0;
        if (!again)
            make_draft(b, def, arch->v[i].text, copy);
    }
}

/* All combinations of the axes, the last axis fastest, like an odometer. */
static void make_cells(struct build *b, const struct definition *def)
{
    const struct matrix *m = &def->s.matrix;
    size_t *at = arena_array(b->a, m->axes, sizeof *at), total = 1;
    for (size_t i = 0; i < m->axes && total <= CELLS_MAX; i++)
        total *= m->axis[i].n;
    if (total + m->includes > CELLS_MAX) {
        diag_add(&b->plan->errors, m->at, "too-large", NULL, "more than %d combinations",
                 CELLS_MAX);
        return;
    }
    for (size_t k = 0; k < total && m->axes > 0; k++) {
        struct named_list cell = {.v = arena_array(b->a, m->axes, sizeof *cell.v), .n = m->axes};
        for (size_t i = 0; i < m->axes; i++)
            cell.v[i] = (struct named){.name = m->axis[i].name, .value = m->axis[i].value[at[i]]};
        make_archs(b, def, &cell);
        for (size_t i = m->axes; i > 0 && ++at[i - 1] == m->axis[i - 1].n; i--)
            at[i - 1] = 0;
    }
    for (size_t i = 0; i < m->includes; i++)
        make_archs(b, def, &m->include[i]);
}

static int by_name(const void *x, const void *y)
{
    const struct draft *a = *(struct draft *const *)x, *b = *(struct draft *const *)y;
    int c = strcmp(a->image.name, b->image.name);
    if (c == 0)
        c = strcmp(a->image.arch, b->image.arch);
    return c != 0 ? c : strcmp(a->def->file, b->def->file);
}

static const char *describe(struct build *b, const struct draft *d)
{
    struct str s = STR_INIT;
    str_add(&s, d->def->file);
    for (size_t i = 0; i < d->image.matrix.n; i++)
        str_addf(&s, "%s%s=%s", i == 0 ? " with " : ", ", d->image.matrix.v[i].name,
                 d->image.matrix.v[i].value.text);
    const char *text = arena_str(b->a, s.p);
    str_release(&s);
    return text;
}

static void check_names(struct build *b)
{
    for (size_t i = 1; i < b->drafts.n; i++) {
        struct draft *x = b->drafts.v[i - 1], *y = b->drafts.v[i];
        if (x->nameless || y->nameless || strcmp(x->image.name, y->image.name) != 0 ||
            strcmp(x->image.arch, y->image.arch) != 0)
            continue;
        const char *one = describe(b, x), *two = describe(b, y);
        struct draft *both[] = {x, y};
        for (size_t k = 0; k < 2; k++)
            diag_add(&both[k]->errors, both[k]->name_at.at, "duplicate-name",
                     "set `name`; {stem} and {matrix.KEY} tell images apart",
                     "the name '%s' means two images: %s, and %s", x->image.name, one, two);
    }
}

void make_drafts(struct build *b)
{
    static const struct named_list none;
    for (size_t i = 0; i < b->defs.n; i++) {
        const struct matrix *m = &b->defs.v[i].s.matrix;
        if (m->axes + m->includes > 0)
            make_cells(b, &b->defs.v[i]);
        else
            make_archs(b, &b->defs.v[i], &none);
    }
    if (b->drafts.n > 1)
        qsort(b->drafts.v, b->drafts.n, sizeof *b->drafts.v, by_name);
    check_names(b);
}
