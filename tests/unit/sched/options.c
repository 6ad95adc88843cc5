/* Wrong configuration is one line that names the key. */
#include "scheduler/options.h"

#include <criterion/criterion.h>

static int check(int argc, char **argv, struct err *e)
{
    struct options o;
    if (options_load(argc, argv, &o, NULL, e))
        return -1;
    int rc = options_check_run(&o, e);
    options_release(&o);
    return rc;
}

Test(options, defaults_are_complete)
{
    char *argv[] = {"s",
                    "--database=host=/x",
                    "--listen=tcp://127.0.0.1:1",
                    "--listen-log=tcp://127.0.0.1:2",
                    "--key-file=/k",
                    "--state-dir=/s"};
    struct err e = ERR_INIT;
    cr_assert_eq(check(6, argv, &e), 0, "%s", e.msg);
}

/* When a worker gets nothing more: what it was before it could be set, and what makes no sense. */
Test(options, limits_of_workers)
{
    static const struct {
        char *arg, *names;
    } bad[] = {{"--max-cpu-psi=101", "max-cpu-psi: "},
               {"--max-io-psi=-1", "max-io-psi: "},
               {"--max-memory-psi=half", "max-memory-psi: "},
               {"--disk-floor=2TiB", "disk_floor"}};
    char *argv[] = {"s",
                    "--database=host=/x",
                    "--listen=tcp://127.0.0.1:1",
                    "--listen-log=tcp://127.0.0.1:2",
                    "--key-file=/k",
                    "--state-dir=/s",
                    NULL};
    struct options o;
    struct err e = ERR_INIT;
    cr_assert_eq(options_load(6, argv, &o, NULL, &e), 0, "%s", e.msg);
    cr_assert(o.max_cpu_psi == 0 && o.max_io_psi == 95 && o.max_memory_psi == 20);
    cr_assert_eq(o.disk_floor, (uint64_t)256 << 20);
    options_release(&o);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        argv[6] = bad[i].arg;
        cr_assert_eq(check(7, argv, &e), -1, "%s", bad[i].arg);
        cr_assert_not_null(strstr(e.msg, bad[i].names), "%s", e.msg);
    }
    argv[6] = "--max-cpu-psi=100";
    cr_assert_eq(check(7, argv, &e), 0, "%s", e.msg);
}

Test(options, what_run_needs_is_named)
{
    char *argv[] = {"s", "--database=host=/x", "--listen=tcp://127.0.0.1:1"};
    struct err e = ERR_INIT;
    cr_assert_eq(check(3, argv, &e), -1);
    cr_assert_eq(e.kind, ERR_CONFIG);
    cr_assert_not_null(strstr(e.msg, "listen_log"), "%s", e.msg);
    cr_assert_null(strchr(e.msg, '\n'));
}

Test(options, values_that_contradict)
{
    char *argv[] = {"s",
                    "--database=host=/x",
                    "--listen=tcp://127.0.0.1:1",
                    "--listen-log=tcp://127.0.0.1:2",
                    "--key-file=/k",
                    "--state-dir=/s",
                    "--backoff-min=10m",
                    "--backoff-max=1s"};
    struct err e = ERR_INIT;
    cr_assert_eq(check(8, argv, &e), -1);
    cr_assert_not_null(strstr(e.msg, "backoff_max"), "%s", e.msg);
}
