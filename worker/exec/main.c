/* main.c - bootfarm-exec: one short process per attempt; and what a worker asks of its host. */
#include "worker/exec/main.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/exec/executor.h"
#include "worker/exec/limits.h"
#include "worker/exec/probe.h"
#include "worker/exec/sweep.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char usage[] =
    "usage: bootfarm-exec build|test|publish|mirror --order FILE --dir DIR [--config FILE] "
    "[--fake]\n"
    "       bootfarm-exec sweep --config FILE [--live ATTEMPT]...\n"
    "       bootfarm-exec probe --config FILE\n"
    "       bootfarm-exec --help | --version\n"
    "\n"
    "Does the work of one attempt of a job, without a farm. worker/README.md describes work "
    "orders,\n"
    "results and the guest contract. FILE of --config has lines NAME = VALUE:\n";

static const char *const option_names[] = {"--order", "--dir", "--config", "--live"};

/* Both --name VALUE and --name=VALUE. Returns the value, or NULL when arg i is another option. */
static char *option_value(int argc, char **argv, int *i, const char *name)
{
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0)
        return NULL;
    if (argv[*i][n] == '=')
        return argv[*i] + n + 1;
    return argv[*i][n] == '\0' && *i + 1 < argc ? argv[++*i] : NULL;
}

static int set_option(struct args *a, const char *name, char *value)
{
    if (strcmp(name, "--order") == 0)
        a->order = value;
    else if (strcmp(name, "--dir") == 0)
        a->dir = value;
    else if (strcmp(name, "--config") == 0)
        a->config = value;
    else
        *vec_push(&a->live) = value;
    return 0;
}

static int parse_option(int argc, char **argv, int *i, struct args *a)
{
    if (strcmp(argv[*i], "--fake") == 0) {
        a->fake = true;
        return 0;
    }
    for (size_t k = 0; k < ARRAY_SIZE(option_names); k++) {
        char *value = option_value(argc, argv, i, option_names[k]);
        if (value != NULL)
            return set_option(a, option_names[k], value);
    }
    fprintf(stderr, "bootfarm-exec: unknown or incomplete argument '%s'; see --help\n", argv[*i]);
    return -1;
}

static executor_fn *executor_for(enum order_kind kind, bool fake)
{
    switch (kind) {
    case ORDER_BUILD:
        return fake ? executor_fake_build : executor_build;
    case ORDER_TEST:
        return fake ? executor_fake_test : executor_test;
    case ORDER_PUBLISH:
        return fake ? executor_fake_publish : executor_publish;
    case ORDER_MIRROR:
        return fake ? executor_fake_mirror : executor_mirror;
    }
    BUG("kind %d", (int)kind);
}

/* Descriptor 3 is the caller's only if it is a pipe or socket that was open when we began. */
static int phase_descriptor(void)
{
    struct stat st;
    if (fstat(3, &st) < 0 || !(S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        return -1;
    return fcntl(3, F_SETFD, FD_CLOEXEC) < 0 ? -1 : 3;
}

static void work(struct exec *x, const struct order *o, const struct args *a,
                 const struct exec_config *c, struct result *r)
{
    uv_loop_t loop;
    struct err e = ERR_INIT;
    if (uv_loop_init(&loop) != 0)
        BUG("no event loop");
    if (exec_init(x, &loop, c, o, a->dir, &e) < 0)
        result_err(r, BLAME_TOOL_FAILED, &e);
    else
        executor_for(o->kind, a->fake)(x, r);
    exec_release(x);
    if (uv_loop_close(&loop) != 0)
        BUG("a handle is left on the loop");
}

/* Exit status 0: there is a result; 1: none, because of SIGTERM or because it cannot be written. */
static int run_order(enum order_kind kind, struct args *a, int phase_fd)
{
    struct exec_config config;
    struct err e = ERR_INIT;
    struct order order;
    struct exec x = {.phase_fd = phase_fd, .log_fd = STDOUT_FILENO};
    char dir[PATH_MAX];
    if (a->order == NULL || a->dir == NULL || realpath(a->dir, dir) == NULL) {
        fprintf(stderr, "bootfarm-exec: %s needs --order FILE and --dir DIR (a directory)\n",
                order_kind_name(kind));
        return 2;
    }
    a->dir = dir;
    if (exec_config_load(a->config, &config, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    struct result result;
    result_init(&result);
    if (order_read(a->order, kind, &order, &e) < 0)
        result_err(&result, BLAME_BAD_ORDER, &e);
    else
        work(&x, &order, a, &config, &result);
    int status = x.cancelled ? 1 : 0;
    if (!x.cancelled && result_write(&result, a->dir, &e) < 0) {
        fprintf(stderr, "bootfarm-exec: %s\n", e.msg);
        status = 1;
    }
    result_release(&result);
    order_release(&order);
    exec_config_release(&config);
    return status;
}

static void print_help(void)
{
    fputs(usage, stdout);
    conf_print_help(&exec_conf);
}

/* ---- commands that belong to no attempt ---- */

typedef int host_fn(struct exec *x, struct args *a, struct err *e);

static int do_sweep(struct exec *x, struct args *a, struct err *e)
{
    return sweep(x, a->live.v, a->live.n, e);
}

static int do_probe(struct exec *x, struct args *a, struct err *e)
{
    json_t *found = NULL;
    (void)a;
    if (probe(x, &found, e) < 0)
        return -1;
    json_dumpf(found, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(found);
    return 0;
}

/* An attempt of nobody's: its own id, lock and directory, gone at the end. */
static int host_work(host_fn *fn, struct args *a, const struct exec_config *c, struct err *e)
{
    BF_CLEANUP(str_release) struct str id = STR_INIT;
    char dir[] = "/tmp/bootfarm-exec-XXXXXX";
    uv_loop_t loop;
    struct exec x = {.phase_fd = -1, .log_fd = STDERR_FILENO};
    if (file_read("/proc/sys/kernel/random/uuid", 64, &id, e) < 0)
        return -1;
    id.p[strcspn(id.p, "\n")] = '\0';
    struct order order = {.attempt = id.p, .image = "", .arch = "amd64"};
    if (mkdtemp(dir) == NULL)
        return err_sys(e, "make %s", dir);
    if (uv_loop_init(&loop) != 0)
        BUG("no event loop");
    int rc = exec_init(&x, &loop, c, &order, dir, e) < 0 ? -1 : fn(&x, a, e);
    exec_release(&x);
    if (uv_loop_close(&loop) != 0)
        BUG("a handle is left on the loop");
    struct err last = ERR_INIT;
    return dir_remove(dir, rc == 0 ? e : &last) < 0 ? -1 : rc;
}

static int run_host(host_fn *fn, struct args *a)
{
    struct exec_config config;
    struct err e = ERR_INIT;
    if (exec_config_load(a->config, &config, &e) < 0) {
        fprintf(stderr, "%s\n", e.msg);
        return 2;
    }
    int rc = host_work(fn, a, &config, &e);
    if (rc < 0)
        fprintf(stderr, "bootfarm-exec: %s\n", e.msg);
    exec_config_release(&config);
    return rc < 0 ? 1 : 0;
}

static int run_command(const char *name, struct args *a, int phase_fd)
{
    enum order_kind kind;
    if (order_kind_parse(name, &kind) == 0)
        return run_order(kind, a, phase_fd);
    if (strcmp(name, "sweep") == 0)
        return run_host(do_sweep, a);
    if (strcmp(name, "probe") == 0)
        return run_host(do_probe, a);
    fprintf(stderr, "bootfarm-exec: unknown command '%s'; see --help\n", name);
    return 2;
}

static void seed_maps(void)
{
    uint64_t k[2];
    if (getrandom(k, sizeof k, 0) == (ssize_t)sizeof k)
        map_seed(k[0], k[1]);
}

int main(int argc, char **argv)
{
    int phase_fd = phase_descriptor();
    struct args a = {0};
    if (argc > 1 && strcmp(argv[1], "enter") == 0)
        return enter_main(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    log_init("exec", LOG_LVL_INFO);
    seed_maps();
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help();
            return 0;
        }
        if (strcmp(argv[i], "--version") == 0) {
            printf("bootfarm-exec %s\n", BOOTFARM_VERSION);
            return 0;
        }
    }
    if (argc < 2) {
        fputs(usage, stderr);
        return 2;
    }
    for (int i = 2; i < argc; i++)
        if (parse_option(argc, argv, &i, &a) < 0)
            return 2;
    int status = run_command(argv[1], &a, phase_fd);
    vec_release(&a.live);
    return status;
}
