#include "common/loop/proc_init.h"
#include "common/base/mem.h"
#include "common/base/vec.h"
#include "common/loop/file.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

int init_clear_of(int *fd, struct err *e)
{
    int high;

    if (*fd < 0 || *fd > INIT_LAST_FD)
        return 0;
    high = fcntl(*fd, F_DUPFD_CLOEXEC, INIT_LAST_FD + 1);
    if (high < 0)
        return err_sys(e, "cannot duplicate a descriptor");
    close(*fd);
    *fd = high;
    return 0;
}

int init_program(struct err *e)
{
    static int program = -1;

    if (program >= 0)
        return program;
    BF_CLEANUP(free_ptr) char *path = file_beside_us("bootfarm-init");
    if (!path)
        return err_sys(e, "cannot find out where our own program is: /proc/self/exe");
    program = open(path, O_PATH | O_CLOEXEC);
    if (program < 0)
        return err_sys(e, "cannot open %s, without which no other program can be run", path);
    if (init_clear_of(&program, e) < 0) {
        close(program);
        program = -1;
    }
    return program;
}

static int start_error(const struct launch *l, const struct init_report *r, struct err *e)
{
    errno = r->value;
    switch (r->event) {
    case INIT_NO_FORK:
        return err_sys(e, "cannot fork for %s", l->path);
    case INIT_NO_CWD:
        return err_sys(e, "cannot enter %s to run %s", l->cwd, l->path);
    case INIT_NO_LIMIT:
        return err_sys(e, "cannot limit the memory of %s", l->path);
    case INIT_NO_EXEC:
        return err_sys(e, "cannot run %s", l->path);
    case INIT_STARTED:
    case INIT_EXITED:
    case INIT_SIGNALLED:
        break;
    }
    BUG("report %d from the start of %s", (int)r->event, l->path);
}

static int await_start(const struct launch *l, int reports, pid_t *child, struct err *e)
{
    struct init_report r;
    ssize_t n;

    do
        n = read(reports, &r, sizeof r);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof r)
        return err_set(e, ERR_TEMPORARY, "the start of %s was killed", l->path);
    if (r.event != INIT_STARTED)
        return start_error(l, &r, e);
    *child = r.value;
    return 0;
}

struct args {
    VEC(const char *) arg;
    char daemon[24], memory[24];
};

static void args_release(struct args *a)
{
    vec_release(&a->arg);
}

static void args_fill(struct args *a, const struct launch *l)
{
    snprintf(a->daemon, sizeof a->daemon, "%d", (int)getpid());
    snprintf(a->memory, sizeof a->memory, "%llu", (unsigned long long)l->max_memory);
    for (size_t i = 0; i < INIT_ARG_ARGV; i++)
        *vec_push(&a->arg) = NULL;
    a->arg.v[0] = "bootfarm-init";
    a->arg.v[INIT_ARG_DAEMON] = a->daemon;
    a->arg.v[INIT_ARG_MEMORY] = a->memory;
    a->arg.v[INIT_ARG_CWD] = l->cwd;
    a->arg.v[INIT_ARG_PATH] = l->path;
    for (char *const *arg = l->argv; *arg; arg++)
        *vec_push(&a->arg) = *arg;
    *vec_push(&a->arg) = NULL;
}

/* A descriptor goes to its place, which is closed where there is none. */
static int add_place(posix_spawn_file_actions_t *actions, int fd, int place)
{
    if (fd < 0)
        return posix_spawn_file_actions_addclose(actions, place);
    return posix_spawn_file_actions_adddup2(actions, fd, place);
}

static int add_places(posix_spawn_file_actions_t *actions, const struct launch *l, int reports)
{
    const int fds[INIT_LAST_FD + 1] = {l->stdio[0], l->stdio[1], l->stdio[2],   l->stdio[3],
                                       reports,     l->cgroup,   l->cgroup_kill};
    int rc = 0;

    for (int place = 0; place <= INIT_LAST_FD && rc == 0; place++)
        rc = add_place(actions, fds[place], place);
    return rc;
}

/* Without a copy of our memory (clone(2) with CLONE_VFORK): we stand still until execve(2). No
 * handler of ours runs in between, since all signals are blocked. 0, or an error number. */
static int spawn(const struct launch *l, int program, int reports, pid_t *pid)
{
    BF_CLEANUP(args_release) struct args args = {.arg = VEC_INIT};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    char *const *argv;
    char file[40];
    sigset_t all;
    int rc;

    args_fill(&args, l);
    memcpy(&argv, &args.arg.v, sizeof argv); /* execve(2) does not change them */
    snprintf(file, sizeof file, "/proc/self/fd/%d", program);
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigmask(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    posix_spawn_file_actions_init(&actions);
    rc = add_places(&actions, l, reports);
    if (rc == 0)
        rc = posix_spawn(pid, file, &actions, &attr, argv, l->env);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    return rc;
}

static int make_reports(int fd[static 2], struct err *e)
{
    if (pipe2(fd, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe");
    if (init_clear_of(&fd[1], e) == 0)
        return 0;
    close(fd[0]);
    close(fd[1]);
    return -1;
}

pid_t init_start(const struct launch *l, pid_t *child, int *reports, struct err *e)
{
    int program = init_program(e), fd[2], rc;
    pid_t pid;

    if (program < 0 || make_reports(fd, e) < 0)
        return -1;
    rc = spawn(l, program, fd[1], &pid);
    close(fd[1]);
    if (rc != 0) {
        close(fd[0]);
        errno = rc;
        return err_sys(e, "cannot start bootfarm-init for %s", l->path);
    }
    if (await_start(l, fd[0], child, e) < 0) {
        close(fd[0]);
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            continue;
        return -1;
    }
    *reports = fd[0];
    return pid;
}
