/* Which names may meet an argument list. */
#include "worker/core/refname.h"
#include <criterion/criterion.h>

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct scenario {
    const char *text;
    bool ok;
};

#define CHECK(fn, table)                           \
    for (size_t i = 0; i < ARRAY_SIZE(table); i++) \
    cr_expect(fn((table)[i].text) == (table)[i].ok, "%s(%s)", #fn, (table)[i].text)

Test(refname, pinned)
{
    static const struct scenario t[] = {
        {"127.0.0.1:5000/build/plant/hmi@sha256:" HEX, true},
        {"registry.example/a@sha256:" HEX, true},
        {"registry.example/a:tag@sha256:" HEX, false},
        {"registry.example/a", false},
        {"a@sha256:" HEX, false},
        {"registry.example/a@sha256:" HEX "0", false},
        {"registry.example/a@sha256:ABC", false},
        {"-registry.example/a@sha256:" HEX, false},
        {"registry.example/A@sha256:" HEX, false},
        {"registry.example/../a@sha256:" HEX, false},
        {"registry.example:x/a@sha256:" HEX, false},
        {"registry.example:123456/a@sha256:" HEX, false},
        {"registry example/a@sha256:" HEX, false},
        {"/a@sha256:" HEX, false},
        {"", false},
    };
    CHECK(ref_is_pinned, t);
}

Test(refname, repo_and_local)
{
    static const struct scenario repo[] = {
        {"h/a", true},    {"h:1/a/b-c/d__e.f", true},
        {"h/a:1", false}, {"h/a//b", false},
        {"h/a/", false},  {"h/-a", false},
        {"h", false},
    };
    static const struct scenario local[] = {
        {"localhost/bootfarm/build:x", true},
        {"hmi", true},
        {"h:5000/a:1", true},
        {"hmi:", false},
        {"-hmi", false},
        {"hmi;ls", false},
        {"oci-archive:/etc/x", false},
        {"a b", false},
        {"a@b", false},
    };
    CHECK(ref_is_repo, repo);
    CHECK(ref_is_local, local);
}

Test(refname, paths)
{
    static const struct scenario t[] = {
        {"Containerfile", true}, {"a/b.c/x-y", true}, {"a/..b", true},     {"../a", false},
        {"a/../b", false},       {"/a", false},       {"a//b", false},     {"a/", false},
        {"./a", false},          {"-a", false},       {"a\nb", false},     {"", false},
        {"a\x1b[2Jb", false},    {"\xc2\x9b", false}, {"f\xc3\xbc", true}, {"\xff", false},
    };
    CHECK(path_is_inside, t);
}

Test(refname, tags_and_secrets)
{
    static const struct scenario tags[] = {
        {"main", true}, {"_x", true},   {"1.2-3", true}, {".x", false},
        {"-x", false},  {"a/b", false}, {"", false},
    };
    static const struct scenario secrets[] = {
        {"activation-key", true},     {"_x", false}, {"..", false}, {"a/b", false},
        {"a,src=/etc/shadow", false},
    };
    CHECK(tag_is_valid, tags);
    CHECK(secret_name_is_valid, secrets);
}

Test(refname, pieces)
{
    size_t n;
    const char *s = ref_base_name("registry:5000/a/app:1", &n);
    cr_assert(n == 3 && memcmp(s, "app", n) == 0);
    s = ref_base_name("h/app@sha256:" HEX, &n);
    cr_assert(n == 3 && memcmp(s, "app", n) == 0);
    cr_assert(ref_repo_len("h/a@sha256:" HEX) == 3);
    cr_assert(ref_host_len("h:1/a") == 3);
}
