#include "common/base/mem.h"
#include "common/base/str.h"
#include <criterion/criterion.h>

struct row {
    const char *pattern, *path;
    int want;
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int got = glob_match(rows[i].pattern, rows[i].path);
        cr_expect(got == rows[i].want, "%s on %s: %d", rows[i].pattern, rows[i].path, got);
    }
}

Test(glob, plain_text_stars_and_marks)
{
    static const struct row rows[] = {
        {"", "", 1},
        {"", "a", 0},
        {"a", "", 0},
        {"a/b", "a/b", 1},
        {"a/b", "a/b/c", 0},
        {"a/b", "a/bc", 0},
        {"*", "", 1},
        {"*", "abc", 1},
        {"*", "a/b", 0},
        {"*.sh", "boot.sh", 1},
        {"*.sh", ".sh", 1},
        {"*.sh", "x/boot.sh", 0},
        {"a*b*c", "a-b-b-c", 1},
        {"a*b*c", "a-c-b", 0},
        {"?", "a", 1},
        {"?", "", 0},
        {"?", "/", 0},
        {"?", "\xc3\xa9", 1},
        {"?\?", "\xc3\xa9", 0},
        {"\xc3\xa9*", "\xc3\xa9t\xc3\xa9", 1},
        {"a,b", "a,b", 1},
        {"\\*", "*", 1},
        {"\\*", "a", 0},
        {"\\{a\\}", "{a}", 1},
    };

    check(rows, ARRAY_SIZE(rows));
}

Test(glob, two_stars_cross_components)
{
    static const struct row rows[] = {
        {"**", "", 1},
        {"**", "a/b/c", 1},
        {"images/**/Containerfile", "images/Containerfile", 1},
        {"images/**/Containerfile", "images/a/Containerfile", 1},
        {"images/**/Containerfile", "images/a/b/Containerfile", 1},
        {"images/**/Containerfile", "images/aContainerfile", 0},
        {"images/**/Containerfile", "imagesContainerfile", 0},
        {"**/vendor/**", "vendor/x", 1},
        {"**/vendor/**", "a/b/vendor/c/d", 1},
        {"**/vendor/**", "a/vendored/c", 0},
        {"**/vendor/**", "vendor", 0},
        {"**/*.containerfile", "x.containerfile", 1},
        {"**/*.containerfile", "a/x.containerfile", 1},
        {"a/**", "a", 0},
        {"a/**", "a/b", 1},
        {"a/**", "a/b/c", 1},
        {"a**c", "a/b/c", 1},
        {"a***c", "a/b/c", 1},
        {"**/**/x", "x", 1},
        {"**/a/**/b", "a/b", 1},
        {"**/a/**/b", "z/a/y/x/b", 1},
    };

    check(rows, ARRAY_SIZE(rows));
}

Test(glob, classes)
{
    static const struct row rows[] = {
        {"[abc]", "b", 1},   {"[abc]", "d", 0},
        {"[a-c]x", "bx", 1}, {"[!a-c]", "d", 1},
        {"[^a-c]", "b", 0},  {"[!a]", "/", 0},
        {"[]]", "]", 1},     {"[!]]", "]", 0},
        {"[a-]", "-", 1},    {"[\xc3\xa0-\xc3\xbf]", "\xc3\xa9", 1},
        {"[{]", "{", 1},
    };

    check(rows, ARRAY_SIZE(rows));
}

Test(glob, choices)
{
    static const struct row rows[] = {
        {"{a,b}", "a", 1},
        {"{a,b}", "b", 1},
        {"{a,b}", "c", 0},
        {"{a,b}", "a,b", 0},
        {"{,a}b", "b", 1},
        {"{,a}b", "ab", 1},
        {"{a}", "a", 1},
        {"{}x", "x", 1},
        {"x{a,{b,c}d}y", "xcdy", 1},
        {"x{a,{b,c}d}y", "xady", 0},
        {"x{a,{b,c}d}y", "xay", 1},
        {"{images,apps/**}/Containerfile", "apps/x/y/Containerfile", 1},
        {"{**/a,b}", "c/a", 1},
        {"{*.c,*.h}", "a.h", 1},
        {"{a\\,b,c}", "a,b", 1},
    };

    check(rows, ARRAY_SIZE(rows));
}

Test(glob, invalid_patterns)
{
    static const char *const bad[] = {"{", "{a", "a}", "{a,b}}", "[", "[a", "[]", "[a/b]", "a\\"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(glob_match(bad[i], "a") == -1, "%s", bad[i]);
}

static char *repeated(const char *text, size_t times)
{
    struct str s = STR_INIT;

    for (size_t i = 0; i < times; i++)
        str_add(&s, text);
    return str_steal(&s);
}

Test(glob, limits)
{
    BF_CLEANUP(free_ptr) char *open64 = repeated("{", 64);
    BF_CLEANUP(free_ptr) char *close64 = repeated("}", 64);
    BF_CLEANUP(free_ptr) char *deep = xasprintf("%sa%s", open64, close64);
    BF_CLEANUP(free_ptr) char *deeper = xasprintf("{%sa%s}", open64, close64);
    BF_CLEANUP(free_ptr) char *longest = repeated("a", 1024);
    BF_CLEANUP(free_ptr) char *too_long = repeated("a", 1025);

    cr_expect(glob_match(deep, "a") == 1);
    cr_expect(glob_match(deeper, "a") == -1);
    cr_expect(glob_match(longest, longest) == 1);
    cr_expect(glob_match(too_long, too_long) == -1);
}

/* Each of these takes for ever in a matcher that tries the choices one after the other; then
 * ctest's time limit ends it. */
Test(glob, hostile_patterns_are_cheap)
{
    BF_CLEANUP(free_ptr) char *stars = repeated("*a", 500);
    BF_CLEANUP(free_ptr) char *deep = repeated("**/", 340);
    BF_CLEANUP(free_ptr) char *choices = repeated("{a,aa}", 170);
    BF_CLEANUP(free_ptr) char *path = repeated("a", 4096);
    BF_CLEANUP(free_ptr) char *dirs = repeated("a/", 2048);

    cr_expect(glob_match(stars, path) == 1);
    cr_expect(glob_match(deep, dirs) == 1);
    cr_expect(glob_match(choices, path) == 0);
}
