#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/siphash.h"
#include <criterion/criterion.h>
#include <stdio.h>

static int values[2];

Test(map, an_empty_map_answers)
{
    struct map m = {0};
    struct smap s = {0};
    uint64_t key;
    const char *name;
    void *value;
    size_t pos = 0;

    cr_expect(map_get(&m, 1) == NULL);
    cr_expect(map_del(&m, 1) == NULL);
    cr_expect(!map_next(&m, &pos, &key, &value));
    cr_expect(smap_get(&s, "a") == NULL);
    cr_expect(smap_del(&s, "a") == NULL);
    cr_expect(!smap_next(&s, &pos, &name, &value));
    map_release(&m);
    smap_release(&s);
}

Test(map, put_returns_what_stood_there)
{
    struct map m = {0};
    struct smap s = {0};

    cr_expect(map_put(&m, 0, &values[0]) == NULL);
    cr_expect(map_put(&m, 0, &values[1]) == &values[0]);
    cr_expect(map_get(&m, 0) == &values[1]);
    cr_expect(m.n == 1);
    cr_expect(map_del(&m, 0) == &values[1]);
    cr_expect(m.n == 0 && map_get(&m, 0) == NULL);
    cr_expect(smap_put(&s, "", &values[0]) == NULL);
    cr_expect(smap_put(&s, "", &values[1]) == &values[0]);
    cr_expect(smap_get(&s, "") == &values[1]);
    map_release(&m);
    smap_release(&s);
}

Test(map, string_keys_are_copied_and_compared_whole)
{
    struct smap s = {0};
    char key[] = "site-1/hmi";

    smap_put(&s, key, &values[0]);
    key[0] = 'X';
    cr_expect(smap_get(&s, "site-1/hmi") == &values[0]);
    cr_expect(smap_get(&s, "site-1/hm") == NULL);
    cr_expect(smap_get(&s, "site-1/hmi2") == NULL);
    cr_expect(smap_getn(&s, "site-1/hmi:amd64", 10) == &values[0]);
    cr_expect(smap_getn(&s, "site-1/hmi\0x", 12) == NULL);
    smap_release(&s);
}

/* A small generator with a fixed seed, so that a failure can be repeated. */
static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Against an array that is obviously right, through many insertions and deletions. */
Test(map, agrees_with_an_array)
{
    enum { KEYS = 500, STEPS = 200000 };
    static int cell[2][KEYS];
    int *model[KEYS] = {0};
    struct map m = {0};
    struct smap s = {0};
    uint32_t state = 1;
    size_t n = 0, pos = 0, seen = 0;
    uint64_t key;
    void *value;

    for (int i = 0; i < STEPS; i++) {
        uint32_t k = next_random(&state) % KEYS, what = next_random(&state) % 5;
        int *v = &cell[what & 1][k];
        char name[16];
        snprintf(name, sizeof name, "key-%u", k);
        if (what < 2) {
            cr_assert(map_put(&m, k, v) == model[k]);
            cr_assert(smap_put(&s, name, v) == model[k]);
            n += !model[k];
            model[k] = v;
        } else if (what < 4) {
            cr_assert(map_del(&m, k) == model[k]);
            cr_assert(smap_del(&s, name) == model[k]);
            n -= model[k] != NULL;
            model[k] = NULL;
        } else {
            cr_assert(map_get(&m, k) == model[k]);
            cr_assert(smap_get(&s, name) == model[k]);
        }
        cr_assert(m.n == n && s.n == n);
    }
    while (map_next(&m, &pos, &key, &value)) {
        cr_assert(model[key] == value);
        seen++;
    }
    cr_expect(seen == n);
    pos = seen = 0;
    for (const char *name; smap_next(&s, &pos, &name, &value); seen++)
        cr_assert(model[strtoul(name + 4, NULL, 10)] == value);
    cr_expect(seen == n);
    cr_expect(m.cap <= 1024, "deletions must not make the table grow: %zu", m.cap);
    map_release(&m);
    smap_release(&s);
}

Test(map, the_seed_changes_the_order)
{
    uint64_t first[2] = {0}, key;
    void *value;

    for (uint64_t round = 0; round < 2; round++) {
        struct map m = {0};
        map_seed(round, 7);
        for (uint64_t k = 0; k < 1000; k++)
            map_put(&m, k, &values[0]);
        size_t pos = 0;
        for (int i = 0; i < 4 && map_next(&m, &pos, &key, &value); i++)
            first[round] = first[round] << 16 | key;
        map_release(&m);
    }
    cr_expect(first[0] != first[1]);
}

/* Every byte, the length and both halves of the key count. */
Test(map, siphash_depends_on_everything)
{
    uint64_t key[2] = {1, 2}, other[2] = {1, 3};
    char text[24] = "abcdefghijklmnopqrstuvw";
    uint64_t whole = siphash13(key, text, 23);

    cr_expect(siphash13(key, text, 23) == whole);
    cr_expect(siphash13(other, text, 23) != whole);
    cr_expect(siphash13(key, text, 22) != whole);
    cr_expect(siphash13(key, "", 0) != siphash13(key, "\0", 1));
    for (size_t i = 0; i < 23; i++) {
        text[i] ^= 1;
        cr_expect(siphash13(key, text, 23) != whole, "byte %zu", i);
        text[i] ^= 1;
    }
}
