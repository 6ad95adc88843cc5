/* debug record: a trace of the leader's brain */
#include "ctl/ctl.h"
#include <time.h>

const struct arg_option options_debug_record[] = {
    {"for", 0, "DURATION", "How long, from 1s to 24h (default 60s)"},
    {"off", 0, NULL, "End the trace that is being recorded"},
    CTL_COMMAND_OPTIONS,
    {0},
};

static json_t *default_name(void)
{
    char text[64];
    struct tm tm;
    time_t now = time(NULL);

    gmtime_r(&now, &tm);
    strftime(text, sizeof text, "%Y%m%d-%H%M%S", &tm);
    return json_string(text);
}

/* NAME is a file in STATE_DIR/traces of the scheduler that leads. */
int cmd_debug_record(struct ctl *c)
{
    const char *name = arg_pos(&c->args, 0);
    bool off = arg_flag(&c->args, "off");
    BF_CLEANUP(json_free) json_t *outcome = NULL;
    json_t *args;
    int status;

    if (off && (name || arg_value(&c->args, "for")))
        return ctl_usage("debug record: --off stands alone");
    args = json_object();
    if (off)
        json_object_set_new(args, "off", json_true());
    else
        json_object_set_new(args, "file", name ? json_string(name) : default_name());
    ctl_arg(c, args, "for", "period");
    if (off || c->json || arg_flag(&c->args, "no-wait"))
        return ctl_command(c, "debug_record", args, NULL);
    status = ctl_ask(c, "debug_record", args, &outcome);
    if (status == EXIT_DONE)
        ctl_say("%s in the state_dir of %s", member_text(outcome, "file"),
                member_text(outcome, "scheduler"));
    return status;
}
