/* worker enroll|list|set|drain|resume|revoke */
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "common/loop/zloop.h"
#include "ctl/ctl.h"
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

const struct arg_option options_worker_enroll[] = {
    {"site", 0, "NAME", "Site that the worker belongs to (default hub)"},
    {"roles", 0, "LIST", "What it may do: build, test, publish, mirror; comma-separated"},
    {"key", 0, "FILE", "Where its secret key is written, mode 0600; one that is there is used"},
    {"config", 0, "FILE", "Where its configuration is written (default: printed)"},
    {"schedulers", 0, "LIST",
     "Endpoints of the schedulers for that configuration (tcp://HOST:PORT)"},
    {"log-endpoints", 0, "LIST", "Endpoints for logs, in the same order"},
    CTL_COMMAND_OPTIONS,
    {0},
};

/* The key pair: made now, or the one of an earlier enrolment that was broken off. */
static int key_pair(const char *path, char public_key[static 41], bool *made, struct err *e)
{
    char secret[41];
    int rc;

    *made = access(path, F_OK) != 0;
    if (*made)
        rc = zcurve_keypair(public_key, secret, e) < 0 || zcurve_save(path, secret, e) < 0 ? -1 : 0;
    else
        rc = zcurve_load(path, public_key, secret, e);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static void add_setting(struct str *out, const char *name, const char *value, const char *example)
{
    if (value)
        str_addf(out, "%s = %s\n", name, value);
    else
        str_addf(out, "# %s = %s\n", name, example);
}

static int worker_config(struct ctl *c, struct str *out, struct err *e)
{
    BF_CLEANUP(json_free) json_t *setting = NULL;
    const char *name = arg_pos(&c->args, 0), *site = arg_value(&c->args, "site");
    BF_CLEANUP(free_ptr) char *key = realpath(arg_value(&c->args, "key"), NULL);

    if (client_get(c->client, "/v1/setting/curve_public", &setting, e) < 0)
        return err_wrap(e, "the scheduler's public key");
    str_addf(out, "# Configuration of bootfarm-worker(8).\nname = %s\nsite = %s\nroles = %s\n",
             name, site ? site : "hub", arg_value(&c->args, "roles"));
    add_setting(out, "schedulers", arg_value(&c->args, "schedulers"), "tcp://HOST:PORT");
    add_setting(out, "log_endpoints", arg_value(&c->args, "log-endpoints"), "tcp://HOST:PORT");
    str_addf(out, "server_key = %s\nkey_file = %s\nstate_dir = /var/lib/bootfarm-worker/%s\n",
             member_text(setting, "value"), key ? key : arg_value(&c->args, "key"), name);
    str_add(out, "# Its executors' own settings: registries without TLS, credentials.\n");
    add_setting(out, "exec_config", NULL, "FILE");
    return 0;
}

static int put_config(struct ctl *c, struct err *e)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    const char *path = arg_value(&c->args, "config");

    if (worker_config(c, &text, e) < 0)
        return -1;
    if (path)
        return file_write_atomic(path, text.p, text.len, 0644, e);
    if (!c->json)
        ctl_put(&text);
    return 0;
}

int cmd_worker_enroll(struct ctl *c)
{
    const char *site = arg_value(&c->args, "site"), *key = arg_value(&c->args, "key");
    char public_key[41];
    BF_CLEANUP(json_free) json_t *outcome = NULL;
    struct err e = ERR_INIT;
    json_t *args;
    bool made;
    int status;

    if (!key || !arg_value(&c->args, "roles"))
        return ctl_usage("worker enroll: --roles and --key are needed");
    if (key_pair(key, public_key, &made, &e) < 0)
        return ctl_fail(&e);
    args =
        json_pack("{s:s, s:s, s:o, s:s}", "name", arg_pos(&c->args, 0), "site", site ? site : "hub",
                  "roles", ctl_words(arg_value(&c->args, "roles")), "public_key", public_key);
    /* Nothing but the configuration goes to standard output where that is to become a file. */
    status = c->json || arg_flag(&c->args, "no-wait") || arg_value(&c->args, "config")
                 ? ctl_command(c, "worker_enroll", args, NULL)
                 : ctl_ask(c, "worker_enroll", args, &outcome);
    if (status != EXIT_DONE) /* the key stays: whether it was registered may be unknown */
        return status;
    return put_config(c, &e) < 0 ? ctl_fail(&e) : EXIT_DONE;
}

static int command_on(struct ctl *c, const char *verb)
{
    return ctl_command(c, verb, json_pack("{s:s}", "name", arg_pos(&c->args, 0)), NULL);
}

const struct arg_option options_worker_set[] = {
    {"slots", 0, "N", "At most so many jobs, up to what its own configuration says; auto: all"},
    CTL_COMMAND_OPTIONS,
    {0},
};

/* More than a worker offers is kept, for it may offer more one day. */
static void tell_slots(const struct ctl *c, const json_t *row, int64_t wanted)
{
    const json_t *slots = json_object_get(json_object_get(row, "outcome"), "slots");

    if (json_is_integer(slots) && json_integer_value(slots) < wanted)
        fprintf(stderr,
                "bootfarm: %s offers %" JSON_INTEGER_FORMAT
                " slots by its own configuration; it gets no more until that is raised\n",
                arg_pos(&c->args, 0), json_integer_value(slots));
}

int cmd_worker_set(struct ctl *c)
{
    BF_CLEANUP(json_free) json_t *row = NULL;
    const char *slots = arg_value(&c->args, "slots");
    int64_t wanted = 0;
    json_t *args;
    int status;

    if (!slots)
        return ctl_usage("worker set: --slots is needed");
    args = json_pack("{s:s}", "name", arg_pos(&c->args, 0));
    ctl_arg(c, args, "slots", "slots");
    status = ctl_command(c, "worker_set", args, &row);
    if (status == EXIT_DONE && row && parse_i64(slots, 1, 1024, &wanted) == 0) /* or it is `auto` */
        tell_slots(c, row, wanted);
    return status;
}

int cmd_worker_drain(struct ctl *c)
{
    return command_on(c, "worker_drain");
}

int cmd_worker_resume(struct ctl *c)
{
    return command_on(c, "worker_resume");
}

int cmd_worker_revoke(struct ctl *c)
{
    return command_on(c, "worker_revoke");
}
