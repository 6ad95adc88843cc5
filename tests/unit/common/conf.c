#include "common/base/conf.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <stdio.h>
#include <unistd.h>

struct options {
    char *name, *state_dir, *roles;
    bool fast;
    int64_t slots;
    bf_time lease;
    uint64_t cache;
    int mode;
};

static const char *const modes[] = {"kill", "continue", NULL};
static const struct conf_option table[] = {
    {.name = "name",
     .type = CONF_STRING,
     .offset = offsetof(struct options, name),
     .required = true,
     .help = "What this worker is called"},
    {.name = "state_dir",
     .type = CONF_PATH,
     .offset = offsetof(struct options, state_dir),
     .def = "/var/lib/x",
     .help = "Where it keeps its state"},
    {.name = "roles",
     .type = CONF_LIST,
     .offset = offsetof(struct options, roles),
     .def = "build",
     .help = "What it does"},
    {.name = "fast",
     .type = CONF_BOOL,
     .offset = offsetof(struct options, fast),
     .def = "no",
     .help = "Hurry"},
    {.name = "slots",
     .type = CONF_INT,
     .offset = offsetof(struct options, slots),
     .def = "2",
     .min = 1,
     .max = 64,
     .help = "Jobs at once"},
    {.name = "lease",
     .type = CONF_DURATION,
     .offset = offsetof(struct options, lease),
     .def = "45s",
     .min = BF_SEC,
     .max = 3600 * BF_SEC,
     .reloadable = true,
     .help = "How long a lease lasts"},
    {.name = "cache_size",
     .type = CONF_SIZE,
     .offset = offsetof(struct options, cache),
     .def = "10GiB",
     .help = "Room for contexts"},
    {.name = "on_partition",
     .type = CONF_ENUM,
     .offset = offsetof(struct options, mode),
     .def = "kill",
     .choices = modes,
     .help = "What to do when alone"},
    {.name = NULL},
};
static const struct conf conf = {
    .program = "worker", .summary = "Does the work.", .options = table};

static char file[64];

static void write_file(const char *text, size_t n)
{
    snprintf(file, sizeof file, "/tmp/bf-conf-XXXXXX");
    int fd = mkstemp(file);

    cr_assert(fd >= 0 && write(fd, text, n) == (ssize_t)n);
    close(fd);
}

/* Loads with the file (NULL: none) and up to four arguments. */
static int load(const struct conf *c, const char *text, struct options *o, int *rest, struct err *e,
                const char *const args[4])
{
    char *argv[8], config[96];
    int argc = 0, rc;

    *o = (struct options){0};
    argv[argc++] = xstrdup("worker");
    if (text) {
        write_file(text, strlen(text));
        snprintf(config, sizeof config, "--config=%s", file);
        argv[argc++] = xstrdup(config);
    }
    for (int i = 0; args && i < 4 && args[i]; i++)
        argv[argc++] = xstrdup(args[i]);
    argv[argc] = NULL;
    rc = conf_load(c, argc, argv, o, rest, e);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
    if (text)
        unlink(file);
    return rc;
}

Test(conf, defaults_file_and_command_line_in_this_order)
{
    const char *args[4] = {"--slots=8", "--fast", "--on-partition=continue", NULL};
    struct err e = ERR_INIT;
    struct options o;
    int rest = 0;

    cr_assert(load(&conf,
                   "# a comment\n\n name=hub-build \nslots = 4\nlease =2m\nroles= build, test \n",
                   &o, &rest, &e, args) == 0,
              "%s", e.msg);
    cr_expect_str_eq(o.name, "hub-build");
    cr_expect_str_eq(o.state_dir, "/var/lib/x");
    cr_expect_str_eq(o.roles, "build, test");
    cr_expect(o.fast && o.slots == 8 && o.lease == 120 * BF_SEC);
    cr_expect(o.cache == UINT64_C(10) << 30 && o.mode == 1);
    cr_expect(rest == 5);
    conf_release(&conf, &o);
    cr_expect(o.name == NULL);
    conf_release(&conf, &o);
}

/* Longer than 200 bytes, at which the usual library cuts. */
Test(conf, long_lines_are_kept)
{
    BF_CLEANUP(free_ptr) char *text = xcalloc(1, 4200);
    struct err e = ERR_INIT;
    struct options o;

    snprintf(text, 4200, "name = %0*d", 4000, 1);
    cr_assert(load(&conf, text, &o, NULL, &e, NULL) == 0, "%s", e.msg);
    cr_expect(strlen(o.name) == 4000);
    conf_release(&conf, &o);
}

static const struct {
    const char *text, *want; /* %F: the file */
} bad_files[] = {
    {"name = a\nslots = 0\n", "%F:2: slots: expected a whole number, from 1 to 64, got \"0\""},
    {"lease = 2h\n",
     "%F:1: lease: expected a duration such as 500ms, 90s, 10m or 7d, from 1s to 60m, "
     "got \"2h\""},
    {"cache_size = 1G",
     "%F:1: cache_size: expected a size such as 1000, 512KiB or 2GiB, got \"1G\""},
    {"state_dir = x", "%F:1: state_dir: expected an absolute path, got \"x\""},
    {"fast = maybe", "%F:1: fast: expected true or false, got \"maybe\""},
    {"on_partition = die", "%F:1: on_partition: expected one of kill, continue, got \"die\""},
    {"\n\nslot = 3", "%F:3: unknown option slot; did you mean slots?"},
    {"colour = red", "%F:1: unknown option colour; --help lists them all"},
    {"state-dir = /x", "%F:1: unknown option state-dir; did you mean state_dir?"},
    {"slots", "%F:1: expected name = value, got \"slots\""},
    {"slots = 1\nslots = 2", "%F:2: slots: already set in line 1"},
    {"name = \xff", "%F:1: name: the value is not valid UTF-8"},
    {"slots = 2", "name is missing: set it in %F or on the command line"},
};

Test(conf, errors_name_file_line_key_and_what_was_expected)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad_files); i++) {
        BF_CLEANUP(str_release) struct str want = STR_INIT;
        struct err e = ERR_INIT;
        struct options o;

        cr_expect(load(&conf, bad_files[i].text, &o, NULL, &e, NULL) == -1, "row %zu", i);
        for (const char *p = bad_files[i].want; *p; p++) {
            if (p[0] == '%' && p[1] == 'F')
                str_add(&want, file), p++;
            else
                str_addch(&want, *p);
        }
        cr_expect_str_eq(e.msg, want.p);
        cr_expect(e.kind == ERR_CONFIG && o.state_dir == NULL, "nothing is held after an error");
    }
}

Test(conf, errors_of_the_command_line)
{
    static const struct {
        const char *arg, *want;
    } rows[] = {
        {"--slots=x", "--slots: expected a whole number, from 1 to 64, got \"x\""},
        {"--slots", "--slots needs a value: --slots=VALUE"},
        {"--state-dri=/x", "unknown option state_dri; did you mean state_dir?"},
        {"-s", "unknown option -s; options are written --name=value"},
        {"start", "unexpected argument \"start\"; --help shows the usage"},
        {"--config=/no/such",
         "cannot read the configuration file /no/such: No such file or directory"},
        {"--config=/", "cannot read the configuration file /: Is a directory"},
        {"--roles=test",
         "name is missing: set it in a file named by --config or on the command line"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *args[4] = {rows[i].arg, NULL};
        struct err e = ERR_INIT;
        struct options o;
        cr_expect(load(&conf, NULL, &o, NULL, &e, args) == -1);
        cr_expect_str_eq(e.msg, rows[i].want);
        cr_expect(e.kind == ERR_CONFIG);
    }
}

Test(conf, what_no_file_should_hold)
{
    BF_CLEANUP(free_ptr) char *large = xcalloc(1, 70001);
    BF_CLEANUP(free_ptr) char *many = xcalloc(1, 10002);
    struct err e = ERR_INIT;
    struct options o;

    memset(large, 'x', 70000);
    cr_expect(load(&conf, large, &o, NULL, &e, NULL) == -1);
    cr_expect(str_ends(e.msg, ":1: the line is longer than 65536 bytes"), "%s", e.msg);
    memset(many, '\n', 10001);
    cr_expect(load(&conf, many, &o, NULL, &e, NULL) == -1);
    cr_expect(str_ends(e.msg, "the file has more than 10000 lines"), "%s", e.msg);
    o = (struct options){0};
    write_file("name = a\0b\n", 11);
    BF_CLEANUP(free_ptr) char *config = xasprintf("--config=%s", file);
    char *argv[] = {config, config, NULL};
    cr_expect(conf_load(&conf, 2, argv, &o, NULL, &e) == -1);
    cr_expect(str_ends(e.msg, ":1: the line has a NUL byte"), "%s", e.msg);
    unlink(file);
}

/* Any bytes: an error that is text, or options that hold; never a crash (the sanitizers look on).
 */
Test(conf, random_files)
{
    static const char *const pieces[] = {"name", "slots", "=",         " ",  "\n",  "#",
                                         "8",    "\xff",  "lease",     "1s", "\t",  "fast",
                                         "on",   "\r\n",  "state_dir", "/",  "x=y", "\xc3\xa9"};
    unsigned good = 0, bad = 0;
    uint32_t state = 3;

    for (int i = 0; i < 20000; i++) {
        BF_CLEANUP(str_release) struct str text = STR_INIT;
        struct err e = ERR_INIT;
        struct options o = {0};
        str_add(&text, "name = a\n");
        for (int n = i % 12; n > 0; n--) {
            state = state * 1664525u + 1013904223u;
            str_add(&text, pieces[(state >> 8) % ARRAY_SIZE(pieces)]);
        }
        if (load(&conf, text.p, &o, NULL, &e, NULL) == 0) {
            cr_assert(strcmp(o.name, "a") == 0 && o.slots >= 1 && o.slots <= 64);
            good++;
        } else {
            cr_assert(e.kind == ERR_CONFIG && e.msg[0] && o.name == NULL);
            bad++;
        }
        conf_release(&conf, &o);
    }
    cr_expect(good > 1000 && bad > 1000, "%u good, %u bad", good, bad);
}

Test(conf, arguments_behind_the_options)
{
    static const struct conf with_words = {
        .program = "x", .summary = "", .options = table, .positional = "COMMAND"};
    const char *words[4] = {"--name=a", "job", "--slots=9", NULL};
    const char *dashes[4] = {"--name=a", "--", "--job", NULL};
    struct err e = ERR_INIT;
    struct options o;
    int rest;

    cr_assert(load(&with_words, NULL, &o, &rest, &e, words) == 0, "%s", e.msg);
    cr_expect(rest == 2 && o.slots == 2, "what stands behind the command is the command's");
    conf_release(&conf, &o);
    cr_assert(load(&with_words, NULL, &o, &rest, &e, dashes) == 0, "%s", e.msg);
    cr_expect(rest == 3);
    conf_release(&conf, &o);
}

Test(conf, help_ends_the_program, .exit_code = 0, .init = cr_redirect_stdout)
{
    const char *args[4] = {"--help", "--nonsense", NULL};
    struct options o;

    cr_expect(load(&conf, NULL, &o, NULL, NULL, args) == -2, "not reached");
    exit(3);
}

Test(conf, version_ends_the_program, .exit_code = 0, .init = cr_redirect_stdout)
{
    const char *args[4] = {"--version", NULL};
    struct options o;

    cr_expect(load(&conf, NULL, &o, NULL, NULL, args) == -2, "not reached");
    exit(3);
}

Test(conf, help_lists_every_option, .init = cr_redirect_stdout)
{
    conf_print_help(&conf);
    fflush(stdout);
    cr_assert_stdout_eq_str(
        "Usage: worker [OPTION...]\n"
        "Does the work.\n"
        "\n"
        "Options (in the configuration file: name = value, with _ for -):\n"
        "  --name=TEXT\n        What this worker is called\n        Text; required\n"
        "  --state-dir=PATH\n        Where it keeps its state\n"
        "        An absolute path; default: /var/lib/x\n"
        "  --roles=LIST\n        What it does\n"
        "        Words with commas between them; default: build\n"
        "  --fast=BOOL\n        Hurry\n        True or false; default: no\n"
        "  --slots=NUMBER\n        Jobs at once\n"
        "        A whole number, from 1 to 64; default: 2\n"
        "  --lease=DURATION\n        How long a lease lasts\n"
        "        A duration such as 500ms, 90s, 10m or 7d, from 1s to 60m; default: 45s; "
        "re-read on SIGHUP\n"
        "  --cache-size=SIZE\n        Room for contexts\n"
        "        A size such as 1000, 512KiB or 2GiB; default: 10GiB\n"
        "  --on-partition=WORD\n        What to do when alone\n"
        "        One of kill, continue; default: kill\n"
        "  --config=FILE\n        Read options from FILE first\n"
        "  --help\n        Print this text and exit\n"
        "  --version\n        Print the version and exit\n");
}
