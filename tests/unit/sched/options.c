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
