/* settings_keys.h - the table of keys; only for settings.c, settings_keys.c and what makes the JSON
 * Schema of it (../planner/schema.c). */
#ifndef BF_PLAN_SETTINGS_KEYS_H
#define BF_PLAN_SETTINGS_KEYS_H

#include "scheduler/plan/settings.h"

enum type {
    T_TEXT,
    T_TEXTS, /* a list, or one scalar */
    T_GLOBS, /* the same, each a valid glob */
    T_WORDS, /* the same, each [A-Za-z0-9._-]+ */
    T_ARCHS,
    T_MAP, /* names to scalars */
    T_MATRIX,
    T_INT,
    T_SIZE,
    T_TIME,
    T_BOOL,
    T_CHOICE,
    T_GROUP
};

struct key {
    const char *name;
    const char *about; /* for the JSON Schema */
    const char *usual; /* the default, where `settings` has none; of a list: its only item */
    enum type type;
    size_t offset;
    int64_t min, max;           /* T_INT, T_SIZE; T_TIME in microseconds */
    const char *const *choices; /* T_CHOICE */
    const struct key *group;    /* T_GROUP */
    bool rule_only;
};

#define SETTINGS_LIST_MAX 1000 /* items of a list, keys of a map */
#define SETTINGS_TEXT_MAX 4096 /* bytes of a value */

extern const char *const arch_names[]; /* ends with NULL */
extern const struct key image_keys[];  /* ends with name NULL, as the groups do */

#endif
