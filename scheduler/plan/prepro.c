#include "scheduler/plan/prepro.h"

#include "common/base/map.h"
#include "common/base/vec.h"
#include <ctype.h>

struct finder {
    struct arena *a;
    const struct tree *t;
    const char *context;
    VEC(struct prepro_file) files; /* grows while it is walked */
    struct smap seen;
    size_t bytes;
    bool too_large;
};

bool prepro_is_wanted(const char *file)
{
    return str_ends(file, ".in");
}

/* ---- what may be included ---- */

static void add_file(struct finder *f, const char *path)
{
    const struct tree_entry *entry = path != NULL ? tree_open(f->t, f->a, path) : NULL;
    if (entry == NULL || smap_put(&f->seen, path, f) != NULL)
        return;
    struct str text = STR_INIT;
    if (f->files.n >= PREPRO_MAX_FILES ||
        f->t->read(f->t->arg, entry, PREPRO_MAX_BYTES - f->bytes, &text, NULL) < 0)
        f->too_large = true;
    else
        *vec_push(&f->files) = (struct prepro_file){
            .path = path, .text = arena_strn(f->a, text.p, text.len), .n = text.len};
    f->bytes += text.len;
    str_release(&text);
}

/* `#include "name"`, at the begin of a line; n counts bytes of the name. */
static const char *included(const char *line, size_t len, size_t *n)
{
    static const char *const words[] = {"include", "include_next", "import"};
    const char *p = line, *end = line + len;
    if (p == end || *p++ != '#')
        return NULL;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *word = p;
    while (p < end && (isalpha((unsigned char)*p) || *p == '_'))
        p++;
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        known |= strlen(words[i]) == (size_t)(p - word) &&
                 memcmp(words[i], word, (size_t)(p - word)) == 0;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    const char *close =
        known && p < end && *p == '"' ? memchr(p + 1, '"', (size_t)(end - p - 1)) : NULL;
    if (close == NULL)
        return NULL;
    *n = (size_t)(close - p - 1);
    return p + 1;
}

/* Where cpp looks: in the folder of the file that includes (for the main file: of the context),
 * then in the context. A file that is absent, or only in a branch that is not taken, is cpp's
 * business. */
static void find_included(struct finder *f, const char *folder, const char *text, size_t n)
{
    for (const char *p = text, *end = text + n; p < end;) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((newline != NULL ? newline : end) - p), length;
        const char *name = included(p, len, &length);
        if (name != NULL && length > 0 && *name != '/') {
            const char *path = arena_strn(f->a, name, length);
            add_file(f, path_join(f->a, folder, path));
            add_file(f, path_join(f->a, f->context, path));
        }
        p += len + 1;
    }
}

static void find_all(struct finder *f, const struct prepro_file *main_file)
{
    find_included(f, f->context, main_file->text, main_file->n);
    for (size_t i = 0; i < f->files.n && !f->too_large; i++) {
        struct prepro_file file = f->files.v[i];
        find_included(f, path_dir(f->a, file.path), file.text, file.n);
    }
}

/* ---- what cpp says ---- */

static const char *origin_name(struct arena *a, const char *context, const char *main_file,
                               const char *name)
{
    if (*name == '<')
        return main_file;
    const char *path = path_join(a, context, name);
    return path != NULL ? path : main_file;
}

struct complaint {
    struct diag_at at;
    const char *text;
};

/* "FILE:LINE[:COLUMN]: [fatal ]error: TEXT"; false for anything else. */
static bool read_complaint(struct arena *a, const char *line, size_t n, struct complaint *out)
{
    char *copy = arena_strn(a, line, n), *text = strstr(copy, " error: "),
         *p = copy + strcspn(copy, ":");
    if (text == NULL)
        return false;
    out->at = (struct diag_at){.file = copy, .line = 1, .column = 1};
    out->text = text + strlen(" error: ");
    unsigned *number[] = {&out->at.line, &out->at.column};
    for (size_t i = 0; i < 2 && *p == ':' && isdigit((unsigned char)p[1]); i++) {
        *p++ = '\0';
        *number[i] = (unsigned)strtoul(p, &p, 10);
    }
    *p = '\0';
    return true;
}

/* buildah goes on after every error, with what was printed up to then; after these that is not what
 * was meant. A comment that begins with # is none: buildah's manual says so. */
static bool is_harmless(const char *text)
{
    return str_starts(text, "invalid preprocessing directive");
}

static const char *advice(const char *text)
{
    if (strstr(text, "No such file") != NULL || strstr(text, "no include path") != NULL)
        return "write #include \"FILE\", relative to the build context, of a file of the "
               "repository";
    return strncmp(text, "unterminated", 12) == 0 ? "close it with #endif" : NULL;
}

static const char *text_of(const struct prepro_input *in, const char *path)
{
    for (size_t i = 0; i < in->files; i++) {
        if (strcmp(in->file[i].path, path) == 0)
            return in->file[i].text;
    }
    return strcmp(in->main.path, path) == 0 ? in->main.text : "";
}

/* Of an include that is not found, gcc's -traditional says the line behind it. */
static void correct_place(const struct prepro_input *in, struct arena *a, struct complaint *c)
{
    const char *end = strstr(c->text, ": No such file"), *p = text_of(in, c->at.file);
    if (end == NULL)
        return;
    const char *name = arena_strn(a, c->text, (size_t)(end - c->text));
    struct diag_at found = c->at;
    for (unsigned line = 1; *p != '\0' && line <= c->at.line; line++) {
        size_t n = strcspn(p, "\n");
        const char *hit = *p == '#' ? strstr(p, name) : NULL;
        if (hit != NULL && hit < p + n) {
            found.line = line;
            found.column = (unsigned)(hit - p) + 1;
        }
        p += n + (p[n] == '\n');
    }
    c->at = found;
}

static bool report_complaints(struct arena *a, const struct prepro_input *in, const char *words,
                              struct diags *errors)
{
    bool ok = true;
    for (const char *p = words; *p != '\0';) {
        size_t n = strcspn(p, "\n");
        struct complaint c;
        if (read_complaint(a, p, n, &c) && !is_harmless(c.text)) {
            c.at.file = origin_name(a, in->dir, in->main.path, c.at.file);
            correct_place(in, a, &c);
            diag_add(errors, c.at, "preprocessor", advice(c.text), "%.300s", c.text);
            ok = false;
        }
        p += n + (p[n] == '\n');
    }
    return ok;
}

/* ---- where lines come from ---- */

/* `# LINE "FILE" FLAGS`: the next line is that one. */
static bool read_marker(struct arena *a, const char *line, size_t n, unsigned *from,
                        const char **name)
{
    char *copy = arena_strn(a, line, n), *p;
    if (n < 5 || strncmp(copy, "# ", 2) != 0 || !isdigit((unsigned char)copy[2]))
        return false;
    *from = (unsigned)strtoul(copy + 2, &p, 10);
    if (strncmp(p, " \"", 2) != 0 || strchr(p + 2, '"') == NULL)
        return false;
    *strchr(p + 2, '"') = '\0';
    *name = p + 2;
    return true;
}

static void find_origins(struct arena *a, const char *context, const char *file, struct prepro *out)
{
    VEC(struct prepro_origin) list = VEC_INIT;
    unsigned line = 1, from;
    const char *name;
    for (const char *p = out->text; *p != '\0'; line++) {
        size_t n = strcspn(p, "\n");
        if (*p == '#' && read_marker(a, p, n, &from, &name))
            *vec_push(&list) = (struct prepro_origin){
                .line = line + 1, .file = origin_name(a, context, file, name), .from = from};
        p += n + (p[n] == '\n');
    }
    arena_take(a, &list, &out->origin, &out->origins);
}

void prepro_place(const struct prepro *p, struct diag_at *at)
{
    size_t i = p->origins;
    while (i > 0 && p->origin[i - 1].line > at->line)
        i--;
    if (i == 0)
        return;
    at->file = p->origin[i - 1].file;
    at->line = at->line - p->origin[i - 1].line + p->origin[i - 1].from;
    at->line += at->line == 0;
}

/* ---- the whole ---- */

static const struct prepro *finish(struct arena *a, const char *file, const char *context,
                                   const struct str *text)
{
    struct prepro *p = arena_alloc(a, sizeof *p);
    *p = (struct prepro){.name = arena_fmt(a, "%s (preprocessed in /%s)", file, context),
                         .text = arena_strn(a, text->p, text->len),
                         .n = text->len};
    find_origins(a, context, file, p);
    return p;
}

const struct prepro *prepro_run(struct arena *a, const struct tree *t, const char *file,
                                const struct tree_entry *entry, const char *context,
                                preprocess_fn *run, void *arg, struct diags *errors)
{
    struct diag_at start = {.file = file, .line = 1, .column = 1};
    struct str source = STR_INIT, text = STR_INIT, words = STR_INIT;
    struct finder f = {.a = a, .t = t, .context = context};
    struct err e = ERR_INIT;
    const struct prepro *out = NULL;
    struct prepro_input in = {.dir = context, .main = {.path = file}};
    if (run == NULL) {
        diag_add(errors, start, "preprocessor", NULL, "there is no C preprocessor here");
    } else if (t->read(t->arg, entry, PREPRO_MAX_BYTES, &source, &e) < 0) {
        diag_add(errors, start, "unreadable", NULL, "%s", e.msg);
    } else {
        in.main.text = source.p;
        in.main.n = source.len;
        find_all(&f, &in.main);
        in.file = f.files.v;
        in.files = f.files.n;
        if (f.too_large)
            diag_add(errors, start, "too-large", NULL,
                     "it includes more than %d files or %zu bytes", PREPRO_MAX_FILES,
                     PREPRO_MAX_BYTES);
        else if (run(arg, &in, &text, &words, &e) < 0)
            diag_add(errors, start, "preprocessor",
                     e.kind == ERR_CONFIG ? "install the package cpp where the planner runs" : NULL,
                     "%s", e.msg);
        else if (report_complaints(a, &in, words.p, errors))
            out = finish(a, file, context, &text);
    }
    vec_release(&f.files);
    smap_release(&f.seen);
    str_release(&source);
    str_release(&text);
    str_release(&words);
    return out;
}
