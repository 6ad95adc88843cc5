/* args.h - the command line of bootfarm: one table of subcommands, each with its options.
 *
 * Options may stand anywhere behind the subcommand, as --name VALUE, --name=VALUE or -n VALUE; "--"
 * ends them. Those of args_global may also stand before it. */
#ifndef BF_CTL_ARGS_H
#define BF_CTL_ARGS_H

#include "common/base/err.h"
#include "common/base/str.h"

struct ctl;

struct arg_option {
    const char *name;  /* without dashes; NULL: end of the list */
    char letter;       /* 0: none */
    const char *value; /* what the help calls it; NULL: a flag */
    const char *help;
};

struct command {
    const char *group; /* first word of two ("repo add"), or NULL */
    const char *name;
    const char *positional; /* for the usage line; "" when none */
    int min, max;           /* positional arguments; max < 0: any number, passed on as written */
    const char *summary;
    const struct arg_option *options;
    int (*run)(struct ctl *c); /* returns the exit status */
};

#define ARGS_MAX 16

struct args {
    const struct command *command; /* NULL: none was given (help or version may be) */
    const char *pos[ARGS_MAX];
    size_t n_pos;
    const struct arg_option *seen[ARGS_MAX * 2];
    const char *value[ARGS_MAX * 2]; /* of seen[i] */
    size_t n_seen;
    char *const *raw; /* max < 0: everything behind the subcommand, NULL-terminated */
};

/* The table ends with .name == NULL. */
extern const struct command commands[];
extern const struct arg_option args_global[];

/* -1 with ERR_CONFIG: unknown command (suggests the nearest), unknown option, missing value, too
 * few or too many arguments. With --help or --version nothing else is checked. */
int args_parse(const struct command *table, int argc, char **argv, struct args *out,
               struct err *e) BF_MUST_CHECK;
const char *arg_value(const struct args *a, const char *name); /* last one given, or NULL */
bool arg_flag(const struct args *a, const char *name);
const char *arg_pos(const struct args *a, size_t i); /* or NULL */

/* Texts for --help: of everything, or of one command. */
void args_help(const struct command *table, struct str *out);
void args_command_help(const struct command *cmd, struct str *out);

#endif
