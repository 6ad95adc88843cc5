/* listen.h - the Unix socket that people connect to, and who they are. */
#ifndef BF_API_LISTEN_H
#define BF_API_LISTEN_H

#include "common/base/err.h"
#include <sys/types.h>

/* Returns a listening, non-blocking socket at `path` with `mode` (octal text) and `group` (name or
 * number, NULL: unchanged). A socket that a dead process left there is replaced; one that answers
 * is an error (ERR_CONFIG), as is any other file. Nobody can connect before mode and group are
 * set. */
int listen_unix(const char *path, const char *mode, const char *group, struct err *e) BF_MUST_CHECK;

struct peer {
    uid_t uid;
    pid_t pid;
    char who[64];    /* user name of /etc/passwd, else "uid N" */
    char source[64]; /* "unix:uid=N,pid=N" */
};

/* The process at the other end of a connected Unix socket, as the kernel knows it. */
int peer_of(int fd, struct peer *out, struct err *e) BF_MUST_CHECK;

#endif
