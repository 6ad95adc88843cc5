#include "worker/secrets.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/order.h"
#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

static void close_dir(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

void secrets_list(const char *dir, void (*found)(void *arg, const char *name), void *arg)
{
    BF_CLEANUP(close_dir) DIR *d = dir ? opendir(dir) : NULL;
    size_t n = 0;
    for (const struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL && n < SECRETS_MAX;) {
        struct stat st;
        if (!secret_name_ok(ent->d_name) || fstatat(dirfd(d), ent->d_name, &st, 0) ||
            !S_ISREG(st.st_mode))
            continue;
        found(arg, ent->d_name);
        n++;
    }
}

static int add_secret(struct redact *r, const char *path, struct err *e)
{
    struct str value = STR_INIT;
    struct err why = ERR_INIT;
    int rc = 0;
    if (file_read(path, REDACT_MAX_BYTES, &value, &why) == 0) {
        redact_learn(r, value.p, value.len);
    } else if (why.sys_errno != ENOENT) {
        rc = -1;
        if (e != NULL)
            *e = why;
    }
    if (value.cap > 0)
        explicit_bzero(value.p, value.cap);
    str_release(&value);
    return rc;
}

void secrets_forget(struct redact *r)
{
    if (r == NULL)
        return;
    redact_release(r);
    free(r);
}

int secrets_redactor(const char *dir, char *const *names, struct redact **out, struct err *e)
{
    struct redact *r = xcalloc(1, sizeof *r);
    redact_init(r);
    for (size_t i = 0; dir != NULL && names[i] != NULL; i++) {
        BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, names[i]);
        if (add_secret(r, path, e)) {
            secrets_forget(r);
            return -1;
        }
    }
    *out = r;
    return 0;
}
