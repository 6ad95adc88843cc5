/* main.c - bootfarm-scheduler: subcommands, signals, the loop. */
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/loop/proc.h"
#include "common/loop/zloop.h"
#include "scheduler/migrate.h"
#include "scheduler/sched.h"
#include <stdio.h>
#include <stdlib.h>

struct run {
    uv_loop_t loop;
    int argc;
    char **argv;
    struct options opt;
    struct sched *sched;
    uv_signal_t term, interrupt, hangup;
};

static int complain(const struct err *e)
{
    fprintf(stderr, "bootfarm-scheduler: %s\n", e->msg);
    return e->kind == ERR_CONFIG ? 2 : 1;
}

/* ---- run --------------------------------------------------------------------------------------
 */

static void on_stop(uv_signal_t *h, int signum)
{
    struct run *r = h->data;
    log_info("stopping", "signal", signum == SIGTERM ? "SIGTERM" : "SIGINT");
    sched_close(r->sched);
    r->sched = NULL;
    uv_close((uv_handle_t *)&r->term, NULL);
    uv_close((uv_handle_t *)&r->interrupt, NULL);
    uv_close((uv_handle_t *)&r->hangup, NULL);
}

/* Reads the configuration again; of it only the log level may change while we run. */
static void on_hangup(uv_signal_t *h, int signum)
{
    struct run *r = h->data;
    struct options fresh;
    struct err e = ERR_INIT;
    (void)signum;
    if (options_load(r->argc, r->argv, &fresh, NULL, &e)) {
        log_error("the configuration was not reloaded", "error", e.msg);
        return;
    }
    log_set_level((enum log_level)fresh.log_level);
    log_info("configuration reloaded");
    options_release(&fresh);
}

static void watch_signal(struct run *r, uv_signal_t *h, uv_signal_cb cb, int signum)
{
    uv_signal_init(&r->loop, h);
    h->data = r;
    uv_signal_start(h, cb, signum);
}

static void seed_maps(void)
{
    uint64_t k[2];
    if (uv_random(NULL, NULL, k, sizeof k, 0, NULL))
        BUG("no random bits");
    map_seed(k[0], k[1]);
}

/* A database that is away is no reason not to start: it is asked for until it is there. */
static int check_schema(const struct options *o, struct err *e)
{
    if (migrate_check(o->database, e) == 0)
        return 0;
    if (e->kind != ERR_TEMPORARY)
        return -1;
    log_warn("the schema was not checked", "error", e->msg);
    return 0;
}

static int run(int argc, char **argv)
{
    struct run r = {.argc = argc, .argv = argv};
    struct err e = ERR_INIT;
    int rest;
    if (options_load(argc, argv, &r.opt, &rest, &e))
        return complain(&e);
    if (rest < argc)
        err_set(&e, ERR_CONFIG, "there is no subcommand \"%s\"; see --help", argv[rest]);
    if (rest < argc || options_check_run(&r.opt, &e)) {
        options_release(&r.opt);
        return complain(&e);
    }
    log_init("scheduler", (enum log_level)r.opt.log_level);
    if (check_schema(&r.opt, &e) || proc_prepare(&e)) {
        options_release(&r.opt);
        return complain(&e);
    }
    seed_maps();
    BUG_ON(uv_loop_init(&r.loop));
    int rc = sched_open(&r.loop, &r.opt, &r.sched, &e);
    if (rc == 0) {
        watch_signal(&r, &r.term, on_stop, SIGTERM);
        watch_signal(&r, &r.interrupt, on_stop, SIGINT);
        watch_signal(&r, &r.hangup, on_hangup, SIGHUP);
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
    BUG_ON(uv_loop_close(&r.loop));
    options_release(&r.opt);
    return rc ? complain(&e) : 0;
}

/* ---- the other subcommands --------------------------------------------------------------------
 */

static int keygen(int argc, char **argv)
{
    struct options o;
    struct err e = ERR_INIT;
    char public_key[41], secret_key[41];
    int rest;
    if (options_load(argc, argv, &o, &rest, &e))
        return complain(&e);
    options_release(&o);
    if (rest != argc - 1)
        err_set(&e, ERR_CONFIG, "usage: bootfarm-scheduler keygen FILE");
    if (rest != argc - 1 || zcurve_keypair(public_key, secret_key, &e) ||
        zcurve_save(argv[rest], secret_key, &e))
        return complain(&e);
    puts(public_key);
    return 0;
}

static int migrate_main(int argc, char **argv)
{
    struct options o;
    struct err e = ERR_INIT;
    int rest, rc = 0;
    if (options_load(argc, argv, &o, &rest, &e))
        return complain(&e);
    if (!o.database || rest < argc)
        rc = err_set(&e, ERR_CONFIG, "usage: bootfarm-scheduler migrate --database=CONNINFO");
    log_init("migrate", (enum log_level)o.log_level);
    if (rc == 0)
        rc = migrate_run(o.database, &e);
    options_release(&o);
    return rc ? complain(&e) : 0;
}

static const struct {
    const char *name;
    int (*fn)(int argc, char **argv);
} commands[] = {{"run", run}, {"migrate", migrate_main}, {"keygen", keygen}};

/* The command is the first argument that is no option, wherever it stands; the rest is the
 * command's. */
int main(int argc, char **argv)
{
    int at = 1;
    while (at < argc && argv[at][0] == '-')
        at++;
    for (size_t i = 0; at < argc && i < ARRAY_SIZE(commands); i++) {
        if (strcmp(argv[at], commands[i].name) != 0)
            continue;
        memmove(&argv[at], &argv[at + 1], (size_t)(argc - at) * sizeof *argv);
        return commands[i].fn(argc - 1, argv);
    }
    return run(argc, argv);
}
