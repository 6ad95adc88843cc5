/* What travels to the worker, and what changes its key. */
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

/* "PATH" of every entry, links as "PATH@", executables as "PATH*", separated by blanks. */
static char *list_text(const struct ship_list *l)
{
    struct str s = STR_INIT;
    for (size_t i = 0; i < l->n; i++)
        str_addf(&s, "%s%s%s", i > 0 ? " " : "", l->v[i].path,
                 l->v[i].kind == TREE_LINK   ? "@"
                 : l->v[i].kind == TREE_EXEC ? "*"
                                             : "");
    return str_steal(&s);
}

static void expect_context(const struct fixture *f, const char *image, const char *expected)
{
    char *text = list_text(&image_of(f, image)->context_files);
    cr_expect_str_eq(text, expected, "%s: got %s", image, text);
    free(text);
}

Test(ship, the_whole_context_without_what_is_the_farms)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages: [{files: [Containerfile, 'b/*file']}]\n"},
        {.path = "Containerfile", .text = "FROM scratch\nCOPY . /\n"},
        {.path = "image.yaml", .text = "test: { scripts: ['tests/*.sh'] }\n"},
        {.path = "app", .text = "x", .kind = TREE_EXEC},
        {.path = "tests/a.sh", .text = "x"},
        {.path = "tests/data", .text = "x"},
        {.path = "b/Containerfile", .text = "FROM scratch\n"},
        {.path = "b/image.yaml", .text = "priority: 1\n"},
        {.path = "c/image.yaml", .text = "not: ours\n"},
        {.path = "sub/.gitmodules", .text = "x"},
        {.path = ".bootfarm/x", .text = "x"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_context(&f, "plant",
                   "Containerfile app* b/Containerfile c/image.yaml sub/.gitmodules tests/data");
    expect_context(&f, "b", "Containerfile");
    char *scripts = list_text(&image_of(&f, "plant")->scripts);
    cr_expect_str_eq(scripts, "tests/a.sh");
    free(scripts);
    fixture_release(&f);
}

Test(ship, narrowed_to_what_is_copied)
{
    static const struct file files[] = {
        {.path = "i/Containerfile",
         .text = "FROM scratch AS unused\nCOPY never /\n"
                 "FROM scratch\nCOPY a d/e *.txt /x/\nADD [\"s p\", \"/\"]\n"},
        {.path = "i/a", .text = "1"},
        {.path = "i/ab", .text = "1"},
        {.path = "i/d/e/f/g", .text = "1"},
        {.path = "i/d/h", .text = "1"},
        {.path = "i/x.txt", .text = "1"},
        {.path = "i/y/x.txt", .text = "1"},
        {.path = "i/s p", .text = "1"},
        {.path = "i/never", .text = "1"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_context(&f, "i", "Containerfile a d/e/f/g s p x.txt");
    fixture_release(&f);
}

Test(ship, ignore_files_and_their_variants)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "FROM scratch\nCOPY . /\n"},
        {.path = "i/.containerignore", .text = "*\n!keep\n"},
        {.path = "i/.dockerignore", .text = "keep\n"},
        {.path = "i/keep/x", .text = "1"},
        {.path = "i/drop", .text = "1"},
        {.path = "j/Containerfile", .text = "FROM scratch\nCOPY . /\n"},
        {.path = "j/Containerfile.dockerignore", .text = "drop\n"},
        {.path = "j/.containerignore", .text = "keep\n"},
        {.path = "j/keep", .text = "1"},
        {.path = "j/drop", .text = "1"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    /* The Containerfile itself is ignored: it travels where no COPY sees it. */
    expect_context(&f, "i", ".bootfarm/Containerfile keep/x");
    cr_expect_str_eq(image_of(&f, "i")->containerfile, ".bootfarm/Containerfile");
    expect_context(&f, "j", ".containerignore Containerfile Containerfile.dockerignore keep");
    fixture_release(&f);
}

/* As buildah, which is told the link. */
Test(ship, the_ignore_file_of_a_linked_containerfile_stands_beside_the_link)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "../common/file", .kind = TREE_LINK},
        {.path = "i/Containerfile.containerignore", .text = "a\n"},
        {.path = "i/a", .text = "1"},
        {.path = "i/b", .text = "1"},
        {.path = "j/Containerfile", .text = "../common/file", .kind = TREE_LINK},
        {.path = "j/a", .text = "1"},
        {.path = "common/file", .text = "FROM scratch\nCOPY [ab] /\n"},
        {.path = "common/file.containerignore", .text = "*\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_context(&f, "i", ".bootfarm/Containerfile b");
    expect_context(&f, "j", ".bootfarm/Containerfile a");
    fixture_release(&f);
}

Test(ship, links)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "FROM scratch\nCOPY . /\n"},
        {.path = "i/inside", .text = "a/x", .kind = TREE_LINK},
        {.path = "i/a/x", .text = "1"},
        {.path = "i/a/up", .text = "../inside", .kind = TREE_LINK},
        {.path = "i/absolute", .text = "/etc/x", .kind = TREE_LINK},
        {.path = "i/dangling", .text = "none", .kind = TREE_LINK},
        {.path = "i/file", .text = "../common/f", .kind = TREE_LINK},
        {.path = "i/folder", .text = "../common", .kind = TREE_LINK},
        {.path = "i/above", .text = "..", .kind = TREE_LINK},
        {.path = "i/outside", .text = "../../etc", .kind = TREE_LINK},
        {.path = "common/f", .text = "2", .kind = TREE_EXEC},
        {.path = "common/g/h", .text = "3"},
        {.path = "common/own", .text = "f", .kind = TREE_LINK},
        {.path = "linked", .text = "i", .kind = TREE_LINK},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_context(&f, "i",
                   "Containerfile a/up@ a/x absolute@ dangling@ file* folder/f* folder/g/h "
                   "folder/own@ inside@ outside@");
    fixture_release(&f);
}

Test(ship, a_narrowed_context_has_what_its_links_lead_to)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "FROM scratch\nCOPY one dir/two /\n"},
        {.path = "i/one", .text = "real/1", .kind = TREE_LINK},
        {.path = "i/dir", .text = "real", .kind = TREE_LINK},
        {.path = "i/real/1", .text = "1"},
        {.path = "i/real/two", .text = "3", .kind = TREE_LINK},
        {.path = "i/real/3", .text = "1"},
        {.path = "i/real/4", .text = "1"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    expect_context(&f, "i", "Containerfile dir@ one@ real/1 real/3 real/two@");
    fixture_release(&f);
}

Test(ship, contexts_elsewhere)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "FROM scratch\nCOPY src /\nCOPY --from=common / /\n"},
        {.path = "i/image.yaml", .text = "context: /app\ncontexts: { common: ../common }\n"},
        {.path = "app/src/x", .text = "1"},
        {.path = "common/y", .text = "1"},
        {.path = "j/Containerfile", .text = "FROM scratch\n"},
        {.path = "j/image.yaml", .text = "context: ../nowhere\ncontexts: { a: /none }\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "j/image.yaml:1:10 no-such-context\nj/image.yaml:2:16 no-such-context");
    expect_context(&f, "i", ".bootfarm/Containerfile .bootfarm/contexts/common/y src/x");
    cr_expect_str_eq(image_of(&f, "i")->folders.v[0].value.text, ".bootfarm/contexts/common");
    fixture_release(&f);
}

/* A common default names it for all images; only those that use it are built again. */
Test(ship, a_named_folder_travels_where_a_reached_stage_names_it)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml", .text = "bootfarm: 1\ndefaults: { contexts: { c: /common } }\n"},
        {.path = "common/y", .text = "1"},
        {.path = "copy/Containerfile",
         .text = "ARG N=c\nFROM scratch\nARG N\nCOPY --from=$N y /\n"},
        {.path = "mount/Containerfile",
         .text = "FROM scratch\nRUN --mount=from=c,target=/c true\n"},
        {.path = "base/Containerfile", .text = "FROM c\nONBUILD COPY --from=c y /\n"},
        {.path = "child/Containerfile", .text = "FROM localhost/base\n"},
        {.path = "unreached/Containerfile",
         .text = "FROM scratch AS x\nCOPY --from=c y /\nFROM scratch\n"},
        {.path = "trigger/Containerfile", .text = "FROM a.io/x:onbuild\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_no_errors(&f);
    static const char *const with[] = {"copy", "mount", "base", "child"};
    for (size_t i = 0; i < ARRAY_SIZE(with); i++)
        expect_context(&f, with[i], ".bootfarm/contexts/c/y Containerfile");
    expect_context(&f, "trigger", ".bootfarm/contexts/c/y Containerfile");
    expect_context(&f, "unreached", "Containerfile");
    cr_expect_eq(image_of(&f, "unreached")->folders.n, 0);
    fixture_release(&f);
}

Test(ship, scripts_and_inputs)
{
    static const struct file files[] = {
        {.path = "i/Containerfile", .text = "FROM scratch\n"},
        {.path = "i/image.yaml",
         .text =
             "test: { scripts: ['tests/*.sh', /shared/net.sh, 'none/*'] }\ninputs: ['../in/**']\n"},
        {.path = "i/tests/b.sh", .text = "1"},
        {.path = "i/tests/a.sh", .text = "../../shared/a.sh", .kind = TREE_LINK},
        {.path = "shared/a.sh", .text = "2", .kind = TREE_EXEC},
        {.path = "shared/net.sh", .text = "3"},
        {.path = "in/x/y", .text = "4"},
        {.path = "j/Containerfile", .text = "FROM scratch\n"},
        {.path = "j/image.yaml", .text = "test: { scripts: [tests/x.sh] }\n"},
        {.path = NULL}};
    struct fixture f;
    fixture_plan(&f, files);
    expect_errors(&f, "j/image.yaml:1:19 no-such-file");
    char *scripts = list_text(&image_of(&f, "i")->scripts);
    char *inputs = list_text(&image_of(&f, "i")->inputs), *warnings = errors_text(&f.plan.warnings);
    cr_expect_str_eq(scripts, "shared/net.sh tests/a.sh* tests/b.sh");
    cr_expect_str_eq(inputs, "in/x/y");
    cr_expect_str_eq(warnings, "i/image.yaml:1:49 no-match");
    free(scripts);
    free(inputs);
    free(warnings);
    fixture_release(&f);
}
