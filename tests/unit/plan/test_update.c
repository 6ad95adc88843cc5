/* A plan that was updated is the plan that is made from scratch, or it is refused. */
#include "scheduler/plan/update.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

#define FILE_OF(p, t, k)                      \
    {                                         \
        .path = (p), .text = (t), .kind = (k) \
    }

static const struct file files[] = {
    FILE_OF("bootfarm.yaml",
            "bootfarm: 1\nimages:\n  - files: [\"*/Containerfile\"]\n    args_files: "
            "[\"/args.conf\"]\n",
            TREE_FILE),
    FILE_OF("args.conf", "A=1\n", TREE_FILE),
    FILE_OF("docs/page", "1", TREE_FILE),
    FILE_OF("base/Containerfile", "FROM quay.io/org/os:1\nARG A\nCOPY . /srv\n", TREE_FILE),
    FILE_OF("base/.containerignore", "*.md\n", TREE_FILE),
    FILE_OF("base/page", "1", TREE_FILE),
    FILE_OF("base/notes.md", "1", TREE_FILE),
    FILE_OF("base/link", "page", TREE_LINK),
    FILE_OF("hmi/Containerfile", "FROM localhost/base\nCOPY f0 sub/ /srv/\n", TREE_FILE),
    FILE_OF("hmi/image.yaml", "inputs: [\"/templates/*\"]\ntest: { scripts: [\"tests/*.sh\"] }\n",
            TREE_FILE),
    FILE_OF("hmi/f0", "1", TREE_FILE),
    FILE_OF("hmi/f1", "1", TREE_FILE),
    FILE_OF("hmi/sub/a", "1", TREE_FILE),
    FILE_OF("hmi/tests/a.sh", "1", TREE_EXEC),
    FILE_OF("other/Containerfile", "FROM quay.io/org/os:1\nCOPY . /srv\n", TREE_FILE),
    FILE_OF("other/page", "1", TREE_FILE),
    FILE_OF("templates/t", "1", TREE_FILE),
    {.path = NULL},
};

static const struct plan_input input = {.hash = fake_hash,
                                        .slug = "plant",
                                        .registry = "registry.example",
                                        .arch = "amd64",
                                        .ref = "main"};

/* The files with another text and kind for one of them; its index in the tree. */
static size_t change(struct fixture *f, const char *path, const char *text, enum tree_kind kind)
{
    struct file copy[ARRAY_SIZE(files)];
    memcpy(copy, files, sizeof files);
    for (size_t i = 0; copy[i].path != NULL; i++) {
        if (strcmp(copy[i].path, path) == 0)
            copy[i] = (struct file)FILE_OF(path, text, kind);
    }
    fixture_tree(f, copy);
    return (size_t)(tree_find(&f->tree, path) - f->entry);
}

static void expect_same(const struct plan *got, const struct plan *want)
{
    cr_assert_eq(got->images, want->images);
    for (size_t i = 0; i < want->images; i++) {
        const struct image *x = &got->image[i], *y = &want->image[i];
        cr_assert_str_eq(x->name, y->name);
        cr_expect(sha256_eq(&x->recipe_key, &y->recipe_key), "recipe of %s", x->name);
        cr_expect(sha256_eq(&x->tests_key, &y->tests_key), "tests of %s", x->name);
        cr_expect(sha256_eq(&x->publish_key, &y->publish_key), "publish of %s", x->name);
        cr_expect(sha256_eq(&x->context_files.key, &y->context_files.key), "context of %s",
                  x->name);
        cr_expect(sha256_eq(&x->scripts.key, &y->scripts.key), "scripts of %s", x->name);
    }
    cr_expect_eq(got->errors.list.n, want->errors.list.n);
    cr_expect_eq(got->warnings.list.n, want->warnings.list.n);
}

static char *builds(struct plan *now, const struct plan *before)
{
    struct plan_jobs jobs;
    struct str s = STR_INIT;
    plan_jobs_make(now, before, &jobs);
    for (size_t i = 0; i < jobs.n; i++) {
        if (jobs.v[i].kind != PLAN_PUBLISH)
            str_addf(&s, "%s%s %s", s.len > 0 ? ", " : "", jobs.v[i].id, jobs.v[i].because);
    }
    return str_steal(&s);
}

static void expect_update(const char *path, const char *text, enum tree_kind kind,
                          const char *expected)
{
    struct fixture before, after;
    struct plan now, scratch;
    fixture_plan(&before, files);
    size_t changed = change(&after, path, text, kind);
    struct plan_input in = input;
    in.tree = &after.tree;
    bool updated = plan_update(&in, &before.plan, &changed, 1, &now);
    cr_assert_eq(updated, expected != NULL, "%s", path);
    if (updated) {
        plan_make(&in, &scratch);
        expect_same(&now, &scratch);
        char *jobs = builds(&now, &before.plan);
        cr_expect_str_eq(jobs, expected, "%s: %s", path, jobs);
        free(jobs);
        plan_release(&now);
        plan_release(&scratch);
    }
    fixture_release(&before);
}

Test(update, contents)
{
    expect_update("docs/page", "2", TREE_FILE, "");
    expect_update("base/notes.md", "2", TREE_FILE, "");
    expect_update("hmi/f1", "2", TREE_FILE, "");
    expect_update("hmi/f0", "2", TREE_FILE, "build:hmi:amd64 hmi/f0, test:hmi:amd64 hmi/f0");
    expect_update("hmi/sub/a", "1", TREE_EXEC,
                  "build:hmi:amd64 hmi/sub/a, test:hmi:amd64 hmi/sub/a");
    expect_update("templates/t", "2", TREE_FILE,
                  "build:hmi:amd64 templates/t, test:hmi:amd64 templates/t");
    expect_update("hmi/tests/a.sh", "2", TREE_EXEC, "test:hmi:amd64 hmi/tests/a.sh");
    expect_update("base/page", "2", TREE_FILE,
                  "build:base:amd64 base/page, test:base:amd64 base/page, build:hmi:amd64 base, "
                  "test:hmi:amd64 base");
}

Test(update, what_was_read_is_refused)
{
    static const char *const read[] = {"bootfarm.yaml",      "args.conf",
                                       "base/Containerfile", "base/.containerignore",
                                       "hmi/image.yaml",     "other/Containerfile"};
    for (size_t i = 0; i < ARRAY_SIZE(read); i++)
        expect_update(read[i], "# another text\n", TREE_FILE, NULL);
}

Test(update, an_updated_plan_is_no_beginning)
{
    struct fixture before, after;
    struct plan now, next;
    fixture_plan(&before, files);
    size_t changed = change(&after, "docs/page", "2", TREE_FILE);
    struct plan_input in = input;
    in.tree = &after.tree;
    cr_assert(plan_update(&in, &before.plan, &changed, 1, &now));
    cr_expect(!plan_update(&in, &now, &changed, 1, &next));
    plan_release(&now);
    fixture_release(&before);
}
