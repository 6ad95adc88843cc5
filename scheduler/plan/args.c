/* The arguments of a draft: args_files in their order, then args. */
#include "scheduler/plan/build.h"

#include "common/base/str.h"

struct arg_list {
    VEC(struct cf_arg) v;
    VEC(const char *) file;
};

static void set_arg(struct arg_list *l, const char *name, const char *value, const char *file)
{
    size_t i = 0;
    while (i < l->v.n && strcmp(l->v.v[i].name, name) != 0)
        i++;
    if (i == l->v.n) {
        (void)vec_push(&l->v);
        (void)vec_push(&l->file);
    }
    l->v.v[i] = (struct cf_arg){.name = name, .value = value};
    l->file.v[i] = file;
}

static bool arg_name_ok(struct draft *d, const char *name, struct diag_at at)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    if (n > 0 && name[n] == '\0')
        return true;
    diag_add(&d->errors, at, "bad-value", "letters, digits and _",
             "'%.100s' is not the name of an argument", name);
    return false;
}

/* NAME=VALUE lines and comments, as buildah's --build-arg-file reads them. */
static void read_arg_lines(struct build *b, struct draft *d, const char *file, const char *text,
                           struct arg_list *l)
{
    unsigned number = 1;
    for (char *line = arena_str(b->a, text); line != NULL; number++) {
        char *next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        size_t n = strlen(line);
        if (n > 0 && line[n - 1] == '\r')
            line[n - 1] = '\0';
        char *eq = strchr(line, '=');
        struct diag_at at = {.file = file, .line = number, .column = 1};
        if (eq != NULL && *line != '#') {
            *eq = '\0';
            if (arg_name_ok(d, line, at))
                set_arg(l, line, eq + 1, file);
        } else if (*line != '\0' && *line != '#') {
            diag_add(&d->errors, at, "bad-args-file", "a comment begins with #",
                     "a line reads NAME=VALUE");
        }
        line = next;
    }
}

#define ARGS_FILE_MAX ((size_t)64 * 1024)

static void read_args_file(struct build *b, struct draft *d, const struct text_at *t,
                           struct arg_list *l)
{
    const struct tree *tree = b->in->tree;
    const char *path = definition_path(b, d, t);
    const struct tree_entry *entry = path != NULL ? tree_open(tree, b->a, path) : NULL;
    struct str text = STR_INIT;
    struct err e = ERR_INIT;
    if (path != NULL && entry == NULL)
        diag_add(&d->errors, t->at, "no-such-file", PATHS_BEGIN, "there is no file %s", path);
    else if (entry != NULL && tree->read(tree->arg, entry, ARGS_FILE_MAX, &text, &e) < 0)
        diag_add(&d->errors, t->at, "unreadable", NULL, "%s", e.msg);
    else if (entry != NULL)
        read_arg_lines(b, d, path, text.p, l);
    str_release(&text);
}

void make_args(struct build *b, struct draft *d)
{
    struct arg_list l = {.v = {.v = NULL}};
    const struct settings *s = &d->image.s;
    for (size_t i = 0; i < s->args_files.n; i++)
        read_args_file(b, d, &s->args_files.v[i], &l);
    for (size_t i = 0; i < s->args.n; i++) {
        const struct text_at *value = &s->args.v[i].value;
        if (arg_name_ok(d, s->args.v[i].name, value->at))
            set_arg(&l, s->args.v[i].name, value->text, value->at.file);
    }
    arena_take(b->a, &l.v, &d->arg, &d->args);
    arena_take(b->a, &l.file, &d->arg_file, &d->args);
}
