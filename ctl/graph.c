#include "ctl/graph.h"

#include "common/base/mem.h"
#include "ctl/client.h"
#include "ctl/render.h"

static const json_t *list(const json_t *graph, const char *key)
{
    return json_object_get(graph, key);
}

/* ---- one image and what it hangs together with ------------------------------------------------
 */

struct edge {
    size_t from, to;
};

struct adjacency {
    size_t n_nodes, n_edges;
    struct edge *edge;
    size_t *first, *next; /* 1 + edge that leaves a node; 1 + the one behind it */
};

/* id → number. */
static json_t *number_nodes(const json_t *nodes)
{
    json_t *numbers = json_object(), *node;
    size_t i;

    json_array_foreach(nodes, i, node)
        json_object_set_new(numbers, member_text(node, "id"), json_integer((json_int_t)i));
    return numbers;
}

static void read_edges(const json_t *graph, struct adjacency *a)
{
    BF_CLEANUP(json_free) json_t *numbers = number_nodes(list(graph, "nodes"));
    size_t i;
    json_t *e;

    a->n_nodes = json_array_size(list(graph, "nodes"));
    a->edge = xcalloc(json_array_size(list(graph, "edges")) + 1, sizeof *a->edge);
    json_array_foreach(list(graph, "edges"), i, e)
    {
        const json_t *from = json_object_get(numbers, member_text(e, "from"));
        const json_t *to = json_object_get(numbers, member_text(e, "to"));

        if (from && to)
            a->edge[a->n_edges++] =
                (struct edge){(size_t)json_integer_value(from), (size_t)json_integer_value(to)};
    }
    a->first = xcalloc(a->n_nodes + 1, sizeof *a->first);
    a->next = xcalloc(a->n_edges + 1, sizeof *a->next);
}

static void link_edges(struct adjacency *a, bool upwards)
{
    memset(a->first, 0, a->n_nodes * sizeof *a->first);
    for (size_t i = 0; i < a->n_edges; i++) {
        size_t node = upwards ? a->edge[i].to : a->edge[i].from;

        a->next[i] = a->first[node];
        a->first[node] = i + 1;
    }
}

/* Marks in `seen` what can be reached from the marked ones. */
static void reach(struct adjacency *a, bool upwards, bool *seen)
{
    BF_CLEANUP(free_ptr) size_t *queue = xcalloc(a->n_nodes + 1, sizeof *queue);
    size_t n = 0;

    link_edges(a, upwards);
    for (size_t i = 0; i < a->n_nodes; i++) {
        if (seen[i])
            queue[n++] = i;
    }
    for (size_t at = 0; at < n; at++) {
        for (size_t e = a->first[queue[at]]; e; e = a->next[e - 1]) {
            size_t other = upwards ? a->edge[e - 1].from : a->edge[e - 1].to;

            if (!seen[other])
                queue[n++] = other;
            seen[other] = true;
        }
    }
}

/* repo:name@ref, or its name. */
static bool is_meant(const json_t *node, const char *image)
{
    const char *title = member_text(node, "name"), *name = strchr(title, ':');
    size_t n = strlen(image);

    if (strcmp(member_text(node, "kind"), "image") != 0)
        return false;
    return strcmp(title, image) == 0 ||
           (name && strncmp(name + 1, image, n) == 0 && name[n + 1] == '@');
}

static json_t *keep(const json_t *graph, const bool *seen)
{
    json_t *nodes = json_array(), *edges = json_array(), *node, *edge;
    BF_CLEANUP(json_free) json_t *kept = json_object();
    size_t i;

    json_array_foreach(list(graph, "nodes"), i, node)
    {
        if (seen[i]) {
            json_array_append(nodes, node);
            json_object_set_new(kept, member_text(node, "id"), json_true());
        }
    }
    json_array_foreach(list(graph, "edges"), i, edge)
    {
        if (json_object_get(kept, member_text(edge, "from")) &&
            json_object_get(kept, member_text(edge, "to")))
            json_array_append(edges, edge);
    }
    return json_pack("{s:o, s:o}", "nodes", nodes, "edges", edges);
}

json_t *graph_around(const json_t *graph, const char *image, struct err *e)
{
    struct adjacency a = {0};
    json_t *out = NULL, *node;
    size_t i, n = 0;

    read_edges(graph, &a);
    bool *up = xcalloc(a.n_nodes + 1, sizeof *up), *down = xcalloc(a.n_nodes + 1, sizeof *down);
    json_array_foreach(list(graph, "nodes"), i, node)
    {
        up[i] = down[i] = is_meant(node, image);
        n += up[i];
    }
    if (n) {
        reach(&a, true, up);
        reach(&a, false, down);
        for (i = 0; i < a.n_nodes; i++)
            up[i] |= down[i];
        out = keep(graph, up);
    } else {
        err_set(e, ERR_INPUT, "there is no image %s; `bootfarm status` lists them", image);
    }
    free(up);
    free(down);
    free(a.edge);
    free(a.first);
    free(a.next);
    return out;
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static bool is_base(const json_t *node)
{
    return strcmp(member_text(node, "kind"), "base") == 0;
}

/* Within the quotes of DOT only these two need help; no control character comes so far. */
static void add_dot_text(struct str *out, const char *text)
{
    BF_CLEANUP(str_release) struct str safe = STR_INIT;

    text_add_safe(&safe, text);
    for (const char *p = safe.p; *p; p++) {
        if (*p == '"' || *p == '\\')
            str_addch(out, '\\');
        str_addch(out, *p);
    }
}

void graph_dot(const json_t *graph, struct str *out)
{
    size_t i;
    json_t *v;

    str_add(out, "digraph bootfarm {\n    rankdir=LR;\n    node [shape=box];\n");
    json_array_foreach(list(graph, "nodes"), i, v)
    {
        str_add(out, "    \"");
        add_dot_text(out, member_text(v, "id"));
        str_add(out, "\" [label=\"");
        add_dot_text(out, member_text(v, "name"));
        str_add(out, "\\n");
        add_dot_text(out, member_text(v, "arch"));
        str_add(out, is_base(v) ? "\", shape=ellipse];\n" : "\"];\n");
    }
    json_array_foreach(list(graph, "edges"), i, v)
    {
        str_add(out, "    \"");
        add_dot_text(out, member_text(v, "from"));
        str_add(out, "\" -> \"");
        add_dot_text(out, member_text(v, "to"));
        str_add(out, "\";\n");
    }
    str_add(out, "}\n");
}

/* Mermaid takes character references without '&'; all that could end the label, or mean something
 * in HTML or Markdown, becomes one. */
static void add_mermaid_text(struct str *out, const char *text)
{
    BF_CLEANUP(str_release) struct str safe = STR_INIT;

    text_add_safe(&safe, text);
    for (const char *p = safe.p; *p; p++) {
        if (strchr("\"#&<>`;[]{}()|\\*_~", *p))
            str_addf(out, "#%d;", *p);
        else
            str_addch(out, *p);
    }
}

void graph_mermaid(const json_t *graph, struct str *out)
{
    BF_CLEANUP(json_free) json_t *numbers = number_nodes(list(graph, "nodes"));
    size_t i;
    json_t *v;

    str_add(out, "graph LR\n");
    json_array_foreach(list(graph, "nodes"), i, v)
    {
        str_addf(out, "    n%zu%s", i, is_base(v) ? "([\"" : "[\"");
        add_mermaid_text(out, member_text(v, "name"));
        str_addch(out, ' ');
        add_mermaid_text(out, member_text(v, "arch"));
        str_add(out, is_base(v) ? "\"])\n" : "\"]\n");
    }
    json_array_foreach(list(graph, "edges"), i, v)
    {
        const json_t *from = json_object_get(numbers, member_text(v, "from"));
        const json_t *to = json_object_get(numbers, member_text(v, "to"));

        if (from && to)
            str_addf(out, "    n%lld --> n%lld\n", (long long)json_integer_value(from),
                     (long long)json_integer_value(to));
    }
}
