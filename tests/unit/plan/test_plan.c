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

Test(plan, two_images_that_provide_one_reference_are_an_error_where_it_is_used)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/image.yaml", .text = "provides: ['localhost/os']\n"},
        {.path = "b/Containerfile", .text = "FROM scratch\n"},
        {.path = "b/image.yaml", .text = "provides: ['localhost/os']\n"},
        {.path = "c/Containerfile", .text = "FROM localhost/os\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "c/Containerfile:1:6 ambiguous");
    cr_expect_str_eq(f.plan.errors.list.v[0]->message,
                     "localhost/os:latest is provided by two images: a (a/Containerfile) and b "
                     "(b/Containerfile)");
    cr_expect_eq(f.plan.images, 2);
    fixture_release(&f);
}

Test(plan, architectures)
{
    static const struct file files[] = {
        {.path = "os/Containerfile", .text = "ARG TARGETARCH\nFROM quay.io/org/os:$TARGETARCH\n"},
        {.path = "os/image.yaml", .text = "arch: [arm64, amd64]\n"},
        {.path = "app/Containerfile", .text = "FROM localhost/os\n"},
        {.path = "app/image.yaml", .text = "arch: [amd64, arm64, riscv64]\n"},
        {.path = "cross/Containerfile",
         .text = "FROM --platform=linux/arm64 localhost/os AS x\nFROM localhost/os\n"
                 "COPY --from=x / /\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "app/Containerfile:1:6 no-such-arch");
    cr_expect_str_eq(f.plan.errors.list.v[0]->hint, "add riscv64 to `arch` of os");
    const struct image *amd = plan_find(&f.plan, "os", "amd64");
    const struct image *arm = plan_find(&f.plan, "os", "arm64");
    cr_expect_str_eq(amd->need[0].ref, "quay.io/org/os:amd64");
    cr_expect_str_eq(arm->need[0].ref, "quay.io/org/os:arm64");
    cr_expect(!sha256_eq(&amd->recipe_key, &arm->recipe_key));
    const struct image *app = plan_find(&f.plan, "app", "arm64");
    cr_expect_eq(&f.plan.image[app->need[0].parent], arm);
    cr_expect(plan_find(&f.plan, "app", "riscv64") == NULL);
    const struct image *cross = image_of(&f, "cross");
    cr_assert_eq(cross->needs, 2);
    cr_expect_eq(&f.plan.image[cross->need[0].parent], arm);
    cr_expect_eq(&f.plan.image[cross->need[1].parent], amd);
    cr_expect(!cross->need[0].final && cross->need[1].final);
    fixture_release(&f);
}

/* The image begins with the layers of a.io/x: its last stage is built on one that is built on that.
 */
Test(plan, what_an_image_begins_with)
{
    static const struct file files[] = {
        {.path = "a/Containerfile",
         .text = "FROM a.io/x AS one\nFROM one AS two\nFROM b.io/y AS tools\nFROM two\n"
                 "COPY --from=tools /t /\nCOPY --from=c.io/z /z /\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->needs, 3);
    cr_expect(a->need[0].final);
    cr_expect(!a->need[1].final);
    cr_expect(!a->need[2].final);
    fixture_release(&f);
}

Test(plan, references_that_lead_nowhere)
{
    static const struct file files[] = {
        {.path = "base/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/Containerfile", .text = "FROM localhost/bsae\n"},
        {.path = "b/Containerfile", .text = "FROM debian:12\n"},
        {.path = "c/Containerfile", .text = "FROM base\n"},
        {.path = "d/Containerfile", .text = "ARG V\nFROM quay.io/x/y:${V}\n"},
        {.path = "e/Containerfile", .text = "FROM quay.io/X\n"},
        {.path = "g/Containerfile", .text = "FROM scratch\n"},
        {.path = "g/image.yaml", .text = "provides: ['Bad Name']\nneeds_images: [localhost/no]\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "a/Containerfile:1:6 no-such-image\n"
                      "b/Containerfile:1:6 short-name\n"
                      "c/Containerfile:1:6 short-name\n"
                      "d/Containerfile:2:6 unset-argument\n"
                      "e/Containerfile:1:6 bad-reference\n"
                      "g/image.yaml:1:12 bad-reference\n"
                      "g/image.yaml:2:16 no-such-image");
    struct diag **e = f.plan.errors.list.v;
    cr_expect_str_eq(e[0]->hint, "did you mean localhost/base:latest?");
    cr_expect_str_eq(e[1]->hint, "name the registry, for example docker.io/library/debian:12");
    cr_expect_str_eq(e[2]->hint, "did you mean localhost/base:latest?");
    cr_expect_str_eq(e[3]->message, "the argument V has no value, so this names no image");
    fixture_release(&f);
}

Test(plan, short_names_by_alias_or_by_provides)
{
    static const struct file files[] = {
        {.path = "os/Containerfile", .text = "FROM debian:12\n"},
        {.path = "os/image.yaml",
         .text = "provides: [base-os, 'registry.example/plant/os:main']\n"},
        {.path = "a/Containerfile",
         .text = "FROM base-os\nCOPY --from=registry.example/plant/os:main / /\n"},
        {.path = NULL}};
    static const struct plan_alias alias[] = {{"debian", "docker.io/library/debian"}};
    struct fixture f;
    fixture_tree(&f, files);
    struct plan_input in = {.tree = &f.tree,
                            .hash = fake_hash,
                            .slug = "plant",
                            .arch = "amd64",
                            .ref = "main",
                            .registry = "registry.example",
                            .alias = alias,
                            .aliases = 1};
    plan_make(&in, &f.plan);
    expect_no_errors(&f);
    const struct image *os = image_of(&f, "os"), *a = image_of(&f, "a");
    cr_expect_str_eq(os->need[0].ref, "docker.io/library/debian:12");
    cr_assert_eq(os->need[0].n_written, 1);
    cr_expect_str_eq(os->need[0].written[0], "debian:12");
    cr_assert_eq(a->needs, 2);
    cr_expect_eq(&f.plan.image[a->need[1].parent], os);
    fixture_release(&f);
}

Test(plan, release_references_of_the_same_ref)
{
    static const struct file files[] = {
        {.path = "os/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/Containerfile", .text = "FROM registry.example/plant/os:main\n"},
        {.path = "b/Containerfile", .text = "FROM registry.example/plant/os:stable\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    cr_expect_neq(image_of(&f, "a")->need[0].parent, PLAN_EXTERNAL);
    cr_expect_eq(image_of(&f, "b")->need[0].parent, PLAN_EXTERNAL);
    fixture_release(&f);
}

Test(plan, every_spelling_of_one_image_is_written_down)
{
    static const struct file files[] = {
        {.path = "a/Containerfile",
         .text =
             "ARG R=docker.io/debian\nFROM $R\nCOPY --from=docker.io/library/debian:latest / /\n"
             "COPY --from=docker.io/debian / /\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->needs, 1);
    cr_assert_eq(a->need[0].n_written, 3);
    cr_expect_str_eq(a->need[0].ref, "docker.io/library/debian:latest");
    cr_expect_str_eq(a->need[0].written[0], "$R");
    cr_expect_str_eq(a->need[0].written[1], "docker.io/debian");
    cr_expect_str_eq(a->need[0].written[2], "docker.io/library/debian:latest");
    fixture_release(&f);
}

Test(plan, named_contexts_replace_images_and_stages)
{
    static const struct file files[] = {
        {.path = "tools/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/Containerfile",
         .text = "FROM swap\nCOPY --from=dir x /\nCOPY --from=needs_images y.oci.tar /\n"
                 "RUN --mount=from=other,target=/o true\n"},
        {.path = "a/image.yaml",
         .text = "contexts: { swap: 'image:tools', dir: /d, other: 'image:quay.io/o/p' }\n"},
        {.path = "d/x", .text = "1"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->needs, 2);
    cr_expect_str_eq(a->need[0].ref, "localhost/tools:latest");
    cr_expect_str_eq(a->need[0].written[0], "swap");
    cr_expect_neq(a->need[0].parent, PLAN_EXTERNAL);
    cr_expect_str_eq(a->need[1].ref, "quay.io/o/p:latest");
    fixture_release(&f);
}

Test(plan, onbuild_of_a_parent_counts_for_the_child)
{
    static const struct file files[] = {
        {.path = "os/Containerfile",
         .text = "FROM scratch\nONBUILD COPY --from=localhost/tools /t /\nONBUILD COPY app /\n"
                 "ONBUILD RUN --mount=from=early,target=/e true\n"},
        {.path = "tools/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/Containerfile", .text = "FROM quay.io/e/e AS early\nFROM localhost/os\n"},
        {.path = "a/app/x", .text = "1"},
        {.path = "a/rest", .text = "1"},
        {.path = "b/Containerfile", .text = "FROM localhost/a\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    cr_expect_eq(image_of(&f, "os")->needs, 0);
    cr_expect_eq(image_of(&f, "b")->needs, 1);
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->needs, 3);
    cr_expect_eq(need_called(a, "localhost/tools:latest")->use, NEED_FROM);
    cr_expect_str_eq(need_called(a, "localhost/tools:latest")->at.file, "os/Containerfile");
    cr_expect_eq(need_called(a, "quay.io/e/e:latest")->parent, PLAN_EXTERNAL);
    cr_expect_eq(a->context_files.n, 2);
    cr_expect_str_eq(a->context_files.v[1].path, "app/x");
    fixture_release(&f);
}

static void plan_with_triggers(struct fixture *f, const struct file *files,
                               const struct plan_onbuild *onbuild, size_t n)
{
    fixture_tree(f, files);
    struct plan_input in = {.tree = &f->tree,
                            .hash = fake_hash,
                            .slug = "plant",
                            .arch = "amd64",
                            .ref = "main",
                            .registry = "registry.example",
                            .onbuild = onbuild,
                            .onbuilds = n};
    plan_make(&in, &f->plan);
}

Test(plan, triggers_are_said_of_the_stage_that_becomes_the_image)
{
    static const struct file files[] = {
        {.path = "os/Containerfile",
         .text = "FROM scratch AS x\nONBUILD RUN no\nFROM scratch\nONBUILD  COPY a \\\n  b /\n"
                 "ONBUILD USER x\n"},
        {.path = "a/Containerfile", .text = "FROM scratch\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    const struct image *os = image_of(&f, "os");
    cr_assert_eq(os->onbuilds, 2);
    cr_expect_str_eq(os->onbuild[0], "COPY a   b /");
    cr_expect_str_eq(os->onbuild[1], "USER x");
    cr_expect_eq(image_of(&f, "a")->onbuilds, 0);
    fixture_release(&f);
}

Test(plan, onbuild_of_an_image_from_elsewhere_counts_for_the_child)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM registry.example/os/base:main\nCOPY own /\n"},
        {.path = "a/app/x", .text = "1"},
        {.path = "a/own", .text = "1"},
        {.path = "a/rest", .text = "1"},
        {.path = "tools/Containerfile", .text = "FROM scratch\n"},
        {.path = "b/Containerfile", .text = "FROM localhost/a\n"},
        {.path = NULL}};
    static const char *const known[] = {"COPY --from=localhost/tools /t /", "COPY app /srv",
                                        "USER x"};
    static const struct plan_onbuild given[] = {{"registry.example/os/base:main", known, 3}};
    struct fixture f;
    plan_with_triggers(&f, files, given, 1);
    expect_no_errors(&f);
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->needs, 2);
    cr_expect_neq(need_called(a, "localhost/tools:latest")->parent, PLAN_EXTERNAL);
    cr_expect_eq(need_called(a, "registry.example/os/base:main")->parent, PLAN_EXTERNAL);
    cr_assert_eq(a->context_files.n, 3);
    cr_expect_str_eq(a->context_files.v[1].path, "app/x");
    cr_expect_eq(a->onbuilds, 0);
    cr_expect_eq(image_of(&f, "b")->needs, 1);
    fixture_release(&f);
}

/* Nothing is left out then. */
Test(plan, triggers_that_cannot_be_read_take_the_whole_context)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM registry.example/os/base:main\nCOPY own /\n"},
        {.path = "a/own", .text = "1"},
        {.path = "a/rest", .text = "1"},
        {.path = NULL}};
    static const char *const texts[][2] = {{"FROBNICATE", "USER x"},     {"FROM x", "USER x"},
                                           {"RUN \\", "COPY rest /"},    {"RUN <<E", "USER x"},
                                           {"USER x\nFROM y", "USER x"}, {"", "USER x"},
                                           {"RUN x\nRUN y", "USER x"}};
    struct fixture f;
    for (size_t i = 0; i <= ARRAY_SIZE(texts); i++) {
        struct plan_onbuild given = {"registry.example/os/base:main", NULL, 0};
        if (i < ARRAY_SIZE(texts))
            given = (struct plan_onbuild){given.reference, texts[i], 2};
        plan_with_triggers(&f, files, &given, 1);
        expect_no_errors(&f);
        cr_expect_eq(image_of(&f, "a")->context_files.n, 3, "case %zu", i);
        fixture_release(&f);
    }
    plan_with_triggers(&f, files, NULL, 0);
    cr_expect_eq(image_of(&f, "a")->context_files.n, 2);
    fixture_release(&f);
}

/* ---- keys: what changes them, and what does not ---- */

#define KEYED(containerfile, image_yaml, extra_path, extra)                                \
    {.path = "i/Containerfile", .text = containerfile},                                    \
        {.path = "i/image.yaml", .text = image_yaml}, {.path = "i/a", .text = "1"},        \
        {.path = "i/t/x.sh", .text = "1"}, {.path = "in/x", .text = "1"},                  \
        {.path = "v.conf", .text = "V=1\n"}, {.path = "extra/" extra_path, .text = extra}, \
    {                                                                                      \
        .path = NULL                                                                       \
    }
#define BASE_FILE "ARG V U\nFROM q.io/a:$V\nCOPY a /\n"
#define BASE_YAML "args_files: [/v.conf]\ninputs: [/in/*]\ntest: { scripts: [t/*.sh] }\n"

enum { RECIPE = 1, TESTS = 2, PUBLISH = 4 };

static const struct {
    const char *what;
    struct file files[8];
    int changes;
} mutations[] = {
    {"nothing", {KEYED(BASE_FILE, BASE_YAML, "x", "1")}, 0},
    {"a file elsewhere", {KEYED(BASE_FILE, BASE_YAML, "y", "2")}, 0},
    {"the Containerfile", {KEYED(BASE_FILE "RUN x\n", BASE_YAML, "x", "1")}, RECIPE},
    {"an argument", {KEYED(BASE_FILE, BASE_YAML "args: { U: 1 }\n", "x", "1")}, RECIPE},
    {"an argument that the file does not declare",
     {KEYED(BASE_FILE, BASE_YAML "args: { X: 1 }\n", "x", "1")},
     0},
    {"priority, time-outs, mirrors, places",
     {KEYED(BASE_FILE,
            BASE_YAML "priority: 5\nmirror: { sites: [a] }\nplace: { needs: [kvm] }\n"
                      "build: { timeout: 5m, memory: 1GiB, cpus: 1, silence: 1m }\n",
            "x", "1")},
     0},
    {"the network", {KEYED(BASE_FILE, BASE_YAML "build: { network: none }\n", "x", "1")}, RECIPE},
    {"the target", {KEYED(BASE_FILE, BASE_YAML "target: '0'\n", "x", "1")}, RECIPE},
    {"a secret", {KEYED(BASE_FILE, BASE_YAML "build: { secrets: [s] }\n", "x", "1")}, RECIPE},
    {"an embedded image",
     {KEYED(BASE_FILE, BASE_YAML "needs_images: [q.io/z]\n", "x", "1")},
     RECIPE},
    {"how it is tested",
     {KEYED(BASE_FILE,
            "args_files: [/v.conf]\ninputs: [/in/*]\ntest: { scripts: [t/*.sh], boot: no }\n", "x",
            "1")},
     TESTS},
    {"how long it is tested",
     {KEYED(BASE_FILE,
            "args_files: [/v.conf]\ninputs: [/in/*]\ntest: { scripts: [t/*.sh], timeout: 1m }\n",
            "x", "1")},
     0},
    {"tags", {KEYED(BASE_FILE, BASE_YAML "publish: { tags: [x] }\n", "x", "1")}, PUBLISH},
    {"a comment in image.yaml", {KEYED(BASE_FILE, "# comment\n" BASE_YAML, "x", "1")}, 0},
};

/* Contents of the files above, changed one at a time. */
static const struct {
    const char *path, *text;
    int changes;
} contents[] = {
    {"i/a", "2", RECIPE},        {"i/t/x.sh", "2", TESTS},    {"in/x", "2", RECIPE},
    {"v.conf", "V=2\n", RECIPE}, {"v.conf", "V=1\nX=2\n", 0}, {"v.conf", "V=1\nU=2\n", RECIPE},
};

static void expect_changes(const struct fixture *x, const struct fixture *y, int changes,
                           const char *what)
{
    const struct image *a = image_of(x, "i"), *b = image_of(y, "i");
    int got = (sha256_eq(&a->recipe_key, &b->recipe_key) ? 0 : RECIPE) |
              (sha256_eq(&a->tests_key, &b->tests_key) ? 0 : TESTS) |
              (sha256_eq(&a->publish_key, &b->publish_key) ? 0 : PUBLISH);
    cr_expect_eq(got, changes, "%s: changes %d instead of %d", what, got, changes);
}

Test(plan, keys_change_with_what_can_change_the_result_and_with_nothing_else)
{
    struct fixture base, other;
    fixture_plan(&base, mutations[0].files);
    expect_no_errors(&base);
    for (size_t i = 0; i < ARRAY_SIZE(mutations); i++) {
        fixture_plan(&other, mutations[i].files);
        expect_no_errors(&other);
        expect_changes(&base, &other, mutations[i].changes, mutations[i].what);
        fixture_release(&other);
    }
    for (size_t i = 0; i < ARRAY_SIZE(contents); i++) {
        struct file files[8];
        memcpy(files, mutations[0].files, sizeof files);
        for (size_t k = 0; files[k].path != NULL; k++) {
            if (strcmp(files[k].path, contents[i].path) == 0)
                files[k].text = contents[i].text;
        }
        fixture_plan(&other, files);
        expect_no_errors(&other);
        expect_changes(&base, &other, contents[i].changes, contents[i].path);
        fixture_release(&other);
    }
    fixture_release(&base);
}

Test(plan, the_mode_of_a_file_is_part_of_the_key)
{
    struct file files[8];
    struct fixture base, other;
    fixture_plan(&base, mutations[0].files);
    memcpy(files, mutations[0].files, sizeof files);
    files[2].kind = TREE_EXEC;
    fixture_plan(&other, files);
    expect_changes(&base, &other, RECIPE, "mode");
    fixture_release(&other);
    fixture_release(&base);
}

Test(plan, reasons_name_the_file_the_argument_or_the_parent)
{
    static const struct {
        const char *path, *text, *reason;
    } cases[] = {
        {"i/a", "2", "context i/a"},
        {"i/Containerfile", BASE_FILE "RUN x\n", "definition i/Containerfile"},
        {"i/image.yaml", BASE_YAML "build: { network: none }\n", "definition i/image.yaml"},
        {"i/image.yaml", BASE_YAML "args: { U: 1 }\n", "argument U"},
        {"v.conf", "V=2\n", "argument V"},
        {"in/x", "2", "input in/x"},
        {"i/t/x.sh", "2", "input i/t/x.sh"},
        {"i/image.yaml", BASE_YAML "publish: { tags: [x] }\n", "definition i/image.yaml"},
        {"i/image.yaml", BASE_YAML "needs_images: [q.io/z]\n", "external q.io/z:latest"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct file files[8];
        struct fixture before, now;
        memcpy(files, mutations[0].files, sizeof files);
        fixture_plan(&before, files);
        for (size_t k = 0; files[k].path != NULL; k++) {
            if (strcmp(files[k].path, cases[i].path) == 0)
                files[k].text = cases[i].text;
        }
        fixture_plan(&now, files);
        char *text = jobs_text(&now, &before), *expected = xasprintf(" %s", cases[i].reason);
        cr_expect(strstr(text, expected) != NULL, "%s: got\n%s", cases[i].reason, text);
        free(text);
        free(expected);
        fixture_release(&before);
        fixture_release(&now);
    }
}

Test(plan, mirrors_of_sites_that_are_named)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM scratch\n"},
        {.path = "a/image.yaml",
         .text = "mirror: { sites: [acp-1, 'x-*'] }\narch: [amd64, arm64]\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    char *text = jobs_text(&f, NULL);
    cr_expect_str_eq(text,
                     "build:a:amd64 new a/Containerfile\n"
                     "test:a:amd64 new a/Containerfile <build:a:amd64\n"
                     "build:a:arm64 new a/Containerfile\n"
                     "test:a:arm64 new a/Containerfile <build:a:arm64\n"
                     "publish:a new a/Containerfile <test:a:amd64 <test:a:arm64\n"
                     "mirror:a:acp-1 new a/Containerfile <publish:a\n",
                     "%s", text);
    free(text);
    fixture_release(&f);
}

Test(plan, one_image_of_many_architectures_that_is_gone_or_new)
{
    static const struct file files[] = {{.path = "a/Containerfile", .text = "FROM scratch\n"},
                                        {.path = "b/Containerfile", .text = "FROM scratch\n"},
                                        {.path = NULL}};
    struct fixture now, before;
    fixture_plan(&now, files);
    fixture_plan(&before, files + 1);
    char *text = jobs_text(&now, &before), *none = jobs_text(&before, &now);
    cr_expect_str_eq(text, "build:a:amd64 new a/Containerfile\n"
                           "test:a:amd64 new a/Containerfile <build:a:amd64\n"
                           "publish:a new a/Containerfile <test:a:amd64\n");
    cr_expect_str_eq(none, "");
    free(text);
    free(none);
    fixture_release(&now);
    fixture_release(&before);
}
