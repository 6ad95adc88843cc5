#include "common/loop/proc_init.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Behind the fork: nothing but system calls until the end of this part. */

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

static void default_signals(void)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
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
 * waits for a grace period of the whole kernel, some 10 ms. The child must not return into libc's
 * world of threads: it makes system calls only. */
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

static BF_NORETURN void be_child(const struct launch *l, pid_t init, int failures)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != init)
        _exit(127);
    setsid();
    for (int fd = 0; fd < 3; fd++)
        dup2(l->stdio[fd], fd);
    failures = fcntl(failures, F_DUPFD, 4); /* it may stand where the extra pipe goes */
    if (l->stdio[3] >= 0 && dup2(l->stdio[3], 3) == 3)
        fcntl(3, F_SETFD, 0); /* it may have been 3 before, then dup2() changes nothing */
    close_range(l->stdio[3] >= 0 ? 4 : 3, ~0u, CLOSE_RANGE_CLOEXEC);
    if (chdir(l->cwd) < 0)
        child_fails(failures, INIT_NO_CWD);
    limit(RLIMIT_CORE, 0); /* a core file may hold secrets */
    if (l->max_memory && limit(RLIMIT_AS, l->max_memory) < 0)
        child_fails(failures, INIT_NO_LIMIT);
    default_signals();
    execve(l->path, l->argv, l->env);
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

static BF_NORETURN void be_init(const struct launch *l, pid_t daemon, int reports)
{
    struct init in = {.cgroup_kill = -1};
    struct init_report r;
    int failures[2];

    prctl(PR_SET_PDEATHSIG, INIT_KILL);
    if (getppid() != daemon)
        _exit(1);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "bootfarm-init");
    setsid();
    signal(SIGCHLD, SIG_DFL); /* were it ignored, the kernel would reap before us */
    pid_t self = getpid();
    if (pipe2(failures, O_CLOEXEC) < 0 || (in.child = fork_into(l->cgroup)) < 0) {
        report(reports, INIT_NO_FORK, errno);
        _exit(1);
    }
    if (in.child == 0)
        be_child(l, self, failures[1]);
    /* Our three descriptors take the places of standard input, output and error. */
    dup2(reports, 0);
    dup2(failures[0], 1);
    if (l->cgroup_kill >= 0)
        in.cgroup_kill = dup2(l->cgroup_kill, 2);
    close_range(3, ~0u, 0);
    if (start_failed(1, &r)) {
        report(0, r.event, r.value);
        _exit(1);
    }
    report(0, INIT_STARTED, in.child);
    serve(&in);
    if (WIFSIGNALED(in.status))
        report(0, INIT_SIGNALLED, WTERMSIG(in.status));
    else
        report(0, INIT_EXITED, WEXITSTATUS(in.status));
    _exit(0);
}

/* From here on in the daemon. */

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

pid_t init_start(const struct launch *l, pid_t *child, int *reports, struct err *e)
{
    int fd[2];
    sigset_t all, before;
    pid_t daemon = getpid(), pid;

    if (pipe2(fd, O_CLOEXEC) < 0)
        return err_sys(e, "cannot make a pipe for %s", l->path);
    /* No handler of the daemon may run in the copy. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        be_init(l, daemon, fd[1]);
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return err_sys(e, "cannot fork for %s", l->path);
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
