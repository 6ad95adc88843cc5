/* main.c - bootfarm-swarm: N simulated workers against a real scheduler. README of tests/bench. */
#include "common/base/clock.h"
#include "common/base/conf.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "swarm.h"
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/resource.h>

#define MAX_WORKERS 20000

/* ---- options --------------------------------------------------------------------------------- */

#define OPT(member) .name = #member, .offset = offsetof(struct options, member)

static const struct conf_option table[] = {
    {OPT(scheduler), .type = CONF_STRING, .help = "control endpoint, tcp://HOST:PORT"},
    {OPT(server_key), .type = CONF_STRING, .help = "public CURVE key of the scheduler"},
    {OPT(keys), .type = CONF_STRING, .help = "file with a line `public secret` for each worker"},
    {OPT(workers), .type = CONF_INT, .def = "1", .min = 1, .max = MAX_WORKERS,
     .help = "how many workers to play"},
    {OPT(first), .type = CONF_INT, .def = "0", .min = 0, .max = MAX_WORKERS,
     .help = "line of the key file where they begin, so that several swarms can share one"},
    {OPT(slots), .type = CONF_INT, .def = "64", .min = 1, .max = WIRE_MAX_SLOTS,
     .help = "slots of each worker"},
    {OPT(roles), .type = CONF_LIST, .def = "build,test", .help = "roles of each worker"},
    {OPT(arch), .type = CONF_STRING, .def = "amd64", .help = "architecture of each worker"},
    {OPT(hold), .type = CONF_DURATION, .def = "0", .max = 24 * 3600 * BF_SEC,
     .help = "how long a job takes; 0: it is answered at once"},
    {OPT(fail), .type = CONF_STRING, .def = "0", .help = "part of the jobs that fail, 0 to 1"},
    {OPT(disconnect), .type = CONF_STRING, .def = "0",
     .help = "part of the Orders after which the worker cuts its link, 0 to 1"},
    {OPT(away), .type = CONF_DURATION, .def = "500ms", .max = 3600 * BF_SEC,
     .help = "how long a link stays cut, give or take half"},
    {OPT(heartbeat), .type = CONF_DURATION, .def = "15s", .min = BF_MSEC, .max = 3600 * BF_SEC,
     .help = "a worker without news reports this often, give or take a fifth"},
    {OPT(together), .type = CONF_BOOL, .def = "true",
     .help = "nobody reports before all are connected"},
    {OPT(jobs), .type = CONF_INT, .def = "0", .min = 0, .max = INT64_MAX,
     .help = "end after so many acknowledgements; 0: at SIGTERM"},
    {OPT(timeout), .type = CONF_DURATION, .def = "0", .max = 24 * 3600 * BF_SEC,
     .help = "give up after so long, with status 1; 0: never"},
    {OPT(starts), .type = CONF_STRING,
     .help = "file that gets `IMAGE NANOSECONDS` (CLOCK_MONOTONIC) for each order"},
    {OPT(seed), .type = CONF_INT, .def = "1", .min = 0, .max = INT64_MAX,
     .help = "of failures, cuts and jitter"},
    {.name = NULL},
};

static const struct conf conf = {
    .program = "bootfarm-swarm",
    .summary = "plays many workers against a scheduler, and prints one line of JSON at the end.\n"
               "  run          (default)\n"
               "  keys N       print N key pairs, `public secret` a line",
    .options = table,
    .positional = "[run | keys N]",
};

int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e)
{
    *o = (struct options){0};
    return conf_load(&conf, argc, argv, o, rest, e);
}

void options_release(struct options *o)
{
    conf_release(&conf, o);
}

static int parse_part(const char *name, const char *text, double *out, struct err *e)
{
    char *end;
    *out = strtod(text, &end);
    if (end == text || *end || !(*out >= 0 && *out <= 1))
        return err_set(e, ERR_CONFIG, "%s: expected a number from 0 to 1, not %.40s", name, text);
    return 0;
}

static int check_options(struct swarm *s, struct err *e)
{
    const struct options *o = s->options;
    if (!o->scheduler || !o->server_key || !o->keys)
        return err_set(e, ERR_CONFIG, "--scheduler, --server-key and --keys are needed");
    if (parse_part("fail", o->fail, &s->fail, e) ||
        parse_part("disconnect", o->disconnect, &s->disconnect, e))
        return -1;
    return 0;
}

/* ---- parts ----------------------------------------------------------------------------------- */

/* splitmix64 */
double swarm_random(struct swarm *s)
{
    uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static char **split(const char *list)
{
    char **words = xcalloc(WIRE_MAX_ROLES + 1, sizeof *words);
    size_t n = 0;
    while (*list && n < WIRE_MAX_ROLES) {
        size_t len = strcspn(list, ",");
        words[n++] = xstrndup(list, len);
        list += len + (list[len] == ',');
    }
    return words;
}

static int load_keys(struct swarm *s, struct err *e)
{
    FILE *f = fopen(s->options->keys, "re");
    if (f == NULL)
        return err_sys(e, "%s", s->options->keys);
    char line[256], public_key[41], secret_key[41];
    int64_t at = 0;
    unsigned n = 0;
    for (; n < s->n && fgets(line, sizeof line, f); at++) {
        if (at < s->options->first)
            continue;
        if (sscanf(line, "%40s %40s", public_key, secret_key) != 2)
            break;
        memcpy(s->nodes[n].public_key, public_key, sizeof public_key);
        memcpy(s->nodes[n++].secret_key, secret_key, sizeof secret_key);
    }
    fclose(f);
    if (n < s->n)
        return err_set(e, ERR_INPUT, "%s: %u key pairs from line %lld on, %u are needed",
                       s->options->keys, n, (long long)s->options->first, s->n);
    return 0;
}

static void on_end(uv_signal_t *h, int number)
{
    (void)number;
    swarm_end(h->data);
}

static void on_guard(uv_timer_t *t)
{
    struct swarm *s = t->data;
    s->timed_out = true;
    swarm_end(s);
}

static void open_handles(struct swarm *s)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        uv_signal_start(&s->signals[i], on_end, numbers[i]);
    }
    uv_timer_init(&s->loop, &s->guard);
    s->guard.data = s;
    if (s->options->timeout)
        uv_timer_start(&s->guard, on_guard, (uint64_t)(s->options->timeout / BF_MSEC), 0);
    for (unsigned i = 0; i < s->n; i++)
        node_init(&s->nodes[i], s, i);
}

static int connect_all(struct swarm *s, struct err *e)
{
    s->zloops = xcalloc((s->n + NODES_PER_ZLOOP - 1) / NODES_PER_ZLOOP, sizeof(struct zloop *));
    for (unsigned i = 0; i < s->n; i++) {
        if (i % NODES_PER_ZLOOP == 0) {
            struct zloop *z = zloop_new(&s->loop, e);
            if (z == NULL)
                return -1;
            s->zloops[s->n_zloops++] = z;
        }
        if (node_connect(&s->nodes[i], e))
            return -1;
    }
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

void swarm_end(struct swarm *s)
{
    if (s->ending)
        return;
    s->ending = true;
    for (size_t i = 0; i < s->n_zloops; i++)
        zloop_close(s->zloops[i]);
    for (unsigned i = 0; i < s->n; i++)
        node_close(&s->nodes[i]);
    for (size_t i = 0; i < ARRAY_SIZE(s->signals); i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    uv_close((uv_handle_t *)&s->guard, NULL);
}

void swarm_check_done(struct swarm *s)
{
    if (s->options->jobs && stats_acks(&s->stats) >= (uint64_t)s->options->jobs)
        swarm_end(s);
}

static int prepare(struct swarm *s, struct err *e)
{
    s->n = (unsigned)s->options->workers;
    s->rng = (uint64_t)s->options->seed;
    s->nodes = xcalloc(s->n, sizeof *s->nodes);
    s->roles = split(s->options->roles);
    if (check_options(s, e) || load_keys(s, e))
        return -1;
    if (s->options->starts && (s->starts = fopen(s->options->starts, "we")) == NULL)
        return err_sys(e, "%s", s->options->starts);
    s->report = report_new(s);
    return 0;
}

static void release(struct swarm *s)
{
    for (unsigned i = 0; i < s->n; i++)
        node_release(&s->nodes[i]);
    for (char **r = s->roles; *r; r++)
        free(*r);
    free(s->roles);
    free(s->nodes);
    free(s->zloops);
    vec_release(&s->actions);
    report_free(s->report);
    if (s->starts)
        fclose(s->starts);
}

static int run(const struct options *o, struct err *e)
{
    struct swarm s = {.options = o};
    struct str line = STR_INIT;
    int rc = prepare(&s, e);
    if (rc == 0) {
        if (uv_loop_init(&s.loop) != 0)
            BUG("no event loop");
        open_handles(&s);
        rc = connect_all(&s, e);
        if (rc)
            swarm_end(&s);
        uv_run(&s.loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&s.loop) != 0)
            BUG("a handle is left on the loop");
    }
    if (rc == 0) {
        stats_json(&s.stats, s.n, &line);
        fputs(line.p, stdout);
        if (s.timed_out)
            rc = err_set(e, ERR_TEMPORARY, "not done in time");
    }
    str_release(&line);
    release(&s);
    return rc;
}

static int print_keys(const char *count, struct err *e)
{
    char public_key[41], secret_key[41];
    int64_t n;
    if (parse_i64(count, 1, MAX_WORKERS, &n))
        return err_set(e, ERR_CONFIG, "keys: expected a number from 1 to %d", MAX_WORKERS);
    for (int64_t i = 0; i < n; i++) {
        if (zcurve_keypair(public_key, secret_key, e))
            return -1;
        printf("%s %s\n", public_key, secret_key);
    }
    return 0;
}

/* Two sockets, and as many descriptors again for libzmq's own signals, for each worker. */
static void raise_limits(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int main(int argc, char **argv)
{
    struct options o;
    struct err e = ERR_INIT;
    int rest = 0;
    uint64_t k[2] = {0};
    signal(SIGPIPE, SIG_IGN);
    log_init("swarm", LOG_LVL_WARN);
    raise_limits();
    if (getrandom(k, sizeof k, 0) == (ssize_t)sizeof k)
        map_seed(k[0], k[1]);
    int rc = options_load(argc, argv, &o, &rest, &e);
    if (rc == 0) {
        bool keys = rest + 1 < argc && strcmp(argv[rest], "keys") == 0;
        rc = keys ? print_keys(argv[rest + 1], &e) : run(&o, &e);
        options_release(&o);
    }
    if (rc)
        fprintf(stderr, "bootfarm-swarm: %s\n", e.msg);
    return rc == 0 ? 0 : e.kind == ERR_CONFIG ? 2 : 1;
}
