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
        {"{images,apps/**}/Containerfile", "apps/Containerfile", 1},
        {"{images,{apps/**,x}}/Containerfile", "apps/Containerfile", 1},
        {"{images,apps/**}/Containerfile", "appsContainerfile", 0},
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

/* A second opinion: braces are written out, then each pattern is tried as the words in str.h say.
 * Marks stand where a brace opened and closed, so that no "**" is made of two stars; between "**"
 * and its '/' a brace may close, but not open. */
enum { MARK_OPEN = 1, MARK_CLOSE = 2 };

static bool ref_match(const char *p, const char *path, const char *s);

static bool ref_class(const char **p, char c)
{
    const char *q = *p + 1;
    bool negated = *q == '!' || *q == '^', found = false;

    q += negated;
    for (bool first = true; first || *q != ']'; first = false) {
        char low = *q++, high = low;
        if (q[0] == '-' && q[1] != ']') {
            high = q[1];
            q += 2;
        }
        found = found || (low <= c && c <= high);
    }
    *p = q + 1;
    return found != negated && c != '/';
}

static bool ref_deep(const char *p, const char *path, const char *s)
{
    const char *slash = p + 2;

    while (*slash == MARK_CLOSE)
        slash++;
    for (;; s++) {
        bool fresh = s == path || s[-1] == '/';
        if (ref_match(p + 2, path, s) || (fresh && *slash == '/' && ref_match(slash + 1, path, s)))
            return true;
        if (!*s)
            return false;
    }
}

static bool ref_match(const char *p, const char *path, const char *s)
{
    while (*p == MARK_OPEN || *p == MARK_CLOSE)
        p++;
    if (!*p)
        return !*s;
    if (p[0] == '*' && p[1] == '*')
        return ref_deep(p, path, s);
    if (*p == '*')
        return ref_match(p + 1, path, s) || (*s && *s != '/' && ref_match(p, path, s + 1));
    if (!*s)
        return false;
    if (*p == '[')
        return ref_class(&p, *s) && ref_match(p, path, s + 1);
    if (*p == '?')
        return *s != '/' && ref_match(p + 1, path, s + 1);
    p += *p == '\\';
    return *p == *s && ref_match(p + 1, path, s + 1);
}

/* Behind the character, escape or class at p. */
static const char *ref_skip(const char *p)
{
    if (*p == '\\')
        return p + 2;
    if (*p != '[')
        return p + 1;
    ref_class(&p, 'x');
    return p;
}

/* Writes out the first brace of `p` and goes on with each choice; `done` stands before it. */
static bool ref_braces(const char *p, const char *path)
{
    const char *open = p, *from, *end;
    unsigned depth = 0;
    bool any = false;

    while (*open && *open != '{')
        open = ref_skip(open);
    if (!*open)
        return ref_match(p, path, path);
    for (end = open; depth != 1 || *end != '}'; end = ref_skip(end))
        depth = depth + (*end == '{') - (*end == '}');
    depth = 0;
    from = open + 1;
    for (const char *q = from; q <= end; q = ref_skip(q)) {
        if (depth == 0 && (*q == ',' || q == end)) {
            BF_CLEANUP(free_ptr)
            char *one =
                xasprintf("%.*s\1%.*s\2%s", (int)(open - p), p, (int)(q - from), from, end + 1);
            any = ref_braces(one, path) || any;
            from = q + 1;
        }
        depth = depth + (*q == '{') - (*q == '}');
    }
    return any;
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void random_text(uint32_t *state, const char *letters, size_t max, char *out)
{
    size_t n = next_random(state) % (max + 1);

    for (size_t i = 0; i < n; i++)
        out[i] = letters[next_random(state) % strlen(letters)];
    out[n] = '\0';
}

/* Half a million pairs; most patterns over these letters are valid, and many paths match. */
Test(glob, agrees_with_the_second_opinion)
{
    char pattern[16], path[8];
    unsigned valid = 0, matched = 0;
    uint32_t state = 7;

    for (int i = 0; i < 500000; i++) {
        random_text(&state, i % 2 ? "ab/**?,{}" : "ab/*{{,}}[]!-\\", 12, pattern);
        random_text(&state, "ab/", 6, path);
        int got = glob_match(pattern, path);
        if (got < 0) {
            cr_assert(glob_match(pattern, "") < 0,
                      "%s: whether it is valid must not depend on the path", pattern);
            continue;
        }
        valid++;
        matched += (unsigned)got;
        cr_assert(got == ref_braces(pattern, path), "%s on %s: %d", pattern, path, got);
    }
    cr_expect(valid > 50000 && matched > 5000, "%u valid, %u matched", valid, matched);
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
