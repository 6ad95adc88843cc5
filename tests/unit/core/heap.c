#include "scheduler/core/heap.h"

#include "common/base/mem.h"
#include <criterion/criterion.h>

struct item {
    struct heap_node node;
    uint32_t value;
    bool in;
};

static bool item_less(const struct heap_node *a, const struct heap_node *b)
{
    return heap_item(a, struct item, node)->value < heap_item(b, struct item, node)->value;
}

static uint32_t random_next(uint32_t *s)
{
    return *s = *s * 1664525u + 1013904223u;
}

/* Members come and leave in any order; the top is always the least of those inside. */
Test(core_heap, the_top_is_the_least)
{
    enum { N = 200 };
    struct item items[N];
    struct heap h = {.less = item_less};
    uint32_t s = 7;
    for (uint32_t i = 0; i < N; i++)
        items[i] = (struct item){.value = (i * 7919u) % 1009u};
    for (int turn = 0; turn < 5000; turn++) {
        struct item *it = &items[random_next(&s) / 65536u % N];
        if (it->in)
            heap_del(&h, &it->node);
        else
            heap_add(&h, &it->node, it->value / 100); /* many keys are equal */
        it->in = !it->in;
        const struct item *least = NULL;
        for (int i = 0; i < N; i++) {
            if (items[i].in && (!least || items[i].value < least->value))
                least = &items[i];
        }
        struct heap_node *top = heap_top(&h);
        cr_assert_eq(top == NULL, least == NULL);
        if (least)
            cr_assert_eq(heap_item(top, struct item, node), least);
    }
    heap_release(&h);
}
