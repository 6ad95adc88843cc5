/* build, test, publish, mirror: at the farm, or (--local, or a registry's reference) on this host
 */
#include "ctl/ctl.h"

/* The formatter takes the braces of such lists for blocks. */
/* clang-format off */
#define LOCAL_OPTIONS                                                                              \
    {"local", 0, "DIR", "On this host, without a farm, from the definitions in DIR"},              \
    {"config", 0, "FILE", "On this host: configuration of bootfarm-exec"},                         \
    {"fake", 0, NULL, "On this host: only pretend, with the executor's twin"}
#define ARCH_OPTION {"arch", 0, "NAME", "At the farm: only this architecture"}
#define FARM_OPTIONS                                                                               \
    {"no-force", 0, NULL, "At the farm: only if it was not done for the same inputs"},             \
    {"follow", 'f', NULL, "At the farm: show the log, and wait for the job's end"},                \
    CTL_COMMAND_OPTIONS
/* clang-format on */

const struct arg_option options_build[] = {LOCAL_OPTIONS, ARCH_OPTION, FARM_OPTIONS, {0}};
const struct arg_option options_publish[] = {ARCH_OPTION, FARM_OPTIONS, {0}};
const struct arg_option options_mirror[] = {
    {"site", 0, "NAME", "To this site; default: to all that mirror the image"},
    FARM_OPTIONS,
    {0},
};
const struct arg_option options_test[] = {
    LOCAL_OPTIONS,
    {"insecure", 0, NULL, "Of a reference: its registry has no certificate that is trusted here"},
    {"boot", 0, "WORD", "Of a reference: auto (default), yes or no"},
    {"ready", 0, "TEXT",
     "Of a reference: systemd unit, or pattern on the console (default multi-user.target)"},
    {"scripts-dir", 0, "DIR", "Of a reference: folder with test scripts"},
    {"scripts", 0, "LIST", "Of a reference: scripts in that folder, in order"},
    {"run", 0, "LIST", "Of a reference: commands to run in a container of it"},
    {"memory", 0, "SIZE", "Of a reference: memory of the machine (default 2GiB)"},
    {"cpus", 0, "N", "Of a reference: its processors (default 2)"},
    {"test-timeout", 0, "DURATION", "Of a reference: time for all of its tests (default 10m)"},
    ARCH_OPTION,
    FARM_OPTIONS,
    {0},
};

/* Follows the job that the command made first. */
static int follow_job(struct ctl *c, const json_t *row)
{
    const json_t *jobs = json_object_get(json_object_get(row, "outcome"), "jobs");
    int64_t job = json_integer_value(json_array_get(jobs, 0));

    return job ? job_follow(c, job) : EXIT_DONE;
}

static int at_farm(struct ctl *c, const char *verb)
{
    json_t *args = json_pack("{s:s}", "image", arg_pos(&c->args, 0));
    json_t *row = NULL;
    int status;

    if (arg_flag(&c->args, "no-force"))
        json_object_set_new(args, "force", json_false());
    ctl_arg(c, args, "arch", "arch");
    ctl_arg(c, args, "site", "site");
    status = ctl_command(c, verb, args, &row);
    if (status == EXIT_DONE && row && arg_flag(&c->args, "follow"))
        status = follow_job(c, row);
    json_decref(row);
    return status;
}

int cmd_build(struct ctl *c)
{
    const char *dir = arg_value(&c->args, "local");

    return dir ? local_image(c, "build", dir, arg_pos(&c->args, 0)) : at_farm(c, "build");
}

int cmd_test(struct ctl *c)
{
    const char *dir = arg_value(&c->args, "local"), *what = arg_pos(&c->args, 0);

    if (dir)
        return local_image(c, "test", dir, what);
    return is_reference(what) ? local_reference(c, what) : at_farm(c, "test");
}

int cmd_publish(struct ctl *c)
{
    return at_farm(c, "publish");
}

int cmd_mirror(struct ctl *c)
{
    return at_farm(c, "mirror");
}
