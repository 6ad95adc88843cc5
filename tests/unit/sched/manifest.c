/* Which digest a base is pinned to. */
#include "scheduler/bases.h"

#include <criterion/criterion.h>

#define D(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define ENTRY(os, arch, more, d)                                                           \
    "{\"digest\": \"" d "\", \"platform\": {\"os\": \"" os "\", \"architecture\": \"" arch \
    "\"" more "}}"

static const char *pin(const char *text, const char *arch)
{
    static char out[DIGEST_TEXT];
    struct sha256 d;
    struct err e = ERR_INIT;
    if (manifest_digest(text, strlen(text), arch, &d, &e))
        return "none";
    digest_format(&d, out);
    return out;
}

Test(manifest, an_index_gives_the_platforms_entry)
{
    const char *index = "{\"manifests\": [" ENTRY("windows", "amd64", "", D("01")) "," ENTRY(
        "linux", "arm64", ", \"variant\": \"v9\"",
        D("02")) "," ENTRY("linux", "amd64", "", D("03")) "," ENTRY("linux", "arm64",
                                                                    ", \"variant\": \"v8\"",
                                                                    D("04")) "]}";
    cr_assert_str_eq(pin(index, "amd64"), D("03"));
    cr_assert_str_eq(pin(index, "arm64"), D("04"));
    cr_assert_str_eq(pin(index, "riscv64"), "none");
}

Test(manifest, a_manifest_is_pinned_as_it_is)
{
    const char *one = "{\"schemaVersion\": 2, \"config\": {}, \"layers\": []}";
    struct sha256 d;
    char text[DIGEST_TEXT];
    hash_openssl(&(struct span){one, strlen(one)}, 1, &d);
    digest_format(&d, text);
    cr_assert_str_eq(pin(one, "amd64"), text);
}

Test(manifest, anything_else_is_refused)
{
    cr_assert_str_eq(pin("", "amd64"), "none");
    cr_assert_str_eq(pin("<html>", "amd64"), "none");
    cr_assert_str_eq(pin("{}", "amd64"), "none");
    cr_assert_str_eq(pin("{\"manifests\": [" ENTRY("linux", "amd64", "", "md5:1") "]}", "amd64"),
                     "none");
}
