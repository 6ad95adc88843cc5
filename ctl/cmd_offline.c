/* plan, lint, init: bootfarm-planner does them, with our own standard streams. */
#include "common/base/mem.h"
#include "ctl/ctl.h"
#include "ctl/program.h"
#include <stdlib.h>

/* For the help only: bootfarm-planner reads them itself. */
/* The formatter takes the braces of such lists for blocks. */
/* clang-format off */
#define REPO_OPTIONS                                                                               \
    {"rev", 0, "REV", "A commit, branch or tag instead of HEAD"},                                  \
    {"disk", 0, NULL, "The files as they are on the disk, not a commit's"},                        \
    {"config", 0, "FILE", "Stands in for bootfarm.yaml"},                                          \
    {"arch", 0, "ARCH", "Architecture where none is said (this host's)"},                          \
    {"slug", 0, "NAME", "Name of the repository (the folder's)"},                                  \
    {"registry", 0, "HOST", "Release registry, for references to releases"},                       \
    {"ref", 0, "NAME", "Branch or tag, for {ref}"},                                                \
    {"alias", 0, "NAME=REF", "What a short image name means; may be repeated"}
/* clang-format on */

const struct arg_option options_init[] = {
    {"arch", 0, "ARCH", "Architecture where none is said (this host's)"},
    {0},
};
const struct arg_option options_lint[] = {REPO_OPTIONS, {0}};
const struct arg_option options_plan[] = {
    {"since", 0, "REV", "Only what changed since then, and what depends on it"},
    REPO_OPTIONS,
    {0},
};

static int run_planner(struct ctl *c, const char *command)
{
    struct err e = ERR_INIT;
    const char *argv[64] = {"bootfarm-planner", command};
    size_t n = 2;

    for (char *const *a = c->args.raw; *a; a++) {
        if (n + 1 == ARRAY_SIZE(argv))
            return ctl_usage("%s: more than %zu arguments", command, ARRAY_SIZE(argv) - 3);
        argv[n++] = *a;
    }
    if (c->json)
        argv[n++] = "--json";
    argv[n] = NULL;
    program_become(argv, &e);
    return ctl_fail(&e);
}

int cmd_plan(struct ctl *c)
{
    return run_planner(c, "plan");
}

int cmd_lint(struct ctl *c)
{
    return run_planner(c, "lint");
}

int cmd_init(struct ctl *c)
{
    return run_planner(c, "init");
}
