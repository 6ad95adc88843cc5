/* POST of commands, waiting for their outcome, and waiting for any change. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "scheduler/api/api.h"
#include "scheduler/api/statements.h"
#include "scheduler/api/watch.h"
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>

#define WAIT_MAX 60 /* seconds */
#define COMMAND_POLL (500 * BF_MSEC)

/* A request that waits: for a command's end, or for a change. */
struct wait {
    struct watcher w; /* first: wake() gets it */
    struct api *a;
    struct request *r;
    bf_time until;
    char id[24]; /* of the command */
    bool stored; /* we have just submitted it */
    int64_t after;
};

/* ?wait=SECONDS; 0 when absent. */
static int wait_option(struct request *r, int64_t *seconds)
{
    const char *text = request_query(r, "wait");

    *seconds = 0;
    if (!text || parse_i64(text, 0, WAIT_MAX, seconds) == 0)
        return 0;
    request_error(r, 400, "wait: expected a number of seconds from 0 to %d", WAIT_MAX);
    return -1;
}

static struct wait *wait_new(struct api *a, struct request *r, int64_t seconds, bf_time poll,
                             void (*wake)(struct watcher *w))
{
    struct wait *x = xcalloc(1, sizeof *x);

    list_init(&x->w.link);
    x->w.channel = CHANNEL_CHANGE;
    x->w.poll = poll;
    x->w.wake = wake;
    x->a = a;
    x->r = r;
    x->until = clock_mono() + seconds * BF_SEC;
    return x;
}

static void wait_free(struct wait *x)
{
    watch_del(&x->w);
    free(x);
}

/* ---- a command --------------------------------------------------------------------------------
 */

static void look(struct wait *x);

static void on_command_change(struct watcher *w)
{
    look((struct wait *)w);
}

static void command_failed(struct wait *x, const struct err *e)
{
    if (x->stored && e->kind == ERR_TEMPORARY)
        request_error(x->r, 503, "command %s is stored; its outcome is not known yet: %s", x->id,
                      e->msg);
    else
        answer_failure(x->r, e);
    wait_free(x);
}

static void on_command_row(void *arg, PGresult *rows, const struct err *e)
{
    struct wait *x = arg;

    if (!rows) {
        command_failed(x, e);
        return;
    }
    if (PQntuples(rows) == 1 && PQgetvalue(rows, 0, 1)[0] == 't' && clock_mono() < x->until &&
        !x->a->stopping) {
        PQclear(rows);
        watch_add(x->a->watch, &x->w);
        return;
    }
    answer_json_cell(x->r, 200, rows, "there is no such command");
    wait_free(x);
}

static void look(struct wait *x)
{
    const char *values[] = {x->id};

    watch_del(&x->w);
    pool_query(x->a->pool, SQL_COMMAND, 1, values, on_command_row, x);
}

void get_command(struct api *a, struct request *r, const char *rest)
{
    int64_t id, seconds;
    struct wait *x;

    if (wait_option(r, &seconds) < 0)
        return;
    if (parse_i64(rest, 1, INT64_MAX, &id) < 0) {
        request_error(r, 404, "a command is named by its number");
        return;
    }
    x = wait_new(a, r, seconds, COMMAND_POLL, on_command_change);
    snprintf(x->id, sizeof x->id, "%" PRId64, id);
    look(x);
}

static void on_submitted(void *arg, PGresult *rows, const struct err *e)
{
    struct wait *x = arg;

    if (!rows) {
        command_failed(x, e);
        return;
    }
    snprintf(x->id, sizeof x->id, "%s", PQgetvalue(rows, 0, 0));
    PQclear(rows);
    x->stored = true;
    if (request_query(x->r, "wait")) {
        look(x);
        return;
    }
    request_json(x->r, 202, xasprintf("{\"id\": %s}", x->id));
    wait_free(x);
}

/* {"verb": "…", "args": {…}} and nothing else; PostgreSQL checks the rest. */
static json_t *parse_command(const struct str *body, const char **verb, json_t **args,
                             struct err *e)
{
    json_error_t why;
    json_t *doc = json_loadb(body->p, body->len, JSON_REJECT_DUPLICATES, &why);

    if (!doc) {
        err_set(e, ERR_INPUT, "the body is not JSON: line %d, column %d: %s", why.line, why.column,
                why.text);
        return NULL;
    }
    if (json_unpack_ex(doc, &why, JSON_STRICT, "{s:s, s:o}", "verb", verb, "args", args) == 0 &&
        json_is_object(*args))
        return doc;
    err_set(e, ERR_INPUT, "expected {\"verb\": \"…\", \"args\": {…}}%s%s", why.text[0] ? ": " : "",
            why.text);
    json_decref(doc);
    return NULL;
}

void post_command(struct api *a, struct request *r, const char *rest)
{
    const struct peer *peer = request_peer(r);
    struct err e = ERR_INIT;
    const char *verb;
    int64_t seconds;
    json_t *doc, *args;
    char *text;

    (void)rest;
    if (wait_option(r, &seconds) < 0)
        return;
    if (!(doc = parse_command(request_body(r), &verb, &args, &e))) {
        answer_failure(r, &e);
        return;
    }
    text = json_dumps(args, JSON_COMPACT);
    pool_query(a->pool, SQL_SUBMIT, 4, (const char *[]){verb, text, peer->who, peer->source},
               on_submitted, wait_new(a, r, seconds, COMMAND_POLL, on_command_change));
    free(text);
    json_decref(doc);
}

/* ---- changes ----------------------------------------------------------------------------------
 */

/* {"change": N}: a number that differs from ?after once anything changed at the farm. */
static void answer_change(struct wait *x)
{
    request_json(x->r, 200, xasprintf("{\"change\": %" PRId64 "}", watch_changes(x->a->watch)));
    wait_free(x);
}

static void on_change(struct watcher *w)
{
    struct wait *x = (struct wait *)w;

    if (watch_changes(x->a->watch) != x->after || clock_mono() >= x->until || x->a->stopping)
        answer_change(x);
}

void get_changes(struct api *a, struct request *r, const char *rest)
{
    const char *text = request_query(r, "after");
    int64_t seconds, after = 0;
    struct wait *x;

    (void)rest;
    if (wait_option(r, &seconds) < 0)
        return;
    if (text && parse_i64(text, INT64_MIN, INT64_MAX, &after) < 0) {
        request_error(r, 400, "after: expected the change of an earlier answer");
        return;
    }
    x = wait_new(a, r, seconds, BF_SEC, on_change);
    x->after = after;
    if (seconds == 0 || watch_changes(a->watch) != after)
        answer_change(x);
    else
        watch_add(a->watch, &x->w);
}
