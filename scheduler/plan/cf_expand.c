/* Variables in a word: $X, ${X}, ${X:-d} and their kin, quotes and escapes. After openshift's
 * imagebuilder, which buildah uses; its off-by-one choices in ${X#p} and ${X%p} are kept. */
#include "scheduler/plan/containerfile.h"

#include "common/base/str.h"
#include <ctype.h>

#define NEST_MAX 64
#define PATTERN_VALUE_MAX 1024 /* ${X#p} and its kin try every cut of the value */
#define WORK_MAX (CF_MAX_WORK / 4)
#define FORMS \
    "${X} ${X:-d} ${X:+a} ${X:?m} ${X#p} ${X%s} ${X/a/b} are known; a $ that is none is \\$"
#define QUOTES "close it, or write \\ before it"

struct expander {
    struct arena *a;
    const char *p;
    cf_lookup_fn *lookup;
    void *arg;
    const char *unset, *empty;
    struct err *e;
    const char *hint;
    int depth;
    size_t work;
};

static int expand_until(struct expander *x, const char *stops, char *stopped, struct str *out);

#define refuse(x, advice, ...) ((x)->hint = (advice), err_set((x)->e, ERR_INPUT, __VA_ARGS__))

static int check_size(struct expander *x, const struct str *out)
{
    if (out->len <= CF_MAX_VALUE)
        return 0;
    return err_set(x->e, ERR_INPUT, "the value is longer than %zu bytes", CF_MAX_VALUE);
}

static char *read_name(struct expander *x)
{
    size_t n = 0;
    if (isdigit((unsigned char)x->p[0]))
        n = 1;
    else
        while (isalnum((unsigned char)x->p[n]) || x->p[n] == '_')
            n++;
    char *name = arena_strn(x->a, x->p, n);
    x->p += n;
    return name;
}

/* ${X-d} ${X+a} ${X?m} and the forms with a colon, where empty counts as unset. */
static int expand_choice(struct expander *x, const char *name, bool colon, struct str *out)
{
    char op = *x->p++;
    const char *value = x->lookup(x->arg, name), *unset = x->unset, *empty = x->empty;
    struct str word = STR_INIT;
    int rc = expand_until(x, "}", NULL, &word);
    bool set = value != NULL && !(colon && *value == '\0');
    bool takes_word = op == '+' ? set : !set;
    if (rc == 0 && op == '?' && !set) {
        x->hint = "give it a value in `args`";
        rc = err_set(x->e, ERR_INPUT, "%s is not set%s%s", name, word.len > 0 ? ": " : "", word.p);
    }
    if (!takes_word) { /* what the unused word lacks does not matter */
        x->unset = unset;
        x->empty = empty;
    }
    if (rc == 0 && takes_word)
        str_addmem(out, word.p, word.len);
    else if (rc == 0 && op != '+')
        str_add(out, value);
    str_release(&word);
    return rc;
}

/* Nothing matches any more where a word has used up its share; check_work() then refuses it. */
static bool matches(struct expander *x, const struct str *pattern, const char *value, size_t from,
                    size_t to)
{
    x->work += pattern->len * (to - from + 1);
    return x->work <= WORK_MAX && cf_glob(pattern->p, value + from, to - from);
}

static int check_work(struct expander *x)
{
    if (x->work <= WORK_MAX)
        return 0;
    return err_set(x->e, ERR_INPUT, "the patterns in this word take too long");
}

/* The part of `value` that stays when a prefix (or suffix) that matches goes. */
static void strip(struct expander *x, const struct str *pattern, const char *value, bool suffix,
                  bool greedy, size_t *from, size_t *to)
{
    size_t n = strlen(value);
    *from = 0;
    *to = n;
    /* Cuts from 0 upwards leave out the last two, downwards start one before the end. */
    bool upwards = suffix == greedy;
    for (size_t k = 0; k + 1 < n || (!upwards && k < n); k++) {
        size_t cut = upwards ? k : n - 1 - k;
        if (suffix ? matches(x, pattern, value, cut, n) : matches(x, pattern, value, 0, cut)) {
            *(suffix ? to : from) = cut;
            return;
        }
    }
}

static int check_pattern_value(struct expander *x, const char *name, const char *value)
{
    if (strlen(value) <= PATTERN_VALUE_MAX)
        return 0;
    return err_set(x->e, ERR_INPUT, "the value of %s is too long for a pattern (%d bytes)", name,
                   PATTERN_VALUE_MAX);
}

static const char *value_or_empty(struct expander *x, const char *name)
{
    const char *value = x->lookup(x->arg, name);
    if (value == NULL && x->unset == NULL)
        x->unset = name;
    if (value != NULL && *value == '\0' && x->empty == NULL)
        x->empty = name;
    return value != NULL ? value : "";
}

static int expand_strip(struct expander *x, const char *name, struct str *out)
{
    char op = *x->p++;
    bool greedy = *x->p == op;
    x->p += greedy;
    struct str pattern = STR_INIT;
    int rc = expand_until(x, "}", NULL, &pattern);
    const char *value = value_or_empty(x, name);
    if (rc == 0 && pattern.len == 0)
        rc = refuse(x, FORMS, "${%s%c} has no pattern", name, op);
    if (rc == 0)
        rc = check_pattern_value(x, name, value);
    if (rc == 0) {
        size_t from, to;
        strip(x, &pattern, value, op == '%', greedy, &from, &to);
        str_addmem(out, value + from, to - from);
        rc = check_work(x);
    }
    str_release(&pattern);
    return rc;
}

enum replace_where { ANYWHERE, EVERYWHERE, AT_BEGIN, AT_END };

/* The longest match that starts at i: its end, or i when there is none. */
static size_t match_end(struct expander *x, const struct str *pattern, const char *value, size_t n,
                        size_t i, enum replace_where where)
{
    if (where == AT_BEGIN && i != 0)
        return i;
    for (size_t j = n; j > i; j--) {
        if (where == AT_END && j != n)
            return i;
        if (matches(x, pattern, value, i, j))
            return j;
    }
    return i;
}

static void replace(struct expander *x, const struct str *pattern, const char *with,
                    const char *value, enum replace_where where, struct str *out)
{
    size_t n = strlen(value), i = 0;
    while (i < n) {
        size_t end = match_end(x, pattern, value, n, i, where);
        if (end == i) {
            str_addch(out, value[i++]);
            continue;
        }
        str_add(out, with);
        i = end;
        if (where != EVERYWHERE)
            break;
    }
    str_add(out, value + i);
}

static int expand_replace(struct expander *x, const char *name, struct str *out)
{
    enum replace_where where = ANYWHERE;
    x->p++;
    if (*x->p == '/' || *x->p == '#' || *x->p == '%') {
        where = *x->p == '/' ? EVERYWHERE : *x->p == '#' ? AT_BEGIN : AT_END;
        x->p++;
    }
    struct str pattern = STR_INIT, with = STR_INIT;
    char stopped = '}';
    int rc = expand_until(x, "/}", &stopped, &pattern);
    if (rc == 0 && stopped == '/')
        rc = expand_until(x, "}", NULL, &with);
    const char *value = value_or_empty(x, name);
    if (rc == 0 && pattern.len == 0)
        rc = refuse(x, FORMS, "${%s/} has no pattern", name);
    if (rc == 0)
        rc = check_pattern_value(x, name, value);
    if (rc == 0) {
        replace(x, &pattern, with.p, value, where, out);
        rc = check_work(x);
    }
    str_release(&pattern);
    str_release(&with);
    return rc;
}

/* x->p stands behind "${". */
static int expand_braces(struct expander *x, struct str *out)
{
    const char *name = read_name(x);
    if (*name == '\0')
        return refuse(x, FORMS, "${ without a name");
    switch (*x->p) {
    case '}':
        x->p++;
        str_add(out, value_or_empty(x, name));
        return 0;
    case ':':
        x->p++;
        if (*x->p == '\0' || strchr("-+?", *x->p) == NULL)
            return refuse(x, FORMS, "${%s: takes one of - + ? after the colon", name);
        return expand_choice(x, name, true, out);
    case '-':
    case '+':
    case '?':
        return expand_choice(x, name, false, out);
    case '#':
    case '%':
        return expand_strip(x, name, out);
    case '/':
        return expand_replace(x, name, out);
    }
    return refuse(x, FORMS, "${%s is not closed or not understood", name);
}

/* x->p stands behind "$". */
static int expand_dollar(struct expander *x, struct str *out)
{
    if (*x->p == '{') {
        x->p++;
        if (++x->depth > NEST_MAX)
            return err_set(x->e, ERR_INPUT, "variables nested more than %d deep", NEST_MAX);
        int rc = expand_braces(x, out);
        x->depth--;
        return rc;
    }
    const char *name = read_name(x);
    if (*name == '\0')
        str_addch(out, '$');
    else
        str_add(out, value_or_empty(x, name));
    return 0;
}

static int expand_single(struct expander *x, struct str *out)
{
    const char *end = strchr(x->p, '\'');
    if (end == NULL)
        return refuse(x, QUOTES, "a ' is not closed");
    str_addmem(out, x->p, (size_t)(end - x->p));
    x->p = end + 1;
    return 0;
}

static int expand_double(struct expander *x, struct str *out)
{
    while (*x->p != '"') {
        char c = *x->p++;
        if (c == '\0')
            return refuse(x, QUOTES, "a \" is not closed");
        if (c == '$') {
            if (expand_dollar(x, out) < 0)
                return -1;
            continue;
        }
        if (c == '\\' && *x->p != '\0' && strchr("\"$\\", *x->p) != NULL)
            c = *x->p++;
        if (c != '\\' || *x->p != '\0')
            str_addch(out, c);
    }
    x->p++;
    return 0;
}

/* Up to one of `stops` ("" means the end of the text), which is consumed. */
static int expand_until(struct expander *x, const char *stops, char *stopped, struct str *out)
{
    while (*x->p != '\0') {
        char c = *x->p++;
        if (*stops != '\0' && strchr(stops, c) != NULL) {
            if (stopped != NULL)
                *stopped = c;
            return check_size(x, out);
        }
        int rc = 0;
        if (c == '\'')
            rc = expand_single(x, out);
        else if (c == '"')
            rc = expand_double(x, out);
        else if (c == '$')
            rc = expand_dollar(x, out);
        else if (c != '\\')
            str_addch(out, c);
        else if (*x->p != '\0')
            str_addch(out, *x->p++);
        if (rc < 0 || check_size(x, out) < 0)
            return -1;
    }
    if (*stops != '\0')
        return refuse(x, FORMS, "a ${ is not closed");
    return check_size(x, out);
}

int cf_expand(struct arena *a, const char *word, cf_lookup_fn *lookup, void *arg,
              struct cf_expansion *out, struct err *e)
{
    struct expander x = {.a = a, .p = word, .lookup = lookup, .arg = arg, .e = e};
    struct str text = STR_INIT;
    int rc = expand_until(&x, "", NULL, &text);
    *out = (struct cf_expansion){
        .text = "", .unset = x.unset, .empty = x.empty, .work = x.work, .hint = x.hint};
    if (rc == 0)
        out->text = arena_strn(a, text.p, text.len);
    str_release(&text);
    return rc;
}
