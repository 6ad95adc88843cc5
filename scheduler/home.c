#include "scheduler/home.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>
#include <uv.h>

static int take_lock(const char *dir, struct home *h, struct err *e)
{
    char *path = xasprintf("%s/lock", dir);
    int rc = 0;
    h->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (h->lock < 0)
        rc = err_sys(e, "%s", path);
    else if (flock(h->lock, LOCK_EX | LOCK_NB))
        rc = errno == EWOULDBLOCK
                 ? err_set(e, ERR_CONFIG, "state_dir = %s is used by another scheduler", dir)
                 : err_sys(e, "%s", path);
    free(path);
    return rc;
}

static char *new_name(void)
{
    char host[UV_MAXHOSTNAMESIZE] = "localhost";
    size_t n = sizeof host;
    uint32_t r = 0;
    (void)uv_os_gethostname(host, &n);
    if (uv_random(NULL, NULL, &r, sizeof r, 0, NULL))
        BUG("no random bits");
    return xasprintf("%.200s/%08x", host, r);
}

static int load_name(const char *dir, struct home *h, struct err *e)
{
    char *path = xasprintf("%s/name", dir);
    struct str text = STR_INIT;
    int rc = 0;
    if (access(path, F_OK) == 0) {
        rc = file_read(path, 256, &text, e);
        if (rc == 0 && text.len < 3)
            rc = err_set(e, ERR_CONFIG, "%s is empty: remove it, and a new name is made", path);
        h->name = rc ? NULL : xstrndup(text.p, strcspn(text.p, "\n"));
    } else {
        h->name = new_name();
        rc = file_write_atomic(path, h->name, strlen(h->name), 0600, e);
    }
    str_release(&text);
    free(path);
    return rc;
}

int home_open(const char *dir, struct home *h, struct err *e)
{
    *h = (struct home){.lock = -1};
    if (dir_make(dir, 0700, e) || take_lock(dir, h, e) || load_name(dir, h, e))
        goto fail;
    h->tmp = xasprintf("%s/tmp", dir);
    if (dir_remove(h->tmp, e) || dir_make(h->tmp, 0700, e))
        goto fail;
    return 0;
fail:
    home_close(h);
    return err_wrap(e, "state_dir");
}

void home_close(struct home *h)
{
    if (h->lock >= 0)
        close(h->lock);
    h->lock = -1;
    free(h->name);
    free(h->tmp);
    h->name = h->tmp = NULL;
}
