/* Ignore files: Docker's rules. */
#include "scheduler/plan/ignore.h"

#include <criterion/criterion.h>

static const struct {
    const char *patterns, *path;
    bool ignored;
} cases[] = {
    {"", "a", false},
    {"# a\n", "a", false},
    {"a\n", "a", true},
    {"  a  \r\n", "a", true},
    {"a\n", "a/b/c", true},
    {"a\n", "ab", false},
    {"a\n", "b/a", false},
    {"/a\n", "a", true},
    {"./a/\n", "a/b", true},
    {"a/../b\n", "b", true},
    {"*.log\n", "x.log", true},
    {"*.log\n", "d/x.log", false},
    {"**/*.log\n", "x.log", true},
    {"**/*.log\n", "d/e/x.log", true},
    {"d/**\n", "d/e/f", true},
    {"d/**\n", "e/d", false},
    {"*/x\n", "a/x/y", true},
    {"?\n", "a", true},
    {"?\n", "ab", false},
    {"[ab]\n", "b", true},
    {"[^ab]\n", "b", false},
    {"a\\*\n", "a*", true},
    {"a\\*\n", "ab", false},
    {"{a,b}\n", "a", false},
    {"{a,b}*\n", "{a,b}c", true},
    {"*\n!keep\n", "x", true},
    {"*\n!keep\n", "keep", false},
    {"*\n!keep\n", "keep/deep/file", false},
    {"*\n!keep/this\n", "keep/that", true},
    {"!a\na\n", "a", true},
    {"a\n!a\na/b\n", "a/b", true},
    {"a\n!a\na/b\n", "a/c", false},
    {".\n", "a", false},
    {"../a\n", "a", false},
    {"\xef\xbb\xbf"
     "a\n",
     "a", true},
};

Test(ignore, cases)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena a = ARENA_INIT;
        struct diags d = {.a = &a};
        struct ignore g;
        cr_assert_eq(ignore_parse(&a, "f", cases[i].patterns, &d, &g), 0);
        cr_expect_eq(ignore_has(&g, cases[i].path), cases[i].ignored, "'%s' on %s",
                     cases[i].patterns, cases[i].path);
        diags_release(&d);
        arena_release(&a);
    }
}

Test(ignore, a_malformed_pattern_is_an_error_with_its_line)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct ignore g;
    cr_expect_eq(ignore_parse(&a, "f", "ok\n[a\n", &d, &g), -1);
    cr_expect_eq(d.list.v[0]->at.line, 2);
    diags_release(&d);
    arena_release(&a);
}
