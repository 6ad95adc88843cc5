/* Real children. Nothing here sleeps: a test ends when a callback has set what it waits for. */
#include "common/loop/proc.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct run {
    uv_loop_t loop;
    struct proc *proc;
    struct str out, err, extra;
    unsigned exits;
    struct proc_exit how;
    const char *act_on; /* when the output contains this … */
    void (*act)(struct run *r);
};

static void maybe_act(struct run *r)
{
    if (r->act && strstr(r->out.p, r->act_on)) {
        void (*act)(struct run *) = r->act;
        r->act = NULL;
        act(r);
    }
}

static void on_out(void *arg, const char *p, size_t n)
{
    struct run *r = arg;

    cr_assert(r->exits == 0);
    str_addmem(&r->out, p, n);
    maybe_act(r);
}

static void on_err(void *arg, const char *p, size_t n)
{
    str_addmem(&((struct run *)arg)->err, p, n);
}

static void on_exit_(void *arg, struct proc_exit how)
{
    struct run *r = arg;

    r->exits++;
    r->how = how;
}

static void run_init(struct run *r)
{
    *r = (struct run){.out = STR_INIT, .err = STR_INIT, .extra = STR_INIT};
    cr_assert(uv_loop_init(&r->loop) == 0);
}

static void run_release(struct run *r)
{
    cr_expect(uv_loop_close(&r->loop) == 0, "a handle is still open");
    str_release(&r->out);
    str_release(&r->err);
    str_release(&r->extra);
}

static void spawn(struct run *r, struct proc_spec spec)
{
    struct err e = ERR_INIT;

    spec.on_out = on_out;
    spec.on_err = spec.merge_err ? NULL : on_err;
    spec.on_exit = on_exit_;
    spec.arg = r;
    cr_assert(proc_spawn(&r->loop, &spec, &r->proc, &e) == 0, "%s", e.msg);
}

static void finish(struct run *r)
{
    while (r->exits == 0)
        uv_run(&r->loop, UV_RUN_ONCE);
    cr_expect(r->exits == 1);
}

static void shell(struct run *r, const char *script, struct proc_spec spec)
{
    const char *argv[] = {"sh", "-c", script, NULL};

    spec.argv = argv;
    spawn(r, spec);
}

static void expect_end(const struct run *r, enum proc_end end, int status)
{
    cr_expect(r->how.end == end && r->how.status == status, "ended %d with %d", r->how.end,
              r->how.status);
}

/* The process is gone, or at least dead. */
static bool is_gone(pid_t pid)
{
    char path[64];
    struct str s = STR_INIT;
    bool gone;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    gone = file_read(path, 4096, &s, NULL) < 0 || strstr(s.p, ") Z ") != NULL;
    str_release(&s);
    return gone;
}

static pid_t number_after(const struct run *r, const char *label)
{
    const char *p = strstr(r->out.p, label);

    cr_assert(p, "no \"%s\" in \"%s\"", label, r->out.p);
    return (pid_t)strtol(p + strlen(label), NULL, 10);
}

Test(proc, output_and_status)
{
    struct run r;

    run_init(&r);
    shell(&r, "echo out; echo err >&2; exit 7", (struct proc_spec){0});
    cr_expect(proc_pid(r.proc) > 1);
    finish(&r);
    expect_end(&r, PROC_EXITED, 7);
    cr_expect_str_eq(r.out.p, "out\n");
    cr_expect_str_eq(r.err.p, "err\n");
    run_release(&r);
}

static void on_extra(void *arg, const char *p, size_t n)
{
    str_addmem(&((struct run *)arg)->extra, p, n);
}

/* Whatever descriptor its pipe, and the pipes of the start, happen to have in the daemon. */
Test(proc, descriptor_three_is_a_stream_of_its_own)
{
    int held[10];

    for (size_t n = 0; n <= ARRAY_SIZE(held); n++) {
        struct run r;
        run_init(&r);
        shell(&r, "echo phase pull >&3; ls /proc/self/fd",
              (struct proc_spec){.on_extra = on_extra});
        finish(&r);
        expect_end(&r, PROC_EXITED, 0);
        cr_expect_str_eq(r.extra.p, "phase pull\n");
        cr_expect_str_eq(r.out.p, "0\n1\n2\n3\n4\n"); /* the last one is ls's own */
        run_release(&r);
        if (n < ARRAY_SIZE(held))
            held[n] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    for (size_t n = 0; n < ARRAY_SIZE(held); n++)
        close(held[n]);
}

Test(proc, merged_output_keeps_its_order)
{
    struct run r;

    run_init(&r);
    shell(&r, "echo a; echo b >&2; echo c", (struct proc_spec){.merge_err = true});
    finish(&r);
    cr_expect_str_eq(r.out.p, "a\nb\nc\n");
    run_release(&r);
}

Test(proc, input_comes_from_memory)
{
    struct str big = STR_INIT;
    struct run r;

    for (int i = 0; i < 100000; i++)
        str_addf(&big, "line %d\n", i);
    run_init(&r);
    shell(&r, "cat", (struct proc_spec){.in = big.p, .in_len = big.len});
    finish(&r);
    cr_expect(r.out.len == big.len && memcmp(r.out.p, big.p, big.len) == 0);
    run_release(&r);
    run_init(&r);
    shell(&r, "cat; echo end", (struct proc_spec){0});
    finish(&r);
    cr_expect_str_eq(r.out.p, "end\n");
    run_release(&r);
    str_release(&big);
}

/* Other descriptors of the daemon, its signal mask and its variables stay with it. */
Test(proc, the_child_gets_nothing_of_ours)
{
    const char *script =
        "ls -l /proc/self/fd | grep -c secret; env | cut -d= -f1 | sort | tr '\\n' ' ';"
        "pwd; grep -E 'SigBlk|SigIgn' /proc/self/status; ulimit -c";
    int leaked = open("/tmp", O_TMPFILE | O_RDWR, 0600); /* not close-on-exec */
    sigset_t set;
    struct run r;

    cr_assert(leaked >= 0 && dup2(leaked, 77) == 77);
    setenv("BOOTFARM_KEY", "x", 1);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run_init(&r);
    shell(&r, script, (struct proc_spec){0});
    finish(&r);
    cr_expect(strstr(r.out.p, "BOOTFARM_KEY") == NULL && strstr(r.out.p, "PATH") != NULL);
    cr_expect(strstr(r.out.p, "/\n") != NULL);
    cr_expect(strstr(r.out.p, "SigBlk:\t0000000000000000") != NULL, "%s", r.out.p);
    cr_expect(strstr(r.out.p, "SigIgn:\t0000000000000000") != NULL, "%s", r.out.p);
    cr_expect(str_ends(r.out.p, "\n0\n"));
    run_release(&r);
    run_init(&r);
    shell(&r, "ls /proc/self/fd | tr '\\n' ' '", (struct proc_spec){0});
    finish(&r);
    cr_expect_str_eq(r.out.p, "0 1 2 3 ", "ls has its three and the directory it reads");
    run_release(&r);
    close(leaked);
    close(77);
}

Test(proc, environment_and_directory_as_given)
{
    const char *env[] = {"A=1", "PATH=/usr/bin:/bin", NULL};
    struct run r;

    run_init(&r);
    shell(&r, "echo $A $HOME; pwd", (struct proc_spec){.env = env, .cwd = "/usr"});
    finish(&r);
    cr_expect_str_eq(r.out.p, "1\n/usr\n");
    run_release(&r);
}

Test(proc, a_signal_is_told_apart_from_a_status)
{
    struct run r;

    run_init(&r);
    shell(&r, "kill -SEGV $$", (struct proc_spec){0});
    finish(&r);
    expect_end(&r, PROC_SIGNALLED, SIGSEGV);
    run_release(&r);
}

static void expect_no_spawn(struct proc_spec spec, const char *message)
{
    struct err e = ERR_INIT;
    struct run r;

    run_init(&r);
    spec.on_exit = on_exit_;
    spec.arg = &r;
    cr_expect(proc_spawn(&r.loop, &spec, &r.proc, &e) == -1);
    cr_expect_str_eq(e.msg, message);
    cr_expect(e.kind == ERR_SYSTEM && e.sys_errno != 0);
    cr_expect(uv_run(&r.loop, UV_RUN_NOWAIT) == 0 && r.exits == 0);
    cr_expect(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD, "a child is left");
    run_release(&r);
}

Test(proc, what_cannot_start_says_why)
{
    const char *missing[] = {"no-such-program", NULL}, *path[] = {"/etc/no-such", NULL};
    const char *plain[] = {"/etc/passwd", NULL}, *sh[] = {"sh", NULL};
    const char *env[] = {"PATH=:/nowhere:/bin", NULL};

    expect_no_spawn((struct proc_spec){.argv = missing},
                    "cannot run no-such-program: there is no such program in PATH");
    expect_no_spawn((struct proc_spec){.argv = path},
                    "cannot run /etc/no-such: No such file or directory");
    expect_no_spawn((struct proc_spec){.argv = plain}, "cannot run /etc/passwd: Permission denied");
    expect_no_spawn((struct proc_spec){.argv = sh, .env = env, .cwd = "/no/where"},
                    "cannot enter /no/where to run /bin/sh: No such file or directory");
}

Test(proc, deadlines)
{
    struct run r;
    bf_time start = clock_mono();

    run_init(&r);
    shell(&r, "while :; do echo; sleep 0.01; done", (struct proc_spec){.timeout = 200 * BF_MSEC});
    finish(&r);
    expect_end(&r, PROC_TIMEOUT, SIGTERM);
    cr_expect(clock_mono() - start >= 200 * BF_MSEC);
    run_release(&r);
    run_init(&r);
    shell(&r, "echo once; exec sleep 1000", (struct proc_spec){.silence = 100 * BF_MSEC});
    finish(&r);
    expect_end(&r, PROC_SILENCE, SIGTERM);
    cr_expect_str_eq(r.out.p, "once\n");
    run_release(&r);
}

Test(proc, who_ignores_the_request_is_killed_after_the_grace)
{
    struct run r;

    run_init(&r);
    shell(&r, "trap '' TERM; while :; do sleep 0.01; done",
          (struct proc_spec){.timeout = 100 * BF_MSEC, .grace = 100 * BF_MSEC});
    finish(&r);
    expect_end(&r, PROC_TIMEOUT, SIGKILL);
    run_release(&r);
}

static void act_kill(struct run *r)
{
    proc_kill(r->proc);
    proc_kill(r->proc);
}

Test(proc, killing_asks_first)
{
    struct run r;

    run_init(&r);
    r.act_on = "ready";
    r.act = act_kill;
    shell(&r, "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.01; done",
          (struct proc_spec){0});
    finish(&r);
    expect_end(&r, PROC_KILLED, 3);
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
    shell(&r, LEAVE_TWO "echo all; wait", (struct proc_spec){0});
    finish(&r);
    expect_end(&r, PROC_KILLED, SIGKILL);
    expect_both_gone(&r);
    run_release(&r);
}

static void leave_nobody(void)
{
    struct run r;

    run_init(&r);
    shell(&r, LEAVE_TWO "exit 5", (struct proc_spec){0});
    finish(&r);
    expect_end(&r, PROC_EXITED, 5);
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
    if (geteuid() == 0)
        cr_assert(setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    prctl(PR_SET_DUMPABLE, 1);
    kill_everybody();
    leave_nobody();
}

static void act_pause(struct run *r)
{
    proc_pause(r->proc, true);
    proc_pause(r->proc, true);
}

static void on_resume_timer(uv_timer_t *t)
{
    proc_pause(((struct run *)t->data)->proc, false);
    uv_close((uv_handle_t *)t, NULL);
}

/* The child ends while we do not read; silence does not count; nothing is lost. */
Test(proc, pausing_loses_nothing)
{
    uv_timer_t timer;
    struct run r;

    run_init(&r);
    r.act_on = "1\n";
    r.act = act_pause;
    shell(&r, "seq 1 200000; echo end >&2", (struct proc_spec){.silence = 50 * BF_MSEC});
    uv_timer_init(&r.loop, &timer);
    timer.data = &r;
    uv_timer_start(&timer, on_resume_timer, 150, 0);
    finish(&r);
    expect_end(&r, PROC_EXITED, 0);
    cr_expect(r.out.len == 1288895, "%zu", r.out.len);
    cr_expect_str_eq(r.err.p, "end\n");
    while (uv_run(&r.loop, UV_RUN_ONCE) != 0)
        continue;
    run_release(&r);
}

Test(proc, pausing_past_the_end)
{
    uv_timer_t timer;
    struct run r;

    run_init(&r);
    r.act_on = "a";
    r.act = act_pause;
    shell(&r, "echo a; read x; echo b", (struct proc_spec){.in = "\n", .in_len = 1});
    uv_timer_init(&r.loop, &timer);
    timer.data = &r;
    uv_timer_start(&timer, on_resume_timer, 50, 0);
    finish(&r);
    cr_expect_str_eq(r.out.p, "a\nb\n");
    while (uv_run(&r.loop, UV_RUN_ONCE) != 0)
        continue;
    run_release(&r);
}

#if !defined(__SANITIZE_ADDRESS__) /* where no limit is set */
Test(proc, memory_is_limited)
{
    const char *argv[] = {"python3", "-c", "x = bytearray(400 << 20)", NULL};
    struct run r;

    run_init(&r);
    spawn(&r, (struct proc_spec){.argv = argv, .max_memory = 200u << 20});
    finish(&r);
    expect_end(&r, PROC_EXITED, 1);
    cr_expect(strstr(r.err.p, "MemoryError") != NULL, "%s", r.err.p);
    run_release(&r);
}
#endif

/* uv_spawn waits for SIGCHLD: ours must not eat it, nor the other way round. */
static void on_uv_exit(uv_process_t *p, int64_t status, int sig)
{
    *(int64_t *)p->data = status + sig;
    uv_close((uv_handle_t *)p, NULL);
}

Test(proc, lives_beside_uv_spawn)
{
    char *args[] = {"sh", "-c", "exit 9", NULL};
    int64_t status = -1;
    uv_process_t other = {.data = &status};
    uv_process_options_t options = {.file = "sh", .args = args, .exit_cb = on_uv_exit};
    struct run r;

    run_init(&r);
    cr_assert(uv_spawn(&r.loop, &other, &options) == 0);
    shell(&r, "exit 4", (struct proc_spec){0});
    while (r.exits == 0 || status < 0)
        uv_run(&r.loop, UV_RUN_ONCE);
    expect_end(&r, PROC_EXITED, 4);
    cr_expect(status == 9);
    while (uv_run(&r.loop, UV_RUN_ONCE) != 0)
        continue;
    run_release(&r);
}

Test(proc, many_at_once)
{
    enum { N = 30 };
    struct run r[N];
    unsigned left = N;

    run_init(&r[0]);
    for (size_t i = 0; i < N; i++) {
        if (i > 0)
            r[i] = (struct run){.out = STR_INIT, .err = STR_INIT};
        const char *argv[] = {"sh", "-c", "echo $0; exit $0", xasprintf("%zu", i), NULL};
        struct err e = ERR_INIT;
        struct proc_spec spec = {.argv = argv, .on_out = on_out, .on_exit = on_exit_, .arg = &r[i]};
        cr_assert(proc_spawn(&r[0].loop, &spec, &r[i].proc, &e) == 0, "%s", e.msg);
        char *number;
        memcpy(&number, &argv[3], sizeof number);
        free(number);
    }
    while (left > 0) {
        uv_run(&r[0].loop, UV_RUN_ONCE);
        left = N;
        for (size_t i = 0; i < N; i++)
            left -= r[i].exits;
    }
    for (size_t i = 0; i < N; i++) {
        expect_end(&r[i], PROC_EXITED, (int)i);
        cr_expect((size_t)strtol(r[i].out.p, NULL, 10) == i);
        if (i > 0)
            str_release(&r[i].out);
    }
    run_release(&r[0]);
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
        shell(&r, script, (struct proc_spec){0});
        finish(&r);
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

Test(proc, run_collects)
{
    const char *argv[] = {"sh", "-c", "echo abcdef; echo xyz >&2; exit 2", NULL};
    struct proc_spec spec = {.argv = argv};
    struct str out = STR_INIT, err = STR_INIT;
    struct proc_exit how;
    struct err e = ERR_INIT;

    cr_expect(proc_run(&spec, &out, &err, 4, &how, &e) == 0, "%s", e.msg);
    cr_expect_str_eq(out.p, "abcd");
    cr_expect_str_eq(err.p, "xyz\n");
    cr_expect(how.end == PROC_EXITED && how.status == 2);
    cr_expect(proc_run(&spec, NULL, NULL, 0, &how, &e) == 0 && how.status == 2);
    str_release(&out);
    str_release(&err);
}

Test(proc, run_reports_what_took_too_long)
{
    const char *argv[] = {"sleep", "1000", NULL}, *missing[] = {"no-such-program", NULL};
    struct proc_spec spec = {.argv = argv, .timeout = 50 * BF_MSEC};
    struct proc_exit how;
    struct err e = ERR_INIT;

    cr_expect(proc_run(&spec, NULL, NULL, 0, &how, &e) == -1);
    cr_expect(e.kind == ERR_TEMPORARY && how.end == PROC_TIMEOUT);
    cr_expect_str_eq(e.msg, "sleep was stopped: it ran longer than its time limit");
    spec.argv = missing;
    cr_expect(proc_run(&spec, NULL, NULL, 0, &how, &e) == -1 && e.kind == ERR_SYSTEM);
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
    shell(&r, "exit 0", (struct proc_spec){0});
    finish(&r);
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
    shell(
        &r,
        "m=$(awk '$3 == \"cgroup2\" {print $2; exit}' /proc/self/mounts); "
        "g=$(sed -n 's/^0:://p' /proc/self/cgroup); mkdir -p $m$g/inner/most; sleep 1000 & exit 0",
        (struct proc_spec){0});
    finish(&r);
    expect_end(&r, PROC_EXITED, 0);
    run_release(&r);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    count[3] = pid;
    /* The one that counts has one itself. */
    cr_assert(proc_run(&(struct proc_spec){.argv = count}, &out, NULL, 100, &how, &e) == 0);
    cr_expect(strcmp(out.p, "1\n") == 0 || strcmp(out.p, "") == 0, "%s", out.p);
    str_release(&out);
}
