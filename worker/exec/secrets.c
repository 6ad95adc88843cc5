#include "worker/exec/secrets.h"

#include "common/base/mem.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* -1: not there, not a file of its own, or too large. */
static ssize_t read_secret(const char *path, char *buf, size_t max)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    ssize_t n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, buf, max) : -1;
    close(fd);
    return n;
}

static int load(struct exec *x, struct result *r, struct secrets *s, const char *name)
{
    const char *dir = x->config->secrets_dir;
    char buf[REDACT_MAX_BYTES + 1];
    if (dir == NULL)
        return result_fail(r, BLAME_SECRET_MISSING,
                           "secret %s: this worker has none; set secrets_dir", name);
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    ssize_t n = read_secret(path, buf, sizeof buf);
    if (n < 0 || n > REDACT_MAX_BYTES) {
        explicit_bzero(buf, sizeof buf);
        return result_fail(r, BLAME_SECRET_MISSING,
                           "secret %s: no readable file of at most %d bytes in %s", name,
                           REDACT_MAX_BYTES, dir);
    }
    redact_learn(&x->log.redact, buf, (size_t)n);
    explicit_bzero(buf, sizeof buf);
    argv_add(&s->paths, path);
    *vec_push(&s->list) = (struct pair){name, s->paths.list.v[s->paths.list.n - 1]};
    return 0;
}

int secrets_load(struct exec *x, struct result *r, struct secrets *s)
{
    for (strings name = x->order->build.secrets; *name != NULL; name++)
        if (load(x, r, s, *name) < 0)
            return -1;
    return 0;
}

void secrets_release(struct secrets *s)
{
    vec_release(&s->list);
    argv_release(&s->paths);
}
