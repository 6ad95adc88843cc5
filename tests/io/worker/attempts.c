/* From Orders to results, on a healthy farm. */
#include "tests/io/worker/daemon.h"
#include <criterion/criterion.h>

static struct id128 a, b;

static void ids(void)
{
    a = tmp_id(1);
    b = tmp_id(2);
}

TestSuite(attempts, .init = ids);

static bool has_word(char *const *list, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], word) == 0)
            return true;
    return false;
}

Test(attempts, the_first_report_says_what_the_worker_is)
{
    struct daemon d;
    daemon_setup(&d, "capabilities = kvm\nslots = 3\n");
    const wire_report *r = d.hub.report.report;
    cr_expect_eq(r->capacity->slots, 3);
    cr_expect_str_eq(r->capacity->arch, "amd64");
    cr_expect_eq(r->capacity->n_roles, 2);
    cr_expect(has_word(r->capacity->capabilities, r->capacity->n_capabilities, "kvm"));
    cr_expect(has_word(r->capacity->capabilities, r->capacity->n_capabilities, "secret:token"));
    cr_expect_gt(r->capacity->memory_bytes, 0);
    cr_expect_gt(r->pressure->disk_free_bytes, 0);
    cr_expect(r->pressure->accepting, "%s", r->pressure->why_not);
    cr_expect_eq(r->echo_term, 0);
    cr_expect(!r->draining);
    uint64_t seq = r->seq;
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of the first Orders");
    cr_expect_gt(d.hub.report.report->seq, seq);
    daemon_teardown(&d);
}

static bool has_probed(struct hub *h, const void *arg)
{
    const Bootfarm__Capacity *c = h->report.report->capacity;
    (void)arg;
    return has_word(c->capabilities, c->n_capabilities, "build-context");
}

Test(attempts, what_the_tools_can_do_is_probed)
{
    struct daemon d;
    daemon_setup(&d, "capabilities = custom\n");
    hub_until(&d.hub, has_probed, NULL, "the capabilities of the probe");
    const Bootfarm__Capacity *c = d.hub.report.report->capacity;
    cr_expect_eq(c->n_capabilities, 3, "custom, build-context and secret:token, each once");
    cr_expect(has_word(c->capabilities, c->n_capabilities, "custom"));
    daemon_teardown(&d);
}

Test(attempts, the_first_orders_are_echoed_at_once)
{
    struct daemon d;
    daemon_setup(&d, "heartbeat = 60s\n"); /* longer than the wait below */
    hub_until(&d.hub, hub_echoes_term, &d.hub.term, "the echo of the first Orders");
    daemon_teardown(&d);
}

Test(attempts, order_result_acknowledgement)
{
    struct daemon d;
    daemon_setup(&d, "exec = " TEST_FAKE_EXEC "\nfake = true\n");
    const Bootfarm__Result *r = run_to_result(
        &d, a, order_fake("{\"sleep_ms\": 10, \"lines\": 3, \"outcome\": \"succeeded\"}"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED, "%s: %s", r->code, r->message);
    cr_expect_eq(strncmp(r->digest, "sha256:", 7), 0);
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledged result to leave the reports");
    hub_until(&d.hub, hub_is_sealed, &a, "the seal of the log");
    cr_expect(hub_log(&d.hub, a)->hash_ok);
    cr_expect_not_null(strstr(hub_log(&d.hub, a)->text.p, "fake build line 3"));
    daemon_teardown(&d);
}

Test(attempts, a_failure_carries_class_code_and_step)
{
    struct daemon d;
    daemon_setup(&d, "");
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("fail 'exit status 1'"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_FAILED);
    cr_expect_eq(r->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_USER);
    cr_expect_str_eq(r->code, "run-failed");
    cr_expect_str_eq(r->step, "RUN x");
    cr_expect_str_eq(r->message, "exit status 1");
    daemon_teardown(&d);
}

static bool in_phase(struct hub *h, const void *phase)
{
    const Bootfarm__Running *r = hub_running(h, a);
    return r != NULL && strcmp(r->phase, phase) == 0;
}

Test(attempts, phases_are_reported)
{
    struct daemon d;
    daemon_setup(&d, "");
    hub_want(&d.hub, a,
             order_sh("phase pull; echo 'phase Not A Word' >&3; gate one; phase push; gate two; "
                      "succeed"));
    hub_until(&d.hub, in_phase, "pull", "phase pull");
    cr_expect(hub_running(&d.hub, a)->started);
    open_gate(&d, "one");
    hub_until(&d.hub, in_phase, "push", "phase push");
    open_gate(&d, "two");
    hub_until(&d.hub, hub_had_result, &a, "the result");
    daemon_teardown(&d);
}

Test(attempts, slots_bound_what_runs)
{
    struct daemon d;
    daemon_setup(&d, "slots = 1\n");
    run_to_start(&d, a, order_sh("sleep 1000"));
    hub_want(&d.hub, b, order_sh("succeed"));
    hub_until(&d.hub, hub_has_report, NULL, "a report");
    while (hub_running(&d.hub, b) == NULL)
        hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect(hub_is_started(&d.hub, &a));
    cr_expect_not_null(hub_running(&d.hub, b));
    cr_expect(!hub_is_started(&d.hub, &b), "the only slot is taken");
    hub_unwant(&d.hub, a); /* the slot comes free when its process is gone, not before */
    hub_send_orders(&d.hub);
    hub_until(&d.hub, hub_had_result, &b, "the second one's result");
    cr_expect_eq(hub_past_result(&d.hub, b)->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    daemon_teardown(&d);
}

Test(attempts, what_is_not_wanted_is_killed_with_all_its_children)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("stubborn"));
    long self = file_number(&d, "self"), child = file_number(&d, "child");
    hub_unwant(&d.hub, a);
    hub_send_orders(&d.hub);
    hub_until(&d.hub, hub_had_result, &a, "the result");
    cr_expect_eq(hub_past_result(&d.hub, a)->outcome, BOOTFARM__OUTCOME__OUTCOME_CANCELLED);
    cr_expect(process_gone(self), "the result comes when nothing is left");
    cr_expect(process_gone(child));
    wait_for_file(&d, "exec.conf.sweeps");
    hub_until(&d.hub, hub_is_gone, &a, "the acknowledgement");
    daemon_teardown(&d);
}

Test(attempts, an_order_comes_later_than_its_assignment)
{
    struct daemon d;
    daemon_setup(&d, "");
    hub_want(&d.hub, a, "");
    hub_next_report(&d.hub);
    hub_next_report(&d.hub);
    cr_expect_null(hub_running(&d.hub, a));
    hub_unwant(&d.hub, a);
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("succeed"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    daemon_teardown(&d);
}

Test(attempts, bad_orders_and_foreign_roles_are_given_back)
{
    struct daemon d;
    daemon_setup(&d, "");
    const Bootfarm__Result *r = run_to_result(&d, a, "{\"kind\": \"build\"}");
    cr_expect_str_eq(r->code, "bad-order");
    cr_expect_eq(r->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA);
    r = run_to_result(&d, b, "{\"kind\": \"publish\", \"job\": \"p\", \"timeout_ms\": 1000}");
    cr_expect_str_eq(r->code, "worker-refused");
    daemon_teardown(&d);
}

Test(attempts, an_executor_without_a_result_has_died)
{
    struct daemon d;
    daemon_setup(&d, "");
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("exit 3"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_FAILED);
    cr_expect_eq(r->fail_class, BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA);
    cr_expect_str_eq(r->code, "executor-died");
    cr_expect_not_null(strstr(r->message, "status 3"));
    r = run_to_result(&d, b, order_sh("kill -SEGV $$"));
    cr_expect_str_eq(r->code, "executor-died");
    cr_expect_not_null(strstr(r->message, "signal 11"), "%s", r->message);
    daemon_teardown(&d);
}

Test(attempts, a_result_that_was_written_counts_however_the_executor_ended)
{
    struct daemon d;
    daemon_setup(&d, "");
    const Bootfarm__Result *r = run_to_result(&d, a, order_sh("succeed; kill -9 $$"));
    cr_expect_eq(r->outcome, BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED);
    daemon_teardown(&d);
}

Test(attempts, secrets_stay_out_of_results)
{
    struct daemon d;
    daemon_setup(&d, "");
    const Bootfarm__Result *r =
        run_to_result(&d, a, order_sh("fail 'login with t0k3n-t0k3n failed'"));
    cr_expect_str_eq(r->message, "login with ****** failed");
    daemon_teardown(&d);
}
