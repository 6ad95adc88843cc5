/* Real children: what goes in and what comes out. Nothing here sleeps: a test ends when a callback
 * has set what it waits for. */
#include "common/base/mem.h"
#include "tests/io/common/child.h"
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Test(proc, output_and_status)
{
    struct run r;

    run_init(&r);
    run_shell(&r, "echo out; echo err >&2; exit 7", (struct proc_spec){0});
    cr_expect(proc_pid(r.proc) > 1);
    run_finish(&r);
    run_expect(&r, PROC_EXITED, 7);
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
        run_shell(&r, "echo phase pull >&3; ls /proc/self/fd",
                  (struct proc_spec){.on_extra = on_extra});
        run_finish(&r);
        run_expect(&r, PROC_EXITED, 0);
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
    run_shell(&r, "echo a; echo b >&2; echo c", (struct proc_spec){.merge_err = true});
    run_finish(&r);
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
    run_shell(&r, "cat", (struct proc_spec){.in = big.p, .in_len = big.len});
    run_finish(&r);
    cr_expect(r.out.len == big.len && memcmp(r.out.p, big.p, big.len) == 0);
    run_release(&r);
    run_init(&r);
    run_shell(&r, "cat; echo end", (struct proc_spec){0});
    run_finish(&r);
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
    run_shell(&r, script, (struct proc_spec){0});
    run_finish(&r);
    cr_expect(strstr(r.out.p, "BOOTFARM_KEY") == NULL && strstr(r.out.p, "PATH") != NULL);
    cr_expect(strstr(r.out.p, "/\n") != NULL);
    cr_expect(strstr(r.out.p, "SigBlk:\t0000000000000000") != NULL, "%s", r.out.p);
    cr_expect(strstr(r.out.p, "SigIgn:\t0000000000000000") != NULL, "%s", r.out.p);
    cr_expect(str_ends(r.out.p, "\n0\n"));
    run_release(&r);
    run_init(&r);
    run_shell(&r, "ls /proc/self/fd | tr '\\n' ' '", (struct proc_spec){0});
    run_finish(&r);
    cr_expect_str_eq(r.out.p, "0 1 2 3 ", "ls has its three and the directory it reads");
    run_release(&r);
    close(leaked);
    close(77);
}

/* Nor does the process between them, which is no copy of the daemon. */
Test(proc, the_init_process_has_nothing_of_ours)
{
    const char *script =
        "until [ \"$(echo /proc/$PPID/fd/[0-3])\" = \"/proc/$PPID/fd/[0-3]\" ]; do :; done;"
        "basename \"$(readlink /proc/$PPID/exe)\"; tr -d '\\0' </proc/$PPID/cmdline; echo;"
        "ls -l /proc/$PPID/fd | grep -c /tmp/";
    int leaked = open("/tmp", O_TMPFILE | O_RDWR, 0600); /* not close-on-exec */
    struct run r;

    cr_assert(leaked >= 0 && dup2(leaked, 77) == 77);
    run_init(&r);
    run_shell(&r, script, (struct proc_spec){.timeout = 20 * BF_SEC});
    run_finish(&r);
    cr_expect_str_eq(r.out.p, "bootfarm-init\nbootfarm-init\n0\n", "nor the child's arguments");
    run_release(&r);
    close(leaked);
    close(77);
}

/* With nothing but a loop, which stands far above: what the start of a child opens may then stand
 * where the child's descriptors go. */
static int starts_low(void)
{
    const char *bare[] = {"sh", "-c", "exit 3", NULL};
    const char *full[] = {"sh", "-c", "cat; echo extra >&3; echo err >&2", NULL};
    struct proc_spec spec = {.argv = bare, .on_exit = run_on_exit};
    int held[24];
    struct run r;

    close_range(3, ~0u, 0);
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        held[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    run_init(&r);
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        close(held[i]);
    spec.arg = &r;
    if (proc_spawn(&r.loop, &spec, &r.proc, NULL) < 0)
        return 1;
    uv_run(&r.loop, UV_RUN_DEFAULT);
    if (r.how.status != 3)
        return 2;
    r.exits = 0;
    spec = (struct proc_spec){.argv = full,
                              .in = "in\n",
                              .in_len = 3,
                              .merge_err = true,
                              .on_out = run_on_out,
                              .on_extra = on_extra,
                              .on_exit = run_on_exit,
                              .arg = &r};
    if (proc_spawn(&r.loop, &spec, &r.proc, NULL) < 0)
        return 3;
    uv_run(&r.loop, UV_RUN_DEFAULT);
    bool same = strcmp(r.out.p, "in\nerr\n") == 0 && strcmp(r.extra.p, "extra\n") == 0;
    return same && r.how.status == 0 ? 0 : 4;
}

Test(proc, no_descriptor_is_lost_when_the_low_ones_are_free)
{
    pid_t daemon = fork();
    int status;

    if (daemon == 0)
        _exit(starts_low());
    cr_assert(waitpid(daemon, &status, 0) == daemon);
    cr_expect(WIFEXITED(status));
    cr_expect_eq(WEXITSTATUS(status), 0);
}

Test(proc, environment_and_directory_as_given)
{
    const char *env[] = {"A=1", "PATH=/usr/bin:/bin", NULL};
    struct run r;

    run_init(&r);
    run_shell(&r, "echo $A $HOME; pwd", (struct proc_spec){.env = env, .cwd = "/usr"});
    run_finish(&r);
    cr_expect_str_eq(r.out.p, "1\n/usr\n");
    run_release(&r);
}

Test(proc, a_signal_is_told_apart_from_a_status)
{
    struct run r;

    run_init(&r);
    run_shell(&r, "kill -SEGV $$", (struct proc_spec){0});
    run_finish(&r);
    run_expect(&r, PROC_SIGNALLED, SIGSEGV);
    run_release(&r);
}

static void expect_no_spawn(struct proc_spec spec, const char *message)
{
    struct err e = ERR_INIT;
    struct run r;

    run_init(&r);
    spec.on_exit = run_on_exit;
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

static void on_resume_timer(uv_timer_t *t)
{
    proc_pause(((struct run *)t->data)->proc, false);
    uv_close((uv_handle_t *)t, NULL);
}

static uint64_t pause_ms;

static void act_pause(struct run *r)
{
    static uv_timer_t timer;

    proc_pause(r->proc, true);
    proc_pause(r->proc, true);
    uv_timer_init(&r->loop, &timer);
    timer.data = r;
    uv_timer_start(&timer, on_resume_timer, pause_ms, 0);
}

/* The child ends while we do not read; silence does not count; nothing is lost. */
Test(proc, pausing_loses_nothing)
{
    struct run r;

    run_init(&r);
    r.act_on = "1\n";
    r.act = act_pause;
    pause_ms = 2200; /* longer than the silence that is allowed */
    run_shell(&r, "seq 1 200000; echo end >&2", (struct proc_spec){.silence = 2 * BF_SEC});
    run_finish(&r);
    run_expect(&r, PROC_EXITED, 0);
    cr_expect(r.out.len == 1288895, "%zu", r.out.len);
    cr_expect_str_eq(r.err.p, "end\n");
    run_release(&r);
}

Test(proc, pausing_past_the_end)
{
    struct run r;

    run_init(&r);
    r.act_on = "a";
    r.act = act_pause;
    pause_ms = 200;
    run_shell(&r, "echo a; read x; echo b", (struct proc_spec){.in = "\n", .in_len = 1});
    run_finish(&r);
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
    run_spawn(&r, (struct proc_spec){.argv = argv, .max_memory = 200u << 20});
    run_finish(&r);
    run_expect(&r, PROC_EXITED, 1);
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
    run_shell(&r, "exit 4", (struct proc_spec){0});
    while (r.exits == 0 || status < 0)
        uv_run(&r.loop, UV_RUN_ONCE);
    run_expect(&r, PROC_EXITED, 4);
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
        struct proc_spec spec = {
            .argv = argv, .on_out = run_on_out, .on_exit = run_on_exit, .arg = &r[i]};
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
        run_expect(&r[i], PROC_EXITED, (int)i);
        cr_expect((size_t)strtol(r[i].out.p, NULL, 10) == i);
        if (i > 0)
            str_release(&r[i].out);
    }
    run_release(&r[0]);
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
