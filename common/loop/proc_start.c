#include "common/loop/proc_start.h"
#include "common/base/mem.h"
#include "common/base/vec.h"
#include "common/loop/proc_init.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The environment of a child that has none of its own: nothing of the daemon's but these. */
struct env {
    VEC(char *) var;
};

static void env_release(struct env *env)
{
    vec_for_each (i, &env->var)
        free(env->var.v[i]);
    vec_release(&env->var);
}

static void env_add(struct env *env, const char *name, const char *fallback)
{
    const char *value = getenv(name);

    if (!value)
        value = fallback;
    if (value)
        *vec_push(&env->var) = xasprintf("%s=%s", name, value);
}

static void env_fill(struct env *env, const char *const *given)
{
    if (given) {
        for (; *given; given++)
            *vec_push(&env->var) = xstrdup(*given);
    } else {
        env_add(env, "PATH", DEFAULT_PATH);
        env_add(env, "HOME", NULL);
        env_add(env, "TMPDIR", NULL);
        *vec_push(&env->var) = xstrdup("LANG=C.UTF-8");
    }
    *vec_push(&env->var) = NULL;
}

static const char *env_path(const struct env *env)
{
    for (size_t i = 0; env->var.v[i]; i++) {
        if (str_starts(env->var.v[i], "PATH="))
            return env->var.v[i] + strlen("PATH=");
    }
    return DEFAULT_PATH;
}

static bool is_program(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* As execvp(3), but beforehand and with the child's PATH. */
static char *find_program(const char *name, const char *path, struct err *e)
{
    if (strchr(name, '/'))
        return xstrdup(name);
    while (*path) {
        int n = (int)strcspn(path, ":");
        BF_CLEANUP(free_ptr) char *full = xasprintf("%.*s/%s", n, path, name);
        if (n > 0 && is_program(full)) {
            char *found = full;
            full = NULL;
            return found;
        }
        path += n + (path[n] == ':');
    }
    err_set(e, ERR_SYSTEM, "cannot run %s: there is no such program in PATH", name);
    if (e)
        e->sys_errno = ENOENT;
    return NULL;
}

/* Standard input: a file in memory, so that nobody has to feed a pipe. */
static int open_input(const struct proc_spec *spec, struct err *e)
{
    const char *p = spec->in;
    size_t left = spec->in_len;
    int fd = p ? memfd_create("stdin", MFD_CLOEXEC) : open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_sys(e, "cannot make the standard input of %s", spec->argv[0]);
    while (p && left > 0) {
        ssize_t n = write(fd, p, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            err_sys(e, "cannot write the standard input of %s", spec->argv[0]);
            close(fd);
            return -1;
        }
        p += n;
        left -= (size_t)n;
    }
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* *ours: the read end, or -1; *theirs: the write end, or /dev/null where nobody listens. */
static int open_output(bool wanted, int *ours, int *theirs, struct err *e)
{
    int fd[2];

    if (!wanted) {
        *theirs = open("/dev/null", O_WRONLY | O_CLOEXEC);
        return *theirs < 0 ? err_sys(e, "cannot open /dev/null") : 0;
    }
    if (pipe2(fd, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe");
    *ours = fd[0];
    *theirs = fd[1];
    if (fcntl(*ours, F_SETFL, O_NONBLOCK) < 0)
        return err_sys(e, "cannot make a pipe non-blocking");
    return 0;
}

static int open_stdio(const struct proc_spec *spec, struct started *s, int stdio[4], struct err *e)
{
    stdio[0] = open_input(spec, e);
    if (spec->on_extra && open_output(true, &s->extra_fd, &stdio[3], e) < 0)
        return -1;
    if (stdio[0] < 0 || open_output(spec->on_out != NULL, &s->out_fd, &stdio[1], e) < 0)
        return -1;
    if (!spec->merge_err)
        return open_output(spec->on_err != NULL, &s->err_fd, &stdio[2], e);
    stdio[2] = fcntl(stdio[1], F_DUPFD_CLOEXEC, 3);
    return stdio[2] < 0 ? err_sys(e, "cannot duplicate a pipe") : 0;
}

static void close_stdio(struct launch *l)
{
    for (size_t i = 0; i < ARRAY_SIZE(l->stdio); i++)
        close_fd(&l->stdio[i]);
}

/* Programs under AddressSanitizer reserve terabytes: a limit on their address space would only say
 * so. */
#if defined(__SANITIZE_ADDRESS__)
enum { LIMITS_MEMORY = false };
#else
enum { LIMITS_MEMORY = true };
#endif

static int launch(const struct proc_spec *spec, const char *path, const struct env *env,
                  struct started *s, struct err *e)
{
    BF_CLEANUP(close_stdio)
    struct launch l = {.path = path,
                       .env = env->var.v,
                       .cwd = spec->cwd ? spec->cwd : "/",
                       .stdio = {-1, -1, -1, -1},
                       .max_memory = LIMITS_MEMORY ? spec->max_memory : 0};

    memcpy(&l.argv, &spec->argv, sizeof l.argv); /* execve(2) does not change them */
    if (open_stdio(spec, s, l.stdio, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(l.stdio); i++) {
        if (init_clear_of(&l.stdio[i], e) < 0)
            return -1;
    }
    if (init_clear_of(&s->cgroup.dir, e) < 0 || init_clear_of(&s->cgroup.kill, e) < 0)
        return -1;
    l.cgroup = s->cgroup.dir;
    l.cgroup_kill = s->cgroup.kill;
    s->init_pid = init_start(&l, &s->pid, &s->reports_fd, e);
    return s->init_pid < 0 ? -1 : 0;
}

int proc_start(const struct proc_spec *spec, struct started *s, struct err *e)
{
    BF_CLEANUP(env_release) struct env env = {.var = VEC_INIT};
    BF_CLEANUP(free_ptr) char *path = NULL;

    *s = (struct started){.init_pid = -1,
                          .init_fd = -1,
                          .reports_fd = -1,
                          .out_fd = -1,
                          .err_fd = -1,
                          .extra_fd = -1,
                          .cgroup = {.dir = -1, .kill = -1}};
    env_fill(&env, spec->env);
    path = find_program(spec->argv[0], env_path(&env), e);
    if (!path)
        return -1;
    cgroup_make(&s->cgroup);
    if (launch(spec, path, &env, s, e) < 0) {
        proc_abort_start(s);
        return -1;
    }
    return 0;
}

void proc_abort_start(struct started *s)
{
    if (s->init_pid > 0) {
        kill(s->init_pid, INIT_KILL);
        while (waitpid(s->init_pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    close_fd(&s->init_fd);
    close_fd(&s->reports_fd);
    close_fd(&s->out_fd);
    close_fd(&s->err_fd);
    close_fd(&s->extra_fd);
    cgroup_remove(&s->cgroup);
}
