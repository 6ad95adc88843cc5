/* References: taken apart, refused, and brought into one form. */
#include "scheduler/plan/reference.h"

#include <criterion/criterion.h>
#include <stdio.h>

static const struct {
    const char *text, *normal; /* NULL: refused */
} references[] = {
    {"quay.io/org/os:1", "quay.io/org/os:1"},
    {"quay.io/org/os", "quay.io/org/os:latest"},
    {"docker.io/debian:12", "docker.io/library/debian:12"},
    {"docker.io/library/debian:12", "docker.io/library/debian:12"},
    {"index.docker.io/debian", "docker.io/library/debian:latest"},
    {"docker.io/org/app", "docker.io/org/app:latest"},
    {"localhost/base", "localhost/base:latest"},
    {"localhost:5000/a/b:t", "localhost:5000/a/b:t"},
    {"registry:5000/a", "registry:5000/a:latest"},
    {"[::1]:5000/a", "[::1]:5000/a:latest"},
    {"docker://quay.io/org/os:1", "quay.io/org/os:1"},
    {"debian", "debian:latest"},
    {"org/app:2", "org/app:2"},
    {"a.b/c__d/e-f--g/h_i:T_1.x-y", "a.b/c__d/e-f--g/h_i:T_1.x-y"},
    /* A digest decides; a tag beside it says nothing. */
    {"q.io/a:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
     "q.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
    {"", NULL},
    {"quay.io/", NULL},
    {"quay.io/Org/os", NULL},
    {"quay.io/a//b", NULL},
    {"quay.io/a:", NULL},
    {"quay.io/a:.x", NULL},
    {"quay.io/a___b", NULL},
    {"quay.io/a..b", NULL},
    {"quay.io/-a", NULL},
    {"quay.io/a-", NULL},
    {"quay.io:0/a", NULL},
    {"quay.io:70000/a", NULL},
    {"-x.io/a", NULL},
    {"q.io/a@sha256:0123", NULL},
    {"q.io/a@md5:0123456789abcdef0123456789abcdef", NULL},
    {"q.io/a b", NULL},
    {"q.io/a$b", NULL},
};

Test(reference, normal_form)
{
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(references); i++) {
        struct reference r;
        struct err e = ERR_INIT;
        int rc = reference_parse(&a, references[i].text, &r, &e);
        cr_expect_eq(rc, references[i].normal != NULL ? 0 : -1, "'%s': %s", references[i].text,
                     e.msg);
        if (rc == 0 && references[i].normal != NULL)
            cr_expect_str_eq(reference_text(&a, &r), references[i].normal);
        else
            cr_expect_neq(e.msg[0], '\0', "'%s' is refused without a word", references[i].text);
    }
    arena_release(&a);
}

Test(reference, too_long)
{
    struct arena a = ARENA_INIT;
    struct reference r;
    char text[2000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    cr_expect_eq(reference_parse(&a, text, &r, NULL), -1);
    text[300] = '\0';
    cr_expect_eq(reference_parse(&a, text, &r, NULL), -1);
    text[255] = '\0';
    cr_expect_eq(reference_parse(&a, text, &r, NULL), 0);
    arena_release(&a);
}

/* The name that docker.io/x stands for has a bound, too. */
Test(reference, too_long_for_the_library)
{
    struct arena a = ARENA_INIT;
    struct reference r;
    char text[300] = "docker.io/";
    memset(text + 10, 'a', 248);
    cr_expect_eq(reference_parse(&a, text, &r, NULL), -1);
    text[10 + 247] = '\0';
    cr_expect_eq(reference_parse(&a, text, &r, NULL), 0);
    arena_release(&a);
}

/* Without a bound on hosts the normal form, which adds a tag, could be longer than a reference. */
Test(reference, too_long_a_host)
{
    struct arena a = ARENA_INIT;
    struct reference r;
    char text[300];
    memset(text, 'a', sizeof text);
    snprintf(text + 252, sizeof text - 252, "b/x");
    text[100] = '.';
    cr_expect_eq(reference_parse(&a, text, &r, NULL), 0);
    snprintf(text + 252, sizeof text - 252, "bb/x");
    cr_expect_eq(reference_parse(&a, text, &r, NULL), -1);
    arena_release(&a);
}

Test(reference, short_names_have_no_host)
{
    struct arena a = ARENA_INIT;
    struct reference r;
    cr_assert_eq(reference_parse(&a, "org/app", &r, NULL), 0);
    cr_expect(r.host == NULL);
    cr_assert_eq(reference_parse(&a, "localhost/app", &r, NULL), 0);
    cr_expect_str_eq(r.host, "localhost");
    arena_release(&a);
}

Test(reference, transports_are_not_images)
{
    cr_expect(reference_is_transport("oci-archive:./x.tar"));
    cr_expect(reference_is_transport("dir:/x"));
    cr_expect(!reference_is_transport("docker://quay.io/a"));
    cr_expect(!reference_is_transport("dir.io/a"));
}

static const struct {
    const char *text, *path;
} cleaned[] = {
    {"images/HMI", "images/hmi"},
    {"a b", "a-b"},
    {"/a//b/", "a/b"},
    {"_x_", "x"},
    {"a__b", "a_b"},
    {"a.-b", "a-b"},
    {"feature/ä", "feature"},
    {"...", ""},
    {"v1.0", "v1.0"},
};

Test(reference, what_a_registry_forbids_becomes_a_dash)
{
    struct arena a = ARENA_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(cleaned); i++)
        cr_expect_str_eq(registry_path(&a, cleaned[i].text), cleaned[i].path, "path of '%s'",
                         cleaned[i].text);
    cr_expect_str_eq(registry_tag(&a, "feature/X"), "feature-x");
    cr_expect_str_eq(registry_tag(&a, ".x"), "_x");
    char text[300];
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    cr_expect_eq(strlen(registry_tag(&a, text)), 128);
    arena_release(&a);
}
