/* Whole plans of small trees: names, edges, keys, errors and what follows from a change. */
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

static const struct need *need_called(const struct image *image, const char *ref)
{
    for (size_t i = 0; i < image->needs; i++) {
        if (strcmp(image->need[i].ref, ref) == 0)
            return &image->need[i];
    }
    cr_assert_fail("%s does not need %s", image->name, ref);
    return NULL;
}

Test(plan, without_configuration_every_containerfile_is_an_image)
{
    static const struct file files[] = {
        {.path = "Containerfile", .text = "FROM quay.io/org/os:1\n"},
        {.path = "images/hmi/Dockerfile", .text = "FROM localhost/plant\n"},
        {.path = "vendor/x/Containerfile", .text = "FROM quay.io/org/os:1\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    cr_assert_eq(f.plan.images, 2);
    const struct image *hmi = image_of(&f, "images/hmi"), *root = image_of(&f, "plant");
    cr_expect_eq(hmi->wave, 1);
    cr_expect_eq(root->wave, 0);
    cr_expect_str_eq(hmi->provides[0], "localhost/images/hmi:latest");
    cr_expect_str_eq(hmi->release[0], "registry.example/plant/images/hmi:main");
    cr_expect_eq(need_called(root, "quay.io/org/os:1")->parent, PLAN_EXTERNAL);
    cr_expect_eq(&f.plan.image[need_called(hmi, "localhost/plant:latest")->parent], root);
    fixture_release(&f);
}

Test(plan, matrix_arguments_and_needs)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\n"
                 "images:\n"
                 "  - files: [site/Containerfile]\n"
                 "    name: '{matrix.role}-{matrix.site}'\n"
                 "    matrix: { role: [hmi, gw], site: [a, b], include: [{role: hmi, site: c}] }\n"
                 "    args: { ROLE: '{matrix.role}' }\n"
                 "  - files: ['images/*/Containerfile']\n"},
        {.path = "site/Containerfile", .text = "ARG ROLE\nFROM localhost/${ROLE}:latest\n"},
        {.path = "images/hmi/Containerfile", .text = "FROM quay.io/org/os:1\n"},
        {.path = "images/gw/Containerfile", .text = "FROM quay.io/org/os:1\n"},
        {.path = "images/gw/image.yaml", .text = "needs_images: localhost/hmi\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    cr_assert_eq(f.plan.images, 7);
    const struct need *n = need_called(image_of(&f, "gw-b"), "localhost/gw:latest");
    cr_expect_str_eq(n->written[0], "localhost/${ROLE}:latest");
    cr_expect_eq(n->n_written, 1);
    cr_expect_eq(need_called(image_of(&f, "gw"), "localhost/hmi:latest")->use, NEED_EMBED);
    cr_expect_eq(image_of(&f, "gw-b")->wave, 2);
    cr_expect_str_eq(image_of(&f, "hmi-c")->arg[0].value, "hmi");
    fixture_release(&f);
}

static char *jobs_text(struct fixture *now, struct fixture *before)
{
    struct plan_jobs jobs;
    struct str s = STR_INIT;
    plan_jobs_make(&now->plan, before != NULL ? &before->plan : NULL, &jobs);
    for (size_t i = 0; i < jobs.n; i++) {
        str_addf(&s, "%s %s %s", jobs.v[i].id, plan_reason_names[jobs.v[i].reason],
                 jobs.v[i].because);
        for (size_t k = 0; k < jobs.v[i].n_after; k++)
            str_addf(&s, " <%s", jobs.v[i].after[k]);
        str_addch(&s, '\n');
    }
    return str_steal(&s);
}

#define PAIR(base_file, tests)                                                                 \
    {.path = "base/Containerfile", .text = "FROM quay.io/org/os:1\nCOPY a /a\n"},              \
        {.path = "base/a", .text = base_file}, {.path = "base/unused", .text = base_file "x"}, \
        {.path = "base/image.yaml", .text = "test: { scripts: ['tests/*.sh'] }\n"},            \
        {.path = "base/tests/a.sh", .text = tests},                                            \
        {.path = "hmi/Containerfile", .text = "FROM localhost/base\n"},                        \
        {.path = "gw/Containerfile", .text = "FROM scratch\n"},                                \
    {                                                                                          \
        .path = NULL                                                                           \
    }

Test(plan, a_change_rebuilds_what_depends_on_it_and_nothing_else)
{
    static const struct file before[] = {PAIR("1", "t")}, changed[] = {PAIR("2", "t")},
                             retested[] = {PAIR("1", "u")};
    struct fixture old, now;
    fixture_plan(&old, before);
    fixture_plan(&now, changed);
    expect_no_errors(&old);
    char *text = jobs_text(&now, &old);
    cr_expect_str_eq(text,
                     "build:base:amd64 context base/a\n"
                     "test:base:amd64 context base/a <build:base:amd64\n"
                     "publish:base context base/a <test:base:amd64\n"
                     "build:hmi:amd64 parent base <test:base:amd64\n"
                     "test:hmi:amd64 parent base <build:hmi:amd64\n"
                     "publish:hmi parent base <test:hmi:amd64\n",
                     "%s", text);
    free(text);
    fixture_release(&now);
    fixture_plan(&now, retested);
    text = jobs_text(&now, &old);
    cr_expect_str_eq(text,
                     "test:base:amd64 input base/tests/a.sh\n"
                     "publish:base input base/tests/a.sh <test:base:amd64\n",
                     "%s", text);
    free(text);
    fixture_release(&now);
    fixture_release(&old);
}

Test(plan, a_broken_definition_stops_only_its_own_images)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM localhost/b\n"},
        {.path = "b/Containerfile", .text = "ARG X\n\nFROM  ${X}\n"},
        {.path = "c/Containerfile", .text = "FROM scratch\n"},
        {.path = "c/image.yaml", .text = "test:\n  tiemout: 5m\n"},
        {.path = "d/Containerfile", .text = "FROM scratch\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "a/Containerfile:1:6 broken-parent\n"
                      "b/Containerfile:3:7 unset-argument\n"
                      "c/image.yaml:2:3 unknown-key");
    cr_assert_eq(f.plan.images, 1);
    cr_expect_str_eq(f.plan.image[0].name, "d");
    cr_expect_str_eq(f.plan.errors.list.v[2]->image[0], "c");
    cr_expect_str_eq(f.plan.errors.list.v[2]->hint, "did you mean 'timeout'?");
    fixture_release(&f);
}

Test(plan, a_circle_is_named_with_its_path)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM localhost/b\n"},
        {.path = "b/Containerfile", .text = "FROM scratch\nCOPY --from=localhost/c / /\n"},
        {.path = "c/Containerfile", .text = "FROM localhost/a\n"},
        {.path = "d/Containerfile", .text = "FROM localhost/a\n"},
        {.path = "e/Containerfile", .text = "FROM localhost/e\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "a/Containerfile:1:6 cycle\n"
                      "b/Containerfile:2:13 cycle\n"
                      "c/Containerfile:1:6 cycle\n"
                      "d/Containerfile:1:6 broken-parent\n"
                      "e/Containerfile:1:6 cycle");
    cr_expect_str_eq(f.plan.errors.list.v[1]->message, "b is built from itself: a -> b -> c -> a");
    fixture_release(&f);
}
