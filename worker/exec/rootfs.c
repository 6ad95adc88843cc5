#include "worker/exec/rootfs.h"

#include "common/base/mem.h"
#include "worker/exec/copy.h"
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_in(int root, const char *path, int flags)
{
    struct open_how how = {.flags = (unsigned)(flags | O_CLOEXEC | O_NONBLOCK),
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root, path, &how, sizeof how);
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

int root_open(int root, const char *path)
{
    struct stat st;
    int fd = open_in(root, path, O_RDONLY);
    if (fd < 0 || (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)))
        return fd;
    close(fd);
    errno = EINVAL;
    return -1;
}

int root_read(int root, const char *path, size_t max, struct str *out)
{
    BF_CLEANUP(close_fd) int fd = root_open(root, path);
    char buf[65536];
    ssize_t n;
    size_t total = 0;
    if (fd < 0)
        return -1;
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        total += (size_t)n;
        if (total > max)
            return -1;
        str_addmem(out, buf, (size_t)n);
    }
    return n < 0 ? -1 : 0;
}

bool root_has(int root, const char *path)
{
    BF_CLEANUP(close_fd) int fd = open_in(root, path, O_PATH);
    return fd >= 0;
}

char *root_kernel_version(int root)
{
    int fd = open_in(root, "usr/lib/modules", O_RDONLY | O_DIRECTORY);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    char *best = NULL;
    for (struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL;) {
        BF_CLEANUP(free_ptr) char *path = xasprintf("usr/lib/modules/%s/vmlinuz", ent->d_name);
        BF_CLEANUP(close_fd) int kernel = ent->d_name[0] != '.' ? root_open(root, path) : -1;
        if (kernel < 0 || (best != NULL && strverscmp(ent->d_name, best) <= 0))
            continue;
        free(best);
        best = xstrdup(ent->d_name);
    }
    if (d != NULL)
        closedir(d);
    return best;
}

int root_copy(int root, const char *path, const char *to, size_t max, struct err *e)
{
    BF_CLEANUP(close_fd) int in = root_open(root, path);
    BF_CLEANUP(close_fd) int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    struct stat st;
    if (in < 0 || fstat(in, &st) < 0)
        return err_sys(e, "the image's /%s", path);
    if (out < 0)
        return err_sys(e, "create %s", to);
    if ((size_t)st.st_size > max)
        return err_set(e, ERR_INPUT, "the image's /%s is larger than %zu bytes", path, max);
    if (copy_fd(in, out) < 0)
        return err_sys(e, "copy the image's /%s to %s", path, to);
    return 0;
}

static void free_reader(struct archive **a)
{
    archive_read_free(*a);
}

int root_read_module(int root, const char *path, size_t max, struct str *out, struct err *e)
{
    BF_CLEANUP(close_fd) int fd = root_open(root, path);
    BF_CLEANUP(free_reader) struct archive *a = archive_read_new();
    struct archive_entry *ent;
    char buf[65536];
    ssize_t n;
    size_t total = 0;
    if (fd < 0)
        return err_sys(e, "the image's /%s", path);
    archive_read_support_filter_all(a);
    archive_read_support_format_raw(a);
    if (archive_read_open_fd(a, fd, sizeof buf) != ARCHIVE_OK ||
        archive_read_next_header(a, &ent) != ARCHIVE_OK)
        return err_set(e, ERR_INPUT, "the image's /%s: %s", path, archive_error_string(a));
    while ((n = archive_read_data(a, buf, sizeof buf)) > 0) {
        total += (size_t)n;
        if (total > max)
            return err_set(e, ERR_INPUT, "the image's /%s unpacks to more than %zu bytes", path,
                           max);
        str_addmem(out, buf, (size_t)n);
    }
    return n < 0 ? err_set(e, ERR_INPUT, "the image's /%s: %s", path, archive_error_string(a)) : 0;
}
