/* conf.h - options as one table per program: name, type, default, reloadable, help.
 *
 * Sources, later wins: default < configuration file (`name = value` lines, `#` comment lines;
 * blanks around the value are dropped, nothing is quoted) < `--name=value` on the command line
 * (dashes for underscores; `--name` alone sets a CONF_BOOL). Errors are one line that names the
 * file, the line, the key and what was expected; unknown keys suggest the nearest; a key twice in
 * one file is an error. Library bf_conf. */
#ifndef BF_CONF_H
#define BF_CONF_H

#include "common/base/err.h"

enum conf_type {
    CONF_STRING,   /* char * (owned by the target; NULL allowed as default) */
    CONF_PATH,     /* char *; must be absolute */
    CONF_BOOL,     /* bool: true false yes no on off 1 0 */
    CONF_INT,      /* int64_t in [min, max] */
    CONF_DURATION, /* bf_time, as parse_duration, in [min, max] microseconds */
    CONF_SIZE,     /* uint64_t, as parse_size */
    CONF_ENUM,     /* int: index into `choices` (NULL-terminated) */
    CONF_LIST      /* char * of comma-separated words, kept as written */
};

struct conf_option {
    const char *name;
    enum conf_type type;
    size_t offset; /* of the member in the options struct */
    const char *def;
    bool required;
    bool reloadable;  /* re-read on SIGHUP */
    int64_t min, max; /* CONF_INT, CONF_DURATION; both 0: any non-negative value */
    const char *const *choices;
    const char *help;
};

/* The table ends with .name == NULL. */
struct conf {
    const char *program;
    const char *summary; /* one line for --help */
    const struct conf_option *options;
    const char
        *positional; /* shown in the usage line, e.g. "COMMAND [ARG...]"; NULL: none allowed */
};

/* Fills *target (zeroed by the caller) from defaults, then the file that `--config=FILE` names,
 * then argv up to the first positional argument or behind "--". Handles --help and --version itself
 * (prints and exits 0). `*rest` (may be NULL) gets the index of the first positional argument (argc
 * when none). -1 with ERR_CONFIG: print the message, exit 2; *target holds nothing then. */
int conf_load(const struct conf *c, int argc, char **argv, void *target, int *rest,
              struct err *e) BF_MUST_CHECK;
void conf_release(const struct conf *c, void *target);
/* What --help prints: usage, summary, and for each option its type, range and default. The man
 * pages are made from it. */
void conf_print_help(const struct conf *c);

#endif
