/* Contexts as artifacts: the same bytes for the same content, and nothing that should not travel.
 */
#include "common/base/mem.h"
#include "tests/io/planner/site.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

static void expect_listing(const struct site *s, const json_t *image, const char *member,
                           const char *expected)
{
    char *text = artifact_listing(s, image, member);
    cr_expect_str_eq(text, expected, "got\n%s", text);
    free(text);
}

static void write_image(const struct site *s)
{
    site_write(s, "i/Containerfile", "FROM scratch\nCOPY . /\n");
    site_write(s, "i/image.yaml", "test: { scripts: [t/*.sh] }\n");
    site_write(s, "i/t/a.sh", "x");
    site_write_exec(s, "i/bin/app", "1234");
    site_write(s, "i/\xc3\xa4 b", "1");
    site_write(s, "i/.containerignore", "*.log\n!keep.log\n");
    site_write(s, "i/drop.log", "x");
    site_write(s, "i/keep.log", "x");
    site_link(s, "i/link", "bin/app");
    site_link(s, "i/shared", "../common/file");
    site_link(s, "i/absolute", "/etc/passwd");
    site_write(s, "common/file", "12");
}

Test(contexts, what_is_in_the_tar)
{
    struct site s;
    site_open(&s);
    write_image(&s);
    site_push(&s);
    json_t *out = site_poll(&s);
    const json_t *image = image_named(out, "i");
    expect_listing(&s, image, "artifact",
                   "-rw-r--r-- 0/0              16 1970-01-01 00:00:00 .containerignore\n"
                   "-rw-r--r-- 0/0              22 1970-01-01 00:00:00 Containerfile\n"
                   "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 absolute -> /etc/passwd\n"
                   "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 bin/\n"
                   "-rwxr-xr-x 0/0               4 1970-01-01 00:00:00 bin/app\n"
                   "-rw-r--r-- 0/0               1 1970-01-01 00:00:00 keep.log\n"
                   "lrwxrwxrwx 0/0               0 1970-01-01 00:00:00 link -> bin/app\n"
                   "-rw-r--r-- 0/0               2 1970-01-01 00:00:00 shared\n"
                   "-rw-r--r-- 0/0               1 1970-01-01 00:00:00 \xc3\xa4 b\n");
    expect_listing(&s, image, "tests_artifact",
                   "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 t/\n"
                   "-rw-r--r-- 0/0               1 1970-01-01 00:00:00 t/a.sh\n");
    cr_expect_str_eq(text_of(image, "containerfile"), "Containerfile");
    json_decref(out);
    site_close(&s);
}

static json_t *poll_clone(struct site *s, const char *name, const char *slug)
{
    json_t *in = site_input(s);
    char *clone = xasprintf("%s/%s", s->dir, name),
         *mirror = xasprintf("%s/%s.mirror", s->dir, name);
    site_run(s, s->dir, "git", "clone", "-q", "--bare", s->remote, clone, NULL);
    json_object_set_new(in, "url", json_string(clone));
    json_object_set_new(in, "mirror", json_string(mirror));
    json_object_set_new(in, "slug", json_string(slug));
    free(clone);
    free(mirror);
    return site_poll_with(s, in, 0);
}

/* Another clone, another name, another umask, another day. */
Test(contexts, the_same_content_gives_the_same_bytes)
{
    struct site s;
    site_open(&s);
    write_image(&s);
    site_push(&s);
    json_t *a = poll_clone(&s, "one.git", "one");
    umask(077);
    json_t *b = poll_clone(&s, "two.git", "two");
    const json_t *x = image_named(a, "i"), *y = image_named(b, "i");
    cr_expect_str_eq(text_of(x, "context_key"), text_of(y, "context_key"));
    cr_expect_str_eq(text_of(x, "recipe"), text_of(y, "recipe"));
    cr_expect_str_eq(text_of(json_object_get(x, "artifact"), "digest"),
                     text_of(json_object_get(y, "artifact"), "digest"));
    cr_expect_str_eq(text_of(json_object_get(x, "tests_artifact"), "digest"),
                     text_of(json_object_get(y, "tests_artifact"), "digest"));
    json_decref(a);
    json_decref(b);
    site_close(&s);
}

Test(contexts, a_layout_that_other_tools_read)
{
    struct site s;
    site_open(&s);
    write_image(&s);
    site_push(&s);
    json_t *out = site_poll(&s);
    const json_t *artifact = json_object_get(image_named(out, "i"), "artifact");
    char *from = xasprintf("oci:%s/%s:context", s.out, text_of(artifact, "path"));
    char *to = xasprintf("oci:%s/copy:context", s.dir);
    site_run(&s, s.dir, "skopeo", "copy", "--preserve-digests", from, to, NULL);
    char *manifest = xasprintf("%s/copy/blobs/sha256/%s", s.dir, text_of(artifact, "digest") + 7);
    struct stat st;
    cr_expect_eq(stat(manifest, &st), 0);
    free(from);
    free(to);
    free(manifest);
    json_decref(out);
    site_close(&s);
}

Test(contexts, a_context_elsewhere_and_named_ones)
{
    struct site s;
    site_open(&s);
    site_write(&s, "i/Containerfile", "FROM scratch\nCOPY src /\nCOPY --from=common / /\n");
    site_write(&s, "i/image.yaml", "context: /app\ncontexts: { common: /common }\n");
    site_write(&s, "app/src/x", "1");
    site_write(&s, "app/other", "1");
    site_write(&s, "common/y", "1");
    site_push(&s);
    json_t *out = site_poll(&s);
    const json_t *image = image_named(out, "i");
    expect_listing(
        &s, image, "artifact",
        "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 .bootfarm/\n"
        "-rw-r--r-- 0/0              47 1970-01-01 00:00:00 .bootfarm/Containerfile\n"
        "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 .bootfarm/contexts/\n"
        "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 .bootfarm/contexts/common/\n"
        "-rw-r--r-- 0/0               1 1970-01-01 00:00:00 .bootfarm/contexts/common/y\n"
        "drwxr-xr-x 0/0               0 1970-01-01 00:00:00 src/\n"
        "-rw-r--r-- 0/0               1 1970-01-01 00:00:00 src/x\n");
    cr_expect_str_eq(
        text_of(json_object_get(json_object_get(image, "build"), "contexts"), "common"),
        ".bootfarm/contexts/common");
    json_decref(out);
    site_close(&s);
}

/* Names of more than a hundred characters need the tar's longer form. */
Test(contexts, long_names_and_empty_files)
{
    struct site s;
    char name[220];
    site_open(&s);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    char *path = xasprintf("i/%s/%s", name, name);
    site_write(&s, "i/Containerfile", "FROM scratch\nCOPY . /\n");
    site_write(&s, path, "");
    site_push(&s);
    json_t *out = site_poll(&s);
    char *text = artifact_listing(&s, image_named(out, "i"), "artifact");
    char *line = xasprintf(" %s/%s\n", name, name);
    cr_expect(strstr(text, line) != NULL, "%s", text);
    free(text);
    free(line);
    free(path);
    json_decref(out);
    site_close(&s);
}
