/* Removes a tree by descriptors, never by paths: a link that somebody swaps in leads nowhere. A
 * tree may be deeper than we have descriptors and stack for (a build made it): a directory at DEPTH
 * is moved up to the top and removed in the next round. */
#include "common/loop/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH = 64 };

struct removal {
    int top;
    dev_t device;
    unsigned moved; /* directories moved to the top so far */
    bool again;     /* some wait there */
    struct err *e;
    int rc;
};

static void failed(struct removal *r, const char *what, const char *name)
{
    if (r->rc == 0)
        err_sys(r->e, "cannot %s %s", what, name);
    r->rc = -1;
}

static void close_dir(DIR **d)
{
    if (*d)
        closedir(*d);
}

static int open_dir(int at, const char *name)
{
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(at, name, flags);

    /* Our own directories that somebody closed to us. */
    if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
        fd = openat(at, name, flags);
    return fd;
}

static void move_up(struct removal *r, int at, const char *name)
{
    char up[32];

    if (fchmodat(at, name, 0700, 0) < 0) /* to give it another parent is to write to it */
        errno = 0;                       /* whether that was needed shows below */
    do
        snprintf(up, sizeof up, ".removed-%u", r->moved++);
    while (renameat2(at, name, r->top, up, RENAME_NOREPLACE) < 0 && errno == EEXIST);
    if (faccessat(r->top, up, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        r->again = true;
    else
        failed(r, "move", name);
}

static void empty_dir(struct removal *r, int fd, unsigned depth);

static void remove_dir(struct removal *r, int at, const char *name, unsigned depth)
{
    struct stat st;
    int fd;

    if (depth == DEPTH) {
        move_up(r, at, name);
        return;
    }
    fd = open_dir(at, name);
    if (fd < 0) {
        if (errno != ENOENT)
            failed(r, "open", name);
        return;
    }
    if (fstat(fd, &st) < 0 || st.st_dev != r->device) {
        close(fd);
        errno = EXDEV;
        failed(r, "remove the mount point", name);
        return;
    }
    empty_dir(r, fd, depth + 1); /* closes it */
    if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        failed(r, "remove", name);
}

static void remove_entry(struct removal *r, int at, const char *name, unsigned depth)
{
    if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
        return;
    if (errno == EISDIR)
        remove_dir(r, at, name, depth);
    else
        failed(r, "remove", name);
}

/* Takes the descriptor. */
static void empty_dir(struct removal *r, int fd, unsigned depth)
{
    BF_CLEANUP(close_dir) DIR *d = fdopendir(fd);
    const struct dirent *entry;

    if (!d) {
        close(fd);
        failed(r, "read", "a directory");
        return;
    }
    (void)fchmod(fd, 0700);
    while ((entry = readdir(d)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove_entry(r, fd, entry->d_name, depth);
    }
}

int dir_remove(const char *path, struct err *e)
{
    struct removal r = {.top = open_dir(AT_FDCWD, path), .e = e};
    struct stat st;

    if (r.top < 0)
        return errno == ENOENT ? 0 : err_sys(e, "cannot open %s", path);
    if (fstat(r.top, &st) < 0) {
        close(r.top);
        return err_sys(e, "cannot look at %s", path);
    }
    r.device = st.st_dev;
    do {
        int again = openat(r.top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        r.again = false;
        if (again < 0)
            failed(&r, "open", path);
        else
            empty_dir(&r, again, 0);
    } while (r.again && r.rc == 0);
    close(r.top);
    if (r.rc == 0 && rmdir(path) < 0 && errno != ENOENT)
        failed(&r, "remove", path);
    return r.rc < 0 ? err_wrap(e, "removing %s", path) : 0;
}
