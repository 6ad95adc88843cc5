#include "ctl/program.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX ((size_t)16 << 20)

/* The path of `name` in the folder of our own executable, or `name` itself, to be looked up. */
static char *find_program(const char *name)
{
    char *path = file_beside_us(name);

    if (path && access(path, X_OK) == 0)
        return path;
    free(path);
    return xstrdup(name);
}

static void exec_program(const char *path, const char *const *argv)
{
    signal(SIGPIPE, SIG_DFL);
    execvp(path, (char *const *)(uintptr_t)argv); /* takes no const, changes nothing */
}

void program_become(const char *const *argv, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = find_program(argv[0]);

    exec_program(path, argv);
    err_sys(e, "cannot run %s", argv[0]);
}

static int collect(int fd, struct str *out, struct err *e)
{
    char buf[16384];
    ssize_t n;

    while ((n = read(fd, buf, sizeof buf)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "cannot read a program's output");
        if (out->len + (size_t)n > OUTPUT_MAX)
            return err_set(e, ERR_INPUT, "a program printed more than %zu MiB", OUTPUT_MAX >> 20);
        str_addmem(out, buf, (size_t)n);
    }
    return 0;
}

static int reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void child(const char *path, const char *const *argv, const int *pipe_fds)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGQUIT, SIG_DFL);
    if (pipe_fds)
        dup2(pipe_fds[1], STDOUT_FILENO);
    exec_program(path, argv);
    _exit(127);
}

int program_run(const char *const *argv, struct str *out, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = find_program(argv[0]);
    int fds[2] = {-1, -1}, status, rc = 0;
    void (*old_int)(int), (*old_quit)(int);
    pid_t pid;

    if (out && pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe");
    old_int = signal(SIGINT, SIG_IGN);
    old_quit = signal(SIGQUIT, SIG_IGN);
    if ((pid = fork()) == 0)
        child(path, argv, out ? fds : NULL);
    if (out)
        close(fds[1]);
    if (pid > 0 && out && (rc = collect(fds[0], out, e)) < 0)
        kill(pid, SIGTERM);
    if (out)
        close(fds[0]);
    status = pid > 0 ? reap(pid) : err_sys(e, "cannot start %s", argv[0]);
    signal(SIGINT, old_int);
    signal(SIGQUIT, old_quit);
    if (rc < 0)
        return -1;
    if (status == 127)
        return err_set(e, ERR_SYSTEM, "%s is not there; install it beside bootfarm or in PATH",
                       argv[0]);
    return status;
}
