/* base.h, mem.h, err.h, vec.h, list.h, sm.h, clock.h */
#include "common/base/base.h"
#include "common/base/clock.h"
#include "common/base/err.h"
#include "common/base/list.h"
#include "common/base/mem.h"
#include "common/base/sm.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>

Test(base, id128_text)
{
    struct id128 id, back;
    char text[ID128_TEXT];

    for (size_t i = 0; i < 16; i++)
        id.b[i] = (uint8_t)(i * 17);
    id128_format(id, text);
    cr_expect_str_eq(text, "00112233-4455-6677-8899-aabbccddeeff");
    cr_assert(id128_parse(text, &back) == 0);
    cr_expect(id128_eq(id, back));
    cr_expect(!id128_is_none(id) && id128_is_none((struct id128){{0}}));
    static const char *const bad[] = {"",
                                      "00112233-4455-6677-8899-aabbccddeef",
                                      "00112233-4455-6677-8899-aabbccddeeff0",
                                      "00112233-4455-6677-8899-AABBCCDDEEFF",
                                      "00112233445566778899aabbccddeeff",
                                      "00112233-4455-6677-8899_aabbccddeeff",
                                      "0011223g-4455-6677-8899-aabbccddeeff"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect(id128_parse(bad[i], &back) == -1, "%s", bad[i]);
    cr_expect(id128_eq(id, back), "a refused text must not be stored");
}

Test(base, digest_text)
{
    struct sha256 d, back;
    char text[DIGEST_TEXT], wrong[DIGEST_TEXT + 1];

    memset(d.b, 0xa5, sizeof d.b);
    digest_format(&d, text);
    cr_expect(strlen(text) == 71 && str_starts(text, "sha256:a5a5"));
    cr_assert(digest_parse(text, &back) == 0);
    cr_expect(sha256_eq(&d, &back) && !sha256_is_none(&d));
    cr_expect(digest_parse("", &back) == -1 && digest_parse("sha256:", &back) == -1);
    cr_expect(digest_parse(text + 7, &back) == -1);
    memcpy(wrong, text, sizeof text);
    wrong[3] = '5';
    cr_expect(digest_parse(wrong, &back) == -1);
    memcpy(wrong, text, sizeof text);
    wrong[70] = '\0';
    cr_expect(digest_parse(wrong, &back) == -1, "one digit less");
    memcpy(wrong, text, sizeof text);
    wrong[71] = 'a';
    wrong[72] = '\0';
    cr_expect(digest_parse(wrong, &back) == -1, "one digit more");
    wrong[70] = 'A';
    cr_expect(digest_parse(wrong, &back) == -1, "a capital");
}

Test(base, bug_aborts, .signal = SIGABRT)
{
    BUG_ON(2 > 1);
}

Test(base, impossible_sizes_abort, .signal = SIGABRT)
{
    free(xreallocarray(NULL, SIZE_MAX / 2, 3));
}

Test(base, memory)
{
    BF_CLEANUP(free_ptr) char *cut = xstrndup("abcdef", 3);
    BF_CLEANUP(free_ptr) char *whole = xstrndup("abc", 10);
    BF_CLEANUP(free_ptr) char *text = xasprintf("%s-%d", "x", 5);
    BF_CLEANUP(free_ptr) int *zero = xcalloc(4, sizeof *zero);
    BF_CLEANUP(free_ptr) char *nothing = xmalloc(0);
    BF_CLEANUP(free_ptr) char *copy = xmemdup("", 0);

    cr_expect_str_eq(cut, "abc");
    cr_expect_str_eq(whole, "abc");
    cr_expect_str_eq(text, "x-5");
    cr_expect(zero[3] == 0);
    nothing = xreallocarray(nothing, 0, 8);
}

Test(base, errors_gather_context)
{
    struct err e = ERR_INIT;

    cr_expect(err_set(&e, ERR_INPUT, "line %d is bad", 3) == -1);
    cr_expect(err_wrap(&e, "%s", "image.yaml") == -1);
    cr_expect_str_eq(e.msg, "image.yaml: line 3 is bad");
    cr_expect(e.kind == ERR_INPUT && e.sys_errno == 0);
    errno = ENOENT;
    cr_expect(err_sys(&e, "cannot open %s", "/x") == -1);
    cr_expect_str_eq(e.msg, "cannot open /x: No such file or directory");
    cr_expect(e.kind == ERR_SYSTEM && e.sys_errno == ENOENT);
    cr_expect(err_set(&e, ERR_CONFIG, "again: %s", e.msg) == -1, "its own text as an argument");
    cr_expect_str_eq(e.msg, "again: cannot open /x: No such file or directory");
    cr_expect(err_set(NULL, ERR_INPUT, "x") == -1);
    cr_expect(err_sys(NULL, "x") == -1 && err_wrap(NULL, "x") == -1);
}

/* A message that is too long is cut between characters, whatever the offset. */
Test(base, errors_are_cut_between_characters)
{
    struct err e = ERR_INIT;
    struct str s = STR_INIT;

    for (int shift = 0; shift < 4; shift++) {
        str_clear(&s);
        for (int i = 0; i < shift; i++)
            str_addch(&s, 'x');
        for (int i = 0; i < 400; i++)
            str_add(&s, "\xf0\x9f\x9a\x80");
        cr_expect(err_set(&e, ERR_INPUT, "%s", s.p) == -1);
        cr_expect(utf8_valid(e.msg, strlen(e.msg)), "shift %d", shift);
        cr_expect(strlen(e.msg) > sizeof e.msg - 5);
        cr_expect(err_wrap(&e, "context") == -1);
        cr_expect(utf8_valid(e.msg, strlen(e.msg)) &&
                  str_starts(e.msg, "context: x" + 0) == (shift > 0));
    }
    str_release(&s);
}

Test(base, vectors)
{
    VEC(int) v = VEC_INIT;

    for (int i = 0; i < 1000; i++)
        *vec_push(&v) = i;
    cr_expect(v.n == 1000 && v.v[999] == 999 && v.v[0] == 0);
    cr_expect(vec_pop(&v) == 999 && v.n == 999);
    vec_remove_swap(&v, 0);
    cr_expect(v.n == 998 && v.v[0] == 998);
    vec_clear(&v);
    cr_expect(v.n == 0 && v.cap >= 1000);
    vec_release(&v);
    cr_expect(v.v == NULL && v.cap == 0);
    vec_release(&v);
}

struct node {
    int value;
    struct list link;
};

Test(base, lists)
{
    struct list head;
    struct node n[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
    int sum = 0;

    list_init(&head);
    cr_expect(list_is_empty(&head));
    for (size_t i = 0; i < 3; i++)
        list_add_tail(&head, &n[i].link);
    cr_expect(container_of(head.next, struct node, link)->value == 0);
    list_for_each (it, &head) {
        struct node *node = container_of(it, struct node, link);
        sum = sum * 10 + node->value;
        if (node->value == 1)
            list_del(it); /* the walk allows it */
    }
    cr_expect(sum == 12);
    list_del(&n[1].link); /* again: harmless */
    cr_expect(head.next == &n[0].link && n[0].link.next == &n[2].link);
}

Test(base, state_machines)
{
    enum { OFF, ON, GONE };
    static const struct sm_state table[] = {
        [OFF] = {.name = "off", .next = SM_BIT(ON) | SM_BIT(GONE)},
        [ON] = {.name = "on", .next = SM_BIT(OFF)},
        [GONE] = {.name = "gone", .next = 0},
    };

    cr_expect(sm_allows(table, OFF, GONE) && sm_allows(table, ON, OFF));
    cr_expect(!sm_allows(table, ON, GONE) && !sm_allows(table, GONE, OFF));
    cr_expect(!sm_allows(table, OFF, OFF), "staying is no transition unless the table says so");
}

Test(base, times)
{
    char text[RFC3339_TEXT];
    bf_time a = clock_mono();

    cr_expect(clock_mono() >= a && a > 0);
    cr_expect(clock_real() > INT64_C(1600000000) * BF_SEC);
    rfc3339_format(0, text);
    cr_expect_str_eq(text, "1970-01-01T00:00:00.000Z");
    rfc3339_format(INT64_C(1700000000) * BF_SEC + 123456, text);
    cr_expect_str_eq(text, "2023-11-14T22:13:20.123Z");
    rfc3339_format(-1, text);
    cr_expect_str_eq(text, "1969-12-31T23:59:59.999Z");
    rfc3339_format(INT64_MAX, text);
    cr_expect(strlen(text) == 24);
}
