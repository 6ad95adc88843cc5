#include "scheduler/plan/settings_keys.h"

const char *const net_policy_names[] = {"host", "none", NULL};
const char *const boot_policy_names[] = {"auto", "yes", "no", NULL};
const char *const publish_when_names[] = {"tested", "manual", NULL};

#define AT(member) offsetof(struct settings, member)
#define MIN_TIME BF_SEC
#define DAY (24 * 3600 * BF_SEC)
#define KIB INT64_C(1024)
#define GIB (KIB * KIB * KIB)

static const struct key rebuild_keys[] = {
    {.name = "every",
     .type = T_TIME,
     .offset = AT(rebuild.every),
     .min = 3600 * BF_SEC,
     .max = 3650 * DAY},
    {.name = "max_age",
     .type = T_TIME,
     .offset = AT(rebuild.max_age),
     .min = 3600 * BF_SEC,
     .max = 3650 * DAY},
    {.name = NULL},
};
static const struct key build_keys[] = {
    {.name = "network", .type = T_CHOICE, .offset = AT(build.network), .choices = net_policy_names},
    {.name = "memory",
     .type = T_SIZE,
     .offset = AT(build.memory),
     .min = 64 * KIB * KIB,
     .max = KIB * GIB},
    {.name = "cpus", .type = T_INT, .offset = AT(build.cpus), .min = 1, .max = 1024},
    {.name = "timeout",
     .type = T_TIME,
     .offset = AT(build.timeout),
     .min = MIN_TIME,
     .max = 7 * DAY},
    {.name = "silence",
     .type = T_TIME,
     .offset = AT(build.silence),
     .min = MIN_TIME,
     .max = 7 * DAY},
    {.name = "secrets", .type = T_WORDS, .offset = AT(build.secrets)},
    {.name = "cache", .type = T_BOOL, .offset = AT(build.cache)},
    {.name = NULL},
};
static const struct key test_keys[] = {
    {.name = "boot", .type = T_CHOICE, .offset = AT(test.boot), .choices = boot_policy_names},
    {.name = "container", .type = T_TEXTS, .offset = AT(test.container)},
    {.name = "scripts", .type = T_GLOBS, .offset = AT(test.scripts)},
    {.name = "memory",
     .type = T_SIZE,
     .offset = AT(test.memory),
     .min = 64 * KIB * KIB,
     .max = KIB * GIB},
    {.name = "cpus", .type = T_INT, .offset = AT(test.cpus), .min = 1, .max = 255},
    {.name = "timeout",
     .type = T_TIME,
     .offset = AT(test.timeout),
     .min = MIN_TIME,
     .max = 7 * DAY},
    {.name = "ready", .type = T_TEXT, .offset = AT(test.ready)},
    {.name = NULL},
};
static const struct key publish_keys[] = {
    {.name = "tags", .type = T_TEXTS, .offset = AT(publish.tags)},
    {.name = "when", .type = T_CHOICE, .offset = AT(publish.when), .choices = publish_when_names},
    {.name = "partial", .type = T_BOOL, .offset = AT(publish.partial)},
    {.name = NULL},
};
static const struct key mirror_keys[] = {
    {.name = "sites", .type = T_GLOBS, .offset = AT(mirror_sites)},
    {.name = NULL},
};
static const struct key place_keys[] = {
    {.name = "site", .type = T_TEXT, .offset = AT(place_site)},
    {.name = "needs", .type = T_WORDS, .offset = AT(place_needs)},
    {.name = NULL},
};
const struct key image_keys[] = {
    {.name = "files", .type = T_GLOBS, .offset = AT(files), .rule_only = true},
    {.name = "exclude", .type = T_GLOBS, .offset = AT(exclude), .rule_only = true},
    {.name = "name", .type = T_TEXT, .offset = AT(name)},
    {.name = "context", .type = T_TEXT, .offset = AT(context)},
    {.name = "provides", .type = T_TEXTS, .offset = AT(provides)},
    {.name = "args", .type = T_MAP, .offset = AT(args)},
    {.name = "args_files", .type = T_TEXTS, .offset = AT(args_files)},
    {.name = "contexts", .type = T_MAP, .offset = AT(contexts)},
    {.name = "inputs", .type = T_GLOBS, .offset = AT(inputs)},
    {.name = "needs_images", .type = T_TEXTS, .offset = AT(needs_images)},
    {.name = "target", .type = T_TEXT, .offset = AT(target)},
    {.name = "matrix", .type = T_MATRIX, .offset = AT(matrix)},
    {.name = "arch", .type = T_ARCHS, .offset = AT(arch)},
    {.name = "version", .type = T_TEXT, .offset = AT(version)},
    {.name = "rebuild", .type = T_GROUP, .group = rebuild_keys},
    {.name = "build", .type = T_GROUP, .group = build_keys},
    {.name = "test", .type = T_GROUP, .group = test_keys},
    {.name = "publish", .type = T_GROUP, .group = publish_keys},
    {.name = "mirror", .type = T_GROUP, .group = mirror_keys},
    {.name = "place", .type = T_GROUP, .group = place_keys},
    {.name = "priority", .type = T_INT, .offset = AT(priority), .min = -1000, .max = 1000},
    {.name = NULL},
};
