/* Which files are definitions, what their names are, and which file has the last word. */
#include "scheduler/plan/definition.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

#define CF "FROM scratch\n"
#define TEN "1111111111"
#define LONG TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

/* "NAME FILE" of every image, separated by newlines. */
static void expect_images(const struct fixture *f, const char *expected)
{
    struct str s = STR_INIT;
    for (size_t i = 0; i < f->plan.images; i++)
        str_addf(&s, "%s%s %s", i > 0 ? "\n" : "", f->plan.image[i].name, f->plan.image[i].file);
    cr_expect_str_eq(s.p, expected, "got\n%s", s.p);
    str_release(&s);
}

static void expect_warnings(const struct fixture *f, const char *expected)
{
    char *text = errors_text(&f->plan.warnings);
    cr_expect_str_eq(text, expected, "got\n%s", text);
    free(text);
}

Test(definition, stems_and_prefixes)
{
    static const char *const stems[][2] = {{"Containerfile", ""},
                                           {"Dockerfile", ""},
                                           {"Containerfile.hmi", "hmi"},
                                           {"Dockerfile.a.b", "a.b"},
                                           {"hmi.containerfile", "hmi"},
                                           {"a.b.Dockerfile", "a.b"},
                                           {"Containerfiles", "Containerfiles"},
                                           {"build", "build"}};
    static const char *const prefixes[][2] = {{"images/**/Containerfile", "images"},
                                              {"a/b/*.x", "a/b"},
                                              {"*/x", ""},
                                              {"a/b/Containerfile", ""},
                                              {"a/b{c,d}/x", "a"},
                                              {"**/x", ""}};
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(stems); i++)
        cr_expect_str_eq(definition_stem(&a, stems[i][0]), stems[i][1], "%s", stems[i][0]);
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        cr_expect_str_eq(glob_prefix(&a, prefixes[i][0]), prefixes[i][1], "%s", prefixes[i][0]);
    arena_release(&a);
}

Test(definition, without_configuration)
{
    static const struct file files[] = {{.path = "a/Containerfile", .text = CF},
                                        {.path = "a/Dockerfile", .text = CF},
                                        {.path = "B C/Dockerfile", .text = CF},
                                        {.path = "Dockerfile", .text = CF},
                                        {.path = "a/Containerfile.x", .text = CF},
                                        {.path = "testdata/Containerfile", .text = CF},
                                        {.path = "x/node_modules/y/Dockerfile", .text = CF},
                                        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_images(&f, "a a/Containerfile\nb-c B C/Dockerfile\nplant Dockerfile");
    expect_warnings(&f, "a/Dockerfile:1:1 shadowed");
    fixture_release(&f);
}

Test(definition, the_first_rule_that_matches_claims_the_file)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages:\n"
                 "  - { files: [images/site/Containerfile], name: 'special' }\n"
                 "  - { files: ['images/**/Containerfile', 'images/**/*.containerfile'],\n"
                 "      exclude: ['**/old/**'] }\n"
                 "  - { files: ['nowhere/*'] }\n"
                 "  - { files: ['*/Dockerfile'], name: 'x/{dir}-{repo}' }\n"},
        {.path = "images/site/Containerfile", .text = CF},
        {.path = "images/a/b/Containerfile", .text = CF},
        {.path = "images/a/hmi.containerfile", .text = CF},
        {.path = "images/top.containerfile", .text = CF},
        {.path = "images/old/Containerfile", .text = CF},
        {.path = "app/Dockerfile", .text = CF},
        {.path = "Containerfile", .text = CF},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_images(&f, "a/b images/a/b/Containerfile\n"
                      "a/hmi images/a/hmi.containerfile\n"
                      "special images/site/Containerfile\n"
                      "top images/top.containerfile\n"
                      "x/app-plant app/Dockerfile");
    expect_warnings(&f, "bootfarm.yaml:6:14 no-match");
    fixture_release(&f);
}

Test(definition, later_layers_win_maps_merge_lists_replace)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text =
             "bootfarm: 1\n"
             "defaults: { priority: 1, args: { A: d, B: d, C: d, D: d }, mirror: { sites: [d] },\n"
             "            test: { timeout: 1m, cpus: 4 } }\n"
             "images:\n"
             "  - { files: ['*/*.containerfile'], priority: 2, args: { B: r, C: r, D: r },\n"
             "      mirror: { sites: [r1, r2] } }\n"},
        {.path = "x/a.containerfile", .text = "FROM scratch\nARG A B C D\n"},
        {.path = "x/b.containerfile", .text = CF},
        {.path = "x/image.yaml",
         .text = "priority: 3\nargs: { C: f, D: f }\ntest: { timeout: 2m }\n"},
        {.path = "x/a.image.yaml", .text = "args: { D: s }\nname: named\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_images(&f, "named x/a.containerfile\nx/b x/b.containerfile");
    const struct image *a = image_of(&f, "named");
    cr_expect_eq(a->s.priority, 3);
    cr_assert_eq(a->args, 4);
    cr_expect_str_eq(a->arg[0].value, "d");
    cr_expect_str_eq(a->arg[1].value, "r");
    cr_expect_str_eq(a->arg[2].value, "f");
    cr_expect_str_eq(a->arg[3].value, "s");
    cr_expect_eq(a->s.test.timeout, 120 * BF_SEC);
    cr_expect_eq(a->s.test.cpus, 4);
    cr_expect_eq(a->s.mirror_sites.n, 2);
    cr_expect_eq(image_of(&f, "x/b")->args, 0);
    fixture_release(&f);
}

Test(definition, configuration_given_beside_the_tree)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml", .text = "bootfarm: 1\nimages: [{files: [a/Containerfile]}]\n"},
        {.path = "a/Containerfile", .text = CF},
        {.path = "b/Containerfile", .text = CF},
        {.path = NULL}};
    static const char config[] = "bootfarm: 1\nimages: [{files: [b/Containerfile]}]\n";
    struct fixture f;
    fixture_tree(&f, files);
    struct plan_input in = {.tree = &f.tree,
                            .hash = fake_hash,
                            .slug = "plant",
                            .arch = "amd64",
                            .ref = "main",
                            .config = config,
                            .config_len = strlen(config),
                            .config_name = "other.yaml"};
    plan_make(&in, &f.plan);
    expect_no_errors(&f);
    expect_images(&f, "b b/Containerfile");
    fixture_release(&f);
}

static const struct {
    const char *config, *errors;
} broken[] = {
    {"images: []\n", "bootfarm.yaml:1:1 missing-key"},
    {"bootfarm: 2\n", "bootfarm.yaml:1:11 bad-value"},
    {"bootfarm: 1\nimges: []\n", "bootfarm.yaml:2:1 unknown-key"},
    {"bootfarm: 1\nimages: x\n", "bootfarm.yaml:2:9 bad-type"},
    {"- x\n", "bootfarm.yaml:1:1 bad-type"},
    {"bootfarm: 1\nimages: [{name: x}]\n", "bootfarm.yaml:2:10 missing-key"},
    {"bootfarm: [\n", "bootfarm.yaml:1:1 yaml"},
};

Test(definition, a_broken_bootfarm_yaml_concerns_everything)
{
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        const struct file files[] = {{.path = "bootfarm.yaml", .text = broken[i].config},
                                     {.path = "a/Containerfile", .text = CF},
                                     {.path = NULL}};
        struct fixture f;
        fixture_plan(&f, files);
        expect_errors(&f, broken[i].errors);
        cr_expect_eq(f.plan.images, 0, "%s", broken[i].config);
        cr_expect_eq(f.plan.errors.list.v[0]->images, 0);
        fixture_release(&f);
    }
}

Test(definition, a_broken_layer_concerns_its_own_images)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages:\n"
                 "  - { files: ['a/*'], name: 'a-{stem}', prioritty: 1 }\n"
                 "  - { files: ['*/Containerfile'] }\n"},
        {.path = "a/Containerfile.x", .text = CF},
        {.path = "a/Containerfile.y", .text = CF},
        {.path = "b/Containerfile", .text = CF},
        {.path = "c/Containerfile", .text = CF},
        {.path = "b/image.yaml", .text = "name: {\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "b/image.yaml:1:1 yaml\nbootfarm.yaml:3:41 unknown-key");
    expect_images(&f, "c c/Containerfile");
    const struct diag *rule = f.plan.errors.list.v[1];
    cr_assert_eq(rule->images, 2);
    cr_expect_str_eq(rule->image[0], "a-x");
    cr_expect_str_eq(rule->image[1], "a-y");
    fixture_release(&f);
}

Test(definition, two_images_of_one_name)
{
    static const struct file files[] = {
        {.path = "a/A/Containerfile", .text = CF},
        {.path = "a/a/Containerfile", .text = CF},
        {.path = "b/Containerfile", .text = CF},
        {.path = "b/image.yaml", .text = "matrix: { s: [x, y] }\nname: b\n"},
        {.path = "c/Containerfile", .text = CF},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "a/A/Containerfile:1:1 duplicate-name\n"
                      "a/a/Containerfile:1:1 duplicate-name\n"
                      "b/image.yaml:2:7 duplicate-name");
    expect_images(&f, "c c/Containerfile");
    cr_expect_str_eq(f.plan.errors.list.v[0]->message,
                     "the name 'a/a' means two images: a/A/Containerfile, and a/a/Containerfile");
    fixture_release(&f);
}

Test(definition, what_would_go_unseen)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages: [{files: [/**/Containerfile*], exclude: [/b/**]}]\n"},
        {.path = "a/Containerfile", .text = CF},
        {.path = "a/image.yaml", .text = "matrix: {}\n"},
        {.path = "a/Containerfile.hmi", .text = CF},
        {.path = "a/hmi.image.yaml", .text = "matrix: { include: [] }\n"},
        {.path = "a/hni.image.yaml", .text = "nobody: reads this\n"},
        {.path = "a/Containerfile.hmi.dockerignore", .text = "x\n"},
        {.path = "b/Containerfile", .text = CF},
        {.path = "b/x.image.yaml", .text = "not: ours\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_images(&f, "a a/Containerfile\na/hmi a/Containerfile.hmi");
    expect_warnings(&f, "a/hni.image.yaml:1:1 no-match");
    fixture_release(&f);
}

/* A tag that is too long is cut beside what the scheduler fills in, and an axis that is not there
 * is one error for all cells. */
Test(definition, long_tags_and_names_without_a_value)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = CF},
        {.path = "a/image.yaml",
         .text = "version: '" LONG "'\npublish: { tags: ['{version}', '{version}-{build}', "
                 "'x{commit12}-{version}'] }\n"},
        {.path = "b/Containerfile", .text = CF},
        {.path = "b/image.yaml", .text = "matrix: { s: [x, y] }\nname: '{matrix.t}'\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "b/image.yaml:2:7 placeholder");
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->tags, 3);
    cr_expect_eq(strlen(a->tag[0]), 128);
    cr_expect_eq(strlen(a->tag[1]), 128 - strlen("2147483647") + strlen("{build}"));
    cr_expect(str_ends(a->tag[1], "11{build}"));
    cr_expect_eq(strlen(a->tag[2]), 128 - 12 + strlen("{commit12}"));
    cr_expect(str_starts(a->tag[2], "x{commit12}-11"));
    fixture_release(&f);
}

Test(definition, placeholders)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "FROM scratch\nARG J R M\n"},
        {.path = "a/image.yaml",
         .text =
             "name: 'n-{matrix.s}-{stem}'\nmatrix: { s: [x] }\nversion: '1.{matrix.s}'\n"
             "args: { J: '{\"k\": {name}}', R: '{dirt}', M: '{repo}/{dir}' }\n"
             "publish: { tags: ['{ref}', 'V{version}', '{version}-{build}', 'c{commit12}'] }\n"},
        {.path = "b/Containerfile", .text = CF},
        {.path = "b/image.yaml", .text = "name: 'b{dri}'\n"},
        {.path = "c/Containerfile", .text = CF},
        {.path = "c/image.yaml",
         .text = "args: { A: '{matrix.s}' }\npublish: { tags: ['{version}'] }\n"},
        {.path = "d/Containerfile", .text = CF},
        {.path = "d/image.yaml", .text = "publish: { tags: ['{version}', '{repo}'] }\n"},
        {.path = "e/Containerfile", .text = CF},
        {.path = "e/image.yaml", .text = "args: { A: '{ref}' }\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "b/image.yaml:1:7 placeholder\nc/image.yaml:1:12 placeholder\n"
                      "e/image.yaml:1:12 placeholder");
    cr_expect_str_eq(f.plan.errors.list.v[0]->hint, "did you mean {dir}?");
    const struct image *a = image_of(&f, "n-x");
    cr_expect_str_eq(a->arg[0].value, "{\"k\": n-x}");
    cr_expect_str_eq(a->arg[1].value, "plant/a");
    cr_expect_str_eq(a->arg[2].value, "{dirt}");
    cr_assert_eq(a->tags, 4);
    cr_expect_str_eq(a->tag[0], "main");
    cr_expect_str_eq(a->tag[1], "v1.x");
    cr_expect_str_eq(a->tag[2], "1.x-{build}");
    cr_expect_str_eq(a->tag[3], "c{commit12}");
    cr_expect_eq(a->n_release, 2);
    const struct image *d = image_of(&f, "d");
    cr_assert_eq(d->tags, 1);
    cr_expect_str_eq(d->tag[0], "plant");
    fixture_release(&f);
}

Test(definition, argument_files)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "ARG A B C\nFROM scratch\n"},
        {.path = "a/image.yaml", .text = "args_files: [/common.conf, own.conf]\nargs: { C: 3 }\n"},
        {.path = "common.conf", .text = "# a comment\r\n\r\nA=1\r\nB=x y=z\r\nC=1\r\n"},
        {.path = "a/own.conf", .text = "A=2"},
        {.path = "b/Containerfile", .text = CF},
        {.path = "b/image.yaml", .text = "args_files: [none.conf, ../../x, bad.conf]\n"},
        {.path = "b/bad.conf", .text = "OK=1\nno value\n1-2=3\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "b/bad.conf:2:1 bad-args-file\nb/bad.conf:3:1 bad-value\n"
                      "b/image.yaml:1:14 no-such-file\nb/image.yaml:1:25 outside");
    const struct image *a = image_of(&f, "a");
    cr_assert_eq(a->args, 3);
    cr_expect_str_eq(a->arg[0].value, "2");
    cr_expect_str_eq(a->arg[0].file, "a/own.conf");
    cr_expect_str_eq(a->arg[1].value, "x y=z");
    cr_expect_str_eq(a->arg[2].value, "3");
    fixture_release(&f);
}

Test(definition, templates_are_refused_by_name)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages: [{files: ['*/*file*'], name: '{dir}'}]\n"},
        {.path = "a/Containerfile.j2", .text = CF},
        {.path = "b/Dockerfile.template", .text = CF},
        {.path = "c/Containerfile.in", .text = CF},
        {.path = "d/Containerfile", .text = "FROM {{x}}\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "a/Containerfile.j2:1:1 template\nb/Dockerfile.template:1:1 template\n"
                      "c/Containerfile.in:1:1 preprocessor\nd/Containerfile:1:6 template");
    fixture_release(&f);
}

Test(definition, links_are_definitions_like_their_target)
{
    static const struct file files[] = {
        {.path = "a/Containerfile", .text = "../common/Containerfile", .kind = TREE_LINK},
        {.path = "a/image.yaml", .text = "../common/a.yaml", .kind = TREE_LINK},
        {.path = "b/Containerfile", .text = "../../outside", .kind = TREE_LINK},
        {.path = "common/a.yaml", .text = "priority: 7\n"},
        {.path = "common/Containerfile", .text = "FROM a.io/b\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "b/Containerfile:1:1 no-such-file");
    expect_images(&f, "a a/Containerfile\ncommon common/Containerfile");
    cr_expect_eq(image_of(&f, "a")->s.priority, 7);
    cr_expect_eq(image_of(&f, "a")->needs, 1);
    fixture_release(&f);
}
