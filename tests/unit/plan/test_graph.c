/* Order, waves and circles, also where recursion would have ended the process. */
#include "scheduler/plan/graph.h"

#include <criterion/criterion.h>

Test(graph, waves_are_the_longest_distance_from_a_root)
{
    /* 0 <- 1 <- 2, 0 <- 2, 3 alone, 2 and 3 <- 4; an edge twice does no harm. */
    static const struct graph_edge edges[] = {{1, 0}, {2, 1}, {2, 0}, {4, 2}, {4, 3}, {4, 3}};
    static const size_t wave[] = {0, 1, 2, 0, 3}, order[] = {0, 3, 1, 2, 4};
    struct arena a = ARENA_INIT;
    struct graph_order o;
    graph_sort(&a, 5, edges, ARRAY_SIZE(edges), &o);
    cr_assert_eq(o.n, 5);
    cr_expect_arr_eq(o.wave, wave, sizeof wave);
    cr_expect_arr_eq(o.node, order, sizeof order);
    arena_release(&a);
}

Test(graph, nothing)
{
    struct arena a = ARENA_INIT;
    struct graph_order o;
    struct graph_circle *c;
    graph_sort(&a, 0, NULL, 0, &o);
    cr_expect_eq(o.n, 0);
    cr_expect_eq(graph_circles(&a, 0, NULL, 0, &o, &c), 0);
    arena_release(&a);
}

Test(graph, circles_are_told_from_what_hangs_on_them)
{
    /* 5 -> 2 -> 4 -> 1 -> 2 (a circle 1 2 4), 3 -> 3, 0 a root, 6 -> 0. */
    static const struct graph_edge edges[] = {{5, 2}, {2, 4}, {4, 1}, {1, 2},
                                              {3, 3}, {6, 0}, {1, 0}};
    static const size_t circle[] = {1, 2, 4};
    struct arena a = ARENA_INIT;
    struct graph_order o;
    struct graph_circle *c;
    graph_sort(&a, 7, edges, ARRAY_SIZE(edges), &o);
    cr_expect_eq(o.n, 2);
    cr_expect_eq(o.wave[5], GRAPH_NO_WAVE);
    cr_assert_eq(graph_circles(&a, 7, edges, ARRAY_SIZE(edges), &o, &c), 2);
    cr_assert_eq(c[0].n, 3);
    cr_expect_arr_eq(c[0].node, circle, sizeof circle);
    cr_assert_eq(c[1].n, 1);
    cr_expect_eq(c[1].node[0], 3);
    arena_release(&a);
}

enum { LONG = 200000 };

Test(graph, a_chain_a_fan_and_a_ring_of_two_hundred_thousand)
{
    struct arena a = ARENA_INIT;
    struct graph_order o;
    struct graph_circle *c;
    struct graph_edge *chain = arena_array(&a, LONG, sizeof *chain);
    for (size_t i = 1; i < LONG; i++)
        chain[i - 1] = (struct graph_edge){.child = i - 1, .parent = i};
    graph_sort(&a, LONG, chain, LONG - 1, &o);
    cr_assert_eq(o.n, LONG);
    cr_expect_eq(o.wave[0], LONG - 1);
    cr_expect_eq(o.node[0], LONG - 1);
    chain[LONG - 1] = (struct graph_edge){.child = LONG - 1, .parent = 0};
    graph_sort(&a, LONG, chain, LONG, &o);
    cr_expect_eq(o.n, 0);
    cr_assert_eq(graph_circles(&a, LONG, chain, LONG, &o, &c), 1);
    cr_expect_eq(c[0].n, LONG);
    for (size_t i = 1; i < LONG; i++)
        chain[i - 1] = (struct graph_edge){.child = i, .parent = 0};
    graph_sort(&a, LONG, chain, LONG - 1, &o);
    cr_expect_eq(o.n, LONG);
    cr_expect_eq(o.wave[LONG - 1], 1);
    arena_release(&a);
}
