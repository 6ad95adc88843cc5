/* Array literals: what goes out quoted comes back the same. */
#include "scheduler/pgtext.h"

#include <criterion/criterion.h>

Test(pgtext, texts_come_back)
{
    const char *const in[] = {"", "plain", "a,b", "{x}", "quote\" and \\ back", "NULL", " blank "};
    struct str a = STR_INIT;
    pg_texts out = {0};
    for (size_t i = 0; i < ARRAY_SIZE(in); i++)
        pga_text(&a, in[i]);
    cr_assert_eq(pga_read_texts(pga_end(&a), &out), 0, "%s", a.p);
    cr_assert_eq(out.n, ARRAY_SIZE(in));
    for (size_t i = 0; i < out.n; i++)
        cr_assert_str_eq(out.v[i], in[i]);
    pg_texts_release(&out);
    str_release(&a);
}

Test(pgtext, ids)
{
    const int64_t in[] = {1, INT64_MAX, -5};
    struct str a = STR_INIT, none = STR_INIT;
    pg_ids out = {0};
    cr_assert_str_eq(pga_ids(&a, in, 3), "{1,9223372036854775807,-5}");
    cr_assert_eq(pga_read_ids(a.p, &out), 0);
    cr_assert_eq(out.n, 3);
    cr_assert_eq(out.v[1], INT64_MAX);
    cr_assert_str_eq(pga_end(&none), "{}");
    cr_assert_eq(pga_read_ids("{}", &out), 0);
    cr_assert_eq(pga_read_ids(NULL, &out), 0);
    cr_assert_eq(out.n, 3);
    cr_assert_eq(pga_read_ids("1,2", &out), -1);
    cr_assert_eq(pga_read_ids("{1,x}", &out), -1);
    cr_assert_eq(pga_read_ids("{1", &out), -1);
    vec_release(&out);
    str_release(&a);
    str_release(&none);
}

Test(pgtext, absent_values_are_null)
{
    const struct sha256 none = {{0}}, some = {{0xab}};
    struct str a = STR_INIT;
    pga_text(&a, NULL);
    pga_digest(&a, &none);
    pga_digest(&a, &some);
    pga_id(&a, (struct id128){{0}});
    pga_bool(&a, true);
    cr_assert_str_eq(pga_end(&a),
                     "{NULL,NULL,sha256:ab000000000000000000000000000000000000000000000000000000000"
                     "00000,00000000-0000-0000-0000-000000000000,t}");
    str_release(&a);
}

Test(pgtext, bytes_in_binary)
{
    static const unsigned char expected[] = {0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,    17, 0, 0, 0, 2,
                                             0, 0, 0, 1, 0, 0, 0, 3, 1, 0, 0xff, 0,  0, 0, 0};
    static const unsigned char nothing[12] = {[11] = 17};
    struct str a = STR_INIT, none = STR_INIT;
    pgb_begin(&a, 2);
    pgb_bytes(&a, "\001\000\377", 3);
    pgb_bytes(&a, "", 0);
    cr_assert_eq(a.len, sizeof expected);
    cr_expect_eq(memcmp(a.p, expected, sizeof expected), 0);
    pgb_begin(&none, 0);
    cr_assert_eq(none.len, sizeof nothing);
    cr_expect_eq(memcmp(none.p, nothing, sizeof nothing), 0, "no dimension");
    str_release(&a);
    str_release(&none);
}
