/* resolve.h: all but the registry's answer. */
#include "ctl/resolve.h"
#include <criterion/criterion.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

Test(resolve, the_name_ends_at_tag_or_digest)
{
    static const struct {
        const char *reference, *name;
    } cases[] = {{"quay.io/os/debian:12", "quay.io/os/debian"},
                 {"127.0.0.1:5000/plant/hmi:main", "127.0.0.1:5000/plant/hmi"},
                 {"127.0.0.1:5000/plant/hmi", "127.0.0.1:5000/plant/hmi"},
                 {"r.io/a:1@sha256:" HEX, "r.io/a"},
                 {"r.io/a@sha256:" HEX, "r.io/a"},
                 {"a", "a"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        cr_expect_eq(reference_name_length(cases[i].reference), strlen(cases[i].name), "%s",
                     cases[i].reference);
}

Test(resolve, digests_and_local_names_ask_nobody)
{
    static const char *const cases[][2] = {{"r.io/a:1@sha256:" HEX, "r.io/a@sha256:" HEX},
                                           {"r.io:5000/a@sha256:" HEX, "r.io:5000/a@sha256:" HEX},
                                           {"localhost/hmi:latest", "localhost/hmi:latest"}};

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        BF_CLEANUP(str_release) struct str out = STR_INIT;
        struct err e = ERR_INIT;

        cr_assert(reference_resolve(cases[i][0], NULL, false, &out, &e) == 0, "%s", e.msg);
        cr_expect_str_eq(out.p, cases[i][1]);
    }
}

Test(resolve, a_bad_digest_is_wrong_usage)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    struct err e = ERR_INIT;

    cr_expect(reference_resolve("r.io/a@sha256:12", NULL, false, &out, &e) == -1);
    cr_expect(e.kind == ERR_CONFIG);
}

Test(resolve, values_of_a_configuration)
{
    static const char text[] = "# insecure_registries = no\nother = x\n"
                               "  insecure_registries\t= a:1, b:2 \r\nauthfile=/etc/a b\n"
                               "insecure_registries_too = z\n";
    BF_CLEANUP(str_release) struct str list = STR_INIT;
    BF_CLEANUP(str_release) struct str file = STR_INIT;
    BF_CLEANUP(str_release) struct str none = STR_INIT;

    config_value(text, "insecure_registries", &list);
    config_value(text, "authfile", &file);
    config_value(text, "certs_dir", &none);
    cr_expect_str_eq(list.p, "a:1, b:2");
    cr_expect_str_eq(file.p, "/etc/a b");
    cr_expect_str_eq(none.p, "");
    cr_expect(list_has(list.p, "a:1", 3) && list_has(list.p, "b:2", 3));
    cr_expect(!list_has(list.p, "a", 1) && !list_has("", "", 0) && !list_has("a,,b", "", 0));
}
