#include "scheduler/options.h"

#include "common/base/log.h"

#define OPT(member) .name = #member, .offset = offsetof(struct options, member)

/* In the order of enum log_level. */
static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

static const struct conf_option table[] = {
    {OPT(database), .type = CONF_STRING,
     .help = "libpq connection string of the role bootfarm_scheduler; several hosts may be given"},
    {OPT(listen), .type = CONF_STRING, .help = "control socket for workers, tcp://ADDRESS:PORT"},
    {OPT(listen_log), .type = CONF_STRING, .help = "log socket for workers, tcp://ADDRESS:PORT"},
    {OPT(key_file), .type = CONF_PATH,
     .help = "CURVE secret key of the farm, mode 0600; see keygen. All schedulers share it"},
    {OPT(state_dir), .type = CONF_PATH,
     .help = "mirrors of repositories, temporary files, this scheduler's name; of one process"},
    {OPT(planner), .type = CONF_STRING, .def = "bootfarm-planner",
     .help = "the planner program, a path or a name in PATH"},
    {OPT(skopeo), .type = CONF_STRING, .def = "skopeo", .help = "the skopeo program"},
    {OPT(registry_auth_file), .type = CONF_PATH,
     .help = "credentials for the staging registry and for bases (containers-auth.json)"},
    {OPT(registry_cert_dir), .type = CONF_PATH, .help = "CA certificates for registries"},
    {OPT(insecure_registries), .type = CONF_LIST, .def = "",
     .help = "HOST[:PORT],...: plain HTTP, or TLS that is not verified"},
    {OPT(lease), .type = CONF_DURATION, .def = "45s", .min = 3 * BF_SEC, .max = 3600 * BF_SEC,
     .help = "a worker that is silent for so long is disconnected"},
    {OPT(kill_time), .type = CONF_DURATION, .def = "15s", .min = 0, .max = 600 * BF_SEC,
     .help = "what a worker needs after that to end its attempts, before they run elsewhere"},
    {OPT(backoff_min), .type = CONF_DURATION, .def = "5s", .min = BF_MSEC, .max = 3600 * BF_SEC,
     .help = "wait after the first infrastructure failure of a job; doubled each time"},
    {OPT(backoff_max), .type = CONF_DURATION, .def = "10m", .min = BF_MSEC,
     .max = 24 * 3600 * BF_SEC, .help = "the longest such wait"},
    {OPT(lost_limit), .type = CONF_INT, .def = "3", .min = 1, .max = 100,
     .help = "lost on so many workers, a job waits for `job retry`"},
    {OPT(max_cpu_psi), .type = CONF_INT, .def = "0", .min = 0, .max = 100,
     .help = "percent of the time in which tasks of a worker's host wait for a processor (PSI some "
             "avg10): beyond it the worker gets no more jobs while it has one; 0: no limit"},
    {OPT(max_io_psi), .type = CONF_INT, .def = "95", .min = 0, .max = 100,
     .help = "the same for I/O"},
    {OPT(max_memory_psi), .type = CONF_INT, .def = "20", .min = 0, .max = 100,
     .help = "the same for memory"},
    {OPT(disk_floor), .type = CONF_SIZE, .def = "256MiB",
     .help = "a worker with less free disk gets no jobs, at most 1TiB; 0: no limit"},
    {OPT(poll_jitter), .type = CONF_INT, .def = "10", .min = 0, .max = 100,
     .help = "percent of the poll interval over which polls spread"},
    {OPT(planners), .type = CONF_INT, .def = "2", .min = 1, .max = 64,
     .help = "polls of repositories at once"},
    {OPT(planner_timeout), .type = CONF_DURATION, .def = "2m", .min = BF_SEC, .max = 3600 * BF_SEC,
     .help = "deadline of one poll"},
    {OPT(planner_memory), .type = CONF_SIZE, .def = "4GiB",
     .help = "address space of one planner; 0: no limit"},
    {OPT(uploads), .type = CONF_INT, .def = "4", .min = 1, .max = 64,
     .help = "uploads of contexts at once"},
    {OPT(base_lookups), .type = CONF_INT, .def = "4", .min = 1, .max = 16,
     .help = "lookups of external bases at once"},
    {OPT(base_max_age), .type = CONF_DURATION, .def = "1h", .min = BF_SEC,
     .max = 30 * 24 * 3600 * BF_SEC, .help = "external bases are looked at again after so long"},
    {OPT(base_window), .type = CONF_DURATION, .def = "5m", .min = 0, .max = 24 * 3600 * BF_SEC,
     .help = "changed bases wait so long for others, before what stands on them is rebuilt"},
    {OPT(log_queue), .type = CONF_SIZE, .def = "16MiB",
     .help = "log chunks that may wait for PostgreSQL, at least 1MiB"},
    {OPT(trace_limit), .type = CONF_SIZE, .def = "256MiB",
     .help = "a trace of `bootfarm debug record` ends when it has this size"},
    {OPT(log_level), .type = CONF_ENUM, .def = "info", .reloadable = true, .choices = log_levels,
     .help = "least severe messages that are written"},
    {.name = NULL},
};

static const struct conf conf = {
    .program = "bootfarm-scheduler",
    .summary = "decides what is built, tested, published and mirrored.\n"
               "  run          (default) lead the farm, or stand by\n"
               "  migrate      apply the schema to the database\n"
               "  keygen FILE  make the farm's CURVE key and print its public half",
    .options = table,
    .positional = "[run | migrate | keygen FILE]",
};

int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e)
{
    *o = (struct options){0};
    return conf_load(&conf, argc, argv, o, rest, e);
}

int options_check_run(const struct options *o, struct err *e)
{
    const struct {
        const char *name, *value;
    } required[] = {
        {"database", o->database}, {"listen", o->listen},       {"listen_log", o->listen_log},
        {"key_file", o->key_file}, {"state_dir", o->state_dir},
    };
    for (size_t i = 0; i < ARRAY_SIZE(required); i++) {
        if (!required[i].value || !*required[i].value)
            return err_set(e, ERR_CONFIG,
                           "the option %s is required: give it in the file of "
                           "--config or on the command line",
                           required[i].name);
    }
    if (o->backoff_max < o->backoff_min)
        return err_set(e, ERR_CONFIG, "backoff_max must not be shorter than backoff_min");
    if (o->log_queue < ((uint64_t)1 << 20))
        return err_set(e, ERR_CONFIG, "log_queue must be at least 1MiB");
    if (o->disk_floor > ((uint64_t)1 << 40))
        return err_set(e, ERR_CONFIG, "disk_floor must be at most 1TiB");
    return 0;
}

void options_release(struct options *o)
{
    conf_release(&conf, o);
}
