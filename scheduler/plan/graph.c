#include "scheduler/plan/graph.h"

#include "common/base/vec.h"

/* Edges by parent: those of node i are at first[i] … first[i + 1]. */
struct by_parent {
    size_t *first, *child;
};

static struct by_parent index_edges(struct arena *a, size_t nodes, const struct graph_edge *edge,
                                    size_t edges)
{
    struct by_parent x = {.first = arena_array(a, nodes + 2, sizeof *x.first),
                          .child = arena_array(a, edges, sizeof *x.child)};
    for (size_t i = 0; i < edges; i++)
        x.first[edge[i].parent + 2]++;
    for (size_t i = 2; i < nodes + 2; i++)
        x.first[i] += x.first[i - 1];
    for (size_t i = 0; i < edges; i++)
        x.child[x.first[edge[i].parent + 1]++] = edge[i].child;
    return x;
}

/* By wave, then by index: a counting sort. */
static void sort_by_wave(struct arena *a, size_t nodes, size_t waves, struct graph_order *out)
{
    size_t *at = arena_array(a, waves + 1, sizeof *at);
    for (size_t i = 0; i < nodes; i++) {
        if (out->wave[i] != GRAPH_NO_WAVE)
            at[out->wave[i] + 1]++;
    }
    for (size_t w = 1; w <= waves; w++)
        at[w] += at[w - 1];
    for (size_t i = 0; i < nodes; i++) {
        if (out->wave[i] != GRAPH_NO_WAVE)
            out->node[at[out->wave[i]]++] = i;
    }
}

void graph_sort(struct arena *a, size_t nodes, const struct graph_edge *edge, size_t edges,
                struct graph_order *out)
{
    struct by_parent x = index_edges(a, nodes, edge, edges);
    size_t *waiting = arena_array(a, nodes, sizeof *waiting); /* parents not yet ordered */
    size_t waves = 0;
    out->node = arena_array(a, nodes, sizeof *out->node);
    out->wave = arena_array(a, nodes, sizeof *out->wave);
    out->n = 0;
    for (size_t i = 0; i < edges; i++)
        waiting[edge[i].child]++;
    for (size_t i = 0; i < nodes; i++) {
        if (waiting[i] == 0)
            out->node[out->n++] = i;
    }
    for (size_t done = 0; done < out->n; done++) {
        size_t parent = out->node[done], next = out->wave[parent] + 1;
        waves = next > waves ? next : waves;
        for (size_t k = x.first[parent]; k < x.first[parent + 1]; k++) {
            size_t child = x.child[k];
            if (out->wave[child] < next)
                out->wave[child] = next;
            if (--waiting[child] == 0)
                out->node[out->n++] = child;
        }
    }
    for (size_t i = 0; i < nodes; i++) {
        if (waiting[i] > 0)
            out->wave[i] = GRAPH_NO_WAVE;
    }
    sort_by_wave(a, nodes, waves, out);
}

/* The circle that `at` stands on, following `next`. */
static struct graph_circle take_circle(struct arena *a, const size_t *next, size_t at)
{
    struct graph_circle c = {.n = 0};
    size_t lowest = at;
    for (size_t i = next[at]; i != at; i = next[i])
        lowest = i < lowest ? i : lowest;
    size_t i = lowest;
    do {
        c.n++;
        i = next[i];
    } while (i != lowest);
    c.node = arena_array(a, c.n, sizeof *c.node);
    for (size_t k = 0; k < c.n; k++, i = next[i])
        c.node[k] = i;
    return c;
}

size_t graph_circles(struct arena *a, size_t nodes, const struct graph_edge *edge, size_t edges,
                     const struct graph_order *order, struct graph_circle **out)
{
    /* Each node left has a parent that is left: following one of them ends in a circle. */
    size_t *next = arena_array(a, nodes, sizeof *next), *walk = arena_array(a, nodes, sizeof *walk);
    VEC(struct graph_circle) circles = VEC_INIT;
    for (size_t i = edges; i > 0; i--) {
        const struct graph_edge *e = &edge[i - 1];
        if (order->wave[e->child] == GRAPH_NO_WAVE && order->wave[e->parent] == GRAPH_NO_WAVE)
            next[e->child] = e->parent;
    }
    for (size_t start = 0; start < nodes; start++) {
        size_t i = start;
        if (order->wave[start] != GRAPH_NO_WAVE)
            continue;
        while (walk[i] == 0) {
            walk[i] = start + 1;
            i = next[i];
        }
        if (walk[i] == start + 1)
            *vec_push(&circles) = take_circle(a, next, i);
    }
    size_t n;
    arena_take(a, &circles, out, &n);
    return n;
}
