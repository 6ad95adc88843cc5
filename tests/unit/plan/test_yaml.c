/* YAML to nodes with positions; what is refused, and where. */
#include "scheduler/plan/yaml.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

/* One line that shows the structure: {k@2:3: scalar@2:6, ...}. */
static void show(struct str *s, const struct ynode *n, int depth)
{
    cr_assert_lt(depth, 20);
    if (n->kind == YNODE_SCALAR) {
        str_addf(s, "%s%s", n->null ? "~" : n->text, "");
        return;
    }
    str_addch(s, n->kind == YNODE_MAP ? '{' : '[');
    for (size_t i = 0; i < n->n; i++) {
        if (i > 0)
            str_addch(s, ' ');
        if (n->kind == YNODE_MAP)
            str_addf(s, "%s@%u:%u=", n->pair[i].key, n->pair[i].at.line, n->pair[i].at.column);
        show(s, n->kind == YNODE_MAP ? n->pair[i].value : n->item[i], depth + 1);
    }
    str_addch(s, n->kind == YNODE_MAP ? '}' : ']');
}

static const struct {
    const char *text, *shown, *errors;
} cases[] = {
    {"a: 1\nb: [x, 'y', \"z\"]\n", "{a@1:1=1 b@2:1=[x y z]}", ""},
    {"a:\n  b:\n    - c: d\n", "{a@1:1={b@2:3=[{c@3:7=d}]}}", ""},
    {"", "{}", ""},
    {"# only a comment\n", "{}", ""},
    {"~\n", "{}", ""},
    {"a: ~\nb:\nc: null\nd: 'null'\n", "{a@1:1=~ b@2:1=~ c@3:1=~ d@4:1=null}", ""},
    {"a: |\n  x\n  y\n", "{a@1:1=x\ny\n}", ""},
    {"a: &x [1]\nb: *x\n", "{a@1:1=[1] b@2:1=[1]}", ""},
    {"a: &x {k: 1, l: 2}\nb: {<<: *x, k: 3}\n",
     "{a@1:1={k@1:8=1 l@1:14=2} b@2:1={k@2:13=3 l@1:14=2}}", ""},
    {"a: &x {k: 1}\nb: &y {l: 2}\nc:\n  <<: [*x, *y]\n",
     "{a@1:1={k@1:8=1} b@2:1={l@2:8=2} c@3:1={k@1:8=1 l@2:8=2}}", ""},
    {"a: 1\na: 2\n", NULL, "f:2:1 duplicate-key"},
    {"a: [1, 2\n", NULL, "f:1:1 yaml"},
    {"a: *nowhere\n", NULL, "f:1:4 yaml"},
    {"a: &x [*x]\n", NULL, "f:1:8 yaml"},
    {"a: 1\n---\nb: 2\n", NULL, "f:2:1 yaml"},
    {"? [a]\n: 1\n", NULL, "f:1:3 yaml"},
    {"a: {<<: 1}\n", NULL, "f:1:9 yaml"},
    {"a: \"\xff\"\n", NULL, "f:1:5 yaml"},
    {"a: \xc3\xa4\nb: \xc3\xa4\xc3\n", NULL, "f:2:6 yaml"},
    {"a:\tb: c: d\n", NULL, "*"},
};

Test(yaml, cases)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct arena a = ARENA_INIT;
        struct diags d = {.a = &a};
        struct str s = STR_INIT;
        const struct ynode *root = yaml_parse(&a, "f", cases[i].text, strlen(cases[i].text), &d);
        char *errors = errors_text(&d);
        if (strcmp(cases[i].errors, "*") == 0)
            cr_expect_neq(d.list.n, 0, "%s", cases[i].text);
        else
            cr_expect_str_eq(errors, cases[i].errors, "%s\ngot %s", cases[i].text, errors);
        cr_expect_eq(root != NULL, cases[i].shown != NULL, "%s", cases[i].text);
        if (root != NULL && cases[i].shown != NULL) {
            show(&s, root, 0);
            cr_expect_str_eq(s.p, cases[i].shown, "%s\ngot %s", cases[i].text, s.p);
        }
        free(errors);
        str_release(&s);
        diags_release(&d);
        arena_release(&a);
    }
}

static const char *code_of(const char *text, size_t n)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    const struct ynode *root = yaml_parse(&a, "f", text, n, &d);
    const char *code = root != NULL ? "" : d.list.v[0]->code;
    diags_release(&d);
    arena_release(&a);
    return code;
}

Test(yaml, bounds)
{
    struct str s = STR_INIT;
    for (int i = 0; i < 100; i++)
        str_add(&s, "[");
    cr_expect_str_neq(code_of(s.p, s.len), "");
    str_clear(&s);
    for (int i = 0; i < 5000; i++)
        str_addf(&s, "k%d: 1\n", i);
    cr_expect_str_eq(code_of(s.p, s.len), "too-large");
    str_clear(&s);
    str_add(&s, "a: [");
    for (int i = 0; i < YAML_MAX_NODES + 10; i++)
        str_add(&s, "1,");
    str_add(&s, "]");
    cr_expect_str_eq(code_of(s.p, s.len), "too-large");
    str_clear(&s);
    while (s.len <= YAML_MAX_BYTES)
        str_add(&s, "# a comment that fills the file\n");
    cr_expect_str_eq(code_of(s.p, s.len), "too-large");
    cr_expect_str_eq(code_of("a\0b", 3), "yaml");
    str_release(&s);
}

/* Nine levels of nine aliases each are 400 million leaves when copied; here they are nodes once. */
Test(yaml, aliases_cannot_explode)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    str_add(&s, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++) {
        str_addf(&s, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            str_addf(&s, "*a%d,", i - 1);
        str_add(&s, "]\n");
    }
    cr_expect(yaml_parse(&a, "f", s.p, s.len, &d) != NULL);
    cr_expect_lt(a.total, 1024 * 1024);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}

Test(yaml, merge_of_layers)
{
    static const char under[] = "a: 1\nl: [1, 2]\nm: {x: 1, y: 2}\n";
    static const char over[] = "b: 2\nl: [3]\nm: {y: 3, z: 4}\n";
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct str s = STR_INIT;
    struct ynode *u = yaml_parse(&a, "u", under, strlen(under), &d);
    struct ynode *o = yaml_parse(&a, "o", over, strlen(over), &d);
    show(&s, ynode_merge(&a, u, o, 2), 0);
    cr_expect_str_eq(s.p, "{a@1:1=1 l@2:1=[3] m@3:1={x@3:5=1 y@3:5=3 z@3:11=4} b@1:1=2}", "%s",
                     s.p);
    cr_expect_eq(ynode_merge(&a, NULL, o, 2), o);
    cr_expect_eq(ynode_merge(&a, u, NULL, 2), u);
    str_release(&s);
    diags_release(&d);
    arena_release(&a);
}
