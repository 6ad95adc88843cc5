#include "ctl/ctl.h"
#include "common/base/clock.h"
#include "common/base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define COMMAND_TIMEOUT (60 * BF_SEC)
#define WAIT_MAX 30 /* seconds of one request */

int ctl_fail(const struct err *e)
{
    BF_CLEANUP(str_release) struct str safe = STR_INIT;

    text_add_safe(&safe, e->msg);
    fprintf(stderr, "bootfarm: %s\n", safe.p);
    return e->kind == ERR_CONFIG ? EXIT_USAGE : EXIT_FAILED;
}

int ctl_usage(const char *fmt, ...)
{
    va_list ap;

    fputs("bootfarm: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return EXIT_USAGE;
}

/* In one piece where the pipe takes it, so that `bootfarm … | grep -q` is not cut in the middle. A
 * reader that has gone has what it wanted. */
void ctl_write(const char *p, size_t n)
{
    ssize_t k;

    for (; n > 0; p += k, n -= (size_t)k) {
        k = write(STDOUT_FILENO, p, n);
        if (k < 0 && errno == EPIPE)
            exit(EXIT_DONE);
        if (k < 0 && errno != EINTR) {
            fprintf(stderr, "bootfarm: cannot write: %s\n", strerror(errno));
            exit(EXIT_FAILED);
        }
        if (k < 0)
            k = 0;
    }
}

void ctl_put(const struct str *text)
{
    ctl_write(text->p, text->len);
}

static void put_json(const json_t *doc)
{
    BF_CLEANUP(free_ptr) char *text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

    ctl_write(text, strlen(text));
    ctl_write("\n", 1);
}

static void put_line(const char *text)
{
    BF_CLEANUP(free_ptr) char *line = xasprintf("%s\n", text);

    ctl_write(line, strlen(line));
}

void ctl_say(const char *fmt, ...)
{
    BF_CLEANUP(str_release) struct str line = STR_INIT;
    BF_CLEANUP(free_ptr) char *text = NULL;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        BUG("out of memory");
    va_end(ap);
    text_add_safe(&line, text);
    str_addch(&line, '\n');
    ctl_put(&line);
}

int ctl_print(struct ctl *c, json_t *rows, const struct column *columns, const char *none)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;

    if (c->json)
        put_json(rows);
    else
        render_table(rows, columns, &c->style, c->filtered ? "nothing that matches" : none, &out);
    ctl_put(&out);
    json_decref(rows);
    return EXIT_DONE;
}

int ctl_list(struct ctl *c, const char *path, const struct column *columns, const char *none)
{
    struct err e = ERR_INIT;
    json_t *rows;

    if (client_get(c->client, path, &rows, &e) < 0)
        return ctl_fail(&e);
    return ctl_print(c, rows, columns, none);
}

void ctl_filters(struct ctl *c, struct str *path, const char *const *names)
{
    for (; *names; names++) {
        path_add_list(path, *names, arg_value(&c->args, *names));
        c->filtered |= arg_value(&c->args, *names) != NULL;
    }
}

/* ---- commands ---------------------------------------------------------------------------------
 */

void ctl_arg(struct ctl *c, json_t *args, const char *option, const char *member)
{
    const char *value = arg_value(&c->args, option);

    if (value)
        json_object_set_new(args, member, json_string(value));
}

json_t *ctl_words(const char *text)
{
    json_t *list = json_array();

    while (text && *text) {
        size_t n = strcspn(text, ",");

        if (n)
            json_array_append_new(list, json_stringn(text, n));
        text += n + (text[n] == ',');
    }
    return list;
}

int ctl_timeout(struct ctl *c, bf_time *out)
{
    const char *text = arg_value(&c->args, "timeout");

    *out = COMMAND_TIMEOUT;
    if (text && parse_duration(text, out) < 0)
        return ctl_usage("--timeout '%s': expected a duration such as 30s or 10m", text);
    return EXIT_DONE;
}

static bool is_open(const json_t *row)
{
    return strcmp(member_text(row, "state"), "submitted") == 0;
}

/* Asks again until the command has ended or `until` has come. */
static int await_outcome(struct ctl *c, json_t **row, bf_time until, struct err *e)
{
    while (is_open(*row) && clock_mono() < until) {
        BF_CLEANUP(str_release) struct str path = STR_INIT;
        bf_time left = (until - clock_mono()) / BF_SEC + 1;
        json_t *newer;

        str_addf(&path, "/v1/commands/%" PRId64 "?wait=%" PRId64, member_number(*row, "id"),
                 left > WAIT_MAX ? WAIT_MAX : left);
        if (client_get(c->client, path.p, &newer, e) < 0)
            return -1;
        json_decref(*row);
        *row = newer;
    }
    return 0;
}

/* What the leader said, or the jobs that it made, or just how it ended. */
static void add_message(const json_t *row, struct str *out)
{
    const char *message = member_text(row, "message");
    const json_t *names = json_object_get(json_object_get(row, "outcome"), "names");
    size_t i;
    json_t *name;

    if (message[0] || json_array_size(names) == 0) {
        text_add_safe(out, message[0] ? message : member_text(row, "state"));
        return;
    }
    json_array_foreach(names, i, name)
    {
        str_add(out, i ? ", " : "made ");
        text_add_safe(out, json_string_value(name) ? json_string_value(name) : "");
    }
}

static int tell_outcome(struct ctl *c, const json_t *row)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    const char *state = member_text(row, "state");

    if (c->json)
        put_json(row);
    if (is_open(row)) {
        fprintf(stderr,
                "bootfarm: command %" PRId64 " is stored, but no scheduler has taken it up yet; it "
                "will be done as soon as one leads\n",
                member_number(row, "id"));
        return EXIT_FAILED;
    }
    add_message(row, &text);
    if (strcmp(state, "done") != 0) {
        fprintf(stderr, "bootfarm: %s\n", text.p);
        return EXIT_FAILED;
    }
    if (!c->json)
        put_line(text.p);
    return EXIT_DONE;
}

static int tell_submitted(struct ctl *c, const json_t *row)
{
    BF_CLEANUP(free_ptr)
    char *text = xasprintf("submitted as command %" PRId64, member_number(row, "id"));

    if (c->json)
        put_json(row);
    else
        put_line(text);
    return EXIT_DONE;
}

/* Submits and, unless --no-wait, waits: *row is as far as it came. Takes `args`. */
static int submit(struct ctl *c, const char *verb, json_t *args, json_t **row)
{
    BF_CLEANUP(json_free) json_t *doc = json_pack("{s:s, s:o}", "verb", verb, "args", args);
    bool wait = !arg_flag(&c->args, "no-wait");
    struct err e = ERR_INIT;
    bf_time timeout;
    int status = ctl_timeout(c, &timeout);

    if (status != EXIT_DONE)
        return status;
    if (client_post(c->client, wait ? "/v1/commands?wait=1" : "/v1/commands", doc, row, &e) < 0)
        return ctl_fail(&e);
    if (wait && await_outcome(c, row, clock_mono() + timeout, &e) < 0)
        return ctl_fail(&e);
    return EXIT_DONE;
}

int ctl_ask(struct ctl *c, const char *verb, json_t *args, json_t **outcome)
{
    BF_CLEANUP(json_free) json_t *row = NULL;
    int status = submit(c, verb, args, &row);

    *outcome = NULL;
    if (status != EXIT_DONE)
        return status;
    if (strcmp(member_text(row, "state"), "done") != 0)
        return tell_outcome(c, row);
    *outcome = json_incref(json_object_get(row, "outcome"));
    return EXIT_DONE;
}

int ctl_command(struct ctl *c, const char *verb, json_t *args, json_t **row_out)
{
    BF_CLEANUP(json_free) json_t *row = NULL;
    int status;

    if (row_out)
        *row_out = NULL;
    if ((status = submit(c, verb, args, &row)) != EXIT_DONE)
        return status;
    if (arg_flag(&c->args, "no-wait"))
        return tell_submitted(c, row);
    status = tell_outcome(c, row);
    if (row_out)
        *row_out = json_incref(row);
    return status;
}

/* ---- changes ----------------------------------------------------------------------------------
 */

static void rest(long ms)
{
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    nanosleep(&t, NULL);
}

int ctl_wait_change(struct ctl *c, int64_t *seen, int seconds, struct err *e)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    json_t *answer;

    rest(200);
    str_addf(&path, "/v1/changes?after=%" PRId64 "&wait=%d", *seen, seconds);
    if (client_get(c->client, path.p, &answer, e) < 0) {
        if (e->kind != ERR_TEMPORARY)
            return -1;
        rest(1000);
        return 0;
    }
    *seen = member_number(answer, "change");
    json_decref(answer);
    return 0;
}
