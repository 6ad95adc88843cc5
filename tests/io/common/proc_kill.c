/* How children end that do not end by themselves, and who ends with them. */
#include "common/base/clock.h"
#include "tests/io/common/child.h"
#include <criterion/criterion.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

Test(proc, deadlines)
{
    struct run r;
    bf_time start = clock_mono();

    run_init(&r);
    run_shell(&r, "while :; do echo; sleep 0.01; done",
              (struct proc_spec){.timeout = 200 * BF_MSEC});
    run_finish(&r);
    run_expect(&r, PROC_TIMEOUT, SIGTERM);
    cr_expect(clock_mono() - start >= 200 * BF_MSEC);
    run_release(&r);
    run_init(&r);
    run_shell(&r, "echo once; exec sleep 1000", (struct proc_spec){.silence = 2 * BF_SEC});
    run_finish(&r);
    run_expect(&r, PROC_SILENCE, SIGTERM);
    cr_expect_str_eq(r.out.p, "once\n");
    run_release(&r);
}

static void act_kill(struct run *r)
{
    proc_kill(r->proc);
    proc_kill(r->proc);
}

Test(proc, who_ignores_the_request_is_killed_after_the_grace)
{
    struct run r;

    run_init(&r);
    r.act_on = "ready";
    r.act = act_kill;
    run_shell(&r, "trap '' TERM; echo ready; while :; do sleep 0.01; done",
              (struct proc_spec){.grace = 100 * BF_MSEC});
    run_finish(&r);
    run_expect(&r, PROC_KILLED, SIGKILL);
    run_release(&r);
}

Test(proc, killing_asks_first)
{
    struct run r;

    run_init(&r);
    r.act_on = "ready";
    r.act = act_kill;
    run_shell(&r, "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done",
              (struct proc_spec){0});
    run_finish(&r);
    run_expect(&r, PROC_KILLED, 3);
    cr_expect_str_eq(r.out.p, "ready\nbye\n");
    run_release(&r);
}

static void act_kill_now(struct run *r)
{
    proc_kill_now(r->proc);
}

/* A daemon in a session of its own and one whose parent is gone, both holding the pipe; the script
 * goes on when both have spoken. */
#define LEAVE_TWO                                                                         \
    "d=$(mktemp -d); mkfifo $d/f $d/g; "                                                  \
    "setsid sh -c \"trap '' TERM; echo session \\$\\$; echo > $d/f; exec sleep 1000\" & " \
    "read x < $d/f; "                                                                     \
    "(sh -c \"echo plain \\$\\$; echo > $d/g; exec sleep 1000\" &); "                     \
    "read x < $d/g; rm -r $d; "

static void expect_both_gone(const struct run *r)
{
    cr_expect(is_gone(number_after(r, "session ")));
    cr_expect(is_gone(number_after(r, "plain ")));
}

static void kill_everybody(void)
{
    struct run r;

    run_init(&r);
    r.act_on = "all";
    r.act = act_kill_now;
    run_shell(&r, LEAVE_TWO "echo all; wait", (struct proc_spec){0});
    run_finish(&r);
    run_expect(&r, PROC_KILLED, SIGKILL);
    expect_both_gone(&r);
    run_release(&r);
}

static void leave_nobody(void)
{
    struct run r;

    run_init(&r);
    run_shell(&r, LEAVE_TWO "exit 5", (struct proc_spec){0});
    run_finish(&r);
    run_expect(&r, PROC_EXITED, 5);
    expect_both_gone(&r);
    run_release(&r);
}

Test(proc, killing_reaches_everybody)
{
    kill_everybody();
}

Test(proc, nothing_outlives_the_child)
{
    leave_nobody();
}

/* As a user who may not make cgroups: the process tree is enough. */
Test(proc, the_same_without_a_cgroup)
{
    leave_nobody(); /* opens bootfarm-init, which may lie where that user cannot look */
    if (geteuid() == 0)
        cr_assert(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    prctl(PR_SET_DUMPABLE, 1);
    kill_everybody();
    leave_nobody();
}

static bool wait_gone(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return true;
    bool gone = poll(&p, 1, 10000) == 1;
    close(fd);
    return gone;
}

/* A daemon that is killed cannot clean up: the process between does. */
Test(proc, all_die_with_the_daemon)
{
    int fd[2];
    pid_t daemon, session;
    char line[64];
    FILE *f;

    cr_assert(pipe(fd) == 0);
    daemon = fork();
    if (daemon == 0) {
        struct run r;
        char script[128];
        run_init(&r);
        snprintf(script, sizeof script,
                 "setsid sh -c 'echo $$ > /proc/%d/fd/%d; exec sleep 1000' & wait", (int)getpid(),
                 fd[1]);
        run_shell(&r, script, (struct proc_spec){0});
        run_finish(&r);
        _exit(0);
    }
    close(fd[1]);
    f = fdopen(fd[0], "r");
    cr_assert(fgets(line, sizeof line, f));
    session = (pid_t)strtol(line, NULL, 10);
    cr_expect(!is_gone(session));
    kill(daemon, SIGKILL);
    waitpid(daemon, NULL, 0);
    cr_expect(wait_gone(session), "process %d is still there", (int)session);
    fclose(f);
}

/* Our own cgroup's folder, where there is one and we may write to it. */
static bool own_cgroup(char path[static 600])
{
    const char *script = "m=$(awk '$3 == \"cgroup2\" {print $2; exit}' /proc/self/mounts); "
                         "g=$m$(sed -n 's/^0:://p' /proc/$0/cgroup); [ -w \"$g\" ] && echo \"$g\"";
    char pid[16];
    const char *argv[] = {"sh", "-c", script, pid, NULL};
    struct str out = STR_INIT;
    struct proc_exit how;

    snprintf(pid, sizeof pid, "%d", (int)getpid());
    cr_assert(proc_run(&(struct proc_spec){.argv = argv}, &out, NULL, 500, &how, NULL) == 0);
    snprintf(path, 600, "%.*s", (int)strcspn(out.p, "\n"), out.p);
    str_release(&out);
    return how.status == 0 && path[0];
}

/* A daemon that was killed together with everything else leaves an empty cgroup: the next daemon's
 * first child takes it away. */
Test(proc, old_cgroups_are_swept)
{
    char own[600], old[700];
    struct run r;
    pid_t gone, finder;

    /* Found by another process, since this one sweeps only once. */
    int fd[2];
    cr_assert(pipe(fd) == 0);
    finder = fork();
    if (finder == 0) {
        bool found = own_cgroup(own);
        _exit(found && write(fd[1], own, sizeof own) == (ssize_t)sizeof own ? 0 : 1);
    }
    close(fd[1]);
    ssize_t n = read(fd[0], own, sizeof own);
    close(fd[0]);
    waitpid(finder, NULL, 0);
    if (n != (ssize_t)sizeof own)
        return; /* there are no cgroups for us to leave behind */
    gone = fork();
    if (gone == 0)
        _exit(0);
    waitpid(gone, NULL, 0);
    snprintf(old, sizeof old, "%s/bootfarm.%d.0", own, (int)gone);
    cr_assert(mkdir(old, 0755) == 0);
    run_init(&r);
    run_shell(&r, "exit 0", (struct proc_spec){0});
    run_finish(&r);
    run_release(&r);
    cr_expect(access(old, F_OK) == -1);
}

/* The cgroup goes with the child, whatever the child made in it. */
Test(proc, no_cgroup_is_left)
{
    const char *count[] = {"sh", "-c",
                           "m=$(awk '$3 == \"cgroup2\" {print $2; exit}' /proc/self/mounts); "
                           "[ -z \"$m\" ] || find $m -name \"bootfarm.$0.*\" | wc -l",
                           NULL, NULL};
    char pid[16];
    struct str out = STR_INIT;
    struct proc_exit how;
    struct err e = ERR_INIT;
    struct run r;

    run_init(&r);
    run_shell(
        &r,
        "m=$(awk '$3 == \"cgroup2\" {print $2; exit}' /proc/self/mounts); "
        "g=$(sed -n 's/^0:://p' /proc/self/cgroup); mkdir -p $m$g/inner/most; sleep 1000 & exit 0",
        (struct proc_spec){0});
    run_finish(&r);
    run_expect(&r, PROC_EXITED, 0);
    run_release(&r);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    count[3] = pid;
    /* The one that counts has one itself. */
    cr_assert(proc_run(&(struct proc_spec){.argv = count}, &out, NULL, 100, &how, &e) == 0);
    cr_expect(strcmp(out.p, "1\n") == 0 || strcmp(out.p, "") == 0, "%s", out.p);
    str_release(&out);
}
