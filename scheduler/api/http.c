#include "common/base/clock.h"
#include "common/base/log.h"
#include "scheduler/api/http_private.h"
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define SWEEP_MS 1000
#define WRITE_TIMEOUT (120 * BF_SEC) /* to read a whole answer */
#define IDLE_SECONDS 60u             /* without a byte in either direction; MHD's own */

void conn_set_phase(struct conn *c, enum conn_phase phase)
{
    c->phase = phase;
    c->since = clock_mono();
}

/* ---- the pump: MHD works when its epoll descriptor is readable or its time-out is over ----- */

static void finish_stop(struct http *h);

static void pump(struct http *h)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (!h->daemon)
        return;
    h->again = false;
    MHD_run(h->daemon);
    if (MHD_get_timeout(h->daemon, &ms) != MHD_YES)
        ms = UINT64_MAX;
    if (h->again)
        ms = 0;
    if (ms != UINT64_MAX)
        uv_timer_start(&h->pump, h->pump.timer_cb, ms, 0);
    else
        uv_timer_stop(&h->pump);
    if (h->stop_by && h->n_conns == 0)
        finish_stop(h);
}

static void on_pump_timer(uv_timer_t *t)
{
    pump(t->data);
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    (void)status;
    (void)events;
    pump(p->data);
}

/* Not at once: the caller may stand in a callback of MHD. */
void http_pump_soon(struct http *h)
{
    if (!h->daemon)
        return;
    h->again = true; /* the pump itself may be running, and sets its timer at its end */
    uv_timer_start(&h->pump, on_pump_timer, 0, 0);
}

/* ---- connections ------------------------------------------------------------------------------
 */

static bool overdue(const struct http *h, const struct conn *c, bf_time now)
{
    switch (c->phase) {
    case CONN_READING:
        return now - c->since > (h->stop_by ? 0 : h->config.request_timeout);
    case CONN_WRITING:
        return now - c->since > WRITE_TIMEOUT;
    case CONN_WORKING:
    case CONN_STREAMING:
        return false;
    }
    BUG("phase %d", (int)c->phase);
}

/* MHD does not watch a suspended connection, so nobody else sees that its client has gone. */
static bool client_is_gone(const struct conn *c)
{
    struct pollfd p = {.fd = c->fd};

    return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void sweep(uv_timer_t *t)
{
    struct http *h = t->data;
    bf_time now = clock_mono();
    bool late = h->stop_by && now > h->stop_by;

    list_for_each (it, &h->conns) {
        struct conn *c = container_of(it, struct conn, link);

        if (c->phase == CONN_STREAMING && (late || client_is_gone(c)))
            request_hang_up(c->request);
        else if (late || overdue(h, c, now))
            shutdown(c->fd, SHUT_RDWR); /* MHD sees the end and closes it */
    }
    http_pump_soon(h);
}

static void on_connection(void *arg, struct MHD_Connection *mhd, void **ctx,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http *h = arg;
    struct conn *c = *ctx;

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *ctx = c = xcalloc(1, sizeof *c);
        c->fd = info->connect_fd;
        conn_set_phase(c, CONN_READING);
        list_add_tail(&h->conns, &c->link);
        if (h->n_conns++ == 0)
            uv_timer_start(&h->sweep, sweep, SWEEP_MS, SWEEP_MS);
        return;
    }
    list_del(&c->link);
    free(c);
    if (--h->n_conns == 0 && !h->stop_by)
        uv_timer_stop(&h->sweep);
    /* At the limit MHD stops to look at the listening socket; only its next run looks again. */
    http_pump_soon(h);
}

/* ---- life -------------------------------------------------------------------------------------
 */

BF_PRINTF(2, 0) static void on_mhd_log(void *arg, const char *fmt, va_list ap)
{
    char line[512];
    size_t n;

    (void)arg;
    vsnprintf(line, sizeof line, fmt, ap);
    n = strlen(line);
    if (n && line[n - 1] == '\n')
        line[n - 1] = '\0';
    log_debug("http", "message", line);
}

static struct MHD_Daemon *start_daemon(struct http *h)
{
    const struct http_config *k = &h->config;
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;

    return MHD_start_daemon(
        flags, 0, NULL, NULL, request_on_access, h, MHD_OPTION_EXTERNAL_LOGGER, on_mhd_log, NULL,
        MHD_OPTION_LISTEN_SOCKET, k->fd, MHD_OPTION_CONNECTION_LIMIT, k->max_connections,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_HEAD_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
        IDLE_SECONDS, MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_URI_LOG_CALLBACK,
        request_on_uri, h, MHD_OPTION_NOTIFY_COMPLETED, request_on_completed, h,
        MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_END);
}

static void init_handles(struct http *h, int epoll_fd)
{
    uv_timer_init(h->loop, &h->pump);
    uv_timer_init(h->loop, &h->sweep);
    if (uv_poll_init(h->loop, &h->poll, epoll_fd))
        BUG("epoll in epoll refused");
    h->pump.data = h->sweep.data = h->poll.data = h;
    h->pump.timer_cb = on_pump_timer;
    h->open_handles = 3;
    uv_poll_start(&h->poll, UV_READABLE, on_readable);
}

struct http *http_new(uv_loop_t *loop, const struct http_config *config, struct err *e)
{
    struct http *h = xcalloc(1, sizeof *h);
    const union MHD_DaemonInfo *info;

    h->loop = loop;
    h->config = *config;
    h->listen_fd = config->fd;
    list_init(&h->conns);
    if (!(h->daemon = start_daemon(h))) {
        err_set(e, ERR_SYSTEM, "cannot start the HTTP server");
        close(config->fd);
        free(h);
        return NULL;
    }
    info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    init_handles(h, info->epoll_fd);
    return h;
}

static void on_closed(uv_handle_t *handle)
{
    struct http *h = handle->data;

    if (--h->open_handles)
        return;
    h->stopped(h->stopped_arg);
    free(h);
}

static void finish_stop(struct http *h)
{
    struct MHD_Daemon *d = h->daemon;

    h->daemon = NULL;
    uv_poll_stop(&h->poll); /* before MHD closes the descriptor under it */
    MHD_stop_daemon(d);
    uv_close((uv_handle_t *)&h->poll, on_closed);
    uv_close((uv_handle_t *)&h->pump, on_closed);
    uv_close((uv_handle_t *)&h->sweep, on_closed);
}

void http_stop(struct http *h, bf_time grace, void (*done)(void *arg), void *arg)
{
    MHD_socket fd = MHD_quiesce_daemon(h->daemon);

    if (fd >= 0)
        close(fd);
    h->stopped = done;
    h->stopped_arg = arg;
    h->stop_by = clock_mono() + grace;
    uv_timer_start(&h->sweep, sweep, 0, 100);
    http_pump_soon(h);
}
