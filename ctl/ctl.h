/* ctl.h - what the subcommands share. */
#ifndef BF_CTL_CTL_H
#define BF_CTL_CTL_H

#include "ctl/args.h"
#include "ctl/client.h"
#include "ctl/reference.h"
#include "ctl/render.h"

struct ctl {
    struct args args;
    struct client *client;
    struct style style;
    bool json;
    bool filtered; /* a filter was given: that nothing is listed says nothing of what there is */
};

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* Prints "bootfarm: message" and returns the exit status that fits. */
int ctl_fail(const struct err *e);
int ctl_usage(const char *fmt, ...) BF_PRINTF(1, 2);

/* Prints the rows, as JSON or as a table. Takes the reference. */
int ctl_print(struct ctl *c, json_t *rows, const struct column *columns, const char *none);
/* Writes to standard output at once (nothing else may: no stdio); ends the program when that fails.
 */
void ctl_write(const char *p, size_t n);
void ctl_put(const struct str *text);
/* GET a list and print it: `path` with its filters. */
int ctl_list(struct ctl *c, const char *path, const struct column *columns, const char *none);
/* Adds ?NAME=VALUE for those of `names` (NULL-terminated) that were given as options. */
void ctl_filters(struct ctl *c, struct str *path, const char *const *names);

/* Submits a command (takes `args`), waits for its outcome unless --no-wait, prints what it says.
 * Where `row` is not NULL it gets the row of dashboard.commands, or NULL. Returns the status. */
int ctl_command(struct ctl *c, const char *verb, json_t *args, json_t **row);
/* The same for a command whose outcome the caller shows: nothing is printed but a failure. The
 * reference to *outcome is the caller's; NULL when the status is not EXIT_DONE. */
int ctl_ask(struct ctl *c, const char *verb, json_t *args, json_t **outcome);
/* --timeout, or its default. */
int ctl_timeout(struct ctl *c, bf_time *out);
void ctl_say(const char *fmt, ...) BF_PRINTF(1, 2); /* one line to standard output */
/* The formatter takes the braces of such lists for blocks. */
/* clang-format off */
#define CTL_COMMAND_OPTIONS                                                                        \
    {"no-wait", 0, NULL, "Only submit it; do not wait for the outcome"},                           \
    {"timeout", 0, "DURATION", "Wait at most so long for the outcome (default 60s)"}
/* clang-format on */

/* Member of args for a command: nothing is set where the option was not given. */
void ctl_arg(struct ctl *c, json_t *args, const char *option, const char *member);
json_t *ctl_words(const char *text); /* "a,b" → ["a", "b"] */

/* Waits until something changed at the farm: at least 200 ms, at most `seconds`. `*seen` is 0 at
 * first. Answers quickly, too, while the API is away; -1 for a refusal. */
int ctl_wait_change(struct ctl *c, int64_t *seen, int seconds, struct err *e) BF_MUST_CHECK;

/* Commands; each returns the exit status. */
typedef int ctl_run(struct ctl *c);
ctl_run cmd_status, cmd_plan, cmd_lint, cmd_init, cmd_repo_add, cmd_repo_list, cmd_repo_set,
    cmd_repo_sync, cmd_repo_remove, cmd_repo_refs, cmd_repo_previews, cmd_repo_policy,
    cmd_repo_grant, cmd_site_add, cmd_site_list, cmd_worker_enroll, cmd_worker_list,
    cmd_worker_drain, cmd_worker_resume, cmd_worker_revoke, cmd_job_list, cmd_job_show,
    cmd_job_logs, cmd_job_cancel, cmd_job_retry, cmd_build, cmd_test, cmd_publish, cmd_mirror,
    cmd_queue, cmd_events, cmd_release_list, cmd_presence_list, cmd_command_list, cmd_setting_get,
    cmd_setting_set, cmd_health, cmd_base_list, cmd_why, cmd_explain, cmd_graph, cmd_base_check,
    cmd_base_bump, cmd_debug_record, cmd_site_scale, cmd_worker_set;
extern const struct arg_option options_status[], options_repo_add[], options_repo_set[],
    options_repo_refs[], options_repo_policy[], options_repo_grant[], options_site_add[],
    options_worker_enroll[], options_worker_list[], options_job_list[], options_job_logs[],
    options_build[], options_test[], options_mirror[], options_queue[], options_events[],
    options_release_list[], options_presence_list[], options_command_list[], options_command[],
    options_publish[], options_plan[], options_lint[], options_init[], options_base_list[],
    options_base_check[], options_explain[], options_graph[], options_base_bump[],
    options_debug_record[], options_site_scale[], options_worker_set[];

/* Shows the log of a job and waits for its end: 0 succeeded or skipped, 1 anything else. */
int job_follow(struct ctl *c, int64_t job);

/* One image on this host, without a farm (cmd_local.c). `kind`: build or test. */
int local_image(struct ctl *c, const char *kind, const char *dir, const char *image);
int local_reference(struct ctl *c, const char *reference);

#endif
