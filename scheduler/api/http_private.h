/* http_private.h - shared by http.c (the daemon and its connections) and request.c only. */
#ifndef BF_API_HTTP_PRIVATE_H
#define BF_API_HTTP_PRIVATE_H

#include "common/base/list.h"
#include "common/base/mem.h"
#include "scheduler/api/http.h"
#include <microhttpd.h>

struct http {
    uv_loop_t *loop;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t pump;  /* MHD's own time-outs, and "run it in the next turn" */
    bool again;       /* somebody wants that since the last run began */
    uv_timer_t sweep; /* once a second while there are connections */
    struct list conns;
    unsigned n_conns;
    struct http_config config;
    size_t answer_bytes; /* held for clients that have not read them yet */
    int listen_fd;
    bf_time stop_by; /* 0: running */
    void (*stopped)(void *arg);
    void *stopped_arg;
    unsigned open_handles;
};

/*      accept ─► READING ─► WORKING ─► WRITING ─► READING … (keep-alive)
 *                              └─────► STREAMING ─► READING
 * READING and WRITING have a deadline; WORKING is the handler's time, STREAMING has none, but ends
 * when the client hangs up. */
enum conn_phase { CONN_READING, CONN_WORKING, CONN_WRITING, CONN_STREAMING };

struct conn {
    struct list link;
    int fd; /* MHD's */
    enum conn_phase phase;
    bf_time since;
    struct request *request; /* NULL between requests */
};

struct param {
    char *name, *value;
};

struct request {
    /* One is MHD's connection, which lets go in request_on_completed(); the other one a stream's
     * response, which MHD may free a moment later. */
    unsigned refs;
    struct http *http;
    struct conn *conn;
    struct MHD_Connection *mhd;
    char *method, *path;
    struct param param[HTTP_PARAMS_MAX];
    size_t n_params;
    const char *refused; /* what is wrong with the head; answered instead of the handler */
    bool too_large;
    bool handed; /* to the handler */
    bool suspended;
    struct str body;
    struct peer peer;
    struct MHD_Response *response; /* NULL: not answered yet */
    bool response_held;            /* by us: MHD has not fetched it */
    unsigned status;
    struct {
        const char *name, *value;
    } header[4];
    size_t n_headers;
    const struct stream_ops *stream;
    void *stream_arg;
    bool hung_up;
};

void http_pump_soon(struct http *h);
void conn_set_phase(struct conn *c, enum conn_phase phase);

/* MHD's callbacks about a request. */
void *request_on_uri(void *http, const char *uri, struct MHD_Connection *c);
enum MHD_Result request_on_access(void *http, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **state);
void request_on_completed(void *http, struct MHD_Connection *c, void **state,
                          enum MHD_RequestTerminationCode code);
/* The client of a stream is gone: ends it. */
void request_hang_up(struct request *r);

#endif
