#include "worker/options.h"
#include "common/base/mem.h"
#include "proto/wire.h"

#if defined(__x86_64__)
#define THIS_ARCH "amd64"
#elif defined(__aarch64__)
#define THIS_ARCH "arm64"
#elif defined(__riscv) && __riscv_xlen == 64
#define THIS_ARCH "riscv64"
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
#define THIS_ARCH "ppc64le"
#elif defined(__s390x__)
#define THIS_ARCH "s390x"
#else
#define THIS_ARCH NULL /* name it in the configuration */
#endif

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};

#define AT(member) offsetof(struct options, member)
static const struct conf_option table[] = {
    {.name = "name",
     .type = CONF_STRING,
     .offset = AT(name),
     .required = true,
     .help = "this worker's name in its own log; the scheduler knows it by its key"},
    {.name = "site",
     .type = CONF_STRING,
     .offset = AT(site),
     .def = "",
     .help = "the site it stands at, for its own log"},
    {.name = "schedulers",
     .type = CONF_LIST,
     .offset = AT(schedulers),
     .required = true,
     .help = "control endpoints, tcp://HOST:PORT, leader and standbys alike"},
    {.name = "log_endpoints",
     .type = CONF_LIST,
     .offset = AT(log_endpoints),
     .required = true,
     .help = "log endpoints, one for each of `schedulers` in the same order"},
    {.name = "server_key",
     .type = CONF_STRING,
     .offset = AT(server_key),
     .required = true,
     .help = "public CURVE key of the schedulers (Z85, 40 characters)"},
    {.name = "key_file",
     .type = CONF_PATH,
     .offset = AT(key_file),
     .required = true,
     .help = "this worker's secret CURVE key, mode 0600; `bootfarm-worker keygen FILE` makes one"},
    {.name = "state_dir",
     .type = CONF_PATH,
     .offset = AT(state_dir),
     .def = "/var/lib/bootfarm/worker",
     .help = "journal, spool of logs, work directories"},
    {.name = "slots",
     .type = CONF_INT,
     .offset = AT(slots),
     .def = "1",
     .reloadable = true,
     .min = 0,
     .max = WIRE_MAX_SLOTS,
     .help = "attempts at the same time"},
    {.name = "roles",
     .type = CONF_LIST,
     .offset = AT(roles),
     .def = "build,test",
     .help = "kinds of jobs it takes: build, test, publish, mirror"},
    {.name = "arch",
     .type = CONF_STRING,
     .offset = AT(arch),
     .def = THIS_ARCH,
     .required = THIS_ARCH == NULL,
     .help = "architecture it builds and boots (amd64, arm64, ...); default: this machine's"},
    {.name = "capabilities",
     .type = CONF_LIST,
     .offset = AT(capabilities),
     .def = "",
     .reloadable = true,
     .help = "further capabilities to announce; secret:NAME is added for each file of secrets_dir"},
    {.name = "exec",
     .type = CONF_STRING,
     .offset = AT(exec),
     .def = "bootfarm-exec",
     .help = "the executor's program, a path or a name in PATH"},
    {.name = "exec_config",
     .type = CONF_PATH,
     .offset = AT(exec_config),
     .help = "passed to the executor as --config (registries, credentials, isolation)"},
    {.name = "fake",
     .type = CONF_BOOL,
     .offset = AT(fake),
     .def = "false",
     .help = "run the executors' fake twins, which use no tools"},
    {.name = "secrets_dir",
     .type = CONF_PATH,
     .offset = AT(secrets_dir),
     .help = "one file per build secret; their values are taken out of logs and results"},
    {.name = "heartbeat",
     .type = CONF_DURATION,
     .offset = AT(heartbeat),
     .def = "15s",
     .reloadable = true,
     .min = 200 * BF_MSEC,
     .max = 300 * BF_SEC,
     .help = "an idle worker reports this often, give or take a fifth"},
    {.name = "kill_time",
     .type = CONF_DURATION,
     .offset = AT(kill_time),
     .def = "10s",
     .reloadable = true,
     .min = 100 * BF_MSEC,
     .max = 600 * BF_SEC,
     .help = "between SIGTERM and SIGKILL for an executor; less than the scheduler's kill time"},
    {.name = "overrun",
     .type = CONF_DURATION,
     .offset = AT(overrun),
     .def = "2m",
     .reloadable = true,
     .min = BF_SEC,
     .max = 3600 * BF_SEC,
     .help = "an executor that exceeds the order's own time limit by this is killed"},
    {.name = "disk_floor",
     .type = CONF_SIZE,
     .offset = AT(disk_floor),
     .def = "2GiB",
     .reloadable = true,
     .help = "with less free space under state_dir no attempt is taken"},
    {.name = "memory_floor",
     .type = CONF_SIZE,
     .offset = AT(memory_floor),
     .def = "256MiB",
     .reloadable = true,
     .help = "with less available memory no attempt is taken"},
    {.name = "log_floor",
     .type = CONF_SIZE,
     .offset = AT(log_floor),
     .def = "128MiB",
     .reloadable = true,
     .help = "with less free space logs get gaps, so that the journal can still be written"},
    {.name = "log_head",
     .type = CONF_SIZE,
     .offset = AT(log_head),
     .def = "16MiB",
     .reloadable = true,
     .help = "bytes kept from the beginning of a log"},
    {.name = "log_tail",
     .type = CONF_SIZE,
     .offset = AT(log_tail),
     .def = "4MiB",
     .reloadable = true,
     .help = "bytes kept from its end (up to half as much more)"},
    {.name = "log_total",
     .type = CONF_SIZE,
     .offset = AT(log_total),
     .def = "2GiB",
     .reloadable = true,
     .help = "all logs not yet stored by the scheduler; beyond it the oldest are dropped"},
    {.name = "log_level",
     .type = CONF_ENUM,
     .offset = AT(log_level),
     .def = "info",
     .reloadable = true,
     .choices = log_levels,
     .help = "debug, info, warn or error"},
    {.name = NULL},
};

const struct conf worker_conf = {
    .program = "bootfarm-worker",
    .summary =
        "runs the jobs of a bootfarm on this host; `bootfarm-worker keygen FILE` makes a key",
    .options = table,
};

char **list_split(const char *list, size_t max, size_t *n)
{
    size_t words = 1, len = list ? strlen(list) : 0;
    for (size_t i = 0; i < len; i++)
        words += list[i] == ',';
    words = words < max ? words : max;
    char **out = xmalloc((words + 1) * sizeof *out + len + 1);
    char *text = (char *)(out + words + 1), *save = NULL;
    memcpy(text, list ? list : "", len + 1);
    *n = 0;
    for (char *w = strtok_r(text, ", \t", &save); w != NULL && *n < words;
         w = strtok_r(NULL, ", \t", &save))
        out[(*n)++] = w;
    out[*n] = NULL;
    return out;
}

bool list_has(const char *list, const char *word)
{
    size_t n = 0;
    BF_CLEANUP(free_ptr) char **words = list_split(list, SIZE_MAX - 1, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static int check_list(const char *name, const char *list, size_t min, size_t max,
                      bool (*good)(const char *), const char *expected, struct err *e)
{
    size_t n = 0;
    BF_CLEANUP(free_ptr) char **words = list_split(list, max + 1, &n);
    if (n < min || n > max)
        return err_set(e, ERR_CONFIG, "%s: expected %zu to %zu words", name, min, max);
    for (size_t i = 0; i < n; i++)
        if (!good(words[i]))
            return err_set(e, ERR_CONFIG, "%s: expected %s, got \"%s\"", name, expected, words[i]);
    return 0;
}

static bool is_role(const char *s)
{
    return list_has("build,test,publish,mirror", s);
}

static bool is_endpoint(const char *s)
{
    return str_starts(s, "tcp://") && strlen(s) < 256;
}

/* secret:NAME is for files only: a worker does not announce what it cannot deliver. */
static bool is_capability(const char *s)
{
    return wire_is_capability(s) && !str_starts(s, "secret:");
}

static size_t count_words(const char *list)
{
    size_t n = 0;
    free(list_split(list, MAX_ENDPOINTS + 1, &n));
    return n;
}

static int check(const struct options *o, struct err *e)
{
    const char *endpoint = "tcp://HOST:PORT";
    if (check_list("schedulers", o->schedulers, 1, MAX_ENDPOINTS, is_endpoint, endpoint, e) ||
        check_list("log_endpoints", o->log_endpoints, 1, MAX_ENDPOINTS, is_endpoint, endpoint, e) ||
        check_list("roles", o->roles, 1, WIRE_MAX_ROLES, is_role, "build, test, publish or mirror",
                   e) ||
        check_list("capabilities", o->capabilities, 0, WIRE_MAX_CAPABILITIES / 2, is_capability,
                   "1 to 64 of A-Z, a-z, 0-9 and :._+/- (secrets come from secrets_dir)", e))
        return -1;
    if (count_words(o->schedulers) != count_words(o->log_endpoints))
        return err_set(e, ERR_CONFIG, "log_endpoints: expected one for each of schedulers");
    if (strlen(o->server_key) != 40)
        return err_set(e, ERR_CONFIG, "server_key: expected 40 characters of Z85");
    if (!wire_is_word(o->arch))
        return err_set(e, ERR_CONFIG, "arch: expected a name such as amd64, got \"%s\"", o->arch);
    return 0;
}

int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e)
{
    *o = (struct options){0};
    if (conf_load(&worker_conf, argc, argv, o, rest, e))
        return -1;
    if (check(o, e) == 0)
        return 0;
    options_release(o);
    return -1;
}

void options_release(struct options *o)
{
    conf_release(&worker_conf, o);
}

static size_t member_size(enum conf_type type)
{
    switch (type) {
    case CONF_STRING:
    case CONF_PATH:
    case CONF_LIST:
        return sizeof(char *);
    case CONF_BOOL:
        return sizeof(bool);
    case CONF_INT:
        return sizeof(int64_t);
    case CONF_DURATION:
        return sizeof(bf_time);
    case CONF_SIZE:
        return sizeof(uint64_t);
    case CONF_ENUM:
        return sizeof(int);
    }
    BUG("option type %d", (int)type);
}

/* Swapped, not copied: the old strings are freed with the rest of what was read. */
static void swap_member(const struct conf_option *opt, struct options *a, struct options *b)
{
    unsigned char tmp[sizeof(uint64_t)];
    unsigned char *pa = (unsigned char *)a + opt->offset, *pb = (unsigned char *)b + opt->offset;
    size_t n = member_size(opt->type);
    memcpy(tmp, pa, n);
    memcpy(pa, pb, n);
    memcpy(pb, tmp, n);
}

int options_reload(int argc, char **argv, struct options *o, struct err *e)
{
    struct options fresh;
    int rest;
    if (options_load(argc, argv, &fresh, &rest, e))
        return -1;
    for (const struct conf_option *opt = table; opt->name != NULL; opt++)
        if (opt->reloadable)
            swap_member(opt, o, &fresh);
    options_release(&fresh);
    return 0;
}
