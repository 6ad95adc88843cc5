/* What may go wrong between a worker and its scheduler, and around the daemon. */
#include "common/base/clock.h"
#include "tests/io/worker/daemon.h"
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static struct id128 a, b;

static void ids(void)
{
    a = tmp_id(1);
    b = tmp_id(2);
}

TestSuite(faults, .init = ids);

static bool log_begins(struct hub *h, const void *id)
{
    return hub_log(h, *(const struct id128 *)id)->stored > 0;
}

static unsigned count_lines(const struct daemon *d, const char *file)
{
    char *text = daemon_file(d, file);
    unsigned n = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        n++;
    free(text);
    return n;
}

Test(faults, a_result_is_said_again_until_it_is_acknowledged)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.ack = false;
    run_to_result(&d, a, order_sh("succeed"));
    hub_next_report(&d.hub);
    cr_expect_not_null(hub_result(&d.hub, a));
    hub_break(&d.hub); /* the answer is lost with the link */
    hub_reopen(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_not_null(hub_result(&d.hub, a));
    d.hub.ack = true;
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledged result to leave the reports");
    daemon_teardown(&d);
}

Test(faults, repeated_and_late_orders_start_nothing_twice)
{
    struct daemon d;
    daemon_setup(&d, "");
    struct id128 boot = wire_id(d.hub.report.report->boot_id);
    run_to_result(&d, a, order_sh("echo once >>$T/runs; succeed"));
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    /* Orders from before, which still want it, arrive now: replayed and late */
    d.hub.silent = true; /* no new Orders want it */
    hub_want(&d.hub, a, order_sh("echo twice >>$T/runs; succeed"));
    hub_send_old_orders(&d.hub, d.hub.term, 1, boot);
    hub_send_old_orders(&d.hub, d.hub.term, d.hub.seq, boot);
    hub_unwant(&d.hub, a);
    d.hub.silent = false;
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_eq(count_lines(&d, "runs"), 1);
    daemon_teardown(&d);
}

Test(faults, a_scheduler_that_lost_the_result_gets_it_again)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.keep_wanting = true; /* as after a restored backup: acknowledged, and wanted still */
    run_to_result(&d, a, order_sh("echo once >>$T/runs; succeed"));
    hub_forget_reports(&d.hub);
    hub_until(&d.hub, hub_had_result, &a, "the result once more");
    cr_expect_eq(count_lines(&d, "runs"), 1, "it is not run again");
    d.hub.keep_wanting = false;
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    daemon_teardown(&d);
}

Test(faults, a_deposed_leader_is_not_heard)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self");
    hub_unwant(&d.hub, a); /* the old leader does not want it ... */
    hub_send_old_orders(&d.hub, d.hub.term - 1, 999999, wire_id(d.hub.report.report->boot_id));
    hub_want(&d.hub, a, order_sh("x")); /* ... the present one does */
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect(!process_gone(self));
    cr_expect(hub_is_started(&d.hub, &a));
    daemon_teardown(&d);
}

Test(faults, the_highest_term_survives_a_restart)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.term = 1000;
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of term 1000");
    daemon_signal(&d, SIGKILL);
    daemon_wait(&d);
    d.hub.term = 999;
    hub_forget_reports(&d.hub);
    daemon_start(&d);
    hub_until(&d.hub, hub_has_report, NULL, "a report of the new boot");
    hub_want(&d.hub, a, order_sh("succeed"));
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_eq(d.hub.report.report->echo_term, 0, "orders of term 999 are dropped");
    cr_expect_null(hub_running(&d.hub, a));
    d.hub.term = 1000;
    hub_until(&d.hub, hub_had_result, &a, "the result");
    daemon_teardown(&d);
}

Test(faults, not_leader_tells_the_term_too)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.term = 2000;
    d.hub.not_leader = true;
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    d.hub.not_leader = false;
    d.hub.term = 1999;
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_lt(d.hub.report.report->echo_term, 1999);
    d.hub.term = 2000;
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of term 2000");
    daemon_teardown(&d);
}

/* After 250 ms, 500 ms and 1 s, and not with its next heartbeat, nor every 3 s from the first on.
 */
Test(faults, one_that_steps_down_is_looked_for_at_once)
{
    struct daemon d;
    daemon_setup(&d, "heartbeat = 60s\n");
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of its Orders");
    d.hub.not_leader = true;
    hub_send_not_leader(&d.hub);
    bf_time began = clock_mono();
    for (int i = 0; i < 3; i++)
        hub_next_report(&d.hub);
    cr_expect_lt(clock_mono() - began, 6 * BF_SEC);
    d.hub.not_leader = false;
    d.hub.term++;
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of the next term");
    daemon_teardown(&d);
}

Test(faults, a_standby_takes_over)
{
    struct daemon d;
    struct hub b_hub;
    char more[400];
    daemon_prepare(&d, "");
    hub_open_twin(&b_hub, &d.hub);
    snprintf(more, sizeof more, "schedulers = %s, %s\nlog_endpoints = %s, %s\nheartbeat = 60s\n",
             d.hub.control_endpoint, b_hub.control_endpoint, d.hub.log_endpoint,
             b_hub.log_endpoint);
    daemon_configure(&d, more);
    daemon_start(&d);
    hub_until(&d.hub, hub_has_report, NULL, "a report at the leader");
    hub_until(&b_hub, hub_has_report, NULL, "a report at the standby");
    run_to_start(&d, a, order_sh("echo one; gate first; echo two; succeed"));
    hub_until(&d.hub, log_begins, &a, "the first line at the leader");

    /* The leader dies. The standby wants the same, and has the log as far as it was stored. */
    hub_break(&d.hub);
    hub_want(&b_hub, a, "{}");
    b_hub.not_leader = false;
    b_hub.term = d.hub.term + 1;
    hub_until(&b_hub, hub_is_started, &a, "the attempt in a report to the new leader");
    open_gate(&d, "first");
    hub_until(&b_hub, hub_had_result, &a, "the result at the new leader");
    cr_expect_eq(hub_past_result(&b_hub, a)->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    hub_until(&b_hub, hub_is_sealed, &a, "the log at the new leader");
    cr_expect_str_eq(hub_log(&b_hub, a)->text.p, "one\ntwo\n");
    daemon_teardown(&d);
    hub_close(&b_hub);
}

Test(faults, a_killed_daemon_takes_its_executors_with_it_and_says_so)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("stubborn"));
    struct id128 boot = wire_id(d.hub.report.report->boot_id);
    long self = file_number(&d, "self"), child = file_number(&d, "child");
    daemon_signal(&d, SIGKILL);
    daemon_wait(&d);
    wait_process_gone(&d, self);
    wait_process_gone(&d, child);
    hub_forget_reports(&d.hub);
    hub_unwant(&d.hub, a);
    d.hub.ack = false;
    daemon_start(&d);
    hub_until(&d.hub, hub_has_report, NULL, "a report of the new boot");
    cr_expect(!id128_eq(boot, wire_id(d.hub.report.report->boot_id)));
    const Bootfarm__Result *r = hub_past_result(&d.hub, a);
    cr_assert_not_null(r, "the first report has it already");
    cr_expect_str_eq(r->code, "worker-restarted");
    cr_expect_eq(r->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA);
    d.hub.ack = true;
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    hub_until(&d.hub, hub_is_sealed, &a, "the rest of its log");
    char *work = daemon_file(&d, "state/work/01000000-0000-0000-0000-000000000001/order.json");
    cr_expect_str_empty(work, "the work directory is swept");
    free(work);
    /* and the new boot works */
    cr_expect_eq(run_to_result(&d, b, order_sh("succeed"))->outcome,
                 BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    daemon_teardown(&d);
}

Test(faults, orders_for_an_earlier_boot_are_dropped)
{
    struct daemon d;
    daemon_setup(&d, "");
    hub_want(&d.hub, a, order_sh("succeed"));
    d.hub.silent = true;
    hub_unwant(&d.hub, a);
    daemon_teardown(&d);

    daemon_setup(&d, "");
    d.hub.silent = true;
    hub_want(&d.hub, a, order_sh("succeed"));
    hub_send_old_orders(&d.hub, d.hub.term, 100, tmp_id(77));
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_null(hub_running(&d.hub, a));
    cr_expect_null(hub_past_result(&d.hub, a));
    daemon_teardown(&d);
}

Test(faults, a_partitioned_worker_fences_itself)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.lease_ms = 1500;
    d.hub.kill_on_partition = true;
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self"), child = file_number(&d, "child");
    d.hub.silent = true;
    wait_process_gone(&d, self);
    wait_process_gone(&d, child);
    d.hub.silent = false;
    hub_until(&d.hub, hub_had_result, &a, "the result");
    cr_expect_str_eq(hub_past_result(&d.hub, a)->code, "lease-lost");
    cr_expect_eq(hub_past_result(&d.hub, a)->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA);
    daemon_teardown(&d);
}

/* A proxy that forgot the connection takes everything; only that the answers stay away shows it. */
Test(faults, a_link_without_answers_is_made_anew_before_the_lease_is_over)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.lease_ms = 20000; /* so it waits for 5 s */
    d.hub.kill_on_partition = true;
    run_to_start(&d, a, order_sh("gate one; succeed"));
    uint8_t route[sizeof d.hub.route];
    size_t n = d.hub.route_len;
    memcpy(route, d.hub.route, n);
    d.hub.silent = true;
    while (d.hub.route_len == n && memcmp(d.hub.route, route, n) == 0)
        hub_next_report(&d.hub);
    d.hub.silent = false; /* to the old connection nobody listens any more */
    open_gate(&d, "one");
    hub_until(&d.hub, hub_had_result, &a, "the result");
    cr_expect_eq(hub_past_result(&d.hub, a)->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    cr_expect_str_eq(hub_log(&d.hub, a)->text.p, "");
    daemon_teardown(&d);
}

Test(faults, orders_that_do_not_hear_the_worker_do_not_renew_its_lease)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.lease_ms = 1500;
    d.hub.kill_on_partition = true;
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self");
    d.hub.deaf = true; /* Orders still come with every heartbeat, and want it */
    wait_process_gone(&d, self);
    daemon_teardown(&d);
}

Test(faults, without_kill_on_partition_the_work_goes_on)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.lease_ms = 500;
    run_to_start(&d, a, order_sh("gate one; succeed"));
    d.hub.silent = true;
    for (int i = 0; i < 4; i++) /* four heartbeats of 0.5 s: several leases */
        hub_next_report(&d.hub);
    cr_expect(hub_is_started(&d.hub, &a));
    open_gate(&d, "one");
    hub_until(&d.hub, hub_had_result, &a, "the result");
    cr_expect_eq(hub_past_result(&d.hub, a)->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    d.hub.silent = false;
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    daemon_teardown(&d);
}

Test(faults, a_paused_worker_fences_itself_when_it_wakes)
{
    struct daemon d;
    daemon_setup(&d, "");
    d.hub.lease_ms = 1500;
    d.hub.kill_on_partition = true;
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self");
    daemon_signal(&d, SIGSTOP);
    d.hub.silent = true; /* the scheduler has given it up meanwhile */
    uv_run(&d.hub.loop, UV_RUN_NOWAIT);
    daemon_signal(&d, SIGCONT);
    wait_process_gone(&d, self);
    daemon_teardown(&d);
}

static bool is_accepting(struct hub *h, const void *arg)
{
    (void)arg;
    return h->report.report->pressure->accepting;
}

Test(faults, a_full_disk_is_said_and_gives_work_back)
{
    struct daemon d;
    daemon_setup(&d, "disk_floor = 100000GiB\n");
    cr_expect(!d.hub.report.report->pressure->accepting);
    cr_expect_not_null(strstr(d.hub.report.report->pressure->why_not, "disk"));
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("succeed"));
    cr_expect_str_eq(r->code, "no-space");
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    daemon_configure(&d, "");
    daemon_signal(&d, SIGHUP);
    hub_until(&d.hub, is_accepting, NULL, "a report that accepts again");
    r = run_to_result(&d, b, order_sh("succeed"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED, "%s", r->code);
    daemon_teardown(&d);
}

Test(faults, a_missing_executor_is_our_fault)
{
    struct daemon d;
    daemon_setup(&d, "exec = /nonexistent/bootfarm-exec\n");
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("succeed"));
    cr_expect_eq(r->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA);
    cr_expect_str_eq(r->code, "worker-refused");
    daemon_teardown(&d);
}

Test(faults, an_executor_that_outlives_its_order_is_killed)
{
    struct daemon d;
    daemon_setup(&d, "overrun = 1s\n");
    const Bootfarm__Result *r = run_to_result(
        &d, a, "{\"kind\": \"build\", \"job\": \"b\", \"timeout_ms\": 100, \"sh\": \"stubborn\"}");
    cr_expect_str_eq(r->code, "executor-died");
    cr_expect_not_null(strstr(r->message, "time limit"));
    daemon_teardown(&d);
}
