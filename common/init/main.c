/* bootfarm-init: between a daemon and its child, and the last to leave. See init.h. */
#include "common/base/base.h"
#include "common/init/init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct init_args {
    pid_t daemon;
    rlim_t max_memory; /* bytes; 0: no limit */
    const char *cwd, *path;
    char **argv; /* the child's */
};

static void report(int fd, enum init_event event, int value)
{
    struct init_report r = {.event = event, .value = value};

    if (write(fd, &r, sizeof r) != (ssize_t)sizeof r)
        return; /* the daemon is gone */
}

static BF_NORETURN void child_fails(int failures, enum init_event event)
{
    report(failures, event, errno);
    _exit(127);
}

/* The kernel's call, since libc's does not touch the two signals of its own, which posix_spawn(3)
 * leaves ignored. */
static void default_signals(void)
{
    static const unsigned char dfl[64]; /* the kernel's struct sigaction: SIG_DFL, no flags */
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        syscall(SYS_rt_sigaction, sig, dfl, NULL, NSIG / 8);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Where the hard limit that we ourselves live under is tighter, that one stays. */
static int limit(int resource, rlim_t most)
{
    struct rlimit l;

    if (getrlimit((__rlimit_resource_t)resource, &l) == 0 && l.rlim_max < most)
        most = l.rlim_max;
    l.rlim_cur = l.rlim_max = most;
    return setrlimit((__rlimit_resource_t)resource, &l);
}

static void join(int cgroup)
{
    int fd = openat(cgroup, "cgroup.procs", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "0", 1) != 1)
        errno = 0; /* the process tree remains */
    if (fd >= 0)
        close(fd);
}

/* fork(2) with the child in the cgroup from its first instruction (clone3(2)): one that joins later
 * waits for a grace period of the whole kernel, some 10 ms. */
static pid_t fork_into(int cgroup)
{
    struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD};
    pid_t pid = -1;

    if (cgroup >= 0) {
        args.cgroup = (unsigned)cgroup;
        pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);
    }
    if (pid >= 0)
        return pid;
    pid = fork(); /* no cgroup, or a filter of system calls that does not know clone3 */
    if (pid == 0 && cgroup >= 0)
        join(cgroup);
    return pid;
}

static BF_NORETURN void be_child(const struct init_args *a, pid_t init, int failures)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != init)
        _exit(127);
    setsid();
    if (chdir(a->cwd) < 0)
        child_fails(failures, INIT_NO_CWD);
    limit(RLIMIT_CORE, 0); /* a core file may hold secrets */
    if (a->max_memory && limit(RLIMIT_AS, a->max_memory) < 0)
        child_fails(failures, INIT_NO_LIMIT);
    default_signals();
    execve(a->path, a->argv, environ);
    child_fails(failures, INIT_NO_EXEC);
}

/* SIGKILL to each of our children. false: the kernel does not tell us who they are. */
static bool kill_children(void)
{
    char buf[4096];
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    pid_t pid = 0;
    ssize_t n;

    if (fd < 0)
        return false;
    while ((n = read(fd, buf, sizeof buf)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (buf[i] >= '0' && buf[i] <= '9') {
                pid = pid * 10 + (buf[i] - '0');
            } else if (pid > 0) {
                kill(pid, SIGKILL);
                pid = 0;
            }
        }
    }
    close(fd);
    return true;
}

struct init {
    pid_t child;
    bool reaped; /* the child, not its leftovers */
    int status;  /* of waitpid(2) */
    int cgroup_kill;
};

/* waitpid() for anybody; false: nobody (left, or ready, by `flags`). */
static bool reap_one(struct init *in, int flags)
{
    int status;
    pid_t pid = waitpid(-1, &status, flags);

    if (pid <= 0)
        return false;
    if (pid == in->child) {
        in->reaped = true;
        in->status = status;
    }
    return true;
}

/* Whoever loses its parent becomes our child before that parent can be reaped, so this ends only
 * when all of them are gone. */
static void kill_all(struct init *in)
{
    bool known, any;

    do {
        if (in->cgroup_kill >= 0 && write(in->cgroup_kill, "1", 1) != 1)
            errno = 0;
        if (!in->reaped)
            kill(-in->child, SIGKILL);
        known = kill_children() || in->cgroup_kill >= 0;
        any = (known || !in->reaped) && reap_one(in, 0);
    } while (any);
}

static void serve(struct init *in)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, INIT_TERMINATE);
    sigaddset(&set, INIT_KILL);
    while (!in->reaped) {
        int sig = sigwaitinfo(&set, NULL);
        if (sig == INIT_KILL)
            break;
        if (sig == INIT_TERMINATE)
            kill(-in->child, SIGTERM);
        while (reap_one(in, WNOHANG))
            continue;
    }
    kill_all(in);
}

/* The child's own word on why it could not start; nothing when it did. */
static bool start_failed(int failures, struct init_report *r)
{
    ssize_t n;

    do
        n = read(failures, r, sizeof *r);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *r;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What the child is to have is where it belongs already; all else ends with its execve(2). */
static void keep_descriptors(void)
{
    close_range(INIT_LAST_FD + 1, ~0u, 0);
    for (int fd = INIT_EXTRA + 1; fd <= INIT_LAST_FD; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Clear of the places that descriptors were given in, of which some may be free. */
static int make_pipe(int fd[static 2])
{
    int low[2];

    if (pipe2(low, O_CLOEXEC) < 0)
        return -1;
    for (int i = 0; i < 2; i++) {
        fd[i] = fcntl(low[i], F_DUPFD_CLOEXEC, INIT_LAST_FD + 1);
        close(low[i]);
    }
    return fd[0] < 0 || fd[1] < 0 ? -1 : 0;
}

static struct init_args parse(char **argv)
{
    return (struct init_args){.daemon = (pid_t)strtol(argv[INIT_ARG_DAEMON], NULL, 10),
                              .max_memory = strtoull(argv[INIT_ARG_MEMORY], NULL, 10),
                              .cwd = argv[INIT_ARG_CWD],
                              .path = argv[INIT_ARG_PATH],
                              .argv = argv + INIT_ARG_ARGV};
}

int main(int argc, char **argv)
{
    struct init in = {.cgroup_kill = -1};
    struct init_report r;
    int failures[2];

    if (argc <= INIT_ARG_ARGV || !is_open(INIT_REPORTS)) {
        static const char help[] = "bootfarm-init stands between a daemon of bootfarm and each of "
                                   "its children; nobody else starts it\n";
        return write(STDERR_FILENO, help, sizeof help - 1) < 0 ? 1 : 2;
    }
    struct init_args a = parse(argv);
    prctl(PR_SET_PDEATHSIG, INIT_KILL);
    if (getppid() != a.daemon)
        return 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "bootfarm-init");
    signal(SIGCHLD, SIG_DFL); /* were it ignored, the kernel would reap before us */
    keep_descriptors();
    pid_t self = getpid();
    if (make_pipe(failures) < 0 ||
        (in.child = fork_into(is_open(INIT_CGROUP) ? INIT_CGROUP : -1)) < 0) {
        report(INIT_REPORTS, INIT_NO_FORK, errno);
        return 1;
    }
    if (in.child == 0)
        be_child(&a, self, failures[1]);
    /* Who looks for the child by its arguments is to find the child, and who looks for secrets
     * none. */
    for (int i = 1; i < argc; i++)
        memset(argv[i], 0, strlen(argv[i]));
    /* The pipes are the child's alone: they end when it ends. */
    close_range(0, INIT_EXTRA, 0);
    close(INIT_CGROUP);
    close(failures[1]);
    if (is_open(INIT_CGROUP_KILL))
        in.cgroup_kill = INIT_CGROUP_KILL;
    if (start_failed(failures[0], &r)) {
        report(INIT_REPORTS, r.event, r.value);
        return 1;
    }
    close(failures[0]);
    report(INIT_REPORTS, INIT_STARTED, in.child);
    serve(&in);
    if (WIFSIGNALED(in.status))
        report(INIT_REPORTS, INIT_SIGNALLED, WTERMSIG(in.status));
    else
        report(INIT_REPORTS, INIT_EXITED, WEXITSTATUS(in.status));
    return 0;
}
