/* Containerfile.in: which files cpp may read, what its words mean, where its lines come from. The
 * program itself is run in tests/io/planner. */
#include "scheduler/plan/prepro.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

struct fake {
    const char *text, *complaints;
    struct str offered;
    int runs;
};

static int fake_run(void *arg, const struct prepro_input *in, struct str *text,
                    struct str *complaints, struct err *e)
{
    struct fake *f = arg;
    (void)e;
    f->runs++;
    str_addf(&f->offered, "%s:", in->dir);
    for (size_t i = 0; i < in->files; i++)
        str_addf(&f->offered, " %s", in->file[i].path);
    str_addch(&f->offered, '\n');
    str_add(text, f->text);
    str_add(complaints, f->complaints);
    return 0;
}

static void plan_with(struct fixture *f, const struct file *files, struct fake *fake)
{
    fixture_tree(f, files);
    struct plan_input in = {.tree = &f->tree,
                            .hash = fake_hash,
                            .preprocess = fake_run,
                            .preprocess_arg = fake,
                            .slug = "plant",
                            .registry = "registry.example",
                            .arch = "amd64",
                            .ref = "main"};
    plan_make(&in, &f->plan);
}

#define CONFIG "bootfarm: 1\nimages: [{files: ['**/*.in']}]\n"

Test(prepro, only_files_of_the_tree_that_are_named_are_offered)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml", .text = CONFIG},
        {.path = "a/Containerfile.in",
         .text = "#include \"x.inc\"\n# include\t\"../common/y\"\n#include <z.inc>\n"
                 "#include \"/etc/passwd\"\n#include \"../../outside\"\n"
                 " #include \"no.inc\"\n#includes \"no.inc\"\nRUN echo '#include \"no.inc\"'\n"
                 "#import \"no/such\"\n#include \"x.inc\"\n#include \"link\"\n#include \""},
        {.path = "a/link", .text = "../common/z", .kind = TREE_LINK},
        {.path = "a/no.inc", .text = ""},
        {.path = "a/x.inc", .text = "ENV A=1"},
        {.path = "a/z.inc", .text = ""},
        {.path = "common/y", .text = "#include \"deeper/y\"\n#include \"x.inc\"\n"},
        {.path = "common/z", .text = ""},
        {.path = "common/deeper/y", .text = "#include \"y\"\n"},
        {.path = NULL}};
    struct fake fake = {.text = "FROM scratch\n", .complaints = "", .offered = STR_INIT};
    struct fixture f;
    plan_with(&f, files, &fake);
    expect_no_errors(&f);
    cr_expect_str_eq(fake.offered.p, "a: a/x.inc common/y a/link common/deeper/y\n", "%s",
                     fake.offered.p);
    str_release(&fake.offered);
    fixture_release(&f);
}

Test(prepro, the_result_travels_and_decides_the_key)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml",
         .text = "bootfarm: 1\nimages: [{files: ['**/*.in'], matrix: {s: [one, two]},"
                 " name: '{dir}-{stem}-{matrix.s}'}]\n"},
        {.path = "a/Containerfile.hmi.in", .text = "FROM scratch\n"},
        {.path = NULL}};
    struct fake fake = {.text = "FROM a.io/b\n", .complaints = "", .offered = STR_INIT};
    struct fixture f, g;
    plan_with(&f, files, &fake);
    expect_no_errors(&f);
    cr_expect_eq(fake.runs, 1, "two cells, one file, one context");
    fake.text = "FROM a.io/b\nENV A=1\n";
    plan_with(&g, files, &fake);
    const struct image *x = image_of(&f, "a-hmi-one"), *y = image_of(&g, "a-hmi-one");
    cr_expect_eq(x->needs, 1);
    cr_expect_str_eq(x->containerfile, ".bootfarm/Containerfile");
    cr_expect(!sha256_eq(&x->recipe_key, &y->recipe_key));
    cr_assert_eq(y->context_files.n, 1);
    cr_expect_str_eq(y->context_files.v[0].text, fake.text);
    cr_expect_eq(y->context_files.v[0].text_len, strlen(fake.text));
    str_release(&fake.offered);
    fixture_release(&f);
    fixture_release(&g);
}

static void expect_reason(struct plan *now, const struct plan *before, enum plan_reason reason,
                          const char *because)
{
    struct plan_jobs jobs;
    plan_jobs_make(now, before, &jobs);
    cr_assert_eq(jobs.n, 3);
    cr_expect_eq(jobs.v[0].reason, reason);
    cr_expect_str_eq(jobs.v[0].because, because);
}

Test(prepro, an_include_that_changed_is_named)
{
    static const struct file before[] = {{.path = "bootfarm.yaml", .text = CONFIG},
                                         {.path = "a/Containerfile.in", .text = "#include \"x\"\n"},
                                         {.path = "a/x", .text = "FROM scratch\n"},
                                         {.path = NULL}};
    static const struct file include[] = {
        {.path = "bootfarm.yaml", .text = CONFIG},
        {.path = "a/Containerfile.in", .text = "#include \"x\"\n"},
        {.path = "a/x", .text = "FROM scratch\nENV A=1\n"},
        {.path = NULL}};
    static const struct file both[] = {
        {.path = "bootfarm.yaml", .text = CONFIG},
        {.path = "a/Containerfile.in", .text = "#include \"x\"\nENV A=1\n"},
        {.path = "a/x", .text = "FROM scratch\n\n"},
        {.path = NULL}};
    struct fake fake = {.text = "# 1 \"<stdin>\"\n# 1 \"./x\" 1\nFROM scratch\n# 2 \"<stdin>\" 2\n",
                        .complaints = "",
                        .offered = STR_INIT};
    struct fixture f, g, h;
    plan_with(&f, before, &fake);
    fake.text = "# 1 \"<stdin>\"\n# 1 \"./x\" 1\nFROM scratch\nENV A=1\n# 2 \"<stdin>\" 2\n";
    plan_with(&g, include, &fake);
    plan_with(&h, both, &fake);
    expect_reason(&g.plan, &f.plan, REASON_INPUT, "a/x");
    expect_reason(&h.plan, &f.plan, REASON_DEFINITION, "a/Containerfile.in");
    str_release(&fake.offered);
    fixture_release(&f);
    fixture_release(&g);
    fixture_release(&h);
}

Test(prepro, places_are_those_of_the_source)
{
    static const struct file files[] = {{.path = "bootfarm.yaml", .text = CONFIG},
                                        {.path = "a/Containerfile.in", .text = "FROM scratch\n"},
                                        {.path = NULL}};
    struct fake fake = {.text = "# 0 \"<stdin>\"\n# 0 \"<built-in>\"\n# 1 \"<stdin>\"\n"
                                "FROM scratch\n\nCOPPY a b\n# 1 \"./x/y.inc\" 1\nENV A=1\n"
                                "ADDD c d\n# 5 \"<stdin>\" 2\nRUNN true\n",
                        .complaints = "",
                        .offered = STR_INIT};
    struct fixture f;
    plan_with(&f, files, &fake);
    expect_errors(&f, "a/Containerfile.in:3:1 unknown-instruction\n"
                      "a/Containerfile.in:5:1 unknown-instruction\n"
                      "a/x/y.inc:2:1 unknown-instruction");
    str_release(&fake.offered);
    fixture_release(&f);
}

static const struct {
    const char *complaints, *errors;
} words[] = {
    {"", ""},
    {"<stdin>:2: error: invalid preprocessing directive #a\n", ""},
    {"In file included from <stdin>:1:\nx.inc:3: error: invalid preprocessing directive #b\n", ""},
    {"<stdin>:4:2: fatal error: nope: No such file or directory\ncompilation terminated.\n",
     "a/Containerfile.in:3:11 preprocessor"},
    {"./x/y.inc:7: error: unterminated #if\n", "a/x/y.inc:7:1 preprocessor"},
    {"../c/z:2:3: error: #error no\n", "c/z:2:3 preprocessor"},
    {"<stdin>:1:5: warning: something\n", ""},
};

Test(prepro, complaints_that_matter)
{
    static const struct file files[] = {
        {.path = "bootfarm.yaml", .text = CONFIG},
        {.path = "a/Containerfile.in", .text = "FROM scratch\n\n#include \"nope\"\n"},
        {.path = NULL}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        struct fake fake = {
            .text = "FROM scratch\n", .complaints = words[i].complaints, .offered = STR_INIT};
        struct fixture f;
        plan_with(&f, files, &fake);
        expect_errors(&f, words[i].errors);
        cr_expect_eq(f.plan.images, words[i].errors[0] == '\0');
        str_release(&fake.offered);
        fixture_release(&f);
    }
}
