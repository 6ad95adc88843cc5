/* http.h - libmicrohttpd on a libuv loop, with everything that a client may send or hold bounded.
 *
 * Each whole request is handed to the handler once. The handler answers it at once or later, and
 * exactly once, with one of request_take(), request_error() or request_stream(); until then the
 * request stays valid, also when the client has gone. Bounds: http_config and the macros below. A
 * client that has not sent a whole request in time, does not read its answer in time, or hung up
 * on a stream, is cut off. */
#ifndef BF_API_HTTP_H
#define BF_API_HTTP_H

#include "common/base/str.h"
#include "scheduler/api/listen.h"
#include <uv.h>

#define HTTP_BODY_MAX ((size_t)1 << 20)     /* bytes of a request's body */
#define HTTP_HEAD_MAX ((size_t)32 << 10)    /* request line and headers, and one write buffer */
#define HTTP_PARAMS_MAX 32                  /* ?name=value pairs */
#define HTTP_ANSWERS_MAX ((size_t)64 << 20) /* bytes of all answers not yet read by clients */

struct http;
struct request;

typedef void http_handler(void *arg, struct request *r);

struct http_config {
    int fd; /* listening; owned by the http from http_new() on */
    unsigned max_connections;
    bf_time request_timeout; /* from accept, or the end of the last answer, to a whole request */
    http_handler *handler;
    void *arg;
};

struct http *http_new(uv_loop_t *loop, const struct http_config *config,
                      struct err *e) BF_MUST_CHECK;
/* Accepts no more, lets answers under way go out for at most `grace`, then closes everything and
 * calls `done`. Handlers must answer what they still hold meanwhile. The memory goes with the last
 * close callback of the loop. */
void http_stop(struct http *h, bf_time grace, void (*done)(void *arg), void *arg);

const char *request_method(const struct request *r);
const char *request_path(const struct request *r); /* decoded, without the query */
/* The n-th query parameter, in order; false behind the last. Values are valid UTF-8. */
bool request_param(const struct request *r, size_t n, const char **name, const char **value);
const char *request_query(const struct request *r, const char *name); /* first one, or NULL */
const struct str *request_body(const struct request *r);
const struct peer *request_peer(const struct request *r);

/* Answers with `n` bytes that stay valid until release(release_arg) is called, which happens in any
 * case. */
void request_take(struct request *r, unsigned status, const char *type, char *p, size_t n,
                  void (*release)(void *), void *release_arg);
/* Answers with JSON text that free() releases. */
void request_json(struct request *r, unsigned status, char *text);
/* Answers {"error": …}; 503 also gets Retry-After. */
void request_error(struct request *r, unsigned status, const char *fmt, ...) BF_PRINTF(3, 4);
/* The answer to come gets this header; values are ours, never a client's. */
void request_header(struct request *r, const char *name, const char *value);

#define STREAM_LATER 0
#define STREAM_END (-1)   /* the whole stream was read */
#define STREAM_ABORT (-2) /* it breaks off here: the client sees an incomplete transfer */

struct stream_ops {
    /* Copies up to `max` bytes, or returns one of STREAM_*. After STREAM_LATER it is called again
     * when request_wake() was. */
    ssize_t (*read)(void *arg, char *buf, size_t max);
    /* Once, when the client has everything or is gone; `r` is invalid from here on. */
    void (*closed)(void *arg);
};
void request_stream(struct request *r, const char *type, const struct stream_ops *ops, void *arg);
void request_wake(struct request *r);

#endif
