/* schema: JSON Schema of bootfarm.yaml and image.yaml, from the table that decodes them. proto/
 * holds what this prints; a test compares the two.
 *
 * YAML has numbers and truth values where a definition has text: `version: 2.0` is as good as
 * `version: "2.0"`, so the types here are wider than their names. */
#include "common/base/str.h"
#include "scheduler/plan/settings_keys.h"
#include "scheduler/planner/commands.h"

#include <jansson.h>

#define WORD "^[A-Za-z0-9_][A-Za-z0-9._-]*$"

static void set(json_t *object, const char *key, json_t *value)
{
    BUG_ON(json_object_set_new(object, key, value) != 0);
}

/* The object `value` with the members of `more`, which it takes. */
static json_t *with(json_t *value, json_t *more)
{
    BUG_ON(json_object_update(value, more) != 0);
    json_decref(more);
    return value;
}

static json_t *any_of(json_t *x, json_t *y)
{
    return json_pack("{s:[o, o]}", "anyOf", x, y);
}

/* ---- single values ---- */

static json_t *text_of(const char *pattern)
{
    json_t *o = json_pack("{s:[s, s, s], s:i}", "type", "string", "number", "boolean", "maxLength",
                          SETTINGS_TEXT_MAX);
    if (pattern != NULL)
        set(o, "pattern", json_string(pattern));
    return o;
}

static json_t *names_of(const char *const *names)
{
    json_t *list = json_array();
    for (size_t i = 0; names[i] != NULL; i++) {
        int64_t number;
        json_array_append_new(list, json_string(names[i]));
        bool yes = strcmp(names[i], "yes") == 0;
        if (yes || strcmp(names[i], "no") == 0) { /* YAML's other words for them */
            json_array_append_new(list, json_boolean(yes));
            json_array_append_new(list, json_string(yes ? "true" : "false"));
        } else if (parse_i64(names[i], 0, INT64_MAX, &number) == 0) {
            json_array_append_new(list, json_integer(number));
        }
    }
    return json_pack("{s:o}", "enum", list);
}

/* As a number of `unit`, or as text that `pattern` describes. */
static json_t *number_of(const struct key *k, int64_t unit, const char *pattern)
{
    json_t *number = json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
                               (json_int_t)(k->min / unit), "maximum", (json_int_t)(k->max / unit));
    return any_of(number, json_pack("{s:s, s:s}", "type", "string", "pattern", pattern));
}

static json_t *item_of(enum type type)
{
    if (type == T_GLOBS)
        return with(text_of(NULL), json_pack("{s:i}", "minLength", 1));
    if (type == T_WORDS)
        return with(text_of(WORD), json_pack("{s:i}", "minimum", 0));
    return type == T_ARCHS ? names_of(arch_names) : text_of(NULL);
}

static json_t *list_of(json_t *item)
{
    return json_pack("{s:s, s:o, s:i}", "type", "array", "items", item, "maxItems",
                     SETTINGS_LIST_MAX);
}

/* ---- maps ---- */

static json_t *map_of(json_t *value)
{
    return json_pack("{s:s, s:o, s:i}", "type", "object", "additionalProperties", value,
                     "maxProperties", SETTINGS_LIST_MAX);
}

static json_t *matrix(void)
{
    json_t *include = list_of(map_of(text_of(NULL)));
    json_t *axis = with(list_of(text_of(NULL)), json_pack("{s:i}", "minItems", 1));
    set(include, "description", json_string("One more image for each of these maps."));
    return json_pack("{s:s, s:{s:o}, s:{s:s}, s:o, s:i}", "type", "object", "properties", "include",
                     include, "propertyNames", "pattern", WORD, "additionalProperties", axis,
                     "maxProperties", SETTINGS_LIST_MAX);
}

/* ---- defaults ---- */

static json_t *with_unit(int64_t value, const char *const *name, const int64_t *unit, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value % unit[i] == 0)
            return json_sprintf("%lld%s", (long long)(value / unit[i]), name[i]);
    }
    return json_integer(value);
}

static json_t *duration(int64_t value)
{
    static const char *const name[] = {"d", "h", "m", "s", "ms"};
    static const int64_t unit[] = {86400 * BF_SEC, 3600 * BF_SEC, 60 * BF_SEC, BF_SEC, BF_MSEC};
    return with_unit(value, name, unit, ARRAY_SIZE(unit));
}

static json_t *size(int64_t value)
{
    static const char *const name[] = {"GiB", "MiB", "KiB"};
    static const int64_t unit[] = {INT64_C(1) << 30, INT64_C(1) << 20, INT64_C(1) << 10};
    return with_unit(value, name, unit, ARRAY_SIZE(unit));
}

/* NULL: nothing in particular. */
static json_t *usual(const struct key *k, const struct settings *s)
{
    const void *at = (const char *)s + k->offset;
    const struct text_at *text = at;
    switch (k->type) {
    case T_TEXT:
        return k->usual != NULL     ? json_string(k->usual)
               : text->text != NULL ? json_string(text->text)
                                    : NULL;
    case T_TEXTS:
        return k->usual != NULL ? json_pack("[s]", k->usual) : NULL;
    case T_INT:
        return json_integer(*(const int64_t *)at);
    case T_SIZE:
        return size(*(const int64_t *)at);
    case T_TIME:
        return *(const int64_t *)at > 0 ? duration(*(const int64_t *)at) : NULL;
    case T_BOOL:
        return json_boolean(*(const bool *)at);
    case T_CHOICE:
        return json_string(k->choices[*(const int *)at]);
    case T_GLOBS:
    case T_WORDS:
    case T_ARCHS:
    case T_MAP:
    case T_MATRIX:
    case T_GROUP:
        return NULL;
    }
    BUG("type %d", (int)k->type);
}

/* ---- keys ---- */

static json_t *group(const struct key *table, const struct settings *s, enum settings_where where);

static json_t *value_of(const struct key *k, const struct settings *s)
{
    static const char *const truth[] = {"yes", "no", NULL};
    switch (k->type) {
    case T_TEXT:
        return text_of(NULL);
    case T_TEXTS:
    case T_GLOBS:
    case T_WORDS:
    case T_ARCHS:
        return any_of(item_of(k->type), list_of(item_of(k->type)));
    case T_MAP:
        return map_of(text_of(NULL));
    case T_MATRIX:
        return matrix();
    case T_INT:
        return number_of(k, 1, "^-?[0-9]+$");
    case T_SIZE:
        return number_of(k, 1, "^[0-9]+([KMGT]iB)?$");
    case T_TIME:
        return number_of(k, BF_SEC, "^[0-9]+(ms|s|m|h|d)?$");
    case T_BOOL:
        return names_of(truth);
    case T_CHOICE:
        return names_of(k->choices);
    case T_GROUP:
        return group(k->group, s, SETTINGS_RULE);
    }
    BUG("type %d", (int)k->type);
}

static json_t *group(const struct key *table, const struct settings *s, enum settings_where where)
{
    json_t *properties = json_object();
    for (const struct key *k = table; k->name != NULL; k++) {
        if (k->rule_only && where != SETTINGS_RULE)
            continue;
        json_t *o = json_pack("{s:s}", "description", k->about), *value = usual(k, s);
        if (value != NULL)
            set(o, "default", value);
        set(properties, k->name, with(o, value_of(k, s)));
    }
    return json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0, "properties",
                     properties);
}

/* ---- documents ---- */

static json_t *document(const char *title, const char *description)
{
    return json_pack("{s:s, s:s, s:s}", "$schema", "http://json-schema.org/draft-07/schema#",
                     "title", title, "description", description);
}

static json_t *schema_image(const struct settings *s)
{
    json_t *o = with(document("image.yaml", "What is said of all definitions of a folder, or "
                                            "(STEM.image.yaml) of one."),
                     group(image_keys, s, SETTINGS_FILE));
    set(o, "type", json_pack("[s, s]", "object", "null")); /* an empty file */
    return o;
}

static json_t *schema_bootfarm(const struct settings *s)
{
    json_t *rule = group(image_keys, s, SETTINGS_RULE),
           *defaults = group(image_keys, s, SETTINGS_FILE);
    set(rule, "required", json_pack("[s]", "files"));
    set(defaults, "description",
        json_string("Holds for every image; a rule, image.yaml and "
                    "STEM.image.yaml say otherwise."));
    json_t *images = json_pack("{s:s, s:s, s:o}", "description",
                               "Rules; the first that matches a file claims it. Without: every "
                               "Containerfile and Dockerfile.",
                               "type", "array", "items", rule);
    json_t *version =
        json_pack("{s:s, s:[i, s]}", "description", "Version of this format.", "enum", 1, "1");
    return with(document("bootfarm.yaml", "Which files of a repository are images, and how they "
                                          "are built, tested, released."),
                json_pack("{s:s, s:b, s:[s], s:{s:o, s:o, s:o}}", "type", "object",
                          "additionalProperties", 0, "required", "bootfarm", "properties",
                          "bootfarm", version, "defaults", defaults, "images", images));
}

int cmd_schema(const struct options *o)
{
    struct arena a = ARENA_INIT;
    struct diags none = {.a = &a};
    struct settings s;
    BUG_ON(!settings_decode(&a, NULL, SETTINGS_RULE, &none, &s));
    json_t *schema = NULL;
    if (strcmp(o->arg[0], "bootfarm.yaml") == 0)
        schema = schema_bootfarm(&s);
    else if (strcmp(o->arg[0], "image.yaml") == 0)
        schema = schema_image(&s);
    else
        fprintf(stderr, "bootfarm-planner: there are schemas of bootfarm.yaml and image.yaml\n");
    if (schema != NULL) {
        (void)json_dumpf(schema, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    int status = schema != NULL ? 0 : 2;
    json_decref(schema);
    diags_release(&none);
    arena_release(&a);
    return status;
}
