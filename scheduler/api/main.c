/* bootfarm-api: one loop; HTTP in front, PostgreSQL behind, nothing kept in between. */
#include "common/base/log.h"
#include "common/base/map.h"
#include "scheduler/api/api.h"
#include "scheduler/api/watch.h"
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define STOP_GRACE (5 * BF_SEC)

struct program {
    struct api api;
    uv_signal_t term, interrupt;
    bool stopping;
};

static void on_stopped(void *arg)
{
    (void)arg;
    log_info("stopped");
}

/* Everything that is held is answered (503, or the end of a stream), then the listener goes. */
static void on_signal(uv_signal_t *s, int number)
{
    struct program *p = s->data;

    (void)number;
    if (p->stopping)
        return;
    p->stopping = true;
    log_info("stopping");
    uv_close((uv_handle_t *)&p->term, NULL);
    uv_close((uv_handle_t *)&p->interrupt, NULL);
    p->api.stopping = true;
    http_stop(p->api.http, STOP_GRACE, on_stopped, NULL);
    watch_close(p->api.watch); /* who is woken may ask the pool once more */
    pool_close(p->api.pool);
    unlink(p->api.options.socket);
}

static void catch_signals(struct program *p)
{
    signal(SIGPIPE, SIG_IGN);
    uv_signal_init(p->api.loop, &p->term);
    uv_signal_init(p->api.loop, &p->interrupt);
    p->term.data = p->interrupt.data = p;
    uv_signal_start(&p->term, on_signal, SIGTERM);
    uv_signal_start(&p->interrupt, on_signal, SIGINT);
}

static int start_http(struct api *a, struct err *e)
{
    const struct options *o = &a->options;
    struct http_config config = {
        .max_connections = (unsigned)o->max_connections,
        .request_timeout = o->request_timeout,
        .handler = api_handle,
        .arg = a,
    };

    config.fd = listen_unix(o->socket, o->socket_mode, o->socket_group, e);
    if (config.fd < 0)
        return -1;
    a->http = http_new(a->loop, &config, e);
    return a->http ? 0 : -1;
}

static const char *database_text(const struct api *a)
{
    return a->options.database ? a->options.database : "";
}

static int check_database(const struct api *a, struct err *e)
{
    char *why = NULL;
    PQconninfoOption *parsed = PQconninfoParse(database_text(a), &why);

    if (!parsed)
        err_set(e, ERR_CONFIG, "database: %.*s", (int)strcspn(why, "\n"), why);
    PQfreemem(why);
    PQconninfoFree(parsed);
    return parsed ? 0 : -1;
}

static void start_pool(struct api *a)
{
    static const char *const channels[] = {CHANNEL_LOG, CHANNEL_CHANGE, NULL};
    const struct pool_config config = {
        .database = database_text(a),
        .connections = (unsigned)a->options.db_connections,
        .query_timeout = a->options.query_timeout,
        .channels = channels,
        .on_notify = watch_notify,
        .arg = a->watch,
    };

    a->pool = pool_new(a->loop, &config);
}

static int run(struct program *p, struct err *e)
{
    struct api *a = &p->api;

    if (check_database(a, e) < 0 || start_http(a, e) < 0)
        return -1;
    a->watch = watch_new(a->loop);
    start_pool(a);
    catch_signals(p);
    log_info("listening", "socket", a->options.socket);
    uv_run(a->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(a->loop))
        BUG("the loop still has handles");
    return 0;
}

int main(int argc, char **argv)
{
    struct program p = {.api.loop = uv_default_loop()};
    struct err e = ERR_INIT;
    int status = 0;

    /* Large answers go back to the system at once, not into the heap. */
    mallopt(M_MMAP_THRESHOLD, 256 << 10);
    mallopt(M_TRIM_THRESHOLD, 256 << 10);
    log_init("bootfarm-api", LOG_LVL_INFO);
    if (conf_load(&options_conf, argc, argv, &p.api.options, NULL, &e) < 0) {
        fprintf(stderr, "bootfarm-api: %s\n", e.msg);
        return 2;
    }
    log_set_level((enum log_level)p.api.options.log_level);
    if (run(&p, &e) < 0) {
        fprintf(stderr, "bootfarm-api: %s\n", e.msg);
        status = e.kind == ERR_CONFIG ? 2 : 1;
    }
    conf_release(&options_conf, &p.api.options);
    return status;
}
