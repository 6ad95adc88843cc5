#include "common/loop/file.h"
#include "common/base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

char *file_beside_us(const char *name)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (n <= 0)
        return NULL;
    self[n] = '\0';
    return xasprintf("%.*s/%s", (int)(strrchr(self, '/') - self), self, name);
}

int file_read(const char *path, size_t max, struct str *out, struct err *e)
{
    BF_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char buf[16 * 1024];
    size_t total = 0;
    ssize_t n;

    if (fd < 0)
        return err_sys(e, "cannot open %s", path);
    while ((n = read(fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "cannot read %s", path);
        if ((size_t)n > max - total)
            return err_set(e, ERR_INPUT, "%s is larger than %zu bytes", path, max);
        str_addmem(out, buf, (size_t)n);
        total += (size_t)n;
    }
    return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

/* The directory that holds `path`. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* A rename is safe only once its directory is on disk. */
static int sync_dir(const char *path, struct err *e)
{
    BF_CLEANUP(free_ptr) char *dir = parent_of(path);
    BF_CLEANUP(close_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return err_sys(e, "cannot sync the directory %s", dir);
    return 0;
}

static int fill(int fd, const void *p, size_t n, unsigned mode)
{
    return write_all(fd, p, n) < 0 || fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -1 : 0;
}

int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode, struct err *e)
{
    BF_CLEANUP(free_ptr) char *tmp = xasprintf("%s.XXXXXX", path);
    BF_CLEANUP(close_fd) int fd = mkostemp(tmp, O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, "cannot create a file beside %s", path);
    if (fill(fd, p, n, mode) < 0 || rename(tmp, path) < 0) {
        err_sys(e, "cannot write %s", path);
        unlink(tmp);
        return -1;
    }
    return sync_dir(path, e);
}

static int make_one(const char *path, unsigned mode, struct err *e)
{
    struct stat st;

    if (mkdir(path, mode) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return 0;
        errno = ENOTDIR;
    }
    return err_sys(e, "cannot create the directory %s", path);
}

int dir_make(const char *path, unsigned mode, struct err *e)
{
    BF_CLEANUP(free_ptr) char *part = xstrdup(path);

    for (char *p = part + 1; *part && *p; p++) {
        if (*p != '/' || p[-1] == '/')
            continue;
        *p = '\0';
        if (make_one(part, mode, e) < 0)
            return -1;
        *p = '/';
    }
    return make_one(path, mode, e);
}
