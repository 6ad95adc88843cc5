#include "worker/exec/logout.h"

#include <errno.h>
#include <unistd.h>

/* Nobody is left to read it when this fails. */
static void write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        p += done;
        n -= (size_t)done;
    }
}

void logout_init(struct logout *l, int fd)
{
    l->fd = fd;
    redact_init(&l->redact);
}

void logout_release(struct logout *l)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    logout_filter(l, NULL, 0, &out);
    logout_put(l, &out);
    redact_release(&l->redact);
}

void logout_filter(struct logout *l, const char *p, size_t n, struct str *out)
{
    if (p != NULL)
        redact_feed(&l->redact, p, n, out);
    else
        redact_end(&l->redact, out);
}

void logout_put(struct logout *l, const struct str *filtered)
{
    write_all(l->fd, filtered->p, filtered->len);
}

void logout_write(struct logout *l, const char *p, size_t n)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    logout_filter(l, p, n, &out);
    logout_put(l, &out);
}

void logout_printf(struct logout *l, const char *fmt, ...)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_addv(&s, fmt, ap);
    va_end(ap);
    str_addch(&s, '\n');
    logout_write(l, s.p, s.len);
}
