/* The memory of records. */
#include "common/base/slab.h"

#include "tests/lib/resident.h"
#include <criterion/criterion.h>

/* Every other one goes and comes again, then all go: records never lie on each other, and a new one
 * is all zero. */
Test(common_slab, a_slab_gives_what_is_free)
{
    enum { N = 5000, SIZE = 104 };
    static unsigned char *record[N];
    struct slab s = {.size = SIZE};
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < N; i++) {
            if (!record[i]) {
                record[i] = slab_get(&s);
                for (int k = 0; k < SIZE; k++)
                    cr_assert_eq(record[i][k], 0);
            }
            memset(record[i], i % 255 + 1, SIZE);
        }
        for (int i = 0; i < N; i++) {
            for (int k = 0; k < SIZE; k++)
                cr_assert_eq(record[i][k], i % 255 + 1);
            if (round == 1 || i % 2) {
                slab_put(&s, record[i]);
                record[i] = NULL;
            }
        }
    }
    for (int i = 0; i < N; i++)
        slab_put(&s, record[i]);
    slab_release(&s);
}

#if !defined(__SANITIZE_ADDRESS__)
Test(common_slab, a_slab_gives_memory_back)
{
    enum { N = 200000, SIZE = 104 };
    static void *record[N];
    struct slab s = {.size = SIZE};
    memset(record, 1, sizeof record);
    size_t before = resident();
    for (int i = 0; i < N; i++)
        record[i] = slab_get(&s);
    cr_expect_gt(resident(), before + (size_t)N * SIZE / 2);
    for (int i = 0; i < N; i++)
        slab_put(&s, record[i]);
    cr_expect_lt(resident(), before + (size_t)N * SIZE / 4);
    slab_release(&s);
}
#endif
