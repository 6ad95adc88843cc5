/* main.c - bootfarm-worker: the daemon of one host. Start reading at worker.h. */
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/loop/proc.h"
#include "common/loop/zloop.h"
#include "worker/worker.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>

static int fail(const struct err *e)
{
    fprintf(stderr, "bootfarm-worker: %s\n", e->msg);
    return e->kind == ERR_CONFIG ? 2 : 1;
}

static int keygen(const char *path)
{
    char public_key[41], secret_key[41];
    struct err e = ERR_INIT;
    if (zcurve_keypair(public_key, secret_key, &e) || zcurve_save(path, secret_key, &e))
        return fail(&e);
    printf("%s\n", public_key);
    explicit_bzero(secret_key, sizeof secret_key);
    return 0;
}

static void seed_maps(void)
{
    uint64_t k[2] = {0};
    if (getrandom(k, sizeof k, 0) == (ssize_t)sizeof k)
        map_seed(k[0], k[1]);
}

static int run(int argc, char **argv, struct options *o)
{
    uv_loop_t loop;
    struct worker *w = NULL;
    struct err e = ERR_INIT;
    int status = 0;
    if (uv_loop_init(&loop) != 0)
        BUG("no event loop");
    if (worker_open(&loop, argc, argv, o, &w, &e)) {
        status = fail(&e);
        worker_close(w);
    } else {
        log_info("started", "name", o->name, "site", o->site);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&loop) != 0)
        BUG("a handle is left on the loop");
    worker_free(w);
    return status;
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = ERR_INIT;
    int rest = 0;
    const struct rlimit no_core = {0, 0}; /* it would hold the key and secrets */
    signal(SIGPIPE, SIG_IGN);
    setrlimit(RLIMIT_CORE, &no_core);
    /* Idle memory counts, and nothing here needs an arena per thread of libzmq's. */
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 128 * 1024);
    seed_maps();
    if (argc == 3 && strcmp(argv[1], "keygen") == 0)
        return keygen(argv[2]);
    if (options_load(argc, argv, &o, &rest, &e))
        return fail(&e);
    log_init("worker", (enum log_level)o.log_level);
    int status = proc_prepare(&e) ? fail(&e) : run(argc, argv, &o);
    options_release(&o);
    return status;
}
