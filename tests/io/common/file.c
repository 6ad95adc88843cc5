#include "common/loop/file.h"
#include "common/base/hash.h"
#include "common/base/mem.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

static void make_root(void)
{
    snprintf(root, sizeof root, "/tmp/bf-file-XXXXXX");
    cr_assert(mkdtemp(root));
}

static void remove_root(void)
{
    struct err e = ERR_INIT;

    cr_expect(dir_remove(root, &e) == 0, "%s", e.msg);
    cr_expect(access(root, F_OK) == -1);
}

TestSuite(file, .init = make_root, .fini = remove_root);

static const char *in_root(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

Test(file, written_and_read_again)
{
    struct str s = STR_INIT;
    struct err e = ERR_INIT;
    struct stat st;

    cr_assert(file_write_atomic(in_root("f"), "a\0b", 3, 0640, &e) == 0, "%s", e.msg);
    cr_expect(stat(in_root("f"), &st) == 0 && (st.st_mode & 07777) == 0640);
    str_add(&s, "before ");
    cr_expect(file_read(in_root("f"), 3, &s, &e) == 0);
    cr_expect(s.len == 10 && memcmp(s.p, "before a\0b", 10) == 0);
    cr_assert(file_write_atomic(in_root("f"), "", 0, 0600, &e) == 0);
    str_clear(&s);
    cr_expect(file_read(in_root("f"), 0, &s, &e) == 0 && s.len == 0);
    str_release(&s);
}

Test(file, limits_and_absence_are_errors)
{
    struct str s = STR_INIT;
    struct err e = ERR_INIT;

    cr_assert(file_write_atomic(in_root("f"), "abcd", 4, 0600, &e) == 0);
    cr_expect(file_read(in_root("f"), 3, &s, &e) == -1 && e.kind == ERR_INPUT);
    cr_expect(str_ends(e.msg, "/f is larger than 3 bytes"), "%s", e.msg);
    cr_expect(file_read(in_root("none"), 3, &s, &e) == -1 && e.kind == ERR_SYSTEM);
    cr_expect(file_read("/dev/zero", 1 << 20, &s, &e) == -1 && e.kind == ERR_INPUT);
    cr_expect(file_write_atomic(in_root("no/f"), "", 0, 0600, &e) == -1);
    cr_expect(file_write_atomic(root, "", 0, 0600, &e) == -1, "a directory is in the way");
    str_release(&s);
}

Test(file, a_failed_write_leaves_nothing_behind)
{
    struct err e = ERR_INIT;

    cr_assert(dir_make(in_root("target/x"), 0755, &e) == 0);
    cr_expect(file_write_atomic(in_root("target"), "x", 1, 0600, &e) == -1);
    cr_expect(unlink(in_root("target")) == -1);
    cr_expect(rmdir(in_root("target/x")) == 0 && rmdir(in_root("target")) == 0);
    cr_expect(rmdir(root) == 0, "the temporary file is still there");
}

Test(file, directories_with_parents)
{
    struct err e = ERR_INIT;
    struct stat st;

    cr_expect(dir_make(in_root("a/b//c/"), 0750, &e) == 0, "%s", e.msg);
    cr_expect(stat(in_root("a/b/c"), &st) == 0 && S_ISDIR(st.st_mode));
    cr_expect(dir_make(in_root("a/b/c"), 0750, &e) == 0);
    cr_assert(file_write_atomic(in_root("f"), "", 0, 0600, &e) == 0);
    cr_expect(dir_make(in_root("f/g"), 0750, &e) == -1 && e.kind == ERR_SYSTEM);
    cr_expect(dir_make(in_root("f"), 0750, &e) == -1);
}

Test(file, removal_does_not_follow_links)
{
    struct err e = ERR_INIT;
    char outside[] = "/tmp/bf-outside-XXXXXX", link_path[256];

    cr_assert(mkdtemp(outside));
    snprintf(link_path, sizeof link_path, "%s/keep", outside);
    cr_assert(file_write_atomic(link_path, "x", 1, 0600, &e) == 0);
    cr_assert(dir_make(in_root("d/e"), 0755, &e) == 0);
    cr_assert(symlink(outside, in_root("d/e/link")) == 0);
    cr_assert(mkfifo(in_root("d/fifo"), 0600) == 0);
    cr_assert(chmod(in_root("d/e"), 0) == 0);
    cr_expect(dir_remove(in_root("d"), &e) == 0, "%s", e.msg);
    cr_expect(access(in_root("d"), F_OK) == -1);
    cr_expect(access(link_path, F_OK) == 0);
    cr_assert(symlink(outside, in_root("top")) == 0);
    cr_expect(dir_remove(in_root("top"), &e) == -1, "the name itself is a link");
    cr_expect(access(link_path, F_OK) == 0);
    cr_expect(dir_remove(outside, &e) == 0);
    cr_expect(dir_remove(outside, &e) == 0, "absent is success");
}

/* Deeper than paths, descriptors and the stack go. */
Test(file, a_very_deep_tree_is_removed)
{
    struct err e = ERR_INIT;
    int at = open(root, O_RDONLY | O_DIRECTORY);

    for (int i = 0; i < 5000; i++) {
        cr_assert(mkdirat(at, ".removed-0", 0700) == 0);
        int next = openat(at, ".removed-0", O_RDONLY | O_DIRECTORY);
        close(at);
        at = next;
    }
    close(at);
    cr_expect(dir_remove(root, &e) == 0, "%s", e.msg);
}

/* FIPS 180-2's examples. */
Test(file, sha256_by_openssl)
{
    struct span parts[] = {{"a", 1}, {"", 0}, {"bc", 2}};
    char text[DIGEST_TEXT];
    struct sha256 d;

    hash_openssl(parts, 3, &d);
    digest_format(&d, text);
    cr_expect_str_eq(text, "sha256:"
                           "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hash_openssl(NULL, 0, &d);
    digest_format(&d, text);
    cr_expect_str_eq(text, "sha256:"
                           "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    struct hasher *h = hasher_new();
    hasher_add(h, "abc", 3);
    hasher_finish(h, &d);
    digest_format(&d, text);
    cr_expect(str_starts(text, "sha256:ba7816bf"));
}
