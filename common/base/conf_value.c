#include "common/base/conf_value.h"
#include "common/base/mem.h"

bool conf_is_text(enum conf_type type)
{
    return type == CONF_STRING || type == CONF_PATH || type == CONF_LIST;
}

static void add_duration(struct str *out, int64_t t)
{
    if (t % (60 * BF_SEC) == 0 && t != 0)
        str_addf(out, "%lldm", (long long)(t / (60 * BF_SEC)));
    else if (t % BF_SEC == 0)
        str_addf(out, "%llds", (long long)(t / BF_SEC));
    else
        str_addf(out, "%lldms", (long long)(t / BF_MSEC));
}

/* Both ends 0 means any non-negative value. */
static int64_t upper(const struct conf_option *o)
{
    return o->min == 0 && o->max == 0 ? INT64_MAX : o->max;
}

static void add_range(const struct conf_option *o, struct str *out)
{
    if (o->min == 0 && o->max == 0)
        return;
    str_add(out, ", from ");
    if (o->type == CONF_DURATION) {
        add_duration(out, o->min);
        str_add(out, " to ");
        add_duration(out, o->max);
    } else {
        str_addf(out, "%lld to %lld", (long long)o->min, (long long)o->max);
    }
}

static void add_choices(const struct conf_option *o, struct str *out)
{
    str_add(out, "one of");
    for (size_t i = 0; o->choices[i]; i++)
        str_addf(out, "%s %s", i ? "," : "", o->choices[i]);
}

void conf_expected(const struct conf_option *o, struct str *out)
{
    switch (o->type) {
    case CONF_STRING:
        str_add(out, "text");
        break;
    case CONF_PATH:
        str_add(out, "an absolute path");
        break;
    case CONF_BOOL:
        str_add(out, "true or false");
        break;
    case CONF_INT:
        str_add(out, "a whole number");
        add_range(o, out);
        break;
    case CONF_DURATION:
        str_add(out, "a duration such as 500ms, 90s, 10m or 7d");
        add_range(o, out);
        break;
    case CONF_SIZE:
        str_add(out, "a size such as 1000, 512KiB or 2GiB");
        break;
    case CONF_ENUM:
        add_choices(o, out);
        break;
    case CONF_LIST:
        str_add(out, "words with commas between them");
        break;
    }
}

static int parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i % 2 == 1;
            return 0;
        }
    }
    return -1;
}

static int parse_choice(const struct conf_option *o, const char *text, int *out)
{
    for (int i = 0; o->choices[i]; i++) {
        if (strcmp(text, o->choices[i]) == 0) {
            *out = i;
            return 0;
        }
    }
    return -1;
}

static int set_text(char **member, const char *text)
{
    free(*member);
    *member = xstrdup(text);
    return 0;
}

static int set_duration(const struct conf_option *o, const char *text, bf_time *out)
{
    bf_time t;

    if (parse_duration(text, &t) < 0 || t < o->min || t > upper(o))
        return -1;
    *out = t;
    return 0;
}

static int set_member(const struct conf_option *o, void *member, const char *text)
{
    switch (o->type) {
    case CONF_STRING:
    case CONF_LIST:
        return set_text(member, text);
    case CONF_PATH:
        return *text == '/' ? set_text(member, text) : -1;
    case CONF_BOOL:
        return parse_bool(text, member);
    case CONF_INT:
        return parse_i64(text, o->min, upper(o), member);
    case CONF_DURATION:
        return set_duration(o, text, member);
    case CONF_SIZE:
        return parse_size(text, member);
    case CONF_ENUM:
        return parse_choice(o, text, member);
    }
    BUG("option %s has type %d", o->name, (int)o->type);
}

int conf_set(const struct conf_option *o, void *target, const char *text, struct err *e)
{
    BF_CLEANUP(str_release) struct str expected = STR_INIT;

    if (!utf8_valid(text, strlen(text)))
        return err_set(e, ERR_CONFIG, "the value is not valid UTF-8");
    if (set_member(o, (char *)target + o->offset, text) == 0)
        return 0;
    conf_expected(o, &expected);
    return err_set(e, ERR_CONFIG, "expected %s, got \"%s\"", expected.p, text);
}
