/* The log of an attempt, from the executor's output to the sealed copy at the scheduler. */
#include "tests/io/worker/daemon.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <signal.h>
#include <stdlib.h>

static struct id128 a;

static void ids(void)
{
    a = tmp_id(1);
}

TestSuite(logs, .init = ids);

static bool log_has(struct hub *h, const void *text)
{
    return strstr(hub_log(h, a)->text.p, text) != NULL;
}

static const struct hub_log *sealed(struct daemon *d)
{
    hub_until(&d->hub, hub_is_sealed, &a, "the seal");
    return hub_log(&d->hub, a);
}

static bool spool_is_empty(struct hub *h, const void *arg)
{
    const struct daemon *d = arg;
    DIR *dir = opendir(tmp_path(&d->tmp, "state/spool"));
    unsigned n = 0;
    (void)h;
    cr_assert_not_null(dir);
    while (readdir(dir) != NULL)
        n++;
    closedir(dir);
    return n == 2; /* "." and ".." */
}

Test(logs, output_arrives_while_the_attempt_runs)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("echo first; echo second >&2; gate one; echo third; succeed"));
    hub_until(&d.hub, log_has, "first\nsecond\n", "the first two lines");
    cr_expect(!hub_log(&d.hub, a)->sealed);
    open_gate(&d, "one");
    const struct hub_log *l = sealed(&d);
    cr_expect_str_eq(l->text.p, "first\nsecond\nthird\n");
    cr_expect(l->hash_ok);
    cr_expect_eq(l->length, l->stored);
    hub_until(&d.hub, spool_is_empty, &d, "the spool to be empty");
    daemon_teardown(&d);
}

Test(logs, secrets_are_taken_out_before_the_disk)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("printf 't0k3n-'; printf 't0k3n here'; gate one; succeed"));
    hub_until(&d.hub, log_has, "****** here", "the line without the secret");
    char *spooled =
        daemon_file(&d, "state/spool/01000000-0000-0000-0000-000000000001/00000000000000000000");
    cr_expect_str_eq(spooled, "****** here");
    free(spooled);
    open_gate(&d, "one");
    sealed(&d);
    daemon_teardown(&d);
}

Test(logs, a_flood_keeps_its_head_and_its_tail)
{
    struct daemon d;
    daemon_setup(&d, "log_head = 200KiB\nlog_tail = 100KiB\n");
    run_to_result(&d, a, order_sh("echo BEGIN; yes | head -c 20000000; echo END; succeed"));
    const struct hub_log *l = sealed(&d);
    cr_expect_eq(l->length, 20000000 + 6 + 4);
    cr_expect_eq(l->stored, l->length);
    cr_expect(l->hash_ok);
    cr_expect_eq(strncmp(l->text.p, "BEGIN\ny\n", 8), 0);
    cr_expect_str_eq(l->text.p + l->text.len - 8, "y\ny\nEND\n");
    cr_expect_not_null(strstr(l->text.p, "bytes left out>"));
    cr_expect_lt(l->text.len, 400u << 10);
    daemon_teardown(&d);
}

Test(logs, bytes_are_bytes)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_result(&d, a, order_sh("printf '\\\\000\\\\377\\\\033[31m'; succeed"));
    const struct hub_log *l = sealed(&d);
    cr_assert_eq(l->text.len, 7);
    cr_expect_eq(memcmp(l->text.p, "\0\377\033[31m", 7), 0);
    daemon_teardown(&d);
}

Test(logs, a_lost_link_loses_nothing)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a,
                 order_sh("echo before; gate one; echo during; gate two; echo after; succeed"));
    hub_until(&d.hub, log_has, "before\n", "the first line");
    hub_break(&d.hub);
    open_gate(&d, "one");
    open_gate(&d, "two");
    hub_reopen(&d.hub);
    const struct hub_log *l = sealed(&d);
    cr_expect_str_eq(l->text.p, "before\nduring\nafter\n");
    cr_expect(l->hash_ok);
    daemon_teardown(&d);
}

Test(logs, a_restarted_daemon_delivers_the_rest)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("echo before; gate one; echo rest; echo x >$T/said; gate two"));
    hub_until(&d.hub, log_has, "before\n", "the first line");
    d.hub.credit = 0; /* the store takes no more for now */
    open_gate(&d, "one");
    wait_for_file(&d, "said");
    hub_next_report(&d.hub);
    daemon_signal(&d, SIGKILL);
    daemon_wait(&d);
    hub_unwant(&d.hub, a);
    d.hub.credit = 1u << 20;
    daemon_start(&d);
    const struct hub_log *l = sealed(&d);
    cr_expect_str_eq(l->text.p, "before\nrest\n");
    cr_expect(l->hash_ok);
    daemon_teardown(&d);
}

Test(logs, the_worker_says_why_it_ended_an_attempt)
{
    struct daemon d;
    daemon_setup(&d, "");
    run_to_start(&d, a, order_sh("echo working; gate one"));
    hub_until(&d.hub, log_has, "working\n", "the first line");
    hub_unwant(&d.hub, a);
    hub_send_orders(&d.hub);
    const struct hub_log *l = sealed(&d);
    cr_expect_str_eq(l->text.p, "working\nbootfarm-worker: no longer wanted\n");
    daemon_teardown(&d);
}
