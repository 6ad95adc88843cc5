/* exec.c - what all executors share of one attempt: directory, environment, signals, phases. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "common/loop/proc.h"
#include "worker/exec/executor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static void on_signal(uv_signal_t *s, int signum)
{
    struct exec *x = s->data;
    (void)signum;
    x->cancelled = true;
    if (x->running != NULL && !x->cleaning)
        proc_kill(x->running);
}

static void watch(struct exec *x, uv_signal_t *s, int signum)
{
    if (uv_signal_init(x->loop, s) != 0 || uv_signal_start(s, on_signal, signum) != 0)
        BUG("cannot watch signal %d", signum);
    s->data = x;
}

/* Tools get nothing of our own environment but the proxies. */
static void make_env(struct exec *x)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy", "no_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"};
    argv_adds(&x->env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
              "LANG=C.UTF-8", NULL);
    argv_addf(&x->env, "HOME=%s/home", x->dir);
    argv_addf(&x->env, "TMPDIR=%s/tmp", x->dir);
    argv_addf(&x->env, "XDG_RUNTIME_DIR=%s/run", x->dir);
    argv_addf(&x->env, "CONTAINERS_REGISTRIES_CONF=%s/registries.conf", x->dir);
    for (size_t i = 0; i < ARRAY_SIZE(proxies); i++)
        if (getenv(proxies[i]) != NULL)
            argv_addf(&x->env, "%s=%s", proxies[i], getenv(proxies[i]));
}

/* One registries.conf(5) for buildah and skopeo: no short names, no default registry, and TLS for
 * every host that the settings do not name. */
static int write_registries_conf(struct exec *x, struct err *e)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/registries.conf", x->dir);
    const char *p = x->config->insecure_registries;
    str_add(&s, "unqualified-search-registries = []\nshort-name-mode = \"enforcing\"\n");
    for (p = p != NULL ? p : ""; *p != '\0';) {
        int n = (int)strcspn(p, ", \t");
        if (n > 0)
            str_addf(&s, "[[registry]]\nlocation = \"%.*s\"\ninsecure = true\n", n, p);
        p += n + (p[n] != '\0');
    }
    return file_write_atomic(path, s.p, s.len, 0644, e);
}

static int make_dirs(struct exec *x, struct err *e)
{
    static const char *const names[] = {"home", "tmp", "run"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", x->dir, names[i]);
        if (dir_make(path, 0700, e) < 0)
            return -1;
    }
    return 0;
}

static bool is_same_file(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino &&
           a.st_dev == b.st_dev;
}

/* STATE/attempts/ATTEMPT, locked for as long as this process lives: how a sweep tells what is ours
 * from what a dead one left. A sweep may remove the directory before the lock is taken: then again.
 */
static int take_lock(struct exec *x, struct err *e)
{
    BF_CLEANUP(free_ptr)
    char *dir = xasprintf("%s/attempts/%s", x->config->state_dir, x->order->attempt);
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);
    while (true) {
        if (dir_make(dir, 0700, e) < 0)
            return -1;
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 && errno == ENOENT)
            continue;
        if (fd < 0)
            return err_sys(e, "open %s", path);
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_same_file(fd, path)) {
            x->lock_fd = fd;
            return 0;
        }
        bool taken = is_same_file(fd, path);
        close(fd);
        if (taken)
            return err_set(e, ERR_INPUT, "attempt %s is already being worked on: %s is locked",
                           x->order->attempt, path);
    }
}

int exec_init(struct exec *x, uv_loop_t *loop, const struct exec_config *config,
              const struct order *order, const char *dir, struct err *e)
{
    x->loop = loop;
    x->config = config;
    x->order = order;
    x->dir = dir;
    x->deadline = order->timeout != 0 ? clock_mono() + order->timeout : 0;
    x->lock_fd = -1;
    logout_init(&x->log, x->log_fd);
    watch(x, &x->sigterm, SIGTERM);
    watch(x, &x->sigint, SIGINT);
    make_env(x);
    return make_dirs(x, e) < 0 || write_registries_conf(x, e) < 0 || take_lock(x, e) < 0 ? -1 : 0;
}

static void drop_lock(struct exec *x)
{
    if (x->lock_fd < 0)
        return;
    BF_CLEANUP(free_ptr)
    char *dir = xasprintf("%s/attempts/%s", x->config->state_dir, x->order->attempt);
    struct err e = ERR_INIT;
    if (dir_remove(dir, &e) < 0)
        exec_say(x, "bootfarm-exec: %s", e.msg);
    close(x->lock_fd);
}

void exec_release(struct exec *x)
{
    drop_lock(x);
    uv_close((uv_handle_t *)&x->sigterm, NULL);
    uv_close((uv_handle_t *)&x->sigint, NULL);
    uv_run(x->loop, UV_RUN_DEFAULT);
    argv_release(&x->env);
    logout_release(&x->log);
}

void exec_phase(struct exec *x, const char *name)
{
    exec_say(x, "-- %s", name);
    if (x->phase_fd >= 0 && dprintf(x->phase_fd, "phase %s\n", name) < 0)
        x->phase_fd = -1; /* the caller is gone */
}

void exec_say(struct exec *x, const char *fmt, ...)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_addv(&s, fmt, ap);
    va_end(ap);
    logout_printf(&x->log, "%s", s.p);
}

bool exec_cancelled(struct exec *x)
{
    uv_run(x->loop, UV_RUN_NOWAIT);
    return x->cancelled;
}
