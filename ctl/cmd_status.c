/* status: once, or (-w) again whenever something changed. */
#include "common/base/clock.h"
#include "ctl/ctl.h"
#include "ctl/status.h"
#include <stdio.h>
#include <time.h>

#define STUCK_AFTER (5 * BF_SEC) /* between two jobs of a chain nothing moves for a moment */

const struct arg_option options_status[] = {
    {"watch", 'w', NULL, "Show it again whenever something changes"},
    {"until", 0, "GOAL",
     "Watch, and leave when it is reached: synced (what may be is released and mirrored)"},
    {"timeout", 0, "DURATION", "With --until: give up after so long (default: never)"},
    {"repository", 0, "NAME", "Only images of this repository"},
    {0},
};

/* A watch in progress. */
struct vigil {
    struct ctl *c;
    bf_time until; /* 0: no end */
    bool goal;
    bf_time stuck_since; /* 0: not stuck */
    int64_t seen;        /* change */
    json_t *last;        /* name → "state reason", as printed last; not on a terminal */
    bool away;           /* the API or PostgreSQL; said once */
};

static void show(struct ctl *c, const struct status *s)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;

    if (c->json) {
        (void)ctl_print(c, json_incref(s->images), NULL, NULL);
        return;
    }
    status_add_images(s, &c->style, &out);
    status_add_problems(s, &c->style, &out);
    ctl_put(&out);
}

static int load(struct ctl *c, struct status *s, struct err *e)
{
    c->style.now = time(NULL);
    return status_load(c->client, arg_value(&c->args, "repository"), s, e);
}

static int once(struct ctl *c)
{
    struct status s;
    struct err e = ERR_INIT;

    if (load(c, &s, &e) < 0)
        return ctl_fail(&e);
    show(c, &s);
    status_release(&s);
    return EXIT_DONE;
}

/* ---- watching ---------------------------------------------------------------------------------
 */

static void add_clock(struct str *out, int64_t now)
{
    time_t t = (time_t)now;
    struct tm tm;
    char text[16];

    localtime_r(&t, &tm);
    strftime(text, sizeof text, "%H:%M:%S ", &tm);
    str_add(out, text);
}

/* "Degraded test-failed", "Synced mirrored" */
static void add_words(struct str *out, const json_t *image)
{
    static const char *const keys[] = {"state", "reason", "detail"};
    bool mirrored = strcmp(member_text(image, "phase"), "mirrored") == 0;

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (*member_text(image, keys[i]))
            str_addf(out, "%s%s", i ? " " : "", member_text(image, keys[i]));
    if (mirrored && member_number(image, "sites_wanted"))
        str_add(out, " mirrored");
}

/* A line for each image whose state or reason is another one than before. */
static void show_changes(struct vigil *v, const struct status *s)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    size_t i;
    json_t *image;

    json_array_foreach(s->images, i, image)
    {
        BF_CLEANUP(str_release) struct str key = STR_INIT;
        BF_CLEANUP(str_release) struct str now = STR_INIT;
        const char *before;

        str_addf(&key, "%s %s", member_text(image, "name"), member_text(image, "arch"));
        add_words(&now, image);
        before = member_text(v->last, key.p);
        if (strcmp(before, now.p) == 0)
            continue;
        add_clock(&out, v->c->style.now);
        text_add_safe(&out, member_text(image, "name"));
        str_addch(&out, ' ');
        text_add_safe(&out, now.p);
        str_addch(&out, '\n');
        json_object_set_new(v->last, key.p, json_string(now.p));
    }
    ctl_put(&out);
}

static void redraw(struct vigil *v, const struct status *s)
{
    if (v->c->json) {
        show(v->c, s);
    } else if (v->c->style.terminal) {
        ctl_write("\033[H\033[2J", 7);
        v->c->style.width = style_detect().width;
        show(v->c, s);
    } else {
        show_changes(v, s);
    }
}

/* The exit status, or -1: go on. */
static int judge(struct vigil *v, const struct status *s)
{
    bf_time now = clock_mono();

    if (!v->goal)
        return -1;
    switch (status_progress(s)) {
    case PROGRESS_REACHED:
        return EXIT_DONE;
    case PROGRESS_MOVING:
        v->stuck_since = 0;
        return -1;
    case PROGRESS_STUCK:
        if (!v->stuck_since)
            v->stuck_since = now;
        if (now - v->stuck_since < STUCK_AFTER)
            return -1;
        fputs(
            "bootfarm: not synced, and nothing more happens by itself; bootfarm status says why\n",
            stderr);
        return EXIT_FAILED;
    }
    BUG("no such progress");
}

static int look(struct vigil *v)
{
    struct status s;
    struct err e = ERR_INIT;
    int result;

    if (load(v->c, &s, &e) < 0) {
        if (e.kind != ERR_TEMPORARY)
            return ctl_fail(&e);
        if (!v->away)
            (void)ctl_fail(&e);
        v->away = true;
        return -1;
    }
    v->away = false;
    redraw(v, &s);
    result = judge(v, &s);
    status_release(&s);
    return result;
}

static int watch(struct vigil *v)
{
    struct err e = ERR_INIT;
    int result;

    while ((result = look(v)) < 0) {
        if (v->until && clock_mono() >= v->until) {
            fputs("bootfarm: not synced in time\n", stderr);
            return EXIT_FAILED;
        }
        if (ctl_wait_change(v->c, &v->seen, v->goal ? 2 : 15, &e) < 0)
            return ctl_fail(&e);
    }
    return result;
}

int cmd_status(struct ctl *c)
{
    const char *goal = arg_value(&c->args, "until"), *timeout = arg_value(&c->args, "timeout");
    struct vigil v = {.c = c, .goal = goal != NULL};
    bf_time duration = 0;
    int result;

    if (goal && strcmp(goal, "synced") != 0)
        return ctl_usage("--until '%s': expected synced", goal);
    if (timeout && (parse_duration(timeout, &duration) < 0 || !goal))
        return ctl_usage("--timeout '%s': expected a duration such as 10m, and --until", timeout);
    if (!goal && !arg_flag(&c->args, "watch"))
        return once(c);
    v.until = timeout ? clock_mono() + duration : 0;
    v.last = json_object();
    result = watch(&v);
    json_decref(v.last);
    return result;
}
