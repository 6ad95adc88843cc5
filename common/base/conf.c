/* Defaults, then the file, then the command line; each value goes through conf_set. The file is
 * read here and not by a library, because libinih cuts lines at 200 bytes without a word, and a
 * list of database hosts is longer. */
#include "common/base/conf.h"
#include "common/base/conf_value.h"
#include "common/base/mem.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum { LINE_LIMIT = 64 * 1024, LINES_LIMIT = 10000 };

struct load {
    const struct conf *c;
    void *target;
    unsigned *line; /* of each option: where the file set it; 0: it did not */
    bool *given;    /* by the file or the command line */
};

static size_t count_options(const struct conf *c)
{
    size_t n = 0;

    while (c->options[n].name)
        n++;
    return n;
}

/* `name` has n characters; '-' counts as '_' where `dashes`. */
static const struct conf_option *find_option(const struct conf *c, const char *name, size_t n,
                                             bool dashes)
{
    for (const struct conf_option *o = c->options; o->name; o++) {
        size_t i = 0;
        while (i < n && (name[i] == o->name[i] || (dashes && name[i] == '-' && o->name[i] == '_')))
            i++;
        if (i == n && o->name[n] == '\0')
            return o;
    }
    return NULL;
}

/* The known name that is at most two slips away; NULL: none. */
static const char *nearest(const struct conf *c, const char *name)
{
    const char *best = NULL;
    unsigned least = 3;

    for (const struct conf_option *o = c->options; o->name; o++) {
        unsigned d = edit_distance(name, o->name);
        if (d < least) {
            least = d;
            best = o->name;
        }
    }
    return best;
}

static int unknown(const struct conf *c, const char *name, size_t n, bool dashes, struct err *e)
{
    BF_CLEANUP(free_ptr) char *copy = xstrndup(name, n);
    const char *hint;

    for (char *p = copy; dashes && *p; p++)
        *p = *p == '-' ? '_' : *p;
    hint = nearest(c, copy);
    if (hint)
        return err_set(e, ERR_CONFIG, "unknown option %s; did you mean %s?", copy, hint);
    return err_set(e, ERR_CONFIG, "unknown option %s; --help lists them all", copy);
}

static int load_defaults(struct load *l, struct err *e)
{
    for (const struct conf_option *o = l->c->options; o->name; o++) {
        if (o->def && conf_set(o, l->target, o->def, e) < 0)
            return err_wrap(e, "default of %s", o->name);
    }
    return 0;
}

static char *trim(char *s)
{
    size_t n;

    while (isspace((unsigned char)*s))
        s++;
    n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = '\0';
    return s;
}

/* One trimmed line that is neither empty nor a comment. */
static int load_line(struct load *l, char *line, unsigned number, struct err *e)
{
    char *equals = strchr(line, '=');
    const struct conf_option *o;
    char *name;

    if (!equals)
        return err_set(e, ERR_CONFIG, "expected name = value, got \"%s\"", line);
    *equals = '\0';
    name = trim(line);
    o = find_option(l->c, name, strlen(name), false);
    if (!o)
        return unknown(l->c, name, strlen(name), false, e);
    if (l->line[o - l->c->options])
        return err_set(e, ERR_CONFIG, "%s: already set in line %u", name,
                       l->line[o - l->c->options]);
    l->line[o - l->c->options] = number;
    l->given[o - l->c->options] = true;
    if (conf_set(o, l->target, trim(equals + 1), e) < 0)
        return err_wrap(e, "%s", name);
    return 0;
}

static int check_line(const char *line, size_t n, unsigned number, struct err *e)
{
    if (n > LINE_LIMIT)
        return err_set(e, ERR_CONFIG, "the line is longer than %d bytes", LINE_LIMIT);
    if (number > LINES_LIMIT)
        return err_set(e, ERR_CONFIG, "the file has more than %d lines", LINES_LIMIT);
    if (strlen(line) != n)
        return err_set(e, ERR_CONFIG, "the line has a NUL byte");
    return 0;
}

static void close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

static int config_sys(const char *path, struct err *e)
{
    err_sys(e, "cannot read the configuration file %s", path);
    if (e)
        e->kind = ERR_CONFIG;
    return -1;
}

static int load_file(struct load *l, const char *path, struct err *e)
{
    BF_CLEANUP(close_file) FILE *f = fopen(path, "re");
    BF_CLEANUP(free_ptr) char *line = NULL;
    size_t cap = 0;
    ssize_t n;

    if (!f)
        return config_sys(path, e);
    for (unsigned number = 1; errno = 0, (n = getline(&line, &cap, f)) >= 0; number++) {
        char *text;
        if (check_line(line, (size_t)n, number, e) < 0)
            return err_wrap(e, "%s:%u", path, number);
        text = trim(line);
        if (*text && *text != '#' && load_line(l, text, number, e) < 0)
            return err_wrap(e, "%s:%u", path, number);
    }
    return ferror(f) ? config_sys(path, e) : 0;
}

static int load_argument(struct load *l, const char *arg, struct err *e)
{
    const char *name = arg + 2;
    size_t n = strcspn(name, "=");
    const struct conf_option *o = find_option(l->c, name, n, true);
    const char *value;

    if (!o)
        return unknown(l->c, name, n, true, e);
    if (name[n])
        value = name + n + 1;
    else if (o->type == CONF_BOOL)
        value = "true";
    else
        return err_set(e, ERR_CONFIG, "%s needs a value: %s=VALUE", arg, arg);
    l->given[o - l->c->options] = true;
    if (conf_set(o, l->target, value, e) < 0)
        return err_wrap(e, "--%.*s", (int)n, name);
    return 0;
}

/* Is argv[i] an option? "--" and the first word end them. */
static bool is_option(int argc, char **argv, int i)
{
    return i < argc && argv[i][0] == '-' && argv[i][1] == '-' && argv[i][2] != '\0';
}

/* --help and --version end the program here; returns the file of --config or NULL. */
static const char *scan_special(const struct conf *c, int argc, char **argv)
{
    const char *file = NULL;

    for (int i = 1; is_option(argc, argv, i); i++) {
        if (strcmp(argv[i], "--help") == 0) {
            conf_print_help(c);
            exit(0);
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("%s %s\n", c->program, BOOTFARM_VERSION);
            exit(0);
        }
        if (str_starts(argv[i], "--config="))
            file = argv[i] + strlen("--config=");
    }
    return file;
}

static int load_arguments(struct load *l, int argc, char **argv, int *rest, struct err *e)
{
    int i = 1;

    for (; is_option(argc, argv, i); i++) {
        if (!str_starts(argv[i], "--config=") && load_argument(l, argv[i], e) < 0)
            return -1;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    else if (i < argc && argv[i][0] == '-' && argv[i][1] != '\0')
        return err_set(e, ERR_CONFIG, "unknown option %s; options are written --name=value",
                       argv[i]);
    if (i < argc && !l->c->positional)
        return err_set(e, ERR_CONFIG, "unexpected argument \"%s\"; --help shows the usage",
                       argv[i]);
    if (rest)
        *rest = i;
    return 0;
}

static int check_required(const struct load *l, const char *file, struct err *e)
{
    for (size_t i = 0; l->c->options[i].name; i++) {
        const struct conf_option *o = &l->c->options[i];
        if (!o->required || l->given[i])
            continue;
        return err_set(e, ERR_CONFIG, "%s is missing: set it in %s or on the command line", o->name,
                       file ? file : "a file named by --config");
    }
    return 0;
}

int conf_load(const struct conf *c, int argc, char **argv, void *target, int *rest, struct err *e)
{
    size_t n = count_options(c);
    BF_CLEANUP(free_ptr) unsigned *line = xcalloc(n, sizeof *line);
    BF_CLEANUP(free_ptr) bool *given = xcalloc(n, sizeof *given);
    struct load l = {.c = c, .target = target, .line = line, .given = given};
    const char *file = scan_special(c, argc, argv);

    if (load_defaults(&l, e) < 0 || (file && load_file(&l, file, e) < 0) ||
        load_arguments(&l, argc, argv, rest, e) < 0 || check_required(&l, file, e) < 0) {
        conf_release(c, target);
        return -1;
    }
    return 0;
}

void conf_release(const struct conf *c, void *target)
{
    for (const struct conf_option *o = c->options; o->name; o++) {
        if (!conf_is_text(o->type))
            continue;
        char **member = (char **)(void *)((char *)target + o->offset);
        free(*member);
        *member = NULL;
    }
}
