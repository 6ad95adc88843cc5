/* Sets of a word, and records by their id. */
#include "scheduler/core/idmap.h"
#include "scheduler/core/links.h"

#include "common/base/base.h"
#include <criterion/criterion.h>

static size_t members(const struct links *l, const int *v, size_t n)
{
    size_t found = 0;
    links_for_each (i, l) {
        for (size_t k = 0; k < n; k++)
            found += links_at(l, i) == &v[k];
    }
    return found;
}

Test(core_records, a_set_grows_and_shrinks)
{
    static int v[20];
    struct links l = {0};
    cr_assert_eq(links_n(&l), 0);
    for (size_t n = 0; n < ARRAY_SIZE(v); n++) {
        links_add(&l, &v[n]);
        cr_assert_eq(links_n(&l), n + 1);
        cr_assert_eq(members(&l, v, ARRAY_SIZE(v)), n + 1);
    }
    int stranger;
    links_del(&l, &stranger);
    for (size_t n = 0; n < ARRAY_SIZE(v); n++) {
        links_del(&l, &v[n]);
        cr_assert_eq(links_n(&l), ARRAY_SIZE(v) - n - 1);
        cr_assert_eq(members(&l, v, n + 1), 0);
    }
    cr_assert_eq(l.word, 0, "nothing is left to free");
}

Test(core_records, a_single_member_leaves)
{
    int one, other;
    struct links l = {0};
    links_add(&l, &one);
    links_del(&l, &other);
    cr_assert_eq(links_at(&l, 0), &one);
    links_del(&l, &one);
    cr_assert_eq(links_n(&l), 0);
}

struct record {
    int64_t id;
    bool in;
};

Test(core_records, an_id_map_keeps_what_was_put)
{
    static struct record r[3000];
    struct idmap m = {0};
    uint32_t chance = 1;
    for (size_t i = 0; i < ARRAY_SIZE(r); i++)
        r[i].id = (int64_t)i * 64 + 1;
    for (int step = 0; step < 40000; step++) {
        chance = chance * 1664525u + 1013904223u;
        struct record *x = &r[(chance >> 8) % ARRAY_SIZE(r)];
        if (x->in)
            idmap_del(&m, x->id);
        else
            idmap_put(&m, x);
        x->in = !x->in;
    }
    size_t in = 0;
    for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
        in += r[i].in;
        cr_assert_eq(idmap_get(&m, r[i].id), r[i].in ? &r[i] : NULL);
    }
    size_t walked = 0;
    for (struct idmap_pos pos = {0}; idmap_next(&m, &pos) != NULL;)
        walked++;
    cr_assert_eq(walked, in);
    cr_assert_eq(m.n, in);
    idmap_release(&m);
}
