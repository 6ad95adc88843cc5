/* site.h - real repositories made with git in a private folder, and the planner run on them. */
#ifndef PLANNER_SITE_H
#define PLANNER_SITE_H

#include "common/base/str.h"
#include <jansson.h>
#include <sys/types.h>

struct site {
    char dir[64];
    char *remote, *work, *mirror; /* bare; a working tree; the planner's */
    int runs;                     /* outputs: DIR/out-N */
    char *out;                    /* of the last poll */
};

struct outcome {
    int status;
    struct str out, err;
};

void site_open(struct site *s);
void site_close(struct site *s);

/* Runs a program in `cwd`; arguments end with NULL. It must succeed; its output is dropped. */
void site_run(const struct site *s, const char *cwd, const char *program, ...)
    __attribute__((sentinel));
/* git in the working tree. */
#define site_git(s, ...) site_run(s, (s)->work, "git", __VA_ARGS__, NULL)
/* The first line that a git command prints. Free it. */
char *site_ask(const struct site *s, const char *cwd, const char *program, ...)
    __attribute__((sentinel));

/* Files of the working tree. */
void site_write(const struct site *s, const char *path, const char *text);
void site_write_exec(const struct site *s, const char *path, const char *text);
void site_link(const struct site *s, const char *path, const char *target);
/* Commits everything and pushes the present branch, by force. */
void site_push(const struct site *s);
char *site_head(const struct site *s); /* commit of the working tree. Free it. */

/* The input of a poll: defaults, to be changed. */
json_t *site_input(const struct site *s);
/* Polls with this input (stolen) into a fresh folder; the output. The exit status must be this one.
 */
json_t *site_poll_with(struct site *s, json_t *input, int status);
json_t *site_poll(struct site *s); /* with the defaults, successfully */

/* Runs the planner with these arguments in s->dir. Release it with outcome_release. */
void site_planner(const struct site *s, struct outcome *o, ...) __attribute__((sentinel));
void outcome_release(struct outcome *o);
/* `plan PATH --json` with one more option (NULL: none), which must exit so. Release it. */
json_t *plan_json(struct site *s, int status, const char *path, const char *option);

/* An image of the first plan of a poll's output, which must be there. */
const json_t *image_named(const json_t *output, const char *name);
const char *text_of(const json_t *o, const char *key);
/* `tar -tv` of an image's artifact: "MODE OWNER SIZE TIME PATH" lines. Free it. */
char *artifact_listing(const struct site *s, const json_t *image, const char *member);

#endif
