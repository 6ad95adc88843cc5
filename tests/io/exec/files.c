/* Files from strangers: tars that want out, images whose links lead to the host. */
#include "tests/io/exec/temp.h"
#include "worker/core/cpio.h"
#include "worker/exec/cache.h"
#include "worker/exec/rootfs.h"
#include "worker/exec/tarball.h"
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct item {
    const char *path;
    mode_t type;
    const char *link;
    bool hard;
};

/* A tar of these entries; each file holds "x". */
static void write_tar(const char *path, const struct item *items, size_t n)
{
    struct archive *a = archive_write_new();
    archive_write_set_format_pax(a);
    cr_assert(archive_write_open_filename(a, path) == ARCHIVE_OK);
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *ent = archive_entry_new();
        archive_entry_set_pathname(ent, items[i].path);
        archive_entry_set_filetype(ent, items[i].type);
        archive_entry_set_perm(ent, 04755);
        archive_entry_set_size(ent, items[i].type == AE_IFREG && !items[i].hard ? 1 : 0);
        if (items[i].hard)
            archive_entry_set_hardlink(ent, items[i].link);
        else if (items[i].link != NULL)
            archive_entry_set_symlink(ent, items[i].link);
        cr_assert(archive_write_header(a, ent) == ARCHIVE_OK);
        if (archive_entry_size(ent) == 1)
            cr_assert(archive_write_data(a, "x", 1) == 1);
        archive_entry_free(ent);
    }
    cr_assert(archive_write_close(a) == ARCHIVE_OK);
    archive_write_free(a);
}

static int unpack(const char *dir, const struct item *items, size_t n, struct err *e)
{
    BF_CLEANUP(free_ptr) char *tar = xasprintf("%s/t.tar", dir);
    BF_CLEANUP(free_ptr) char *out = xasprintf("%s/out", dir);
    write_tar(tar, items, n);
    cr_assert(mkdir(out, 0755) == 0);
    int fd = open(tar, O_RDONLY | O_CLOEXEC);
    int rc = tar_unpack(fd, out, e);
    close(fd);
    return rc;
}

Test(tar, a_good_one)
{
    static const struct item items[] = {{"a", AE_IFDIR, NULL, false},
                                        {"a/run.sh", AE_IFREG, NULL, false},
                                        {"a/link", AE_IFLNK, "run.sh", false}};
    char *dir = temp_dir();
    struct err e = ERR_INIT;
    struct stat st;
    cr_assert(unpack(dir, items, ARRAY_SIZE(items), &e) == 0, "%s", e.msg);
    BF_CLEANUP(free_ptr) char *file = xasprintf("%s/out/a/run.sh", dir);
    cr_assert(stat(file, &st) == 0);
    cr_expect((st.st_mode & 07777) == 0755, "no setuid bit: %o", st.st_mode);
    temp_remove(dir);
}

static const struct item escapes[][2] = {
    {{"../evil", AE_IFREG, NULL, false}},
    {{"a/../../evil", AE_IFREG, NULL, false}},
    {{"/tmp/bootfarm-evil", AE_IFREG, NULL, false}},
    {{"l", AE_IFLNK, "..", false}, {"l/evil", AE_IFREG, NULL, false}},
    {{"h", AE_IFREG, "/etc/passwd", true}},
    {{"pipe", AE_IFIFO, NULL, false}},
};

Test(tar, nothing_leaves_the_directory)
{
    for (size_t i = 0; i < ARRAY_SIZE(escapes); i++) {
        char *dir = temp_dir();
        struct err e = ERR_INIT;
        BF_CLEANUP(free_ptr) char *evil = xasprintf("%s/evil", dir);
        cr_expect(unpack(dir, escapes[i], escapes[i][1].path != NULL ? 2 : 1, &e) == -1, "%s",
                  escapes[i][0].path);
        cr_expect(access(evil, F_OK) != 0 && access("/tmp/bootfarm-evil", F_OK) != 0);
        temp_remove(dir);
    }
}

Test(tar, the_same_tree_gives_the_same_bytes)
{
    struct str tar[2] = {STR_INIT, STR_INIT};
    for (int i = 0; i < 2; i++) {
        char *dir = temp_dir();
        struct err e = ERR_INIT;
        BF_CLEANUP(free_ptr) char *tree = xasprintf("%s/tree", dir);
        BF_CLEANUP(free_ptr) char *file = xasprintf("%s/t.tar", dir);
        cr_assert(mkdir(tree, 0700) == 0);
        temp_write(tree, i == 0 ? "a" : "b", "1");
        temp_write(tree, i == 0 ? "b" : "a", "1");
        BF_CLEANUP(free_ptr) char *one = xasprintf("%s/a", tree);
        struct timespec times[2] = {{.tv_sec = i * 1000}, {.tv_sec = i * 1000}};
        cr_assert(utimensat(AT_FDCWD, one, times, 0) == 0);
        cr_assert(tar_pack(tree, file, &e) == 0, "%s", e.msg);
        cr_assert(file_read(file, 1 << 20, &tar[i], &e) == 0, "%s", e.msg);
        temp_remove(dir);
    }
    cr_expect(tar[0].len == tar[1].len && memcmp(tar[0].p, tar[1].p, tar[0].len) == 0);
    str_release(&tar[0]);
    str_release(&tar[1]);
}

Test(cpio, other_programs_read_it)
{
    struct cpio c;
    cpio_init(&c);
    cpio_dir(&c, "dev");
    cpio_device(&c, "dev/console", 5, 1);
    cpio_file(&c, "init", 0755, "#!/bin/sh\n", 10);
    cpio_file(&c, "odd", 0644, "123", 3);
    cpio_end(&c);
    struct archive *a = archive_read_new();
    struct archive_entry *ent;
    archive_read_support_format_cpio(a);
    cr_assert(archive_read_open_memory(a, c.out.p, c.out.len) == ARCHIVE_OK);
    static const char *const names[] = {"dev", "dev/console", "init", "odd"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        cr_assert(archive_read_next_header(a, &ent) == ARCHIVE_OK, "%s", archive_error_string(a));
        cr_expect_str_eq(archive_entry_pathname(ent), names[i]);
        cr_expect(archive_entry_uid(ent) == 0 && archive_entry_mtime(ent) == 0);
    }
    cr_expect(archive_entry_size(ent) == 3);
    cr_expect(archive_read_next_header(a, &ent) == ARCHIVE_EOF);
    archive_read_free(a);
    cpio_release(&c);
}

static void make_root(const char *dir)
{
    static const char *const dirs[] = {"usr",
                                       "usr/lib",
                                       "usr/lib/modules",
                                       "usr/lib/modules/6.1.0-9",
                                       "usr/lib/modules/6.1.0-10",
                                       "usr/lib/modules/7"};
    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, dirs[i]);
        cr_assert(mkdir(path, 0755) == 0);
    }
    temp_write(dir, "usr/lib/modules/6.1.0-9/vmlinuz", "nine");
    temp_write(dir, "usr/lib/modules/6.1.0-10/vmlinuz", "ten");
}

Test(rootfs, links_stay_inside_the_image)
{
    char *dir = temp_dir();
    make_root(dir);
    BF_CLEANUP(free_ptr) char *link = xasprintf("%s/passwd", dir);
    BF_CLEANUP(free_ptr) char *inside = xasprintf("%s/inside", dir);
    BF_CLEANUP(free_ptr) char *up = xasprintf("%s/up", dir);
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    cr_assert(symlink("/etc/passwd", link) == 0 &&
              symlink("/usr/lib/modules/6.1.0-9/vmlinuz", inside) == 0);
    cr_assert(symlink("../../../../../../etc/passwd", up) == 0);
    int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cr_expect(root_read(root, "passwd", 1 << 20, &text) == -1);
    cr_expect(root_read(root, "up", 1 << 20, &text) == -1);
    cr_expect(root_read(root, "usr", 1 << 20, &text) == -1, "a directory");
    cr_expect(!root_has(root, "passwd"));
    cr_assert(root_read(root, "inside", 4, &text) == 0);
    cr_expect_str_eq(text.p, "nine");
    cr_expect(root_read(root, "inside", 3, &text) == -1, "larger than it may be");
    close(root);
    temp_remove(dir);
}

Test(rootfs, the_newest_kernel_that_is_there)
{
    char *dir = temp_dir();
    make_root(dir);
    int root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BF_CLEANUP(free_ptr) char *version = root_kernel_version(root);
    cr_assert_not_null(version);
    cr_expect_str_eq(version, "6.1.0-10");
    close(root);
    temp_remove(dir);
}

Test(cache, the_least_recently_used_goes_first)
{
    char *dir = temp_dir();
    struct exec_config config = {.state_dir = dir};
    struct exec x = {.config = &config};
    struct err e = ERR_INIT;
    char *path[3];
    for (int i = 0; i < 3; i++) {
        BF_CLEANUP(free_ptr) char *digest = xasprintf("sha256:%d", i);
        BF_CLEANUP(free_ptr) char *block = xcalloc(1, 100001);
        path[i] = cache_path(&x, "images", digest, &e);
        cr_assert_not_null(path[i]);
        cr_assert(mkdir(path[i], 0700) == 0);
        memset(block, 'x', 100000);
        temp_write(path[i], "f", block);
        struct timespec times[2] = {{.tv_sec = 1000 - i}, {.tv_sec = 1000 - i}};
        cr_assert(utimensat(AT_FDCWD, path[i], times, 0) == 0);
    }
    cr_expect(cache_has(path[2]), "and now it is the newest");
    cr_assert(cache_trim(dir, 250000, &e) == 0, "%s", e.msg);
    cr_expect(access(path[0], F_OK) == 0 && access(path[1], F_OK) != 0 &&
              access(path[2], F_OK) == 0);
    cr_assert(cache_trim(dir, 0, &e) == 0, "%s", e.msg);
    cr_expect(access(path[0], F_OK) != 0 && access(path[2], F_OK) != 0);
    for (int i = 0; i < 3; i++)
        free(path[i]);
    temp_remove(dir);
}
