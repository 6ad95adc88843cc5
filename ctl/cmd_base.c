/* base list|check|bump: external bases, and what a new digest of one costs. */
#include "common/base/clock.h"
#include "ctl/ctl.h"
#include <stdio.h>

#define NAMES_SHOWN 3 /* of a wave */

/* The formatter takes the braces of such lists for blocks. */
/* clang-format off */
#define TIMEOUT {"timeout", 0, "DURATION", "Wait at most so long for the registries (default 60s)"}
/* clang-format on */

const struct arg_option options_base_list[] = {
    {"reference", 0, "LIST", "Only these references, as they are listed"},
    {"arch", 0, "LIST", "Only of these architectures"},
    {0},
};
const struct arg_option options_base_check[] = {TIMEOUT, {0}};
const struct arg_option options_base_bump[] = {
    {"dry-run", 0, NULL, "Only say what another digest would cost: images by wave, and hours"},
    TIMEOUT,
    {0},
};

static const struct column columns[] = {
    {"REFERENCE", "reference", CELL_TEXT}, {"ARCH", "arch", CELL_TEXT},
    {"DIGEST", "digest", CELL_DIGEST},     {"IMAGES", "images", CELL_NUMBER},
    {"OUTDATED", "outdated", CELL_NUMBER}, {"CHANGED", "changed_at", CELL_AGE},
    {"CHECKED", "checked_at", CELL_AGE},   {"UNRESOLVED", "error_since", CELL_AGE},
    {"ERROR", "error", CELL_TEXT},         {0},
};
static const char no_base[] = "no image stands on an external base";

int cmd_base_list(struct ctl *c)
{
    static const char *const filters[] = {"reference", "arch", NULL};
    BF_CLEANUP(str_release) struct str path = STR_INIT;

    str_add(&path, "/v1/bases?limit=10000");
    ctl_filters(c, &path, filters);
    return ctl_list(c, path.p, columns, no_base);
}

/* ---- check ------------------------------------------------------------------------------------
 */

static bool any_pending(const json_t *rows)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        if (json_is_true(json_object_get(row, "check_pending")))
            return true;
    }
    return false;
}

/* The first one that could not be resolved, or NULL. */
static const json_t *unresolved(const json_t *rows)
{
    size_t i;
    json_t *row;

    json_array_foreach(rows, i, row)
    {
        if (*member_text(row, "error"))
            return row;
    }
    return NULL;
}

/* Asks for a look at the registries, and waits until they have answered. */
static int look_now(struct ctl *c, json_t **rows)
{
    const char *named = arg_pos(&c->args, 0);
    BF_CLEANUP(json_free) json_t *outcome = NULL;
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    struct err e = ERR_INIT;
    int64_t seen = 0;
    bf_time until;
    json_t *args = json_object();
    int status;

    *rows = NULL;
    if (named)
        json_object_set_new(args, "reference", json_string(named));
    if ((status = ctl_timeout(c, &until)) == EXIT_DONE)
        status = ctl_ask(c, "base_check", args, &outcome);
    else
        json_decref(args);
    if (status != EXIT_DONE)
        return status;
    until += clock_mono();
    str_add(&path, "/v1/bases?limit=10000");
    if (*member_text(outcome, "reference"))
        path_add(&path, "reference", member_text(outcome, "reference"));
    for (;;) {
        if (client_get(c->client, path.p, rows, &e) < 0)
            return ctl_fail(&e);
        if (!any_pending(*rows))
            return EXIT_DONE;
        if (clock_mono() >= until || ctl_wait_change(c, &seen, 1, &e) < 0)
            break;
        json_decref(*rows);
        *rows = NULL;
    }
    if (e.kind != ERR_NONE)
        return ctl_fail(&e);
    fputs("bootfarm: not all registries have answered yet; the look goes on\n", stderr);
    return EXIT_FAILED;
}

int cmd_base_check(struct ctl *c)
{
    json_t *rows;
    int status = look_now(c, &rows);

    if (!rows)
        return status;
    if (unresolved(rows))
        status = EXIT_FAILED;
    (void)ctl_print(c, rows, columns, no_base);
    return status;
}

/* ---- what it costs ----------------------------------------------------------------------------
 */

static json_t *duration(double seconds)
{
    char text[32];

    if (seconds < 90)
        snprintf(text, sizeof text, "%.0f s", seconds);
    else if (seconds < 5400)
        snprintf(text, sizeof text, "%.0f min", seconds / 60);
    else
        snprintf(text, sizeof text, "%.1f h", seconds / 3600);
    return json_string(text);
}

struct cost {
    size_t images, waves, no_past, breakers;
    double build, test;
};

/* The row of its wave; rows come in the order of waves. */
static json_t *wave_of(json_t *waves, int64_t number)
{
    json_t *last = json_array_get(waves, json_array_size(waves) - 1);

    if (last && member_number(last, "wave") == number)
        return last;
    last = json_pack("{s:I, s:i, s:f, s:f, s:[]}", "wave", (json_int_t)number, "images", 0, "build",
                     0.0, "test", 0.0, "names");
    json_array_append_new(waves, last);
    return last;
}

static double add_seconds(json_t *wave, const char *key, const json_t *seconds)
{
    double old = json_real_value(json_object_get(wave, key)), more = json_number_value(seconds);

    json_object_set_new(wave, key, json_real(old + more));
    return more;
}

static void add_image(json_t *waves, const json_t *row, struct cost *total)
{
    json_t *wave = wave_of(waves, member_number(row, "wave"));
    json_t *names = json_object_get(wave, "names");
    const json_t *build = json_object_get(row, "build_seconds");

    json_object_set_new(wave, "images", json_integer(member_number(wave, "images") + 1));
    total->images++;
    total->no_past += !json_is_number(build);
    total->breakers += json_is_true(json_object_get(row, "breaker"));
    total->build += add_seconds(wave, "build", build);
    total->test += add_seconds(wave, "test", json_object_get(row, "test_seconds"));
    if (json_array_size(names) < NAMES_SHOWN)
        json_array_append_new(
            names, json_sprintf("%s:%s", member_text(row, "name"), member_text(row, "arch")));
    else if (json_array_size(names) == NAMES_SHOWN)
        json_array_append_new(names, json_string("…"));
}

static void tell_total(const struct cost *t)
{
    BF_CLEANUP(json_free) json_t *all = duration(t->build + t->test);
    BF_CLEANUP(json_free) json_t *build = duration(t->build), *test = duration(t->test);

    if (t->no_past < t->images)
        ctl_say("about %s of work: %s to build, %s to test", json_string_value(all),
                json_string_value(build), json_string_value(test));
    if (t->no_past)
        ctl_say("%zu of %zu images were never built here: nothing is known of how long they take",
                t->no_past, t->images);
    if (t->breakers)
        ctl_say("%zu of them fail again and again (breaker): only a bump by a person rebuilds them",
                t->breakers);
}

static int dry_run(struct ctl *c)
{
    static const struct column wave_columns[] = {
        {"WAVE", "wave", CELL_NUMBER}, {"IMAGES", "images", CELL_NUMBER},
        {"BUILD", "build", CELL_TEXT}, {"TEST", "test", CELL_TEXT},
        {"NAMES", "names", CELL_TEXT}, {0}};
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    BF_CLEANUP(json_free) json_t *rows = NULL;
    json_t *waves, *row;
    struct cost total = {0};
    struct err e = ERR_INIT;
    size_t i;

    str_add(&path, "/v1/base_cost/");
    path_segment(&path, arg_pos(&c->args, 0));
    if (client_get(c->client, path.p, &rows, &e) < 0)
        return ctl_fail(&e);
    if (c->json)
        return ctl_print(c, json_incref(rows), NULL, NULL);
    waves = json_array();
    json_array_foreach(rows, i, row) add_image(waves, row, &total);
    json_array_foreach(waves, i, row)
    {
        json_object_set_new(row, "build", duration(json_real_value(json_object_get(row, "build"))));
        json_object_set_new(row, "test", duration(json_real_value(json_object_get(row, "test"))));
    }
    if (total.images)
        ctl_say("another digest of %s rebuilds %zu images in %zu waves",
                member_text(json_array_get(rows, 0), "base"), total.images, json_array_size(waves));
    (void)ctl_print(c, waves, wave_columns, "no image depends on it");
    if (total.images)
        tell_total(&total);
    return EXIT_DONE;
}

/* ---- bump -------------------------------------------------------------------------------------
 */

static int bump(struct ctl *c)
{
    BF_CLEANUP(json_free) json_t *outcome = NULL;
    json_t *args = json_pack("{s:s}", "reference", arg_pos(&c->args, 0));
    int status = ctl_ask(c, "base_bump", args, &outcome);

    if (status != EXIT_DONE)
        return status;
    if (c->json)
        return ctl_print(c, json_incref(outcome), NULL, NULL);
    if (member_number(outcome, "images") == 0)
        ctl_say("nothing to do: all that stands on %s is built from its newest digest, or will be",
                member_text(outcome, "reference"));
    else
        ctl_say("%s: %lld images are rebuilt, by %zu jobs", member_text(outcome, "reference"),
                (long long)member_number(outcome, "images"),
                json_array_size(json_object_get(outcome, "jobs")));
    return EXIT_DONE;
}

int cmd_base_bump(struct ctl *c)
{
    BF_CLEANUP(json_free) json_t *rows = NULL;
    const json_t *bad;
    int status;

    if (arg_flag(&c->args, "dry-run"))
        return dry_run(c);
    if ((status = look_now(c, &rows)) != EXIT_DONE)
        return status;
    if ((bad = unresolved(rows))) {
        fprintf(stderr, "bootfarm: %s (%s) cannot be resolved, nothing was done: %s\n",
                member_text(bad, "reference"), member_text(bad, "arch"), member_text(bad, "error"));
        return EXIT_FAILED;
    }
    return bump(c);
}
