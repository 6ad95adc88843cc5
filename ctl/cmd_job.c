/* job show|logs|cancel|retry, why, and following a job. */
#include "common/base/utf8.h"
#include "ctl/ctl.h"
#include <inttypes.h>
#include <stdio.h>

const struct arg_option options_job_logs[] = {
    {"follow", 'f', NULL, "Go on until the attempt has ended; wait for it where there is none yet"},
    {"attempt", 0, "N", "Its N-th attempt instead of the newest"},
    {0},
};

/* What stands at `prefix` about a job named by number or readable id (then the newest). */
static int get_of_job(struct ctl *c, const char *prefix, const char *name, json_t **row,
                      struct err *e)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;

    if (!*name)
        return err_set(e, ERR_INPUT, "which job? its number or its name is needed");
    str_add(&path, prefix);
    path_segment(&path, name);
    if (client_get(c->client, path.p, row, e) == 0)
        return 0;
    return err_wrap(e, "job %s", name);
}

/* With its attempts and events. */
static int get_job(struct ctl *c, const char *name, json_t **row, struct err *e)
{
    return get_of_job(c, "/v1/jobs/", name, row, e);
}

static int get_job_number(struct ctl *c, int64_t id, json_t **row, struct err *e)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, id);
    return get_job(c, text, row, e);
}

static int command_on_job(struct ctl *c, const char *verb)
{
    return ctl_command(c, verb, json_pack("{s:s}", "job", arg_pos(&c->args, 0)), NULL);
}

int cmd_job_cancel(struct ctl *c)
{
    return command_on_job(c, "job_cancel");
}

int cmd_job_retry(struct ctl *c)
{
    return command_on_job(c, "job_retry");
}

/* ---- show -------------------------------------------------------------------------------------
 */

static void add_job(const json_t *row, const struct style *style, struct str *out)
{
    static const struct column fields[] = {
        {"id", "id", CELL_NUMBER},           {"name", "name", CELL_TEXT},
        {"state", "state", CELL_STATE},      {"reason", "reason", CELL_TEXT},
        {"detail", "detail", CELL_TEXT},     {"why", "why", CELL_TEXT},
        {"rank", "rank", CELL_NUMBER},       {"queued", "queued", CELL_NUMBER},
        {"because", "because", CELL_TEXT},   {"of", "because_of", CELL_TEXT},
        {"revision", "revision", CELL_TEXT}, {"needs", "needs", CELL_TEXT},
        {"class", "fail_class", CELL_TEXT},  {"code", "code", CELL_TEXT},
        {"step", "step", CELL_TEXT},         {"message", "message", CELL_TEXT},
        {"digest", "digest", CELL_TEXT},     {"input key", "input_key", CELL_TEXT},
        {"made", "created_at", CELL_AGE},    {"ready", "ready_at", CELL_AGE},
        {"ended", "ended_at", CELL_AGE},     {0}};
    static const struct column attempts[] = {{"ATTEMPT", "number", CELL_NUMBER},
                                             {"WORKER", "worker", CELL_TEXT},
                                             {"LEASED", "leased_at", CELL_AGE},
                                             {"ENDED", "ended_at", CELL_AGE},
                                             {"PHASE", "phase", CELL_TEXT},
                                             {"OUTCOME", "outcome", CELL_STATE},
                                             {"CODE", "code", CELL_TEXT},
                                             {"MESSAGE", "message", CELL_TEXT},
                                             {0}};
    static const struct column events[] = {{"AT", "at", CELL_AGE},
                                           {"ACTOR", "actor", CELL_TEXT},
                                           {"VIA", "via", CELL_TEXT},
                                           {"DETAIL", "detail", CELL_TEXT},
                                           {0}};

    render_fields(row, fields, style, out);
    str_addch(out, '\n');
    render_table(json_object_get(row, "attempts"), attempts, style, "no attempt yet", out);
    str_addch(out, '\n');
    render_table(json_object_get(row, "events"), events, style, "no event yet", out);
}

/* Adds why it waits, and its place in the queue. They are made on asking, so that who follows a job
 * does not have them made over and over. */
static int add_why(struct ctl *c, json_t *row, struct err *e)
{
    static const struct {
        const char *of_why, *of_job;
    } members[] = {{"text", "why"}, {"rank", "rank"}, {"queued", "queued"}};
    BF_CLEANUP(json_free) json_t *why = NULL;
    char id[24];

    if (strcmp(member_text(row, "state"), "waiting") != 0 &&
        strcmp(member_text(row, "state"), "ready") != 0)
        return 0;
    snprintf(id, sizeof id, "%" PRId64, member_number(row, "id"));
    if (get_of_job(c, "/v1/why/", id, &why, e) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        json_object_set(row, members[i].of_job, json_object_get(why, members[i].of_why));
    return 0;
}

int cmd_job_show(struct ctl *c)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    struct err e = ERR_INIT;
    BF_CLEANUP(json_free) json_t *row = NULL;

    if (get_job(c, arg_pos(&c->args, 0), &row, &e) < 0 || add_why(c, row, &e) < 0)
        return ctl_fail(&e);
    if (c->json)
        return ctl_print(c, json_incref(row), NULL, NULL);
    add_job(row, &c->style, &out);
    ctl_put(&out);
    return EXIT_DONE;
}

/* ---- why --------------------------------------------------------------------------------------
 */

/* "build:plant:hmi@main:amd64 (job 42, waiting): blocked by …" */
int cmd_why(struct ctl *c)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    struct err e = ERR_INIT;
    json_t *row;

    if (get_of_job(c, "/v1/why/", arg_pos(&c->args, 0), &row, &e) < 0)
        return ctl_fail(&e);
    if (c->json)
        return ctl_print(c, row, NULL, NULL);
    text_add_safe(&out, member_text(row, "name"));
    str_addf(&out, " (job %" PRId64 ", ", member_number(row, "id"));
    state_add(&out, member_text(row, "state"), &c->style);
    str_add(&out, "): ");
    text_add_safe(&out, member_text(row, "text"));
    str_addch(&out, '\n');
    ctl_put(&out);
    json_decref(row);
    return EXIT_DONE;
}

/* ---- logs -------------------------------------------------------------------------------------
 */

/* What has come of a log so far. A stream that broke off is read again from the start; what was
 * printed is passed over. */
struct printer {
    const struct ctl *c;
    size_t skip;
    char tail[4]; /* begin of a character whose rest has not come yet */
    size_t n_tail;
};

/* Length of the whole characters at the start of p. */
static size_t whole(const char *p, size_t n)
{
    size_t back = 0;

    while (back < 3 && back < n && ((unsigned char)p[n - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < n && (unsigned char)p[n - 1 - back] >= 0xc0) {
        unsigned char lead = (unsigned char)p[n - 1 - back];
        size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;

        return back + 1 < want ? n - 1 - back : n;
    }
    return n;
}

static void put_safe(struct printer *t, const char *p, size_t n)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    BF_CLEANUP(str_release) struct str safe = STR_INIT;
    size_t k;

    str_addmem(&text, t->tail, t->n_tail);
    str_addmem(&text, p, n);
    k = whole(text.p, text.len);
    t->n_tail = text.len - k;
    memcpy(t->tail, text.p + k, t->n_tail);
    log_add_safe(&safe, text.p, k);
    ctl_put(&safe);
}

static void put_piece(void *arg, const char *p, size_t n)
{
    struct printer *t = arg;
    size_t skip = n < t->skip ? n : t->skip;

    t->skip -= skip;
    p += skip;
    n -= skip;
    if (t->c->style.terminal)
        put_safe(t, p, n);
    else
        ctl_write(p, n);
}

static bool is_live(const json_t *job)
{
    static const char *const live[] = {"waiting", "ready", "leased", "running"};

    for (size_t i = 0; i < ARRAY_SIZE(live); i++)
        if (strcmp(member_text(job, "state"), live[i]) == 0)
            return true;
    return false;
}

/* Waits until the job has an attempt, or will never get one. */
static int await_attempt(struct ctl *c, int64_t id, json_t **job, struct err *e)
{
    int64_t seen = 0;

    while (json_array_size(json_object_get(*job, "attempts")) == 0 && is_live(*job)) {
        json_t *newer;

        if (ctl_wait_change(c, &seen, 30, e) < 0)
            return -1;
        if (get_job_number(c, id, &newer, e) == 0) {
            json_decref(*job);
            *job = newer;
        } else if (e->kind != ERR_TEMPORARY) {
            return -1;
        }
    }
    return 0;
}

static int print_log(struct ctl *c, int64_t id, bool follow, struct err *e)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    struct printer t = {.c = c};
    int64_t seen = 0;
    size_t got = 0;

    str_addf(&path, "/v1/jobs/%" PRId64 "/log", id);
    path_add(&path, "attempt", arg_value(&c->args, "attempt"));
    path_add(&path, "follow", follow ? "1" : NULL);
    while (client_stream(c->client, path.p, put_piece, &t, &got, e) < 0) {
        if (!follow || e->kind != ERR_TEMPORARY || ctl_wait_change(c, &seen, 1, e) < 0)
            return -1;
        t.skip = got;
        got = 0;
        t.n_tail = 0;
    }
    return 0;
}

int cmd_job_logs(struct ctl *c)
{
    BF_CLEANUP(json_free) json_t *job = NULL;
    bool follow = arg_flag(&c->args, "follow");
    struct err e = ERR_INIT;
    int64_t id;

    if (get_job(c, arg_pos(&c->args, 0), &job, &e) < 0)
        return ctl_fail(&e);
    id = member_number(job, "id");
    if (follow && await_attempt(c, id, &job, &e) < 0)
        return ctl_fail(&e);
    if (json_array_size(json_object_get(job, "attempts")) == 0) {
        fprintf(stderr, "bootfarm: job %" PRId64 " is %s and has no attempt, so no log\n", id,
                member_text(job, "state"));
        return EXIT_FAILED;
    }
    return print_log(c, id, follow, &e) < 0 ? ctl_fail(&e) : EXIT_DONE;
}

static int tell_end(const json_t *job)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    const char *state = member_text(job, "state"), *message = member_text(job, "message");

    text_add_safe(&text, member_text(job, "name"));
    str_addf(&text, " is %s%s", state, *message ? ": " : "");
    text_add_safe(&text, message);
    fprintf(stderr, "bootfarm: %s\n", text.p);
    return strcmp(state, "succeeded") == 0 || strcmp(state, "skipped") == 0 ? EXIT_DONE
                                                                            : EXIT_FAILED;
}

/* One look at the job: prints the log of an attempt that was not shown yet. */
static int follow_step(struct ctl *c, int64_t id, json_t **job, size_t *shown, struct err *e)
{
    if (get_job_number(c, id, job, e) < 0 || await_attempt(c, id, job, e) < 0)
        return -1;
    if (json_array_size(json_object_get(*job, "attempts")) == *shown)
        return 0;
    *shown = json_array_size(json_object_get(*job, "attempts"));
    return print_log(c, id, true, e);
}

/* An attempt that was lost is followed by another one of the same job. */
int job_follow(struct ctl *c, int64_t id)
{
    BF_CLEANUP(json_free) json_t *job = NULL;
    size_t shown = 0;
    int64_t seen = 0;
    struct err e = ERR_INIT;

    for (;;) {
        size_t before = shown;

        json_decref(job);
        job = NULL;
        if (follow_step(c, id, &job, &shown, &e) < 0 && e.kind != ERR_TEMPORARY)
            return ctl_fail(&e);
        if (job && shown == before && !is_live(job))
            return tell_end(job);
        if (shown == before && ctl_wait_change(c, &seen, 30, &e) < 0)
            return ctl_fail(&e);
    }
}
