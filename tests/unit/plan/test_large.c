/* Long chains, wide fans and many broken files: planned on a stack that any recursion over images
 * would overrun. */
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>
#include <pthread.h>

#define CHAIN 2000
#define FAN 10000
#define MIXED 500
#define BROKEN_EVERY 10

#if defined(__SANITIZE_ADDRESS__)
#define STACK_BYTES ((size_t)1024 * 1024) /* frames are several times as large */
#else
#define STACK_BYTES ((size_t)160 * 1024) /* 80 bytes for each image of a chain */
#endif

struct large {
    struct arena a;
    VEC(struct tree_entry) list;
    VEC(const char *) text;
    struct tree tree;
    struct plan plan;
};

static int read_large(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                      struct err *e)
{
    const struct large *l = arg;
    size_t i = (size_t)entry->id.b[0] << 16 | (size_t)entry->id.b[1] << 8 | entry->id.b[2];
    const char *text = l->text.v[i];
    if (strlen(text) > max)
        return err_set(e, ERR_INPUT, "%s is larger than %zu bytes", entry->path, max);
    str_add(out, text);
    return 0;
}

/* Paths must come in order. */
static void add(struct large *l, const char *path, const char *text)
{
    struct tree_entry *entry = vec_push(&l->list);
    size_t i = l->text.n;
    *entry = (struct tree_entry){.path = path, .kind = TREE_FILE};
    entry->id.b[0] = (uint8_t)(i >> 16);
    entry->id.b[1] = (uint8_t)(i >> 8);
    entry->id.b[2] = (uint8_t)i;
    *vec_push(&l->text) = text;
}

static void *make(void *arg)
{
    struct large *l = arg;
    l->tree = (struct tree){.entry = l->list.v, .n = l->list.n, .read = read_large, .arg = l};
    struct plan_input in = {
        .tree = &l->tree, .hash = fake_hash, .slug = "plant", .arch = "amd64", .ref = "main"};
    struct plan_jobs jobs;
    plan_make(&in, &l->plan);
    plan_jobs_make(&l->plan, NULL, &jobs);
    return jobs.n == 3 * l->plan.images ? l : NULL; /* build, test and publish */
}

static void plan_on_small_stack(struct large *l)
{
    pthread_attr_t attr;
    pthread_t thread;
    void *result;
    pthread_attr_init(&attr);
    cr_assert_eq(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    cr_assert_eq(pthread_create(&thread, &attr, make, l), 0);
    cr_assert_eq(pthread_join(thread, &result), 0);
    pthread_attr_destroy(&attr);
    cr_assert_eq(result, l, "not all jobs");
}

static void release(struct large *l)
{
    plan_release(&l->plan);
    vec_release(&l->list);
    vec_release(&l->text);
    arena_release(&l->a);
}

static void add_image(struct large *l, size_t i, const char *text)
{
    add(l, arena_fmt(&l->a, "i%05zu/Containerfile", i), text);
}

Test(large, a_chain)
{
    struct large l = {.plan = {.images = 0}};
    for (size_t i = 0; i < CHAIN; i++) /* the last is the root: names and order run against it */
        add_image(&l, i,
                  i + 1 < CHAIN ? arena_fmt(&l.a, "FROM localhost/i%05zu\n", i + 1)
                                : "FROM quay.io/org/os:1\n");
    plan_on_small_stack(&l);
    cr_expect_eq(l.plan.errors.list.n, 0);
    cr_assert_eq(l.plan.images, CHAIN);
    for (size_t i = 0; i < CHAIN; i++)
        cr_assert_eq(l.plan.image[i].wave, CHAIN - 1 - i);
    release(&l);
}

Test(large, a_circle)
{
    struct large l = {.plan = {.images = 0}};
    for (size_t i = 0; i < CHAIN; i++)
        add_image(&l, i, arena_fmt(&l.a, "FROM localhost/i%05zu\n", (i + 1) % CHAIN));
    plan_on_small_stack(&l);
    cr_expect_eq(l.plan.images, 0);
    cr_assert_eq(l.plan.errors.list.n, CHAIN);
    cr_expect_str_eq(l.plan.errors.list.v[0]->code, "cycle");
    release(&l);
}

Test(large, a_fan)
{
    struct large l = {.plan = {.images = 0}};
    add_image(&l, 0, "FROM quay.io/org/os:1\n");
    for (size_t i = 1; i <= FAN; i++)
        add_image(&l, i, arena_fmt(&l.a, "FROM localhost/i00000\nENV N=%zu\n", i));
    plan_on_small_stack(&l);
    cr_expect_eq(l.plan.errors.list.n, 0);
    cr_assert_eq(l.plan.images, FAN + 1);
    for (size_t i = 1; i <= FAN; i++)
        cr_assert_eq(l.plan.image[i].wave, 1);
    release(&l);
}

Test(large, a_fan_into_one_image)
{
    struct large l = {.plan = {.images = 0}};
    struct str text = STR_INIT;
    str_add(&text, "FROM quay.io/org/os:1\n");
    for (size_t i = 1; i <= FAN; i++) {
        if (i <= CHAIN)
            str_addf(&text, "COPY --from=localhost/i%05zu /a /b\n", i);
    }
    add_image(&l, 0, text.p);
    for (size_t i = 1; i <= FAN; i++)
        add_image(&l, i, "FROM quay.io/org/os:1\n");
    plan_on_small_stack(&l);
    cr_expect_eq(l.plan.errors.list.n, 0);
    cr_assert_eq(l.plan.images, FAN + 1);
    cr_expect_eq(l.plan.image[0].wave, 1);
    cr_expect_eq(l.plan.image[0].needs, CHAIN + 1);
    str_release(&text);
    release(&l);
}

/* ---- what is broken stops only itself ---- */

static const char *broken_text(size_t i)
{
    static const char *const kinds[] = {
        "FROM\n",
        "FROM quay.io/org/os:1\nNONSENSE a\n",
        "FROM ${UNSET}\n",
        "FROM localhost/nobody\n",
        "FROM quay.io/org/os:1 # text\n",
    };
    return kinds[i / BROKEN_EVERY % ARRAY_SIZE(kinds)];
}

static bool is_broken(size_t i)
{
    return i % BROKEN_EVERY == 0;
}

Test(large, fifty_broken_files_of_five_hundred)
{
    struct large l = {.plan = {.images = 0}};
    for (size_t i = 0; i < MIXED; i++)
        add_image(&l, i,
                  is_broken(i)            ? broken_text(i)
                  : i % BROKEN_EVERY == 1 ? "FROM quay.io/org/os:1\n"
                                          : arena_fmt(&l.a, "FROM localhost/i%05zu\n", i - 1));
    plan_on_small_stack(&l);
    cr_assert_eq(l.plan.images, MIXED - MIXED / BROKEN_EVERY);
    cr_assert_eq(l.plan.errors.list.n, MIXED / BROKEN_EVERY);
    for (size_t i = 0; i < MIXED; i++) {
        const char *name = arena_fmt(&l.a, "i%05zu", i);
        cr_assert_eq(plan_find(&l.plan, name, NULL) == NULL, is_broken(i), "%s", name);
    }
    vec_for_each (i, &l.plan.errors.list) {
        const struct diag *g = l.plan.errors.list.v[i];
        cr_assert_eq(g->images, 1);
        cr_assert_str_eq(g->image[0], arena_fmt(&l.a, "i%05zu", i * BROKEN_EVERY));
    }
    release(&l);
}
