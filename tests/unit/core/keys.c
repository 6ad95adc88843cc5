/* Which inputs change a key, and which must not. */
#include "tests/unit/core/kit.h"

static struct kit k;

/* The key of a build job of image `id`. */
static struct sha256 build_key(int64_t id, int64_t forced, const struct pin *pins, size_t n)
{
    struct job j = {.image = world_image(k.w, id), .forced = forced};
    struct sha256 key;
    key_build(k.w, &j, pins, n, &key);
    return key;
}

static bool same(struct sha256 a, struct sha256 b)
{
    return sha256_eq(&a, &b);
}

static struct pin of_image(int64_t id, const char *digest)
{
    return (struct pin){.id = id, .digest = digest_of(digest), .repository = "any"};
}

static struct pin of_base(int64_t id, const char *digest)
{
    return (struct pin){.base = true, .id = id, .digest = digest_of(digest)};
}

static void bases(void)
{
    const char *refs[] = {"quay.io/a:1", "quay.io/b:1"};
    for (int i = 0; i < 2; i++) {
        struct base_row row = {.id = i + 1, .reference = refs[i], .digest = digest_of("x")};
        kit_step(&k, &(struct input){.type = IN_BASE, .base = &row});
    }
}

Test(core_keys, a_branch_with_equal_content_has_equal_keys)
{
    kit_init(&k);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .recipe = "R"});
    kit_image(&k, (struct image_spec){.id = 9, .name = "other", .recipe = "R"});
    struct pin here[] = {of_image(5, "one"), of_image(6, "two")};
    struct pin there[] = {of_image(16, "two"), of_image(15, "one")};
    cr_assert(same(build_key(1, 0, here, 2), build_key(9, 0, there, 2)));
    kit_release(&k);
}

Test(core_keys, what_changes_a_build)
{
    kit_init(&k);
    bases();
    kit_image(&k, (struct image_spec){.id = 1, .name = "a", .recipe = "R"});
    kit_image(&k, (struct image_spec){.id = 2, .name = "a", .recipe = "S"});
    struct pin pins[] = {of_image(5, "one"), of_base(1, "d1"), of_base(2, "d2")};
    struct pin swapped[] = {of_image(5, "one"), of_base(1, "d2"), of_base(2, "d1")};
    struct pin parent[] = {of_image(5, "two"), of_base(1, "d1"), of_base(2, "d2")};
    struct pin order[] = {of_base(2, "d2"), of_image(5, "one"), of_base(1, "d1")};
    struct sha256 key = build_key(1, 0, pins, 3);
    cr_assert_not(same(key, build_key(2, 0, pins, 3)), "the recipe");
    cr_assert_not(same(key, build_key(1, 7, pins, 3)), "forced");
    cr_assert_not(same(key, build_key(1, 0, pins, 2)), "a base less");
    cr_assert_not(same(key, build_key(1, 0, swapped, 3)), "two bases changed places");
    cr_assert_not(same(key, build_key(1, 0, parent, 3)), "a parent's digest");
    cr_assert(same(key, build_key(1, 0, order, 3)), "the order of the rows");
    kit_release(&k);
}

Test(core_keys, kinds_never_share_a_key)
{
    kit_init(&k);
    kit_image(&k, (struct image_spec){.id = 1, .name = "a"});
    struct job j = {.image = world_image(k.w, 1)};
    struct pin pin = of_image(1, "d");
    struct sha256 keys[4];
    key_build(k.w, &j, &pin, 1, &keys[0]);
    key_test(k.w, &j, &pin.digest, &keys[1]);
    key_publish(k.w, &pin, 1, &keys[2]);
    key_mirror(k.w, &pin.digest, &keys[3]);
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < a; b++)
            cr_assert_not(same(keys[a], keys[b]));
    }
    kit_release(&k);
}
