#include "ctl/client.h"
#include "common/base/mem.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>

struct client {
    CURL *curl;
    char *socket;
};

/* One request's answer: collected, or handed on while it is a 200. */
struct answer {
    struct client *client;
    struct str body;
    client_piece *piece; /* NULL: collect */
    void *arg;
    size_t *got;
    bool too_large;
};

struct client *client_new(const char *socket)
{
    struct client *c = xcalloc(1, sizeof *c);

    c->socket = xstrdup(socket);
    if (curl_global_init(CURL_GLOBAL_NOTHING) || !(c->curl = curl_easy_init()))
        BUG("libcurl does not start");
    return c;
}

void client_free(struct client *c)
{
    if (!c)
        return;
    curl_easy_cleanup(c->curl);
    curl_global_cleanup();
    free(c->socket);
    free(c);
}

/* ---- paths ------------------------------------------------------------------------------------
 */

static void add_escaped(struct str *out, const char *p, size_t n)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";

    for (size_t i = 0; i < n; i++)
        if (memchr(plain, p[i], sizeof plain - 1))
            str_addch(out, p[i]);
        else
            str_addf(out, "%%%02X", (unsigned char)p[i]);
}

static void add_pair(struct str *path, const char *name, const char *value, size_t n)
{
    str_addf(path, "%c%s=", strchr(path->p, '?') ? '&' : '?', name);
    add_escaped(path, value, n);
}

void path_segment(struct str *path, const char *text)
{
    add_escaped(path, text, strlen(text));
}

void path_add(struct str *path, const char *name, const char *value)
{
    if (value)
        add_pair(path, name, value, strlen(value));
}

void path_add_list(struct str *path, const char *name, const char *values)
{
    while (values && *values) {
        size_t n = strcspn(values, ",");

        if (n)
            add_pair(path, name, values, n);
        values += n + (values[n] == ',');
    }
}

/* ---- requests ---------------------------------------------------------------------------------
 */

static size_t on_data(char *p, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    long status = 0;

    n *= size;
    curl_easy_getinfo(a->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (a->piece && status == 200) {
        *a->got += n;
        a->piece(a->arg, p, n);
        return n;
    }
    a->too_large = a->body.len + n > CLIENT_ANSWER_MAX;
    if (a->too_large)
        return 0;
    str_addmem(&a->body, p, n);
    return n;
}

static int explain(struct client *c, const struct answer *a, CURLcode rc, struct err *e)
{
    long os = 0;

    if (a->too_large)
        return err_set(e, ERR_INPUT, "the answer is larger than %zu MiB; ask for less",
                       CLIENT_ANSWER_MAX >> 20);
    if (rc != CURLE_COULDNT_CONNECT)
        return err_set(e, ERR_TEMPORARY, "the connection to %s broke off: %s", c->socket,
                       curl_easy_strerror(rc));
    curl_easy_getinfo(c->curl, CURLINFO_OS_ERRNO, &os);
    if (os == EACCES)
        return err_set(e, ERR_INPUT,
                       "%s may not be opened by this user: become a member of its group, or root",
                       c->socket);
    return err_set(e, ERR_TEMPORARY,
                   "nobody answers at %s%s%s: start bootfarm-api, or name its socket with --socket "
                   "or BOOTFARM_SOCKET",
                   c->socket, os ? ": " : "", os ? strerror((int)os) : "");
}

static int refused(const struct answer *a, long status, struct err *e)
{
    json_t *doc = json_loadb(a->body.p, a->body.len, 0, NULL);
    const char *msg = json_string_value(json_object_get(doc, "error"));

    err_set(e, status == 503 ? ERR_TEMPORARY : ERR_INPUT, "%s", msg ? msg : "");
    if (!msg)
        err_set(e, ERR_INPUT, "the API answers with status %ld", status);
    json_decref(doc);
    return -1;
}

static int perform(struct client *c, const char *path, const char *post, struct answer *a,
                   struct err *e)
{
    BF_CLEANUP(str_release) struct str url = STR_INIT;
    CURLcode rc;
    long status = 0;

    str_addf(&url, "http://bootfarm%s", path);
    curl_easy_reset(c->curl);
    curl_easy_setopt(c->curl, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl_easy_setopt(c->curl, CURLOPT_URL, url.p);
    curl_easy_setopt(c->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, a);
    if (post)
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, post);
    if (!a->piece) /* the API itself waits for at most 60 s */
        curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, 120L);
    rc = curl_easy_perform(c->curl);
    if (rc != CURLE_OK)
        return explain(c, a, rc, e);
    curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    return status == 200 || status == 202 ? 0 : refused(a, status, e);
}

static int request(struct client *c, const char *path, const char *post, json_t **out,
                   struct err *e)
{
    struct answer a = {.client = c, .body = STR_INIT};
    json_error_t why;
    int rc = perform(c, path, post, &a, e);

    if (rc == 0 && !(*out = json_loadb(a.body.p, a.body.len, 0, &why)))
        rc = err_set(e, ERR_INPUT, "the answer of %s is not JSON: %s", c->socket, why.text);
    str_release(&a.body);
    return rc;
}

int client_get(struct client *c, const char *path, json_t **out, struct err *e)
{
    return request(c, path, NULL, out, e);
}

int client_post(struct client *c, const char *path, const json_t *doc, json_t **out, struct err *e)
{
    BF_CLEANUP(free_ptr) char *text = json_dumps(doc, JSON_COMPACT);

    return request(c, path, text, out, e);
}

int client_stream(struct client *c, const char *path, client_piece *piece, void *arg, size_t *got,
                  struct err *e)
{
    struct answer a = {.client = c, .body = STR_INIT, .piece = piece, .arg = arg, .got = got};
    int rc = perform(c, path, NULL, &a, e);

    str_release(&a.body);
    return rc;
}
