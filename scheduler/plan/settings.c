#include "scheduler/plan/settings_keys.h"

#include "common/base/str.h"
#include <ctype.h>

static const struct settings defaults = {
    .build = {.network = NET_HOST,
              .memory = INT64_C(4) << 30,
              .cpus = 2,
              .timeout = 3600 * BF_SEC,
              .silence = 900 * BF_SEC,
              .cache = true},
    .test = {.boot = BOOT_AUTO,
             .memory = INT64_C(2) << 30,
             .cpus = 2,
             .timeout = 600 * BF_SEC,
             .ready = {.text = "multi-user.target"}},
    .publish = {.when = WHEN_TESTED, .partial = false},
};

struct decoder {
    struct arena *a;
    struct diags *errors;
    enum settings_where where;
    struct settings *out;
    bool failed;
};

static void bad(struct decoder *d, struct diag_at at, const char *code, const char *hint,
                const char *message)
{
    diag_add(d->errors, at, code, hint, "%s", message);
    d->failed = true;
}

static void *member(struct decoder *d, const struct key *k)
{
    return (char *)d->out + k->offset;
}

/* ---- scalars ---- */

static const char *scalar(struct decoder *d, const char *key, const struct ynode *v)
{
    if (v->kind != YNODE_SCALAR || v->null) {
        bad(d, v->at, "bad-type",
            v->null ? "leave the key out, or give it a value"
                    : "write one word, or a text in quotes",
            arena_fmt(d->a, "'%s' takes a single value%s", key, v->null ? ", not nothing" : ""));
        return NULL;
    }
    if (strlen(v->text) > SETTINGS_TEXT_MAX) {
        bad(d, v->at, "too-large", NULL,
            arena_fmt(d->a, "'%s' is longer than %d bytes", key, SETTINGS_TEXT_MAX));
        return NULL;
    }
    return v->text;
}

static const char *bounds(struct arena *a, const struct key *k)
{
    static const char *const size_units[] = {"GiB", "MiB", "KiB"};
    static const char *const time_units[] = {"d", "h", "m", "s"};
    static const int64_t sizes[] = {INT64_C(1) << 30, INT64_C(1) << 20, INT64_C(1) << 10};
    static const int64_t times[] = {86400 * BF_SEC, 3600 * BF_SEC, 60 * BF_SEC, BF_SEC};
    const char *const *name = k->type == T_SIZE ? size_units : time_units;
    const int64_t *unit = k->type == T_SIZE ? sizes : times;
    size_t low = 0, high = 0;
    while (k->min % unit[low] != 0)
        low++;
    while (k->max % unit[high] != 0)
        high++;
    return arena_fmt(a, "from %lld%s to %lld%s", (long long)(k->min / unit[low]), name[low],
                     (long long)(k->max / unit[high]), name[high]);
}

static void decode_number(struct decoder *d, const struct key *k, const struct ynode *v)
{
    const char *text = scalar(d, k->name, v);
    int64_t value = 0;
    uint64_t size = 0;
    if (text == NULL)
        return;
    int rc = k->type == T_INT    ? parse_i64(text, k->min, k->max, &value)
             : k->type == T_TIME ? parse_duration(text, &value)
                                 : parse_size(text, &size);
    if (k->type == T_SIZE && rc == 0)
        value = size > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)size;
    if (rc == 0 && value >= k->min && value <= k->max) {
        *(int64_t *)member(d, k) = value;
        return;
    }
    const char *what = k->type == T_INT    ? arena_fmt(d->a, "a number from %lld to %lld",
                                                       (long long)k->min, (long long)k->max)
                       : k->type == T_TIME ? "a duration such as 90s, 15m, 2h or 7d"
                                           : "a size such as 512MiB or 4GiB";
    bad(d, v->at, "bad-value", rc == 0 ? bounds(d->a, k) : NULL,
        arena_fmt(d->a, "'%s' takes %s, not '%s'", k->name, what, text));
}

static const char *nearest(const char *const *names, const char *text)
{
    const char *best = NULL;
    unsigned distance = 3;
    for (size_t i = 0; names[i] != NULL; i++) {
        unsigned n = edit_distance(names[i], text);
        if (n < distance) {
            distance = n;
            best = names[i];
        }
    }
    return best;
}

static const char *did_you_mean(struct arena *a, const char *near)
{
    return near != NULL ? arena_fmt(a, "did you mean '%s'?", near) : NULL;
}

static const char *list_choices(struct arena *a, const char *const *names)
{
    struct str s = STR_INIT;
    for (size_t i = 0; names[i] != NULL; i++)
        str_addf(&s, "%s%s", i == 0 ? "" : names[i + 1] == NULL ? " or " : ", ", names[i]);
    const char *out = arena_str(a, s.p);
    str_release(&s);
    return out;
}

static int find_choice(const char *const *names, const char *text)
{
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return -1;
}

static void decode_choice(struct decoder *d, const struct key *k, const struct ynode *v)
{
    const char *text = scalar(d, k->name, v);
    if (text == NULL)
        return;
    /* YAML's other words for yes and no. */
    const char *word = strcmp(text, "true") == 0 ? "yes" : strcmp(text, "false") == 0 ? "no" : text;
    int i = find_choice(k->choices, word);
    if (i >= 0)
        *(int *)member(d, k) = i;
    else
        bad(d, v->at, "bad-value", did_you_mean(d->a, nearest(k->choices, text)),
            arena_fmt(d->a, "'%s' takes %s, not '%s'", k->name, list_choices(d->a, k->choices),
                      text));
}

static void decode_bool(struct decoder *d, const struct key *k, const struct ynode *v)
{
    const char *text = scalar(d, k->name, v);
    if (text == NULL)
        return;
    if (strcmp(text, "true") == 0 || strcmp(text, "yes") == 0)
        *(bool *)member(d, k) = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "no") == 0)
        *(bool *)member(d, k) = false;
    else
        bad(d, v->at, "bad-value", "yes and no will do, too",
            arena_fmt(d->a, "'%s' takes true or false, not '%s'", k->name, text));
}

static void decode_text(struct decoder *d, const struct key *k, const struct ynode *v)
{
    const char *text = scalar(d, k->name, v);
    if (text != NULL)
        *(struct text_at *)member(d, k) = (struct text_at){.text = text, .at = v->at};
}

/* ---- lists ---- */

static bool is_word(const char *s)
{
    for (const char *p = s; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
            return false;
    }
    return *s != '\0' && *s != '.' && *s != '-';
}

static bool check_item(struct decoder *d, const struct key *k, const struct ynode *v)
{
    const char *text = scalar(d, k->name, v);
    if (text == NULL)
        return false;
    if (k->type == T_GLOBS && (*text == '\0' || glob_match(text, "") < 0)) {
        bad(d, v->at, "bad-glob",
            "close each [ and {; a \\ takes the meaning from the character behind it",
            arena_fmt(d->a, "'%s' is not a valid glob", text));
    } else if (k->type == T_WORDS && !is_word(text)) {
        bad(d, v->at, "bad-value", "letters, digits and . _ - between them",
            arena_fmt(d->a, "'%s' is not a valid name", text));
    } else if (k->type == T_ARCHS && find_choice(arch_names, text) < 0) {
        const char *near = strcmp(text, "x86_64") == 0    ? "amd64"
                           : strcmp(text, "aarch64") == 0 ? "arm64"
                                                          : nearest(arch_names, text);
        bad(d, v->at, "bad-value", did_you_mean(d->a, near),
            arena_fmt(d->a, "there is no architecture '%s'", text));
    } else {
        return true;
    }
    return false;
}

static void decode_list(struct decoder *d, const struct key *k, const struct ynode *v)
{
    struct texts list = {.set = true, .at = v->at};
    size_t n = v->kind == YNODE_LIST ? v->n : 1;
    if (v->kind == YNODE_MAP || n > SETTINGS_LIST_MAX) {
        bad(d, v->at, v->kind == YNODE_MAP ? "bad-type" : "too-large",
            arena_fmt(d->a, "for example %s: [one, two]", k->name),
            arena_fmt(d->a, "'%s' takes a list of at most %d values", k->name, SETTINGS_LIST_MAX));
        return;
    }
    list.v = arena_array(d->a, n, sizeof *list.v);
    for (size_t i = 0; i < n; i++) {
        const struct ynode *item = v->kind == YNODE_LIST ? v->item[i] : v;
        if (check_item(d, k, item))
            list.v[list.n++] = (struct text_at){.text = item->text, .at = item->at};
    }
    *(struct texts *)member(d, k) = list;
}

/* ---- maps ---- */

static bool is_map(struct decoder *d, const char *key, const struct ynode *v)
{
    if (v->kind == YNODE_MAP && v->n <= SETTINGS_LIST_MAX)
        return true;
    bad(d, v->at, "bad-type", "keys and values, for example { NAME: value }",
        arena_fmt(d->a, "'%s' takes a map of at most %d keys", key, SETTINGS_LIST_MAX));
    return false;
}

static struct named_list read_map(struct decoder *d, const char *key, const struct ynode *v)
{
    struct named_list list = {.v = NULL};
    if (!is_map(d, key, v))
        return list;
    list.v = arena_array(d->a, v->n, sizeof *list.v);
    for (size_t i = 0; i < v->n; i++) {
        const struct ypair *p = &v->pair[i];
        const char *text = scalar(d, p->key, p->value);
        if (text != NULL)
            list.v[list.n++] =
                (struct named){.name = p->key, .value = {.text = text, .at = p->value->at}};
    }
    return list;
}

static bool axis_name_ok(struct decoder *d, const struct ypair *p)
{
    if (is_word(p->key))
        return true;
    bad(d, p->at, "bad-value", "letters, digits and . _ - between them",
        arena_fmt(d->a, "'%s' is not a valid name", p->key));
    return false;
}

static void read_axis(struct decoder *d, const struct ypair *p, struct matrix *m)
{
    static const struct key item = {.name = "matrix", .type = T_TEXTS};
    const struct ynode *v = p->value;
    struct matrix_axis *axis = &m->axis[m->axes];
    if (!axis_name_ok(d, p))
        return;
    if (v->kind != YNODE_LIST || v->n == 0 || v->n > SETTINGS_LIST_MAX) {
        bad(d, v->at, "bad-type", arena_fmt(d->a, "for example %s: [one, two]", p->key),
            arena_fmt(d->a, "'matrix.%s' takes a list of 1 to %d values", p->key,
                      SETTINGS_LIST_MAX));
        return;
    }
    axis->name = p->key;
    axis->value = arena_array(d->a, v->n, sizeof *axis->value);
    for (size_t i = 0; i < v->n; i++) {
        if (check_item(d, &item, v->item[i]))
            axis->value[axis->n++] =
                (struct text_at){.text = v->item[i]->text, .at = v->item[i]->at};
    }
    m->axes += axis->n > 0;
}

static void read_includes(struct decoder *d, const struct ynode *v, struct matrix *m)
{
    if (v->kind != YNODE_LIST || v->n > SETTINGS_LIST_MAX) {
        bad(d, v->at, "bad-type", "for example include: [{ site: one }]",
            "'matrix.include' takes a list of maps");
        return;
    }
    m->include = arena_array(d->a, v->n, sizeof *m->include);
    for (size_t i = 0; i < v->n; i++)
        m->include[m->includes++] = read_map(d, "include", v->item[i]);
}

static void decode_matrix(struct decoder *d, const struct key *k, const struct ynode *v)
{
    struct matrix *m = member(d, k);
    if (!is_map(d, k->name, v))
        return;
    m->set = true;
    m->at = v->at;
    m->axis = arena_array(d->a, v->n, sizeof *m->axis);
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->pair[i].key, "include") == 0)
            read_includes(d, v->pair[i].value, m);
        else
            read_axis(d, &v->pair[i], m);
    }
}

static void decode_map(struct decoder *d, const struct key *k, const struct ynode *v);

static void decode_key(struct decoder *d, const struct key *k, const struct ynode *v)
{
    switch (k->type) {
    case T_TEXT:
        decode_text(d, k, v);
        break;
    case T_TEXTS:
    case T_GLOBS:
    case T_WORDS:
    case T_ARCHS:
        decode_list(d, k, v);
        break;
    case T_MAP:
        *(struct named_list *)member(d, k) = read_map(d, k->name, v);
        break;
    case T_MATRIX:
        decode_matrix(d, k, v);
        break;
    case T_INT:
    case T_SIZE:
    case T_TIME:
        decode_number(d, k, v);
        break;
    case T_BOOL:
        decode_bool(d, k, v);
        break;
    case T_CHOICE:
        decode_choice(d, k, v);
        break;
    case T_GROUP:
        decode_map(d, k, v);
        break;
    }
}

static void unknown_key(struct decoder *d, const struct key *table, const struct ypair *p)
{
    const char *best = NULL;
    unsigned distance = 3;
    for (const struct key *k = table; k->name != NULL; k++) {
        unsigned n = edit_distance(k->name, p->key);
        if (n < distance && !(k->rule_only && d->where != SETTINGS_RULE)) {
            distance = n;
            best = k->name;
        }
    }
    bad(d, p->at, "unknown-key", did_you_mean(d->a, best),
        arena_fmt(d->a, "there is no key '%.100s' here", p->key));
}

static void decode_pairs(struct decoder *d, const struct key *table, const struct ynode *map)
{
    for (size_t i = 0; i < map->n; i++) {
        const struct key *k = table;
        while (k->name != NULL && strcmp(k->name, map->pair[i].key) != 0)
            k++;
        if (k->name == NULL)
            unknown_key(d, table, &map->pair[i]);
        else if (k->rule_only && d->where != SETTINGS_RULE)
            bad(d, map->pair[i].at, "unknown-key", "write it there, under `images`",
                arena_fmt(d->a, "'%s' belongs to a rule of bootfarm.yaml", k->name));
        else
            decode_key(d, k, map->pair[i].value);
    }
}

static void decode_map(struct decoder *d, const struct key *k, const struct ynode *v)
{
    if (is_map(d, k->name, v))
        decode_pairs(d, k->group, v);
}

bool settings_decode(struct arena *a, const struct ynode *map, enum settings_where where,
                     struct diags *errors, struct settings *out)
{
    struct decoder d = {.a = a, .errors = errors, .where = where, .out = out};
    *out = defaults;
    if (map == NULL)
        return true;
    if (map->kind != YNODE_MAP)
        bad(&d, map->at, "bad-type", "for example `priority: 1`", "expected a map of keys");
    else
        decode_pairs(&d, image_keys, map);
    return !d.failed;
}
