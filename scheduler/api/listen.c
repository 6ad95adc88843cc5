#include "scheduler/api/listen.h"
#include "common/base/str.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int parse_mode(const char *text, mode_t *out, struct err *e)
{
    char *end;
    unsigned long v;

    errno = 0;
    v = strtoul(text, &end, 8);
    if (errno || end == text || *end || v > 0777)
        return err_set(e, ERR_CONFIG, "socket_mode '%s': expected an octal mode such as 0660",
                       text);
    *out = (mode_t)v;
    return 0;
}

static int parse_group(const char *text, gid_t *out, struct err *e)
{
    int64_t number;
    const struct group *g;

    if (parse_i64(text, 0, UINT32_MAX - 1, &number) == 0) {
        *out = (gid_t)number;
        return 0;
    }
    if (!(g = getgrnam(text)))
        return err_set(e, ERR_CONFIG, "socket_group '%s': no such group on this host", text);
    *out = g->gr_gid;
    return 0;
}

/* A socket file outlives its process; only one that nobody answers may go. */
static int remove_stale(const struct sockaddr_un *sa, struct err *e)
{
    BF_CLEANUP(close_fd) int fd = -1;
    struct stat st;

    if (lstat(sa->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : err_sys(e, "cannot look at %s", sa->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, ERR_CONFIG, "%s exists and is not a socket; choose another --socket",
                       sa->sun_path);
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0)
        return err_sys(e, "cannot make a socket");
    if (connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0)
        return err_set(e, ERR_CONFIG, "another process is listening on %s", sa->sun_path);
    if (errno != ECONNREFUSED)
        return err_sys(e, "cannot tell whether somebody is listening on %s", sa->sun_path);
    if (unlink(sa->sun_path) < 0 && errno != ENOENT)
        return err_sys(e, "cannot remove the stale socket %s", sa->sun_path);
    return 0;
}

/* bind() gives the file its mode under the umask; nobody can connect before listen(). */
static int bind_private(int fd, const struct sockaddr_un *sa)
{
    mode_t old = umask(0177);
    int rc = bind(fd, (const struct sockaddr *)sa, sizeof *sa);

    umask(old);
    return rc;
}

int listen_unix(const char *path, const char *mode_text, const char *group, struct err *e)
{
    BF_CLEANUP(close_fd) int fd = -1;
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    mode_t mode = 0;
    gid_t gid = (gid_t)-1;
    int result;

    if (strlen(path) >= sizeof sa.sun_path)
        return err_set(e, ERR_CONFIG, "socket '%s': longer than %zu bytes", path,
                       sizeof sa.sun_path - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    if (parse_mode(mode_text, &mode, e) < 0 || (group && parse_group(group, &gid, e) < 0) ||
        remove_stale(&sa, e) < 0)
        return -1;
    if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        return err_sys(e, "cannot make a socket");
    if (bind_private(fd, &sa) < 0)
        return err_sys(e, "cannot bind %s", path);
    if (gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0)
        return err_sys(e, "cannot give %s to group %s", path, group);
    if (chmod(path, mode) < 0)
        return err_sys(e, "cannot set the mode of %s", path);
    if (listen(fd, 64) < 0)
        return err_sys(e, "cannot listen on %s", path);
    result = fd;
    fd = -1;
    return result;
}

/* Reads /etc/passwd itself: the name service may ask a network, and this loop must not wait. */
static bool user_name(uid_t uid, char *out, size_t size)
{
    FILE *f = fopen("/etc/passwd", "re");
    struct passwd entry, *found = NULL;
    char buf[1024];
    bool known = false;

    if (!f)
        return false;
    while (!known && fgetpwent_r(f, &entry, buf, sizeof buf, &found) == 0)
        known = entry.pw_uid == uid && entry.pw_name[0];
    if (known)
        snprintf(out, size, "%s", entry.pw_name);
    fclose(f);
    return known;
}

int peer_of(int fd, struct peer *out, struct err *e)
{
    struct ucred cred;
    socklen_t len = sizeof cred;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        return err_sys(e, "cannot tell who is connected");
    out->uid = cred.uid;
    out->pid = cred.pid;
    if (!user_name(cred.uid, out->who, sizeof out->who))
        snprintf(out->who, sizeof out->who, "uid %u", (unsigned)cred.uid);
    snprintf(out->source, sizeof out->source, "unix:uid=%u,pid=%d", (unsigned)cred.uid,
             (int)cred.pid);
    return 0;
}
