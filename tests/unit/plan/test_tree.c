/* Paths, folders and links of a tree in memory. */
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

static const struct file files[] = {
    {.path = "a-b/x", .text = "1"},
    {.path = "a/b/c", .text = "2"},
    {.path = "a/d", .text = "../top", .kind = TREE_LINK},
    {.path = "a/dir", .text = "b", .kind = TREE_LINK},
    {.path = "a.c", .text = "3"},
    {.path = "loop1", .text = "loop2", .kind = TREE_LINK},
    {.path = "loop2", .text = "loop1", .kind = TREE_LINK},
    {.path = "out", .text = "../x", .kind = TREE_LINK},
    {.path = "abs", .text = "/a", .kind = TREE_LINK},
    {.path = "self", .text = ".", .kind = TREE_LINK},
    {.path = "deep", .text = "a/dir/../b/c", .kind = TREE_LINK},
    {.path = "top", .text = "4", .kind = TREE_EXEC},
    {.path = NULL},
};

Test(tree, folders_are_ranges)
{
    struct fixture f;
    size_t from, to;
    fixture_tree(&f, files);
    tree_range(&f.tree, "a", &from, &to);
    cr_expect_eq(to - from, 3);
    cr_expect_str_eq(f.tree.entry[from].path, "a/b/c");
    tree_range(&f.tree, "", &from, &to);
    cr_expect_eq(to - from, f.tree.n);
    tree_range(&f.tree, "a/b/c", &from, &to);
    cr_expect_eq(from, to);
    tree_range(&f.tree, "zzz", &from, &to);
    cr_expect_eq(from, to);
    cr_expect(tree_is_dir(&f.tree, "a/b"));
    cr_expect(!tree_is_dir(&f.tree, "a/b/c"));
    cr_expect(tree_find(&f.tree, "a.c") != NULL);
    cr_expect(tree_find(&f.tree, "a") == NULL);
}

static const struct {
    const char *path;
    enum tree_found found;
    const char *real;
} resolved[] = {
    {"a/b/c", TREE_FOUND_FILE, "a/b/c"},   {"a/b", TREE_FOUND_DIR, "a/b"},
    {"a/d", TREE_FOUND_FILE, "top"},       {"a/dir", TREE_FOUND_DIR, "a/b"},
    {"a/dir/c", TREE_FOUND_FILE, "a/b/c"}, {"self/self/a/dir/c", TREE_FOUND_FILE, "a/b/c"},
    {"deep", TREE_FOUND_FILE, "a/b/c"},    {"", TREE_FOUND_DIR, ""},
    {"loop1", TREE_FOUND_NONE, NULL},      {"loop1/x", TREE_FOUND_NONE, NULL},
    {"out", TREE_FOUND_NONE, NULL},        {"abs", TREE_FOUND_NONE, NULL},
    {"abs/b/c", TREE_FOUND_NONE, NULL},    {"nothing", TREE_FOUND_NONE, NULL},
    {"top/x", TREE_FOUND_NONE, NULL},
};

Test(tree, links_are_followed_inside_the_tree_only)
{
    struct fixture f;
    struct arena a = ARENA_INIT;
    fixture_tree(&f, files);
    for (size_t i = 0; i < ARRAY_SIZE(resolved); i++) {
        const char *real;
        enum tree_found found = tree_resolve(&f.tree, &a, resolved[i].path, &real);
        cr_expect_eq(found, resolved[i].found, "%s", resolved[i].path);
        if (resolved[i].real != NULL && found == resolved[i].found)
            cr_expect_str_eq(real, resolved[i].real);
    }
    arena_release(&a);
}

static const struct {
    const char *dir, *path, *joined;
} joined[] = {
    {"a/b", "c", "a/b/c"},
    {"a/b", ".", "a/b"},
    {"a/b", "./c/", "a/b/c"},
    {"a/b", "../c", "a/c"},
    {"a/b", "../../c", "c"},
    {"a/b", "../../..", NULL},
    {"a/b", "/c", "c"},
    {"a/b", "/", ""},
    {"", "", ""},
    {"", "..", NULL},
    {"a", "b//c", "a/b/c"},
    {"a", "..", ""},
    {"ab", "../c", "c"},
    {"a", "..b/...", "a/..b/..."},
};

Test(tree, paths_are_joined_and_never_leave_the_tree)
{
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(joined); i++) {
        const char *got = path_join(&a, joined[i].dir, joined[i].path);
        if (joined[i].joined == NULL)
            cr_expect(got == NULL, "%s + %s", joined[i].dir, joined[i].path);
        else
            cr_expect_str_eq(got, joined[i].joined);
    }
    cr_expect_str_eq(path_below("a/b", "a/b/c"), "c");
    cr_expect_str_eq(path_below("a/b", "a/b"), "");
    cr_expect(path_below("a/b", "a/bc") == NULL);
    cr_expect_str_eq(path_below("", "x/y"), "x/y");
    cr_expect_str_eq(path_dir(&a, "x/y/z"), "x/y");
    cr_expect_str_eq(path_dir(&a, "x"), "");
    cr_expect_str_eq(path_base("x/y"), "y");
    arena_release(&a);
}
