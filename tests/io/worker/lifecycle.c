/* Start, signals, command line. */
#include "common/loop/proc.h"
#include "tests/io/worker/daemon.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct id128 a, b;

static void ids(void)
{
    a = tmp_id(1);
    b = tmp_id(2);
}

TestSuite(lifecycle, .init = ids);

static bool is_draining(struct hub *h, const void *arg)
{
    (void)arg;
    return h->report.report->draining;
}

static bool echoes_orders(struct hub *h, const void *arg)
{
    (void)arg;
    return h->report.report->echo_seq > 0;
}

Test(lifecycle, sigterm_drains)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.ack = false;
    run_to_start(&d, a, order_sh("gate one; succeed"));
    daemon_signal(&d, SIGTERM);
    hub_until(&d.hub, is_draining, NULL, "a report that says draining");
    cr_expect(hub_is_started(&d.hub, &a), "what runs goes on");
    hub_want(&d.hub, b, order_sh("succeed"));
    hub_until(&d.hub, hub_had_result, &b, "the new one to be given back");
    cr_expect_str_eq(hub_past_result(&d.hub, b)->code, "worker-refused");
    open_gate(&d, "one");
    hub_until(&d.hub, hub_had_result, &a, "the result of what ran");
    cr_expect_eq(hub_past_result(&d.hub, a)->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    hub_next_report(&d.hub);
    cr_expect(d.running, "it waits for the acknowledgement");
    d.hub.ack = true;
    daemon_wait(&d);
    cr_expect_eq(d.status, 0);
    cr_expect_eq(d.signal, 0);
    cr_expect(hub_log(&d.hub, a)->sealed);
    daemon_teardown(&d);
}

/* It follows a leader, has nothing to do, and is told to end; nobody answers. */
static void stop_idle(struct daemon *d)
{
    daemon_setup(d, "heartbeat = 60s\n");
    hub_until(&d->hub, echoes_orders, NULL, "the echo of Orders");
    d->hub.silent = true;
    daemon_signal(d, SIGTERM);
}

Test(lifecycle, an_idle_worker_says_so_and_ends_once_that_is_answered)
{
    struct daemon d;
    stop_idle(&d);
    hub_until(&d.hub, is_draining, NULL, "a report that says draining");
    cr_expect(d.running);
    hub_want(&d.hub, a, order_sh("succeed")); /* has crossed that report */
    hub_send_orders(&d.hub);
    hub_until(&d.hub, hub_had_result, &a, "it to be given back");
    hub_unwant(&d.hub, a);
    d.hub.silent = false;
    hub_send_orders(&d.hub);
    daemon_wait(&d);
    cr_expect_eq(d.status, 0);
    daemon_teardown(&d);
}

Test(lifecycle, an_idle_worker_that_nobody_answers_ends_all_the_same)
{
    struct daemon d;
    stop_idle(&d);
    daemon_wait(&d);
    cr_expect_eq(d.status, 0);
    daemon_teardown(&d);
}

static void expect_killed(int first, int second)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self"), child = file_number(&d, "child");
    daemon_signal(&d, first);
    if (second) {
        hub_until(&d.hub, is_draining, NULL, "a report that says draining");
        daemon_signal(&d, second);
    }
    daemon_wait(&d);
    cr_expect_eq(d.status, 0);
    cr_expect(process_gone(self) && process_gone(child));
    hub_forget_reports(&d.hub);
    hub_unwant(&d.hub, a);
    daemon_start(&d);
    hub_until(&d.hub, hub_had_result, &a, "the result at the next start");
    cr_expect_str_eq(hub_past_result(&d.hub, a)->code, "worker-restarted");
    daemon_teardown(&d);
}

Test(lifecycle, a_second_sigterm_kills)
{
    expect_killed(SIGTERM, SIGTERM);
}

Test(lifecycle, sigint_kills)
{
    expect_killed(SIGINT, 0);
}

static bool has_slots(struct hub *h, const void *n)
{
    return h->report.report->capacity->slots == *(const unsigned *)n;
}

Test(lifecycle, sighup_reads_the_options_again)
{
    struct daemon d;
    unsigned five = 5;
    daemon_setup(&d, "");
    daemon_configure(&d, "slots = 5\n");
    daemon_signal(&d, SIGHUP);
    hub_until(&d.hub, has_slots, &five, "five slots");
    daemon_configure(&d, "slots = many\n");
    daemon_signal(&d, SIGHUP);
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_eq(d.hub.report.report->capacity->slots, 5, "a wrong file changes nothing");
    daemon_teardown(&d);
}

Test(lifecycle, nothing_starts_before_the_sweep_is_through)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_result(&d, a, order_sh("cp $config.sweeps $T/seen; succeed"));
    char *seen = daemon_file(&d, "seen");
    cr_expect_not_null(strstr(seen, "sweep --config="), "%s", seen);
    cr_expect_null(strstr(seen, "--live"), "nothing is alive at the start");
    free(seen);
    daemon_teardown(&d);
}

static bool swept_twice(struct hub *h, const void *arg)
{
    char *text = daemon_file(arg, "exec.conf.sweeps");
    const char *first = strchr(text, '\n');
    bool twice = first != NULL && strchr(first + 1, '\n') != NULL;
    (void)h;
    free(text);
    return twice;
}

Test(lifecycle, a_later_sweep_spares_who_lives)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("gate one; succeed"));
    run_to_result(&d, b, order_sh("kill -9 $$"));
    hub_until(&d.hub, swept_twice, &d, "the second sweep");
    char *text = daemon_file(&d, "exec.conf.sweeps");
    cr_expect_not_null(strstr(text, "--live=01000000-0000-0000-0000-000000000001"), "%s", text);
    cr_expect_null(strstr(text, "--live=02000000"), "%s", text);
    free(text);
    daemon_teardown(&d);
}

/* ---- command line ---------------------------------------------------------------------------- */

static int run(const char *const *argv, struct str *out, struct str *err_out)
{
    struct proc_exit how;
    struct err e = ERR_INIT;
    struct proc_spec spec = {.argv = argv, .timeout = 10 * BF_SEC};
    cr_assert_eq(proc_run(&spec, out, err_out, 1u << 20, &how, &e), 0, "%s", e.msg);
    cr_assert_eq(how.end, PROC_EXITED);
    return how.status;
}

Test(cli, help_and_version)
{
    struct str out = STR_INIT, err_out = STR_INIT;
    const char *help[] = {TEST_WORKER, "--help", NULL};
    const char *version[] = {TEST_WORKER, "--version", NULL};
    cr_expect_eq(run(help, &out, &err_out), 0);
    cr_expect_not_null(strstr(out.p, "--log-endpoints"));
    str_clear(&out);
    cr_expect_eq(run(version, &out, &err_out), 0);
    cr_expect_str_eq(out.p, "bootfarm-worker " BOOTFARM_VERSION "\n");
    str_release(&out);
    str_release(&err_out);
}

Test(cli, keygen_writes_once_and_says_the_public_key)
{
    struct tmp t;
    struct stat st;
    struct err e;
    char public_key[41], secret_key[41];
    struct str out = STR_INIT, err_out = STR_INIT;
    tmp_make(&t);
    const char *argv[] = {TEST_WORKER, "keygen", tmp_path(&t, "key"), NULL};
    cr_assert_eq(run(argv, &out, &err_out), 0, "%s", err_out.p);
    cr_assert_eq(stat(argv[2], &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    cr_assert_eq(zcurve_load(argv[2], public_key, secret_key, &e), 0, "%s", e.msg);
    cr_expect_eq(strncmp(out.p, public_key, 40), 0);
    cr_expect_null(strstr(out.p, secret_key));
    cr_expect_neq(run(argv, &out, &err_out), 0, "never over an existing file");
    str_release(&out);
    str_release(&err_out);
    tmp_remove(&t);
}

static void expect_usage_error(const struct daemon *d, const char *expect)
{
    struct str out = STR_INIT, err_out = STR_INIT;
    const char *argv[] = {TEST_WORKER, d->conf, NULL};
    cr_expect_eq(run(argv, &out, &err_out), 2, "%s", err_out.p);
    cr_expect_not_null(strstr(err_out.p, expect), "%s", err_out.p);
    str_release(&out);
    str_release(&err_out);
}

Test(cli, wrong_configuration_is_one_line_and_status_2)
{
    struct daemon d;
    daemon_prepare(&d, "");
    tmp_write(&d.tmp, "worker.conf", "slots = 1\nsolts = 2\n", 20);
    expect_usage_error(&d, "worker.conf:2: unknown option solts; did you mean slots?");
    daemon_configure(&d, "");
    chmod(tmp_path(&d.tmp, "curve.key"), 0644);
    expect_usage_error(&d, "key_file");
    daemon_teardown(&d);
}

Test(cli, a_state_directory_has_one_daemon)
{
    struct daemon d;
    daemon_setup(&d, "");
    expect_usage_error(&d, "in use by another bootfarm-worker");
    daemon_teardown(&d);
}

/* ---- memory ---------------------------------------------------------------------------------- */

#if !defined(__SANITIZE_ADDRESS__) /* whose own memory is most of it */
Test(lifecycle, an_idle_worker_is_small)
{
    struct daemon d;
    char path[64];
    daemon_setup(&d, "");
    run_to_result(&d, a, order_sh("yes | head -c 3000000; succeed"));
    hub_until(&d.hub, hub_is_sealed, &a, "the seal");
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    snprintf(path, sizeof path, "/proc/%d/status", (int)d.process.pid);
    FILE *f = fopen(path, "r");
    char line[256];
    long kib = 0;
    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %ld kB", &kib) == 1)
            break;
    fclose(f);
    cr_expect_gt(kib, 0);
    cr_expect_leq(kib, 15 * 1024, "%ld KiB", kib);
    daemon_teardown(&d);
}
#endif
