#include "ctl/status.h"
#include "common/base/mem.h"
#include "common/base/vec.h"
#include <inttypes.h>
#include <stdio.h>

#define FAILURES_MAX 20 /* whose last log lines are shown */

/* ---- loading ----------------------------------------------------------------------------------
 */

static int load(struct client *c, const char *path, const char *filter, const char *value,
                json_t **out, struct err *e)
{
    BF_CLEANUP(str_release) struct str full = STR_INIT;

    str_add(&full, path);
    path_add(&full, filter, value);
    return client_get(c, full.p, out, e);
}

/* It failed by itself; an open breaker means that it did so again and again. */
static bool is_failure(const char *reason)
{
    return str_ends(reason, "-failed") || strcmp(reason, "breaker") == 0;
}

/* The attempts that say why images are Degraded: step, message and the last lines of the log. */
static int load_failures(struct client *c, struct status *s, struct err *e)
{
    size_t i, n = 0;
    json_t *image;

    s->failures = json_object();
    json_array_foreach(s->images, i, image)
    {
        const char *attempt = member_text(image, "log_attempt");
        json_t *rows;

        if (!is_failure(member_text(image, "reason")) || !*attempt || n++ == FAILURES_MAX)
            continue;
        if (load(c, "/v1/attempts", "id", attempt, &rows, e) < 0)
            return -1;
        json_object_set(s->failures, attempt, json_array_get(rows, 0));
        json_decref(rows);
    }
    return 0;
}

int status_load(struct client *c, const char *repository, struct status *s, struct err *e)
{
    *s = (struct status){0};
    if (load(c, "/v1/health", NULL, NULL, &s->health, e) == 0 &&
        load(c, "/v1/commands?state=submitted", NULL, NULL, &s->commands, e) == 0 &&
        load(c, "/v1/repositories", "name", repository, &s->repositories, e) == 0 &&
        load(c, "/v1/images?limit=10000", "repository", repository, &s->images, e) == 0 &&
        load(c, "/v1/definition_errors", "repository", repository, &s->errors, e) == 0 &&
        load(c, "/v1/presence?limit=10000", "repository", repository, &s->presence, e) == 0 &&
        load(c, "/v1/workers", NULL, NULL, &s->workers, e) == 0 &&
        load(c, "/v1/quarantine?order=newest&limit=5", NULL, NULL, &s->quarantine, e) == 0 &&
        load_failures(c, s, e) == 0)
        return 0;
    status_release(s);
    return -1;
}

void status_release(struct status *s)
{
    json_decref(s->health);
    json_decref(s->images);
    json_decref(s->repositories);
    json_decref(s->errors);
    json_decref(s->workers);
    json_decref(s->presence);
    json_decref(s->quarantine);
    json_decref(s->commands);
    json_decref(s->failures);
    *s = (struct status){0};
}

/* ---- images -----------------------------------------------------------------------------------
 */

static const struct column image_columns[] = {{"IMAGE", "name", CELL_TEXT},
                                              {"ARCH", "arch", CELL_TEXT},
                                              {"STATE", "state", CELL_STATE},
                                              {"RELEASED", "released", CELL_DIGEST},
                                              {"SITES", "sites", CELL_TEXT},
                                              {"SINCE", "since", CELL_AGE},
                                              {"REASON", "reason", CELL_TEXT},
                                              {"DETAIL", "detail", CELL_TEXT},
                                              {0}};

/* "1/2": present at one of the two sites that mirror it. */
static void add_sites(json_t *image)
{
    char text[64] = "";

    if (member_number(image, "sites_wanted"))
        snprintf(text, sizeof text, "%" PRId64 "/%" PRId64, member_number(image, "sites_present"),
                 member_number(image, "sites_wanted"));
    json_object_set_new(image, "sites", json_string(text));
}

static void add_counts(const json_t *images, const struct style *style, struct str *out)
{
    static const char *const states[] = {"Synced", "Progressing", "OutOfSync", "Degraded"};
    size_t i, count[ARRAY_SIZE(states)] = {0};
    const char *join = ": ";
    json_t *image;

    json_array_foreach(images, i, image) for (size_t k = 0; k < ARRAY_SIZE(states); k++) count[k] +=
        strcmp(member_text(image, "state"), states[k]) == 0;
    str_addf(out, "%zu image%s", json_array_size(images), json_array_size(images) == 1 ? "" : "s");
    for (size_t k = 0; k < ARRAY_SIZE(states); k++) {
        if (!count[k])
            continue;
        str_addf(out, "%s%zu ", join, count[k]);
        state_add(out, states[k], style);
        join = ", ";
    }
    str_addch(out, '\n');
}

void status_add_images(const struct status *s, const struct style *style, struct str *out)
{
    BF_CLEANUP(json_free) json_t *images = json_deep_copy(s->images);
    size_t i;
    json_t *image;

    json_array_foreach(images, i, image) add_sites(image);
    render_table(images, image_columns, style,
                 json_array_size(s->repositories) ? "no images yet"
                                                  : "nothing is watched; bootfarm repo add URL",
                 out);
    if (json_array_size(images))
        add_counts(images, style, out);
}

/* ---- problems ---------------------------------------------------------------------------------
 */

/* "a: b (c)" of those members that are there. */
static void add_parts(struct str *out, const json_t *row, const char *const *keys, size_t n)
{
    const char *join = "";

    for (size_t i = 0; i < n; i++)
        if (*member_text(row, keys[i])) {
            str_add(out, join);
            text_add_safe(out, member_text(row, keys[i]));
            join = ": ";
        }
}

static void begin(struct str *out, const char *kind, const char *name)
{
    str_add(out, "* ");
    str_add(out, kind);
    text_add_safe(out, name);
    str_add(out, ": ");
}

static void add_since(struct str *out, const json_t *row, const char *key,
                      const struct style *style)
{
    int64_t at;

    if (time_parse(member_text(row, key), &at) < 0)
        return;
    str_add(out, " for ");
    age_add(out, style->now - at);
}

static void problem_repository(const json_t *r, const struct style *style, struct str *out)
{
    if (!*member_text(r, "error"))
        return;
    begin(out, "repository ", member_text(r, "name"));
    text_add_safe(out, member_text(r, "error"));
    str_addf(out, " (%" PRId64 " tries", member_number(r, "failures"));
    add_since(out, r, "error_since", style);
    str_add(out, ")\n");
}

/* As compilers write it. */
static void problem_definition(const json_t *d, const struct style *style, struct str *out)
{
    str_add(out, "* ");
    text_add_safe(out, member_text(d, "repository"));
    str_addch(out, '@');
    text_add_safe(out, member_text(d, "ref"));
    str_add(out, ": ");
    text_add_safe(out, member_text(d, "file"));
    if (member_number(d, "line"))
        str_addf(out, ":%" PRId64 ":%" PRId64, member_number(d, "line"),
                 member_number(d, "column"));
    str_add(out, ": ");
    state_add(out, member_text(d, "severity"), style);
    str_add(out, ": ");
    text_add_safe(out, member_text(d, "message"));
    if (*member_text(d, "hint")) {
        str_add(out, " (");
        text_add_safe(out, member_text(d, "hint"));
        str_addch(out, ')');
    }
    str_addch(out, '\n');
}

static void add_lines(const json_t *lines, struct str *out)
{
    size_t i;
    json_t *line;

    json_array_foreach(lines, i, line)
    {
        str_add(out, "    | ");
        text_add_safe(out, json_string_value(line) ? json_string_value(line) : "");
        str_addch(out, '\n');
    }
}

static void add_failed_tests(const json_t *tests, struct str *out)
{
    size_t i;
    json_t *test;

    json_array_foreach(tests, i, test)
    {
        if (strcmp(member_text(test, "result"), "not ok") != 0)
            continue;
        str_add(out, "    not ok ");
        add_parts(out, test, (const char *const[]){"name", "message"}, 2);
        str_addch(out, '\n');
    }
}

static void problem_failed(const struct status *s, const json_t *image, struct str *out)
{
    const json_t *attempt = json_object_get(s->failures, member_text(image, "log_attempt"));
    const json_t *detail = json_object_get(attempt, "detail");

    begin(out, "", member_text(image, "name"));
    str_addf(out, "%s failed: ", member_text(image, "job_kind"));
    add_parts(out, image, (const char *const[]){"failing_step", "failing_message", "failing_code"},
              3);
    str_addf(out, "; bootfarm job logs %" PRId64, member_number(image, "job"));
    if (strcmp(member_text(image, "reason"), "breaker") == 0) {
        str_add(out, "; ");
        add_parts(out, image, (const char *const[]){"detail"}, 1);
    }
    str_addch(out, '\n');
    add_failed_tests(json_object_get(detail, "tests"), out);
    add_lines(json_object_get(detail, "tail"), out);
}

static bool is_one_of(const char *word, const char *const *list)
{
    for (; *list; list++)
        if (strcmp(word, *list) == 0)
            return true;
    return false;
}

/* Reasons that say that something is not as it should be; the others are the way of things. */
static const char *const bad_reasons[] = {"base",        "backoff",       "worker",
                                          "drained",     "resting",       "disconnected",
                                          "quarantined", "mirror-failed", NULL};

/* Images that wait for the same thing: where a worker is gone there are hundreds of them. */
struct waits {
    char *text;
    const char *first; /* name */
    size_t n;
};
typedef VEC(struct waits) waits_vec;

static void note_wait(const json_t *image, waits_vec *all)
{
    struct str text = STR_INIT;

    str_addf(&text, "%s waits: ", member_text(image, "job_kind"));
    add_parts(&text, image, (const char *const[]){"reason", "detail"}, 2);
    vec_for_each (i, all) {
        if (strcmp(all->v[i].text, text.p) == 0) {
            all->v[i].n++;
            str_release(&text);
            return;
        }
    }
    *vec_push(all) = (struct waits){str_steal(&text), member_text(image, "name"), 1};
}

static void problem_images(const struct status *s, struct str *out)
{
    waits_vec all = VEC_INIT;
    size_t i;
    json_t *image;

    json_array_foreach(s->images, i, image)
    {
        const char *reason = member_text(image, "reason");

        if (is_failure(reason))
            problem_failed(s, image, out);
        else if (is_one_of(reason, bad_reasons))
            note_wait(image, &all);
    }
    vec_for_each (k, &all) {
        str_add(out, "* ");
        text_add_safe(out, all.v[k].first);
        if (all.v[k].n > 1)
            str_addf(out, " and %zu more", all.v[k].n - 1);
        str_addf(out, ": %s\n", all.v[k].text);
        free(all.v[k].text);
    }
    vec_release(&all);
}

static void problem_presence(const json_t *p, struct str *out)
{
    if (strcmp(member_text(p, "state"), "Present") == 0 ||
        !is_one_of(member_text(p, "reason"), bad_reasons))
        return;
    begin(out, "site ", member_text(p, "site"));
    str_add(out, "lacks ");
    add_parts(out, p, (const char *const[]){"name", "reason", "detail"}, 3);
    str_addch(out, '\n');
}

static void problem_worker(const json_t *w, const struct style *style, struct str *out)
{
    static const char *const bad[] = {"disconnected", "never-seen", "resting", NULL};
    const char *state = member_text(w, "state");

    if (!is_one_of(state, bad))
        return;
    begin(out, "worker ", member_text(w, "name"));
    if (state[0] == 'n') {
        str_add(out, "enrolled, but never connected\n");
        return;
    }
    str_add(out, state);
    add_since(out, w, "since", style);
    str_add(out, state[0] == 'r' ? ": it failed what went through at others\n" : "\n");
}

static void problem_refused(const json_t *q, struct str *out)
{
    begin(out, "refused by PostgreSQL: ", member_text(q, "what"));
    add_parts(out, q, (const char *const[]){"object", "error"}, 2);
    str_addch(out, '\n');
}

void status_add_problems(const struct status *s, const struct style *style, struct str *out)
{
    BF_CLEANUP(str_release) struct str all = STR_INIT;
    size_t i;
    json_t *row;

    if (!json_is_string(json_object_get(s->health, "leader")))
        str_add(&all, "* no scheduler leads; start bootfarm-scheduler\n");
    json_array_foreach(s->repositories, i, row) problem_repository(row, style, &all);
    json_array_foreach(s->errors, i, row) problem_definition(row, style, &all);
    problem_images(s, &all);
    json_array_foreach(s->presence, i, row) problem_presence(row, &all);
    json_array_foreach(s->workers, i, row) problem_worker(row, style, &all);
    json_array_foreach(s->quarantine, i, row) problem_refused(row, &all);
    if (all.len)
        str_addf(out, "\nProblems\n%s", all.p);
}

/* ---- progress ---------------------------------------------------------------------------------
 */

static bool repositories_are_read(const struct status *s, bool *moving)
{
    bool all = json_array_size(s->repositories) > 0;
    size_t i;
    json_t *r;

    json_array_foreach(s->repositories, i, r)
    {
        bool pending =
            json_is_true(json_object_get(r, "sync_pending")) || !*member_text(r, "polled_at");

        if (pending || *member_text(r, "error")) {
            all = false;
            *moving = true; /* it is tried again */
        }
    }
    return all;
}

/* It is released, or built and tested where its ref may not release anything. */
static bool is_through(const json_t *image)
{
    return strcmp(member_text(image, "state"), "Synced") == 0 ||
           strcmp(member_text(image, "reason"), "policy") == 0;
}

static bool images_are_synced(const struct status *s, bool *moving)
{
    bool all = json_array_size(s->images) > 0;
    size_t i;
    json_t *image;

    json_array_foreach(s->images, i, image)
    {
        all = all && is_through(image);
        if (strcmp(member_text(image, "state"), "Progressing") == 0)
            *moving = true;
    }
    return all;
}

/* Names of the images that are not Synced. */
static json_t *unsynced(const json_t *images)
{
    json_t *names = json_object(), *image;
    size_t i;

    json_array_foreach(images, i, image) if (strcmp(member_text(image, "state"), "Synced") != 0)
        json_object_set_new(names, member_text(image, "name"), json_true());
    return names;
}

/* The mirror jobs of an image that is not Synced wait for it; whether that moves is said by it. */
static bool images_are_present(const struct status *s, bool *moving)
{
    static const char *const at_rest[] = {"unreleased", "mirror-failed", "no-job", NULL};
    BF_CLEANUP(json_free) json_t *waited_for = unsynced(s->images);
    bool all = true;
    size_t i;
    json_t *p;

    json_array_foreach(s->presence, i, p)
    {
        if (strcmp(member_text(p, "state"), "Present") == 0)
            continue;
        all = false;
        if (!is_one_of(member_text(p, "reason"), at_rest) &&
            !json_object_get(waited_for, member_text(p, "name")))
            *moving = true;
    }
    return all;
}

static bool has_errors(const struct status *s)
{
    size_t i;
    json_t *d;

    json_array_foreach(s->errors, i,
                       d) if (strcmp(member_text(d, "severity"), "error") == 0) return true;
    return false;
}

enum progress status_progress(const struct status *s)
{
    bool moving = json_array_size(s->commands) > 0;
    bool read = repositories_are_read(s, &moving);
    bool synced = images_are_synced(s, &moving);
    bool present = images_are_present(s, &moving);

    if (moving)
        return PROGRESS_MOVING;
    return read && synced && present && !has_errors(s) ? PROGRESS_REACHED : PROGRESS_STUCK;
}
