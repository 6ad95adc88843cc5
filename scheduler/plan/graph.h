/* graph.h - parents before children, in waves; circles found and named. Linear, no recursion. */
#ifndef BF_PLAN_GRAPH_H
#define BF_PLAN_GRAPH_H

#include "scheduler/plan/arena.h"

struct graph_edge {
    size_t child, parent;
};

#define GRAPH_NO_WAVE SIZE_MAX

struct graph_order {
    size_t *node; /* parents first; nodes of one wave by index */
    size_t n;     /* nodes that can be ordered; the others are on a circle or behind one */
    size_t *wave; /* per node: the longest distance from a root; GRAPH_NO_WAVE if not ordered */
};

void graph_sort(struct arena *a, size_t nodes, const struct graph_edge *edge, size_t edges,
                struct graph_order *out);

struct graph_circle {
    size_t *node; /* each is built from the next, the last from the first; begins with the lowest */
    size_t n;
};
/* Circles among the nodes that were not ordered: every such node leads to one of these. */
size_t graph_circles(struct arena *a, size_t nodes, const struct graph_edge *edge, size_t edges,
                     const struct graph_order *order, struct graph_circle **out);

#endif
