/* repo add|set|sync|remove, site add|list, setting get|set, health */
#include "ctl/ctl.h"
#include <stdio.h>

const struct arg_option options_command[] = {CTL_COMMAND_OPTIONS, {0}};

/* ---- repositories -----------------------------------------------------------------------------
 */

const struct arg_option options_repo_add[] = {
    {"slug", 0, "NAME", "Its name at the farm (default: the last part of the URL)"},
    {"refs", 0, "LIST",
     "Branches to watch: names or globs (* ends at a /, ** does not); tags/GLOB, pull/GLOB, "
     "merge-requests/GLOB (default HEAD)"},
    {"poll-every", 0, "DURATION", "How often to look (default 60s)"},
    {"ssh-key", 0, "PATH", "Private key, a file at the scheduler"},
    {"known-hosts", 0, "PATH", "The Git server's host keys, a file at the scheduler"},
    {"ca-file", 0, "PATH", "Certificates to trust, a file at the scheduler"},
    {"credentials", 0, "PATH", "User and password, a file at the scheduler"},
    {"allowed-signers", 0, "PATH",
     "Only commits that these SSH keys signed; a file at the scheduler"},
    {"keyring", 0, "PATH", "Only commits that these OpenPGP keys signed; a file at the scheduler"},
    CTL_COMMAND_OPTIONS,
    {0},
};

int cmd_repo_add(struct ctl *c)
{
    json_t *args = json_pack("{s:s}", "url", arg_pos(&c->args, 0));

    ctl_arg(c, args, "slug", "slug");
    ctl_arg(c, args, "poll-every", "poll_every");
    ctl_arg(c, args, "ssh-key", "ssh_key");
    ctl_arg(c, args, "known-hosts", "known_hosts");
    ctl_arg(c, args, "ca-file", "ca_file");
    ctl_arg(c, args, "credentials", "credentials");
    ctl_arg(c, args, "allowed-signers", "allowed_signers");
    ctl_arg(c, args, "keyring", "keyring");
    if (arg_value(&c->args, "refs"))
        json_object_set_new(args, "refs", ctl_words(arg_value(&c->args, "refs")));
    return ctl_command(c, "repo_add", args, NULL);
}

static int command_on_slug(struct ctl *c, const char *verb)
{
    return ctl_command(c, verb, json_pack("{s:s}", "slug", arg_pos(&c->args, 0)), NULL);
}

int cmd_repo_sync(struct ctl *c)
{
    return command_on_slug(c, "repo_sync");
}

int cmd_repo_remove(struct ctl *c)
{
    return command_on_slug(c, "repo_remove");
}

const struct arg_option options_repo_set[] = {
    {"weight", 0, "N",
     "Its share of the workers, 1 to 1000: so many times that of a repository of weight 1"},
    CTL_COMMAND_OPTIONS,
    {0},
};

int cmd_repo_set(struct ctl *c)
{
    json_t *args;

    if (!arg_value(&c->args, "weight"))
        return ctl_usage("repo set: --weight is needed");
    args = json_pack("{s:s}", "slug", arg_pos(&c->args, 0));
    ctl_arg(c, args, "weight", "weight");
    return ctl_command(c, "repo_set", args, NULL);
}

/* ---- what refs may do -------------------------------------------------------------------------
 */

const struct arg_option options_repo_policy[] = {
    {"untrusted", 0, NULL, "Build and test only, with results and caches of their own"},
    {"no-publish", 0, NULL, "Release nothing"},
    {"no-mirror", 0, NULL, "Mirror nothing"},
    {"no-secrets", 0, NULL, "Use no secrets"},
    {"no-place", 0, NULL, "Name no site for jobs"},
    {"remove", 0, NULL, "Remove the rule"},
    CTL_COMMAND_OPTIONS,
    {0},
};

int cmd_repo_policy(struct ctl *c)
{
    static const char *const no[][2] = {{"untrusted", "trusted"},
                                        {"no-publish", "publish"},
                                        {"no-mirror", "mirror"},
                                        {"no-secrets", "secrets"},
                                        {"no-place", "place"}};
    json_t *args =
        json_pack("{s:s, s:s}", "slug", arg_pos(&c->args, 0), "ref", arg_pos(&c->args, 1));

    for (size_t i = 0; i < ARRAY_SIZE(no); i++) {
        if (arg_flag(&c->args, no[i][0]))
            json_object_set_new(args, no[i][1], json_false());
    }
    if (arg_flag(&c->args, "remove"))
        json_object_set_new(args, "remove", json_true());
    return ctl_command(c, "repo_policy", args, NULL);
}

const struct arg_option options_repo_grant[] = {
    {"remove", 0, NULL, "Take the grant back"},
    CTL_COMMAND_OPTIONS,
    {0},
};

int cmd_repo_grant(struct ctl *c)
{
    json_t *args =
        json_pack("{s:s, s:s}", "slug", arg_pos(&c->args, 0), "reference", arg_pos(&c->args, 1));

    if (arg_flag(&c->args, "remove"))
        json_object_set_new(args, "remove", json_true());
    return ctl_command(c, "repo_grant", args, NULL);
}

/* ---- sites ------------------------------------------------------------------------------------
 */

const struct arg_option options_site_add[] = {
    {"kind", 0, "WORD", "hub or acp (default acp)"},
    {"registry", 0, "HOST[:PORT]", "Registry of the site; none: it hosts no images"},
    {"on-partition", 0, "WORD", "When a worker there is cut off: kill its work, or continue"},
    {"grace", 0, "DURATION", "With continue: for how long its work is not given to another one"},
    CTL_COMMAND_OPTIONS,
    {0},
};

int cmd_site_add(struct ctl *c)
{
    const char *kind = arg_value(&c->args, "kind");
    json_t *args =
        json_pack("{s:s, s:s}", "name", arg_pos(&c->args, 0), "kind", kind ? kind : "acp");

    ctl_arg(c, args, "registry", "registry");
    ctl_arg(c, args, "on-partition", "on_partition");
    ctl_arg(c, args, "grace", "grace");
    return ctl_command(c, "site_add", args, NULL);
}

const struct arg_option options_site_scale[] = {
    {"auto", 0, NULL, "As many as the jobs want, no longer a number set by hand"},
    {"min", 0, "N", "Never fewer; none: 0"},
    {"max", 0, "N", "Never more; none: no bound"},
    CTL_COMMAND_OPTIONS,
    {0},
};

/* A number set by hand is kept, for the maximum may rise one day. */
static void tell_bound(const struct ctl *c, const json_t *outcome)
{
    const json_t *workers = json_object_get(outcome, "workers"),
                 *max = json_object_get(outcome, "max");

    if (json_is_integer(workers) && json_is_integer(max) &&
        json_integer_value(workers) > json_integer_value(max))
        fprintf(stderr,
                "bootfarm: %s gets no more than its maximum of %" JSON_INTEGER_FORMAT
                " until that is raised\n",
                arg_pos(&c->args, 0), json_integer_value(max));
}

/* For each architecture and role: what dashboard.site_demand tells an autoscaler. */
int cmd_site_scale(struct ctl *c)
{
    BF_CLEANUP(json_free) json_t *row = NULL;
    const char *workers = arg_pos(&c->args, 1);
    json_t *args;
    int status;

    if (workers && arg_flag(&c->args, "auto"))
        return ctl_usage("site scale: give a number, or --auto");
    if (arg_flag(&c->args, "auto"))
        workers = "auto";
    if (!workers && !arg_value(&c->args, "min") && !arg_value(&c->args, "max"))
        return ctl_usage("site scale: a number, --auto, --min or --max is needed");
    args = json_pack("{s:s, s:s*}", "name", arg_pos(&c->args, 0), "workers", workers);
    ctl_arg(c, args, "min", "min");
    ctl_arg(c, args, "max", "max");
    status = ctl_command(c, "site_scale", args, &row);
    if (status == EXIT_DONE && row)
        tell_bound(c, json_object_get(row, "outcome"));
    return status;
}

/* ---- settings and health ----------------------------------------------------------------------
 */

int cmd_setting_get(struct ctl *c)
{
    BF_CLEANUP(str_release) struct str path = STR_INIT;
    BF_CLEANUP(str_release) struct str value = STR_INIT;
    json_t *row;
    struct err e = ERR_INIT;

    str_add(&path, "/v1/setting/");
    path_segment(&path, arg_pos(&c->args, 0));
    if (client_get(c->client, path.p, &row, &e) < 0)
        return ctl_fail(&e);
    if (c->json)
        return ctl_print(c, row, NULL, NULL);
    text_add_safe(&value, member_text(row, "value"));
    str_addch(&value, '\n');
    ctl_put(&value);
    json_decref(row);
    return EXIT_DONE;
}

int cmd_setting_set(struct ctl *c)
{
    return ctl_command(
        c, "setting_set",
        json_pack("{s:s, s:s}", "name", arg_pos(&c->args, 0), "value", arg_pos(&c->args, 1)), NULL);
}

int cmd_health(struct ctl *c)
{
    static const struct column columns[] = {{"database", "database", CELL_TEXT},
                                            {"leader", "leader", CELL_TEXT},
                                            {"term", "term", CELL_NUMBER},
                                            {"version", "version", CELL_TEXT},
                                            {0}};
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    json_t *row;
    struct err e = ERR_INIT;
    bool led;

    if (client_get(c->client, "/v1/health", &row, &e) < 0)
        return ctl_fail(&e);
    led = json_is_string(json_object_get(row, "leader"));
    if (c->json) {
        (void)ctl_print(c, json_incref(row), NULL, NULL);
    } else {
        render_fields(row, columns, &c->style, &text);
        ctl_put(&text);
    }
    json_decref(row);
    if (!led)
        fputs("bootfarm: no scheduler leads; start bootfarm-scheduler\n", stderr);
    return led ? EXIT_DONE : EXIT_FAILED;
}
