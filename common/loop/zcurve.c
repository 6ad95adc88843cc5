/* CURVE keys: pairs, and the file that holds a secret one. */
#include "common/base/mem.h"
#include "common/loop/zloop.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

enum { KEY_LENGTH = 40 };

int zcurve_keypair(char public_key[static 41], char secret_key[static 41], struct err *e)
{
    if (zmq_curve_keypair(public_key, secret_key) < 0)
        return err_set(e, ERR_SYSTEM, "cannot make a CURVE key pair: %s", zmq_strerror(errno));
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* A key that others can read is no secret: say so instead of using it. */
static int check_file(int fd, const char *path, struct err *e)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "cannot look at the key file %s", path);
    if (!S_ISREG(st.st_mode) || (st.st_mode & 077) != 0)
        return err_set(e, ERR_CONFIG,
                       "the key file %s must be a file that only its owner can read (chmod 600)",
                       path);
    return 0;
}

/* One line of 40 characters. The buffer is the caller's to wipe. */
static int read_key(int fd, const char *path, char key[static 41], struct err *e)
{
    char buf[KEY_LENGTH + 2];
    ssize_t n = read(fd, buf, sizeof buf);
    int rc = 0;

    if (n < 0)
        rc = err_sys(e, "cannot read the key file %s", path);
    else if (n < KEY_LENGTH || n > KEY_LENGTH + 1 || (n > KEY_LENGTH && buf[KEY_LENGTH] != '\n'))
        rc = err_set(e, ERR_CONFIG, "the key file %s must hold one line of %d characters", path,
                     KEY_LENGTH);
    if (rc == 0) {
        memcpy(key, buf, KEY_LENGTH);
        key[KEY_LENGTH] = '\0';
    }
    explicit_bzero(buf, sizeof buf);
    return rc;
}

int zcurve_load(const char *path, char public_key[static 41], char secret_key[static 41],
                struct err *e)
{
    BF_CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        err_sys(e, "cannot open the key file %s", path);
        if (e)
            e->kind = ERR_CONFIG;
        return -1;
    }
    if (check_file(fd, path, e) < 0 || read_key(fd, path, secret_key, e) < 0)
        return -1;
    if (zmq_curve_public(public_key, secret_key) < 0) {
        explicit_bzero(secret_key, KEY_LENGTH);
        return err_set(e, ERR_CONFIG, "the key file %s does not hold a Z85 key", path);
    }
    return 0;
}

int zcurve_save(const char *path, const char *secret_key, struct err *e)
{
    BF_CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    char line[KEY_LENGTH + 1];
    bool ok;

    if (fd < 0)
        return err_sys(e, "cannot create the key file %s", path);
    BUG_ON(strlen(secret_key) != KEY_LENGTH);
    memcpy(line, secret_key, KEY_LENGTH);
    line[KEY_LENGTH] = '\n';
    ok = write(fd, line, sizeof line) == (ssize_t)sizeof line && fsync(fd) == 0;
    explicit_bzero(line, sizeof line);
    if (ok)
        return 0;
    err_sys(e, "cannot write the key file %s", path);
    unlink(path);
    return -1;
}
