/* settings.h - every key of an image's definition, decoded: one table (settings_keys.c) gives
 * names, types, bounds and defaults.
 *
 * Values are as written: placeholders are still in them (names.h). A key with an error keeps its
 * default, so that the rest of a broken definition can still be understood and named. */
#ifndef BF_PLAN_SETTINGS_H
#define BF_PLAN_SETTINGS_H

#include "scheduler/plan/yaml.h"

/* Timestamp of everything that builds write: 1 January 2020 00:00 UTC. One constant for the whole
 * farm, so that a cold build and a cache hit give the same layers; not 0, which some tools take for
 * "none". */
#define BUILD_TIMESTAMP INT64_C(1577836800)

struct text_at {
    const char *text; /* NULL: not set */
    struct diag_at at;
};

struct texts {
    struct text_at *v;
    size_t n;
    bool set; /* also when it is an empty list */
    struct diag_at at;
};

struct named {
    const char *name;
    struct text_at value;
};

struct named_list {
    struct named *v;
    size_t n;
};

/* One axis of a matrix, or the values of one `include`. */
struct matrix_axis {
    const char *name;
    struct text_at *value;
    size_t n;
};

struct matrix {
    struct matrix_axis *axis; /* in the order written */
    size_t axes;
    struct named_list *include;
    size_t includes;
    struct diag_at at;
    bool set;
};

enum net_policy { NET_HOST, NET_NONE };
enum boot_policy { BOOT_AUTO, BOOT_YES, BOOT_NO };
enum publish_when { WHEN_TESTED, WHEN_MANUAL };
extern const char *const net_policy_names[],
    *const boot_policy_names[], *const publish_when_names[]; /* by value; NULL-terminated */

struct settings {
    struct texts files, exclude; /* of a rule only */
    struct text_at name, context, target, version;
    struct texts provides, args_files, inputs, needs_images, arch;
    struct named_list args, contexts;
    struct matrix matrix;
    struct {
        int64_t every, max_age; /* microseconds; 0: never */
    } rebuild;
    struct {
        int network; /* enum net_policy */
        int64_t memory, cpus;
        int64_t timeout, silence; /* microseconds */
        struct texts secrets;
        bool cache;
    } build;
    struct {
        int boot; /* enum boot_policy */
        struct texts container, scripts;
        int64_t memory, cpus, timeout;
        struct text_at ready;
    } test;
    struct {
        struct texts tags;
        int when; /* enum publish_when */
        bool partial;
    } publish;
    struct texts mirror_sites;
    struct text_at place_site;
    struct texts place_needs;
    int64_t priority;
};

enum settings_where { SETTINGS_RULE, SETTINGS_FILE }; /* `files` and `exclude` belong to rules */

/* Decodes a map. False when there were errors (unknown-key, bad-type, bad-value). */
bool settings_decode(struct arena *a, const struct ynode *map, enum settings_where where,
                     struct diags *errors, struct settings *out);
#endif
