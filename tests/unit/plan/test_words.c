/* The small machines of the Containerfile reader: variables, wildcards, the JSON form. */
#include "common/base/str.h"
#include "scheduler/plan/containerfile.h"

#include <criterion/criterion.h>

static const char *lookup(void *arg, const char *name)
{
    static const char *const values[][2] = {
        {"X", "value"}, {"E", ""},        {"P", "a/b/c.tar.gz"}, {"V", "1.2.3"},
        {"R", "aXbXc"}, {"_u1", "under"}, {"1", "never asked"}};
    (void)arg;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        if (strcmp(values[i][0], name) == 0)
            return values[i][1];
    }
    return NULL;
}

static const struct {
    const char *word, *text; /* NULL: refused */
    const char *unset;       /* NULL: none */
} words[] = {
    {"plain", "plain", NULL},
    {"$X", "value", NULL},
    {"${X}", "value", NULL},
    {"a${X}b$X.c",
     "avalueb"
     "value.c",
     NULL},
    {"$_u1-", "under-", NULL},
    {"$", "$", NULL},
    {"$-", "$-", NULL},
    {"$U", "", "U"},
    {"${U}x", "x", "U"},
    {"\\$X", "$X", NULL},
    {"'$X'", "$X", NULL},
    {"\"$X\"", "value", NULL},
    {"\"a\\\"b\\$\\\\\\n\"", "a\"b$\\\\n", NULL},
    {"a\\", "a", NULL},
    {"${U:-d}", "d", NULL},
    {"${E:-d}", "d", NULL},
    {"${X:-d}", "value", NULL},
    {"${U-d}", "d", NULL},
    {"${E-d}", "", NULL},
    {"${X:+a}", "a", NULL},
    {"${E:+a}", "", NULL},
    {"${U:+a}", "", NULL},
    {"${X+a}", "a", NULL},
    {"${E+a}", "a", NULL},
    {"${U+a}", "", NULL},
    {"${X:?m}", "value", NULL},
    {"${U:?must be there}", NULL, NULL},
    {"${E:?m}", NULL, NULL},
    {"${E?m}", "", NULL},
    {"${U?m}", NULL, NULL},
    {"${U:-${X}}", "value", NULL},
    {"${U:-${U}}", "", "U"},
    {"${X:-${U}}", "value", NULL},
    {"${U:-a${V:-b}c}", "a1.2.3c", NULL},
    {"${U:-\"}\"}", "}", NULL},
    {"${P#*/}", "b/c.tar.gz", NULL},
    {"${P##*/*/}", "c.tar.gz", NULL},
    {"${P%.gz}", "a/b/c.tar", NULL},
    {"${P%.*}", "a/b/c.tar", NULL},
    {"${P%%.*}", "a/b/c", NULL},
    {"${V%.*}", "1.2", NULL},
    {"${V%%.*}", "1", NULL},
    {"${V#*.}", "2.3", NULL},
    {"${V##*.}", "3", NULL},
    {"${V#x}", "1.2.3", NULL},
    {"${R/X/-}", "a-bXc", NULL},
    {"${R//X/-}", "a-b-c", NULL},
    {"${R//X}", "abc", NULL},
    {"${R/#a/-}", "-XbXc", NULL},
    {"${R/%c/-}", "aXbX-", NULL},
    {"${R/#b/-}", "aXbXc", NULL},
    {"${R/X/${X}}", "avaluebXc", NULL},
    {"${R//[Xb]/.}", "a...c", NULL},
    {"${R/}", NULL, NULL},
    {"${V#}", NULL, NULL},
    {"${X", NULL, NULL},
    {"${X:-a", NULL, NULL},
    {"${}", NULL, NULL},
    {"${X!}", NULL, NULL},
    {"${X:=a}", NULL, NULL},
    {"'open", NULL, NULL},
    {"\"open", NULL, NULL},
};

Test(words, variables)
{
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct cf_expansion x;
        struct err e = ERR_INIT;
        int rc = cf_expand(&a, words[i].word, lookup, NULL, &x, &e);
        cr_expect_eq(rc, words[i].text != NULL ? 0 : -1, "%s: %s", words[i].word, e.msg);
        if (rc < 0 || words[i].text == NULL)
            continue;
        cr_expect_str_eq(x.text, words[i].text, "%s gives '%s'", words[i].word, x.text);
        cr_expect_str_eq(x.unset != NULL ? x.unset : "",
                         words[i].unset != NULL ? words[i].unset : "", "%s", words[i].word);
    }
    arena_release(&a);
}

Test(words, messages_name_the_variable)
{
    struct arena a = ARENA_INIT;
    struct cf_expansion x;
    struct err e = ERR_INIT;
    cr_expect_eq(cf_expand(&a, "${U:?must be there}", lookup, NULL, &x, &e), -1);
    cr_expect_str_eq(e.msg, "U is not set: must be there");
    arena_release(&a);
}

static const char *doubled(void *arg, const char *name)
{
    (void)name;
    return arg;
}

Test(words, values_and_depth_are_bounded)
{
    struct arena a = ARENA_INIT;
    struct cf_expansion x;
    struct str s = STR_INIT;
    char *half = xcalloc(1, CF_MAX_VALUE / 2 + 2);
    memset(half, 'x', CF_MAX_VALUE / 2 + 1);
    cr_expect_eq(cf_expand(&a, "$A", doubled, half, &x, NULL), 0);
    cr_expect_eq(cf_expand(&a, "$A$A", doubled, half, &x, NULL), -1);
    cr_expect_eq(cf_expand(&a, "${A%x}", doubled, half, &x, NULL), -1);
    for (int i = 0; i < 100000; i++)
        str_add(&s, "${U:-");
    cr_expect_eq(cf_expand(&a, s.p, lookup, NULL, &x, NULL), -1);
    free(half);
    str_release(&s);
    arena_release(&a);
}

static const struct {
    const char *pattern, *name;
    bool match;
} globs[] = {
    {"a", "a", true},         {"a", "b", false},
    {"*", "abc", true},       {"*", "a/b", false},
    {"*", "", true},          {"a*c", "abbc", true},
    {"a*c", "abbd", false},   {"*.tar.*", "x.tar.gz", true},
    {"?", "a", true},         {"?", "/", false},
    {"?", "", false},         {"[a-c]x", "bx", true},
    {"[^a-c]x", "bx", false}, {"[^a-c]x", "dx", true},
    {"[a", "a", false},       {"\\*", "*", true},
    {"\\*", "a", false},      {"a**b", "axxb", true},
    {"*a*b*", "xaxbx", true}, {"[]a]", "a", false},
    {"[\\]]", "]", true},     {"a/*", "a/b", true},
    {"a/*/c", "a/b/c", true}, {"a\\", "a", false},
};

Test(words, wildcards)
{
    for (size_t i = 0; i < ARRAY_SIZE(globs); i++)
        cr_expect_eq(cf_glob(globs[i].pattern, globs[i].name, strlen(globs[i].name)),
                     globs[i].match, "%s against %s", globs[i].pattern, globs[i].name);
}

static const struct {
    const char *text;
    int n;
    const char *joined;
} jsons[] = {
    {"[\"a\", \"b c\"]", 2, "a|b c|"},
    {"[]", 0, ""},
    {"  [ \"x\" ]  ", 1, "x|"},
    {"[\"\\\"\\\\\\/\\n\\t\"]", 1, "\"\\/\n\t|"},
    {"[\"\\u00e4\\u20ac\\ud83d\\ude00\"]", 1, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80|"},
    {"[\"\\ud83d\"]", 1, "\xef\xbf\xbd|"},
    {"[\"a\",]", -1, NULL},
    {"[\"a\"", -1, NULL},
    {"[a]", -1, NULL},
    {"[\"a]", -1, NULL},
    {"[\"\\x\"]", -1, NULL},
    {"[\"\\u0000\"]", -1, NULL},
    {"[1]", -2, NULL},
    {"[\"a\", true]", -2, NULL},
    {"[[\"a\"]]", -2, NULL},
    {"a", -1, NULL},
    {"", -1, NULL},
};

Test(words, json_form)
{
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(jsons); i++) {
        const char **v;
        struct str s = STR_INIT;
        int n = cf_json(&a, jsons[i].text, &v);
        cr_expect_eq(n, jsons[i].n, "%s gives %d", jsons[i].text, n);
        for (int k = 0; k < n; k++)
            str_addf(&s, "%s|", v[k]);
        if (n >= 0 && jsons[i].joined != NULL)
            cr_expect_str_eq(s.p, jsons[i].joined);
        str_release(&s);
    }
    arena_release(&a);
}
