/* The graph: what belongs to one image, and texts that nothing in a name can break. */
#include "ctl/graph.h"
#include <criterion/criterion.h>
#include <stdio.h>

static json_t *node(const char *kind, const char *name)
{
    char id[200];
    snprintf(id, sizeof id, "%s%s:amd64", strcmp(kind, "base") == 0 ? "base " : "", name);
    return json_pack("{s:s, s:s, s:s, s:s}", "id", id, "kind", kind, "name", name, "arch", "amd64");
}

static json_t *edge(const char *from, const char *to)
{
    return json_pack("{s:s, s:s}", "from", from, "to", to);
}

/* debian -> base -> hmi -> panel, base -> gateway; alone */
static json_t *sample(void)
{
    return json_pack("{s:[o,o,o,o,o,o], s:[o,o,o,o]}", "nodes", node("base", "quay.io/debian:12"),
                     node("image", "plant:alone@main"), node("image", "plant:base@main"),
                     node("image", "plant:gateway@main"), node("image", "plant:hmi@main"),
                     node("image", "plant:panel@main"), "edges",
                     edge("base quay.io/debian:12:amd64", "plant:base@main:amd64"),
                     edge("plant:base@main:amd64", "plant:gateway@main:amd64"),
                     edge("plant:base@main:amd64", "plant:hmi@main:amd64"),
                     edge("plant:hmi@main:amd64", "plant:panel@main:amd64"));
}

static void expect_around(const char *image, const char *names, size_t edges)
{
    json_t *all = sample(), *v;
    struct err e = ERR_INIT;
    json_t *part = graph_around(all, image, &e);
    struct str got = STR_INIT;
    size_t i;
    cr_assert(part, "%s", e.msg);
    json_array_foreach(json_object_get(part, "nodes"), i, v)
        str_addf(&got, "%s ", json_string_value(json_object_get(v, "name")));
    cr_expect_str_eq(got.p, names);
    cr_expect_eq(json_array_size(json_object_get(part, "edges")), edges);
    str_release(&got);
    json_decref(part);
    json_decref(all);
}

Test(graph, around)
{
    expect_around("hmi", "quay.io/debian:12 plant:base@main plant:hmi@main plant:panel@main ", 3);
    expect_around("plant:panel@main",
                  "quay.io/debian:12 plant:base@main plant:hmi@main plant:panel@main ", 3);
    expect_around("alone", "plant:alone@main ", 0);
    expect_around("base",
                  "quay.io/debian:12 plant:base@main plant:gateway@main plant:hmi@main "
                  "plant:panel@main ",
                  4);
}

Test(graph, no_such_image)
{
    json_t *all = sample();
    const char *none[] = {"hm", "hmi@main", "quay.io/debian:12", ""};
    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        struct err e = ERR_INIT;
        cr_expect_null(graph_around(all, none[i], &e), "%s", none[i]);
        cr_expect_eq(e.kind, ERR_INPUT);
    }
    json_decref(all);
}

Test(graph, a_long_chain)
{
    json_t *nodes = json_array(), *edges = json_array();
    struct err e = ERR_INIT;
    char name[64], from[80] = "", to[80];
    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof name, "r:i%d@main", i);
        snprintf(to, sizeof to, "%s:amd64", name);
        json_array_append_new(nodes, node("image", name));
        if (i)
            json_array_append_new(edges, edge(from, to));
        memcpy(from, to, sizeof from);
    }
    json_t *all = json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
    json_t *part = graph_around(all, "i2500", &e);
    cr_assert(part);
    cr_expect_eq(json_array_size(json_object_get(part, "nodes")), 5000);
    json_decref(part);
    json_decref(all);
}

static json_t *hostile(void)
{
    return json_pack("{s:[o,o], s:[o,o]}", "nodes", node("base", "a\"b\\c\x1b[31m\n"),
                     node("image", "x#<y>`&;"), "edges",
                     edge("base a\"b\\c\x1b[31m\n:amd64", "x#<y>`&;:amd64"),
                     edge("gone", "x#<y>`&;:amd64"));
}

Test(graph, dot)
{
    json_t *g = hostile();
    struct str out = STR_INIT;
    graph_dot(g, &out);
    cr_expect_str_eq(out.p, "digraph bootfarm {\n    rankdir=LR;\n    node [shape=box];\n"
                            "    \"base a\\\"b\\\\c?[31m :amd64\" [label=\"a\\\"b\\\\c?[31m "
                            "\\namd64\", shape=ellipse];\n"
                            "    \"x#<y>`&;:amd64\" [label=\"x#<y>`&;\\namd64\"];\n"
                            "    \"base a\\\"b\\\\c?[31m :amd64\" -> \"x#<y>`&;:amd64\";\n"
                            "    \"gone\" -> \"x#<y>`&;:amd64\";\n}\n");
    str_release(&out);
    json_decref(g);
}

Test(graph, mermaid)
{
    json_t *g = hostile();
    struct str out = STR_INIT;
    graph_mermaid(g, &out);
    cr_expect_str_eq(out.p, "graph LR\n    n0([\"a#34;b#92;c?#91;31m  amd64\"])\n"
                            "    n1[\"x#35;#60;y#62;#96;#38;#59; amd64\"]\n    n0 --> n1\n");
    str_release(&out);
    json_decref(g);
}
