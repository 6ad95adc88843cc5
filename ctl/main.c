/* bootfarm: the operator's command line. One table of subcommands; each stands in a cmd_*.c. */
#include "ctl/ctl.h"
#include <signal.h>
#include <stdlib.h>

#define SOCKET_DEFAULT "/run/bootfarm/api.sock"

const struct command commands[] = {
    {NULL, "status", "", 0, 0, "Show every image with its state, and what is wrong", options_status,
     cmd_status},
    {NULL, "plan", "[REPO]", 0, -1, "Show what a repository means, without a farm", options_plan,
     cmd_plan},
    {NULL, "lint", "[REPO]", 0, -1, "Show errors and warnings of a repository", options_lint,
     cmd_lint},
    {NULL, "init", "[DIR]", 0, -1, "Write a first bootfarm.yaml for a repository", options_init,
     cmd_init},
    {"repo", "add", "URL", 1, 1, "Watch a Git repository", options_repo_add, cmd_repo_add},
    {"repo", "list", "", 0, 0, "List the watched repositories", NULL, cmd_repo_list},
    {"repo", "set", "SLUG", 1, 1, "Change a repository's share of the workers", options_repo_set,
     cmd_repo_set},
    {"repo", "sync", "SLUG", 1, 1, "Look at a repository now", options_command, cmd_repo_sync},
    {"repo", "remove", "SLUG", 1, 1, "Stop watching a repository", options_command,
     cmd_repo_remove},
    {"repo", "refs", "", 0, 0, "List the watched refs, and what each may do", options_repo_refs,
     cmd_repo_refs},
    {"repo", "previews", "", 0, 0, "Show what each pull request would rebuild", options_repo_refs,
     cmd_repo_previews},
    {"repo", "policy", "SLUG REF", 2, 2,
     "Let refs of a name or pattern release (others than HEAD build and test), or less",
     options_repo_policy, cmd_repo_policy},
    {"repo", "grant", "SLUG REFERENCE", 2, 2, "Let a repository provide references of others",
     options_repo_grant, cmd_repo_grant},
    {"site", "add", "NAME", 1, 1, "Add a site", options_site_add, cmd_site_add},
    {"site", "scale", "NAME [WORKERS]", 1, 2, "Say how many workers a site shall have",
     options_site_scale, cmd_site_scale},
    {"site", "list", "", 0, 0, "List the sites", NULL, cmd_site_list},
    {"base", "list", "", 0, 0, "List the external bases, their digests and what cannot be resolved",
     options_base_list, cmd_base_list},
    {"base", "check", "[REFERENCE]", 0, 1, "Look now which digests the bases name",
     options_base_check, cmd_base_check},
    {"base", "bump", "REFERENCE", 1, 1, "Rebuild now what stands on a base's older digest",
     options_base_bump, cmd_base_bump},
    {"worker", "enroll", "NAME", 1, 1, "Make a worker's key and let it in", options_worker_enroll,
     cmd_worker_enroll},
    {"worker", "list", "", 0, 0, "List the workers", options_worker_list, cmd_worker_list},
    {"worker", "set", "NAME", 1, 1, "Say how many jobs a worker gets at the same time",
     options_worker_set, cmd_worker_set},
    {"worker", "drain", "NAME", 1, 1, "Give a worker no more jobs", options_command,
     cmd_worker_drain},
    {"worker", "resume", "NAME", 1, 1, "Give a drained or resting worker jobs again",
     options_command, cmd_worker_resume},
    {"worker", "revoke", "NAME", 1, 1, "Refuse a worker's key from now on", options_command,
     cmd_worker_revoke},
    {"job", "list", "", 0, 0, "List jobs, the newest first", options_job_list, cmd_job_list},
    {"job", "show", "JOB", 1, 1, "Show a job with its attempts and events", NULL, cmd_job_show},
    {"job", "logs", "JOB", 1, 1, "Print the log of a job's newest attempt", options_job_logs,
     cmd_job_logs},
    {"job", "cancel", "JOB", 1, 1, "Cancel a job", options_command, cmd_job_cancel},
    {"job", "retry", "JOB", 1, 1, "Run a failed, cancelled or quarantined job again",
     options_command, cmd_job_retry},
    {NULL, "build", "IMAGE", 1, 1, "Build an image again, at the farm or (--local) here",
     options_build, cmd_build},
    {NULL, "test", "IMAGE|REFERENCE", 1, 1, "Test an image at the farm, or boot any reference here",
     options_test, cmd_test},
    {NULL, "publish", "IMAGE", 1, 1, "Release the newest tested digest of an image",
     options_publish, cmd_publish},
    {NULL, "mirror", "IMAGE", 1, 1, "Bring a released image to a site", options_mirror, cmd_mirror},
    {NULL, "why", "JOB", 1, 1, "Tell why a job does not run, and its place in the queue", NULL,
     cmd_why},
    {NULL, "explain", "IMAGE", 1, 1, "Tell why an image was, or was not, built again",
     options_explain, cmd_explain},
    {NULL, "graph", "", 0, 0, "Show what is built from what", options_graph, cmd_graph},
    {NULL, "queue", "", 0, 0, "Show what waits, and why", options_queue, cmd_queue},
    {NULL, "events", "", 0, 0, "Show what happened", options_events, cmd_events},
    {"release", "list", "", 0, 0, "List releases, the newest first", options_release_list,
     cmd_release_list},
    {"presence", "list", "", 0, 0, "Show which site holds which image", options_presence_list,
     cmd_presence_list},
    {"command", "list", "", 0, 0, "List what operators asked for", options_command_list,
     cmd_command_list},
    {"setting", "get", "NAME", 1, 1, "Print a farm-wide setting", NULL, cmd_setting_get},
    {"setting", "set", "NAME VALUE", 2, 2, "Change a farm-wide setting", options_command,
     cmd_setting_set},
    {"debug", "record", "[NAME]", 0, 1, "Record what the leader's brain is told and decides",
     options_debug_record, cmd_debug_record},
    {NULL, "health", "", 0, 0, "Tell whether the API, PostgreSQL and a leader are there", NULL,
     cmd_health},
    {0},
};

static int show_help(const struct args *a)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;

    if (a->command)
        args_command_help(a->command, &text);
    else
        args_help(commands, &text);
    ctl_put(&text);
    return EXIT_DONE;
}

static const char *socket_path(const struct args *a)
{
    const char *given = arg_value(a, "socket"), *env = getenv("BOOTFARM_SOCKET");

    return given ? given : env && *env ? env : SOCKET_DEFAULT;
}

int main(int argc, char **argv)
{
    struct ctl c = {.style = style_detect()};
    struct err e = ERR_INIT;
    int status;

    signal(SIGPIPE, SIG_IGN);
    if (args_parse(commands, argc, argv, &c.args, &e) < 0)
        return ctl_fail(&e);
    if (arg_flag(&c.args, "help"))
        return show_help(&c.args);
    if (arg_flag(&c.args, "version")) {
        ctl_write("bootfarm " BOOTFARM_VERSION "\n", strlen("bootfarm " BOOTFARM_VERSION "\n"));
        return EXIT_DONE;
    }
    c.json = arg_flag(&c.args, "json");
    c.client = client_new(socket_path(&c.args));
    status = c.args.command->run(&c);
    client_free(c.client);
    return status;
}
