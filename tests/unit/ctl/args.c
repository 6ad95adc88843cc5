/* args.h: the table that is parsed here is a small one of its own. */
#include "ctl/args.h"
#include <criterion/criterion.h>

static const struct arg_option add_options[] = {{"slug", 0, "NAME", "Its name"},
                                                {"limit", 'n', "N", "So many"},
                                                {"follow", 'f', NULL, "Go on"},
                                                {0}};

static const struct command table[] = {
    {NULL, "status", "", 0, 0, "Show", NULL, NULL},
    {"repo", "add", "URL", 1, 1, "Watch", add_options, NULL},
    {"repo", "list", "", 0, 0, "List", NULL, NULL},
    {NULL, "plan", "REPO", 0, -1, "Plan", NULL, NULL},
    {0},
};

#define PARSE(...) parse((char *[]){"bootfarm", __VA_ARGS__, NULL})

static struct args args;
static struct err why;

static int parse(char **argv)
{
    /* args points into it, and PARSE's array ends with the assertion around it. */
    static char *kept[256];
    int argc = 0;

    do
        kept[argc] = argv[argc];
    while (argv[argc++]);
    why = (struct err){0};
    return args_parse(table, argc - 1, kept, &args, &why);
}

Test(args, command_with_options_anywhere)
{
    cr_assert(PARSE("--socket", "/x", "repo", "add", "-n5", "URL", "--slug=plant", "-f") == 0);
    cr_expect_str_eq(args.command->name, "add");
    cr_expect_str_eq(arg_pos(&args, 0), "URL");
    cr_expect_str_eq(arg_value(&args, "socket"), "/x");
    cr_expect_str_eq(arg_value(&args, "limit"), "5");
    cr_expect_str_eq(arg_value(&args, "slug"), "plant");
    cr_expect(arg_flag(&args, "follow") && !arg_flag(&args, "json"));
    cr_expect_null(arg_pos(&args, 1));
}

Test(args, last_value_wins_and_dashes_end_options)
{
    cr_assert(PARSE("repo", "add", "--slug", "a", "--slug", "b", "--", "--slug") == 0);
    cr_expect_str_eq(arg_value(&args, "slug"), "b");
    cr_expect_str_eq(arg_pos(&args, 0), "--slug");
}

Test(args, a_group_alone_lists)
{
    cr_assert(PARSE("repo") == 0);
    cr_expect_str_eq(args.command->name, "list");
    cr_assert(PARSE("repo", "--json") == 0);
    cr_expect(arg_flag(&args, "json"));
    cr_expect_str_eq(args.command->name, "list");
}

Test(args, raw_command_keeps_everything)
{
    cr_assert(PARSE("plan", ".", "--since", "HEAD~1") == 0);
    cr_expect_str_eq(args.raw[0], ".");
    cr_expect_str_eq(args.raw[2], "HEAD~1");
    cr_expect_null(args.raw[3]);
    cr_assert(PARSE("plan", "--help") == 0);
    cr_expect(arg_flag(&args, "help"));
}

Test(args, mistakes_say_what_and_suggest)
{
    static const struct {
        char *argv[6];
        const char *says;
    } bad[] = {
        {{"bootfarm", "statsu"}, "did you mean 'status'"},
        {{"bootfarm", "repo", "ad", "x"}, "did you mean 'add'"},
        {{"bootfarm", "repo", "explode"}, "there are add, list"},
        {{"bootfarm", "repo", "add"}, "too few arguments; usage: bootfarm repo add URL"},
        {{"bootfarm", "repo", "add", "a", "b"}, "too many arguments"},
        {{"bootfarm", "repo", "add", "a", "--slgu"}, "did you mean --slug"},
        {{"bootfarm", "repo", "add", "a", "--slug"}, "expected NAME"},
        {{"bootfarm", "status", "--json=1"}, "unknown option '--json=1'"},
        {{"bootfarm", "status", "-x"}, "unknown option '-x'"},
        {{"bootfarm"}, "no command"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *argv[6];

        memcpy(argv, bad[i].argv, sizeof argv);
        cr_expect(parse(argv) == -1, "%s", bad[i].says);
        cr_expect(why.kind == ERR_CONFIG);
        cr_expect(strstr(why.msg, bad[i].says), "'%s' lacks '%s'", why.msg, bad[i].says);
    }
}

Test(args, too_many_are_refused)
{
    char *argv[80] = {"bootfarm", "repo", "add"};

    for (int i = 3; i < 60; i++)
        argv[i] = "x";
    cr_expect(parse(argv) == -1);
    for (int i = 3; i < 60; i++)
        argv[i] = "-f";
    cr_expect(parse(argv) == -1);
    cr_expect(strstr(why.msg, "too many options"));
}

Test(args, help_names_every_command_and_option)
{
    BF_CLEANUP(str_release) struct str all = STR_INIT;
    BF_CLEANUP(str_release) struct str one = STR_INIT;

    args_help(table, &all);
    cr_expect(strstr(all.p, "repo add URL") && strstr(all.p, "status") && strstr(all.p, "--json"));
    args_command_help(&table[1], &one);
    cr_expect(strstr(one.p, "--slug NAME") && strstr(one.p, "-n, --limit N") &&
              strstr(one.p, "--socket PATH"));
}
