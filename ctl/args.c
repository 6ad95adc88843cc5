#include "ctl/args.h"

const struct arg_option args_global[] = {
    {"socket", 's', "PATH",
     "Socket of bootfarm-api (default $BOOTFARM_SOCKET, else /run/bootfarm/api.sock)"},
    {"json", 0, NULL, "Print JSON with the column names of the dashboard views"},
    {"help", 'h', NULL, "Print help and exit"},
    {"version", 0, NULL, "Print the version and exit"},
    {0},
};

static const struct arg_option no_options[] = {{0}};

static const struct arg_option *options_of(const struct command *cmd)
{
    return cmd && cmd->options ? cmd->options : no_options;
}

static void full_name(const struct command *cmd, struct str *out)
{
    str_addf(out, "%s%s%s", cmd->group ? cmd->group : "", cmd->group ? " " : "", cmd->name);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static const struct arg_option *find_in(const struct arg_option *list, const char *name, size_t n,
                                        char letter)
{
    for (const struct arg_option *o = list; o->name; o++)
        if (letter ? o->letter == letter : strlen(o->name) == n && memcmp(o->name, name, n) == 0)
            return o;
    return NULL;
}

static const struct arg_option *find(const struct command *cmd, const char *name, size_t n,
                                     char letter)
{
    const struct arg_option *o = find_in(options_of(cmd), name, n, letter);

    return o ? o : find_in(args_global, name, n, letter);
}

static const char *nearest_option(const struct command *cmd, const char *name)
{
    const struct arg_option *lists[] = {options_of(cmd), args_global};
    const char *best = NULL;
    unsigned least = 3;

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (const struct arg_option *o = lists[i]; o->name; o++)
            if (edit_distance(name, o->name) < least) {
                least = edit_distance(name, o->name);
                best = o->name;
            }
    return best;
}

static int unknown_option(const struct command *cmd, const char *text, struct err *e)
{
    const char *near = str_starts(text, "--") ? nearest_option(cmd, text + 2) : NULL;

    if (near)
        return err_set(e, ERR_CONFIG, "unknown option '%s'; did you mean --%s?", text, near);
    return err_set(e, ERR_CONFIG, "unknown option '%s'", text);
}

/* Takes argv[*i], and the word behind it where that is its value. */
static int take_option(struct args *a, int argc, char **argv, int *i, struct err *e)
{
    const char *text = argv[*i], *value = NULL;
    const struct arg_option *o;

    if (text[1] == '-') {
        size_t n = strcspn(text + 2, "=");

        o = find(a->command, text + 2, n, 0);
        value = text[2 + n] ? text + 3 + n : NULL;
    } else {
        o = find(a->command, NULL, 0, text[1]);
        value = text[2] ? text + 2 : NULL;
    }
    if (!o || (!o->value && value))
        return unknown_option(a->command, text, e);
    if (o->value && !value && ++*i == argc)
        return err_set(e, ERR_CONFIG, "--%s: expected %s behind it", o->name, o->value);
    if (a->n_seen == ARRAY_SIZE(a->seen))
        return err_set(e, ERR_CONFIG, "too many options");
    a->seen[a->n_seen] = o;
    a->value[a->n_seen++] = value ? value : o->value ? argv[*i] : "";
    return 0;
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static bool is_group(const struct command *table, const char *word)
{
    for (const struct command *c = table; c->name; c++)
        if (c->group && strcmp(c->group, word) == 0)
            return true;
    return false;
}

static const struct command *find_command(const struct command *table, const char *group,
                                          const char *name)
{
    for (const struct command *c = table; c->name; c++)
        if (strcmp(c->name, name) == 0 &&
            (group ? c->group && strcmp(c->group, group) == 0 : c->group == NULL))
            return c;
    return NULL;
}

static void offer(const char *word, const char *candidate, unsigned *least, const char **best)
{
    unsigned d = edit_distance(word, candidate);

    if (d < *least) {
        *least = d;
        *best = candidate;
    }
}

static int unknown_command(const struct command *table, const char *group, const char *word,
                           struct err *e)
{
    BF_CLEANUP(str_release) struct str known = STR_INIT;
    const char *best = NULL;
    unsigned least = 3;

    for (const struct command *c = table; c->name; c++) {
        if (!group) {
            offer(word, c->group ? c->group : c->name, &least, &best);
        } else if (c->group && strcmp(c->group, group) == 0) {
            offer(word, c->name, &least, &best);
            str_addf(&known, "%s%s", known.len ? ", " : "", c->name);
        }
    }
    if (best)
        return err_set(e, ERR_CONFIG, "unknown command '%s%s%s'; did you mean '%s'?",
                       group ? group : "", group ? " " : "", word, best);
    if (group)
        return err_set(e, ERR_CONFIG, "unknown command '%s %s'; there are %s", group, word,
                       known.p);
    return err_set(e, ERR_CONFIG, "unknown command '%s'; try bootfarm --help", word);
}

/* Everything goes on as written, but for --help: that is ours. */
static void take_raw(struct args *a, int argc, char **argv, int *i)
{
    a->raw = argv + *i + 1;
    for (; *i < argc; ++*i)
        if (strcmp(argv[*i], "--help") == 0 && a->n_seen < ARRAY_SIZE(a->seen)) {
            a->seen[a->n_seen] = find_in(args_global, "help", 4, 0);
            a->value[a->n_seen++] = "";
        }
}

static int take_command(const struct command *table, int argc, char **argv, int *i, struct args *a,
                        struct err *e)
{
    const char *word = argv[*i], *group = NULL;

    if (is_group(table, word)) {
        group = word;
        if (*i + 1 < argc && argv[*i + 1][0] != '-')
            word = argv[++*i];
        else if (*i + 1 < argc && strcmp(argv[*i + 1], "--help") == 0)
            return 0; /* --help follows, and shows everything */
        else
            word = "list";
    }
    if (!(a->command = find_command(table, group, word)))
        return unknown_command(table, group, word, e);
    if (a->command->max < 0)
        take_raw(a, argc, argv, i);
    return 0;
}

static int check_positional(const struct args *a, struct err *e)
{
    const struct command *cmd = a->command;
    BF_CLEANUP(str_release) struct str name = STR_INIT;

    if (cmd->max < 0 || ((int)a->n_pos >= cmd->min && (int)a->n_pos <= cmd->max))
        return 0;
    full_name(cmd, &name);
    return err_set(e, ERR_CONFIG, "%s: too %s arguments; usage: bootfarm %s%s%s", name.p,
                   (int)a->n_pos < cmd->min ? "few" : "many", name.p, cmd->positional[0] ? " " : "",
                   cmd->positional);
}

int args_parse(const struct command *table, int argc, char **argv, struct args *out, struct err *e)
{
    bool options = true;

    *out = (struct args){0};
    for (int i = 1; i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1]) {
            if (take_option(out, argc, argv, &i, e) < 0)
                return -1;
        } else if (!out->command) {
            if (take_command(table, argc, argv, &i, out, e) < 0)
                return -1;
        } else if (out->n_pos == ARGS_MAX) {
            return err_set(e, ERR_CONFIG, "more than %d arguments", ARGS_MAX);
        } else {
            out->pos[out->n_pos++] = argv[i];
        }
    }
    if (arg_flag(out, "help") || arg_flag(out, "version"))
        return 0;
    if (!out->command)
        return err_set(e, ERR_CONFIG, "no command; try bootfarm --help");
    return check_positional(out, e);
}

const char *arg_value(const struct args *a, const char *name)
{
    for (size_t i = a->n_seen; i-- > 0;)
        if (strcmp(a->seen[i]->name, name) == 0)
            return a->value[i];
    return NULL;
}

bool arg_flag(const struct args *a, const char *name)
{
    return arg_value(a, name) != NULL;
}

const char *arg_pos(const struct args *a, size_t i)
{
    return i < a->n_pos ? a->pos[i] : NULL;
}

/* ---- help -------------------------------------------------------------------------------------
 */

static void add_options(const struct arg_option *list, struct str *out)
{
    for (const struct arg_option *o = list; o->name; o++) {
        str_add(out, "  ");
        if (o->letter)
            str_addf(out, "-%c, ", o->letter);
        str_addf(out, "--%s%s%s\n        %s\n", o->name, o->value ? " " : "",
                 o->value ? o->value : "", o->help);
    }
}

void args_help(const struct command *table, struct str *out)
{
    str_add(out, "Usage: bootfarm [OPTION...] COMMAND [ARG...]\n"
                 "Operates a bootfarm: what images exist, what is being done, what is wrong.\n\n"
                 "Commands (bootfarm COMMAND --help tells more):\n");
    for (const struct command *c = table; c->name; c++) {
        BF_CLEANUP(str_release) struct str name = STR_INIT;

        full_name(c, &name);
        if (c->positional[0])
            str_addf(&name, " %s", c->positional);
        str_addf(out, "  %-34s %s\n", name.p, c->summary);
    }
    str_add(out, "\nOptions of every command:\n");
    add_options(args_global, out);
    str_add(out, "\nExit status: 0 done, 1 failed or not reached, 2 wrong usage.\n");
}

void args_command_help(const struct command *cmd, struct str *out)
{
    str_add(out, "Usage: bootfarm ");
    full_name(cmd, out);
    str_addf(out, "%s%s%s\n%s.\n", cmd->positional[0] ? " " : "", cmd->positional,
             cmd->options && cmd->options->name ? " [OPTION...]" : "", cmd->summary);
    str_add(out, "\nOptions:\n");
    add_options(options_of(cmd), out);
    add_options(args_global, out);
}
