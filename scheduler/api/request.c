/* The life of a request. MHD calls request_on_access() with the head, then with pieces of the body,
 * then once more with nothing: then the handler runs. A handler that does not answer at once leaves
 * the connection suspended; its answer resumes it, and MHD calls once more to fetch it. */
#include "common/base/log.h"
#include "scheduler/api/http_private.h"
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- the head ---------------------------------------------------------------------------------
 */

static enum MHD_Result add_param(void *arg, enum MHD_ValueKind kind, const char *name,
                                 size_t name_n, const char *value, size_t value_n)
{
    struct request *r = arg;
    struct param *p;

    (void)kind;
    value = value ? value : "";
    if (r->n_params == HTTP_PARAMS_MAX)
        r->refused = "more than 32 query parameters";
    else if (strlen(name) != name_n || strlen(value) != value_n)
        r->refused = "a query parameter holds a NUL";
    else if (!utf8_valid(name, name_n) || !utf8_valid(value, value_n))
        r->refused = "a query parameter is not UTF-8";
    if (r->refused)
        return MHD_NO;
    p = &r->param[r->n_params++];
    p->name = xstrdup(name);
    p->value = xstrdup(value);
    return MHD_YES;
}

static struct request *request_new(struct http *h, struct MHD_Connection *mhd, const char *method,
                                   const char *path)
{
    struct request *r = xcalloc(1, sizeof *r);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    r->refs = 1;
    r->http = h;
    r->mhd = mhd;
    r->conn = info->socket_context;
    r->conn->request = r;
    r->method = xstrdup(method);
    r->path = xstrdup(path);
    str_init(&r->body);
    MHD_get_connection_values_n(mhd, MHD_GET_ARGUMENT_KIND, add_param, r);
    return r;
}

static void request_unref(struct request *r)
{
    if (--r->refs)
        return;
    for (size_t i = 0; i < r->n_params; i++) {
        free(r->param[i].name);
        free(r->param[i].value);
    }
    free(r->method);
    free(r->path);
    str_release(&r->body);
    free(r);
}

/* Only the path as written shows a NUL in it: MHD hands over the decoded one as a string. Its
 * answer is what request_on_access() gets as state first. */
static struct request nul_in_path;

void *request_on_uri(void *http, const char *uri, struct MHD_Connection *c)
{
    const char *nul = strstr(uri, "%00"), *query = strchr(uri, '?');

    (void)http;
    (void)c;
    return nul && (!query || nul < query) ? &nul_in_path : NULL;
}

static bool announces_too_much(struct MHD_Connection *mhd)
{
    const char *text = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND, "Content-Length");
    int64_t n;

    return text && parse_i64(text, 0, (int64_t)HTTP_BODY_MAX, &n) < 0;
}

static enum MHD_Result refuse_body(struct request *r)
{
    request_error(r, MHD_HTTP_CONTENT_TOO_LARGE, "the body is larger than %zu bytes",
                  HTTP_BODY_MAX);
    return MHD_YES;
}

/* ---- answers ----------------------------------------------------------------------------------
 */

static void let_go_of_answer(struct request *r)
{
    if (r->response_held)
        MHD_destroy_response(r->response);
    r->response_held = false;
}

static enum MHD_Result send_answer(struct request *r)
{
    enum MHD_Result result;

    conn_set_phase(r->conn, r->stream ? CONN_STREAMING : CONN_WRITING);
    result = MHD_queue_response(r->mhd, r->status, r->response);
    let_go_of_answer(r); /* the connection holds it now */
    return result;
}

static void hand_over(struct request *r)
{
    r->handed = true;
    conn_set_phase(r->conn, CONN_WORKING);
    if (r->too_large)
        (void)refuse_body(r);
    else if (r->refused)
        request_error(r, MHD_HTTP_BAD_REQUEST, "%s", r->refused);
    else if (peer_of(r->conn->fd, &r->peer, NULL) < 0)
        request_error(r, MHD_HTTP_FORBIDDEN, "the kernel does not say who is connected");
    else
        r->http->config.handler(r->http->config.arg, r);
}

enum MHD_Result request_on_access(void *http, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n, void **state)
{
    struct request *r = *state;

    (void)version;
    if (!r || r == &nul_in_path) {
        bool nul = r != NULL;

        *state = r = request_new(http, c, method, url);
        if (nul)
            r->refused = "the path holds a NUL";
        if (announces_too_much(c))
            return refuse_body(r) == MHD_YES ? send_answer(r) : MHD_NO;
        return MHD_YES;
    }
    if (*n) {
        if (r->body.len + *n > HTTP_BODY_MAX)
            r->too_large = true; /* read on, keep nothing, answer at the end */
        else
            str_addmem(&r->body, data, *n);
        *n = 0;
        return MHD_YES;
    }
    if (!r->handed)
        hand_over(r);
    if (r->response)
        return send_answer(r);
    r->suspended = true;
    MHD_suspend_connection(c);
    return MHD_YES;
}

void request_on_completed(void *http, struct MHD_Connection *c, void **state,
                          enum MHD_RequestTerminationCode code)
{
    struct request *r = *state;

    (void)http;
    (void)c;
    (void)code;
    if (!r || r == &nul_in_path)
        return;
    r->conn->request = NULL;
    conn_set_phase(r->conn, CONN_READING);
    let_go_of_answer(r); /* the client may have gone before MHD fetched it */
    request_unref(r);
    *state = NULL;
}

static void resume(struct request *r)
{
    if (!r->suspended)
        return;
    r->suspended = false;
    MHD_resume_connection(r->mhd);
    http_pump_soon(r->http);
}

static void answer(struct request *r, unsigned status, const char *type, struct MHD_Response *m)
{
    BUG_ON(r->response || !m);
    MHD_add_response_header(m, "Content-Type", type);
    MHD_add_response_header(m, "Cache-Control", "no-store");
    MHD_add_response_header(m, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < r->n_headers; i++)
        MHD_add_response_header(m, r->header[i].name, r->header[i].value);
    r->response = m;
    r->response_held = true;
    r->status = status;
    resume(r);
}

/* An answer that is counted against HTTP_ANSWERS_MAX until MHD lets it go. */
struct held {
    struct http *http;
    size_t n;
    void (*release)(void *);
    void *arg;
};

static void release_held(void *p)
{
    struct held *held = p;

    held->http->answer_bytes -= held->n;
    held->release(held->arg);
    free(held);
}

void request_take(struct request *r, unsigned status, const char *type, char *p, size_t n,
                  void (*release)(void *), void *release_arg)
{
    struct held *held;

    if (r->http->answer_bytes + n > HTTP_ANSWERS_MAX) {
        release(release_arg);
        request_error(r, MHD_HTTP_SERVICE_UNAVAILABLE,
                      "too many large answers are waiting for slow clients; try again");
        return;
    }
    held = xmalloc(sizeof *held);
    *held = (struct held){.http = r->http, .n = n, .release = release, .arg = release_arg};
    r->http->answer_bytes += n;
    answer(r, status, type,
           MHD_create_response_from_buffer_with_free_callback_cls(n, p, release_held, held));
}

void request_json(struct request *r, unsigned status, char *text)
{
    request_take(r, status, "application/json", text, strlen(text), free, text);
}

void request_error(struct request *r, unsigned status, const char *fmt, ...)
{
    char msg[1024];
    json_t *doc;
    char *text;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    /* A client's text that was cut in the middle of a character. */
    doc = utf8_valid(msg, strlen(msg)) ? json_pack("{s:s}", "error", msg)
                                       : json_pack("{s:s}", "error", "the request is not UTF-8");
    text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        request_header(r, "Retry-After", "1");
    answer(r, status, "application/json",
           MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
}

void request_header(struct request *r, const char *name, const char *value)
{
    BUG_ON(r->n_headers == ARRAY_SIZE(r->header));
    r->header[r->n_headers].name = name;
    r->header[r->n_headers++].value = value;
}

/* ---- streams ----------------------------------------------------------------------------------
 */

static ssize_t stream_read(void *arg, uint64_t pos, char *buf, size_t max)
{
    struct request *r = arg;
    ssize_t n = r->hung_up ? STREAM_ABORT : r->stream->read(r->stream_arg, buf, max);

    (void)pos;
    if (n == STREAM_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == STREAM_ABORT)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n == STREAM_LATER) {
        r->suspended = true;
        MHD_suspend_connection(r->mhd);
    }
    return n;
}

static void stream_free(void *arg)
{
    struct request *r = arg;

    r->stream->closed(r->stream_arg);
    request_unref(r);
}

void request_stream(struct request *r, const char *type, const struct stream_ops *ops, void *arg)
{
    r->stream = ops;
    r->stream_arg = arg;
    r->refs++;
    answer(r, MHD_HTTP_OK, type,
           MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, (size_t)16 << 10, stream_read, r,
                                             stream_free));
}

void request_wake(struct request *r)
{
    resume(r);
}

void request_hang_up(struct request *r)
{
    r->hung_up = true;
    resume(r);
}

/* ---- questions --------------------------------------------------------------------------------
 */

const char *request_method(const struct request *r)
{
    return r->method;
}

const char *request_path(const struct request *r)
{
    return r->path;
}

bool request_param(const struct request *r, size_t n, const char **name, const char **value)
{
    if (n >= r->n_params)
        return false;
    *name = r->param[n].name;
    *value = r->param[n].value;
    return true;
}

const char *request_query(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->n_params; i++)
        if (strcmp(r->param[i].name, name) == 0)
            return r->param[i].value;
    return NULL;
}

const struct str *request_body(const struct request *r)
{
    return &r->body;
}

const struct peer *request_peer(const struct request *r)
{
    return &r->peer;
}
