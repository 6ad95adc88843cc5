/* bootfarm-planner: reads a repository and says which images it defines and what has changed. */
#include "common/base/conf.h"
#include "common/base/map.h"
#include "scheduler/planner/commands.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/utsname.h>

struct command {
    const char *name, *usage, *summary;
    int (*run)(const struct options *o);
    const char *accepts; /* letters of `options` */
    size_t min, max;     /* other arguments */
};

static const struct command commands[] = {
    {"poll", "", "one poll of a remote: JSON on standard input and output", cmd_poll, "", 0, 0},
    {"plan", "[REPO]", "images, what they are built from, and jobs", cmd_plan, "rscadgnlje", 0, 1},
    {"lint", "[REPO]", "errors and warnings of the definitions", cmd_lint, "rcadgnlje", 0, 1},
    {"init", "[REPO]", "write a first bootfarm.yaml", cmd_init, "a", 0, 1},
    {"order", "DIR IMAGE", "the work order of one image of a working tree", cmd_order, "cadgnlko",
     2, 2},
    {"schema", "NAME", "JSON Schema of bootfarm.yaml or image.yaml", cmd_schema, "", 1, 1},
};

static const struct {
    char letter;
    const char *name, *value, *help;
} options[] = {
    {'r', "rev", "REV", "a commit, branch or tag instead of HEAD"},
    {'s', "since", "REV", "only what changed since this revision"},
    {'c', "config", "FILE", "stands in for bootfarm.yaml"},
    {'a', "arch", "ARCH", "architecture where none is said (this host's)"},
    {'d', "slug", "NAME", "name of the repository (the folder's)"},
    {'g', "registry", "HOST", "release registry, for references to releases"},
    {'n', "ref", "NAME", "branch or tag, for {ref}"},
    {'l', "alias", "NAME=REF", "what a short image name means; may be repeated"},
    {'j', "json", NULL, "JSON for programs"},
    {'e', "disk", NULL, "the files as they are on the disk, not a commit's"},
    {'k', "kind", "KIND", "build (default) or test"},
    {'o', "out", "DIR", "where the context is unpacked"},
};

static void usage(FILE *to)
{
    fprintf(to, "usage: bootfarm-planner COMMAND [OPTION...] [ARG...]\n\n");
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(to, "  %-6s %-10s %s\n", commands[i].name, commands[i].usage, commands[i].summary);
    fprintf(to, "\n");
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        char *left = xasprintf("--%s%s%s", options[i].name, options[i].value != NULL ? "=" : "",
                               options[i].value != NULL ? options[i].value : "");
        fprintf(to, "  %-18s %s (", left, options[i].help);
        const char *between = "";
        for (size_t k = 0; k < ARRAY_SIZE(commands); k++) {
            if (strchr(commands[k].accepts, options[i].letter) == NULL)
                continue;
            fprintf(to, "%s%s", between, commands[k].name);
            between = ", ";
        }
        fprintf(to, ")\n");
        free(left);
    }
    fprintf(to,
            "\nExit status: 0, 1 when a definition has errors or the repository cannot be read, "
            "2 for wrong usage.\n");
}

static int wrong_usage(const char *what, const char *which)
{
    fprintf(stderr, "bootfarm-planner: %s%s; see --help\n", what, which);
    return 2;
}

/* NAME=REF; false when it is not. */
static bool take_alias(struct options *o, char *text)
{
    char *eq = strchr(text, '=');
    if (eq == NULL || eq == text || eq[1] == '\0')
        return false;
    *eq = '\0';
    *vec_push(&o->alias) = (struct plan_alias){.name = text, .reference = eq + 1};
    return true;
}

static bool take_option(struct options *o, char letter, char *value)
{
    switch (letter) {
    case 'r':
        o->rev = value;
        return true;
    case 's':
        o->since = value;
        return true;
    case 'c':
        o->config = value;
        return true;
    case 'a':
        o->arch = value;
        return true;
    case 'd':
        o->slug = value;
        return true;
    case 'g':
        o->registry = value;
        return true;
    case 'n':
        o->ref = value;
        return true;
    case 'l':
        return take_alias(o, value);
    case 'j':
        o->json = true;
        return true;
    case 'e':
        o->disk = true;
        return true;
    case 'k':
        o->kind = value;
        return strcmp(value, "build") == 0 || strcmp(value, "test") == 0;
    case 'o':
        o->out = value;
        return true;
    }
    return false;
}

/* 0, or the exit status. */
static int read_options(const struct command *c, int argc, char **argv, struct options *o)
{
    struct option table[ARRAY_SIZE(options) + 2] = {{.name = NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(options); i++)
        table[i] =
            (struct option){.name = options[i].name,
                            .has_arg = options[i].value != NULL ? required_argument : no_argument,
                            .val = options[i].letter};
    table[ARRAY_SIZE(options)] = (struct option){.name = "help", .val = 'h'};
    opterr = 0;
    optind = 1;
    for (int letter; (letter = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        if (letter == 'h') {
            usage(stdout);
            exit(0);
        }
        if (letter == '?')
            return wrong_usage("unknown option or missing value: ", argv[optind - 1]);
        if (strchr(c->accepts, letter) == NULL)
            return wrong_usage("this command does not take ", argv[optind - 1]);
        if (!take_option(o, (char)letter, optarg))
            return wrong_usage("bad value: ", optarg);
    }
    o->arg = (const char *const *)(argv + optind);
    o->args = (size_t)(argc - optind);
    if (o->args < c->min || o->args > c->max)
        return wrong_usage(
            o->args < c->min ? "arguments are missing for " : "too many arguments for ", c->name);
    return 0;
}

static void prepare(void)
{
    uint64_t seed[2];
    /* Nothing here leaves files that large; a remote that sends more is refused by the system. */
    struct rlimit files = {.rlim_cur = (rlim_t)32 << 30, .rlim_max = (rlim_t)32 << 30};
    if (getrandom(seed, sizeof seed, 0) != sizeof seed)
        BUG("getrandom: %s", strerror(errno));
    map_seed(seed[0], seed[1]);
    (void)setrlimit(RLIMIT_FSIZE, &files);
    signal(SIGPIPE, SIG_IGN);
    objects_init();
}

int main(int argc, char **argv)
{
    const struct command *c = NULL;
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        printf("bootfarm-planner %s\n", BOOTFARM_VERSION);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, argv[1]) == 0)
            c = &commands[i];
    }
    if (c == NULL)
        return wrong_usage(argc < 2 ? "a command is missing" : "unknown command: ",
                           argc < 2 ? "" : argv[1]);
    struct options o = {.rev = NULL};
    int status = read_options(c, argc - 1, argv + 1, &o);
    if (status == 0) {
        prepare();
        status = c->run(&o);
        objects_shutdown();
        if (fflush(stdout) != 0 || ferror(stdout))
            status = 1;
    }
    vec_release(&o.alias);
    return status;
}

int complain(const struct err *e, int status)
{
    print_line(stderr, "bootfarm-planner: %s", e->msg);
    return status;
}

void print_line(FILE *to, const char *fmt, ...)
{
    struct str raw = STR_INIT, safe = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_addv(&raw, fmt, ap);
    va_end(ap);
    text_add_safe(&safe, raw.p);
    fprintf(to, "%s\n", safe.p);
    str_release(&raw);
    str_release(&safe);
}

const char *host_arch(void)
{
    static const char *const names[][2] = {
        {"x86_64", "amd64"},    {"aarch64", "arm64"}, {"armv7l", "arm"},     {"i686", "386"},
        {"ppc64le", "ppc64le"}, {"s390x", "s390x"},   {"riscv64", "riscv64"}};
    struct utsname host;
    if (uname(&host) == 0) {
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            if (strcmp(names[i][0], host.machine) == 0)
                return names[i][1];
        }
    }
    return "amd64";
}
