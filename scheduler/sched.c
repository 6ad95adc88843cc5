#include "scheduler/sched.h"

#include "common/base/log.h"
#include "common/loop/file.h"
#include "common/loop/zloop.h"
#include "scheduler/bases.h"
#include "scheduler/blobs.h"
#include "scheduler/changes.h"
#include "scheduler/commands.h"
#include "scheduler/farm.h"
#include "scheduler/followers.h"
#include "scheduler/home.h"
#include "scheduler/lead.h"
#include "scheduler/link.h"
#include "scheduler/log_days.h"
#include "scheduler/logs.h"
#include "scheduler/rebuilds.h"
#include "scheduler/registry.h"
#include "scheduler/roster.h"
#include "scheduler/store_pg.h"
#include "scheduler/watch.h"
#include <stdio.h>

#define HOT_DEADLINE (20 * BF_SEC)
#define OTHER_DEADLINE (10 * BF_SEC)
#define MIB ((uint64_t)1 << 20)

struct sched {
    const struct options *opt;
    struct home home;
    char public_key[41], secret_key[41];
    struct db *ctl;     /* leadership, notifications, commands, keys of workers */
    struct db *hot;     /* turns of the farm, and phases between them */
    struct db *claims;  /* of large turns, beside `hot` */
    struct db *slow;    /* repositories, plans, bases */
    struct db *log;     /* logs; the only one whose loss leaves the world as it is */
    struct db *readers; /* of logs: who follows which */
    bool phases_flying; /* on `hot` */
    struct zloop *z;
    struct roster *roster;
    struct lead *lead;
    struct changes *changes;
    struct record *record;
    struct farm *farm;
    struct link *link;
    struct logs *logs;
    struct log_days *log_days;
    struct followers *followers;
    struct registry *registry;
    struct blobs *blobs;
    struct watch *watch;
    struct bases *bases;
    struct rebuilds *rebuilds;
    struct commands *commands;
    bool closing;
};

/* ---- leadership -------------------------------------------------------------------------------
 */

static void on_announced(void *arg, const struct db_reply *r)
{
    (void)arg;
    if (r->end == DB_REFUSED)
        log_error("cannot announce the farm's key", "error", r->message);
}

/* This machine's architecture by its OCI name. */
static const char *own_arch(void)
{
#if defined(__x86_64__)
    return "amd64";
#elif defined(__aarch64__)
    return "arm64";
#elif defined(__riscv) && __riscv_xlen == 64
    return "riscv64";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
    return "ppc64le";
#elif defined(__s390x__)
    return "s390x";
#else
#error "name this architecture as OCI does"
#endif
}

/* Workers and `bootfarm worker enroll` learn the public key from the settings. */
static void announce(struct sched *s, int64_t term)
{
    struct db_tx *tx = st_write(s->ctl, term);
    st_announce(tx, s->public_key, own_arch());
    db_submit(tx, on_announced, s);
}

static void on_gain(void *arg, int64_t term)
{
    struct sched *s = arg;
    link_set_term(s->link, term, term);
    farm_lead(s->farm, term);
    log_days_start(s->log_days, term);
    logs_set_term(s->logs, term);
    announce(s, term);
    changes_note(s->changes); /* the leader before may have had no time to */
}

static void on_loaded(void *arg)
{
    struct sched *s = arg;
    int64_t term = lead_term(s->lead);
    commands_start(s->commands, term);
    watch_start(s->watch, term);
    bases_start(s->bases, term);
    rebuilds_start(s->rebuilds, term);
}

static void on_loss(void *arg)
{
    struct sched *s = arg;
    commands_stop(s->commands);
    watch_stop(s->watch);
    bases_stop(s->bases);
    rebuilds_stop(s->rebuilds);
    log_days_stop(s->log_days);
    logs_set_term(s->logs, 0);
    farm_drop(s->farm);
    link_set_term(s->link, 0, lead_term(s->lead));
}

static bool may_act(void *arg)
{
    return lead_holds(((struct sched *)arg)->lead);
}

static void on_doubt(void *arg, const char *why)
{
    struct sched *s = arg;
    if (!s->closing)
        lead_doubt(s->lead, why);
}

/* ---- between the modules ----------------------------------------------------------------------
 */

static void on_orders(void *arg, int64_t worker)
{
    link_orders(((struct sched *)arg)->link, worker);
}

static void on_answer(void *arg, int64_t worker, struct id128 boot, uint64_t seq)
{
    link_answer(((struct sched *)arg)->link, worker, boot, seq);
}

static void on_change(void *arg)
{
    changes_note(((struct sched *)arg)->changes);
}

static void on_rows(void *arg, const pg_ids *jobs, const pg_ids *image_archs)
{
    struct sched *s = arg;
    farm_fetch_ids(s->farm, jobs, image_archs);
    if (image_archs->n)
        bases_kick(s->bases);
}

static void on_base_changed(void *arg)
{
    farm_fetch(((struct sched *)arg)->farm, ROWS_BASES);
}

static void on_rebuilds(void *arg, const pg_ids *jobs)
{
    static const pg_ids none;
    struct sched *s = arg;
    char n[24];
    snprintf(n, sizeof n, "%zu", jobs->n);
    log_info("automatic rebuilds", "jobs", n);
    changes_note(s->changes);
    farm_fetch_ids(s->farm, jobs, &none);
}

static void on_applied(void *arg, const char *verb, const pg_ids *jobs, const pg_ids *image_archs)
{
    struct sched *s = arg;
    if (strcmp(verb, "site_add") == 0)
        farm_fetch(s->farm, ROWS_SITES);
    if (strcmp(verb, "worker_enroll") == 0 || strcmp(verb, "worker_revoke") == 0) {
        farm_fetch(s->farm, ROWS_WORKERS);
        roster_refresh(s->roster);
    }
    if (strcmp(verb, "worker_set") == 0)
        farm_fetch(s->farm, ROWS_WORKERS);
    if (strcmp(verb, "base_check") == 0)
        bases_kick(s->bases);
    on_rows(s, jobs, image_archs);
    if (record_waits(s->record))
        lead_doubt(s->lead, "a trace begins with a new world");
}

static int on_record(void *arg, const char *args, struct err *e)
{
    return record_command(((struct sched *)arg)->record, args, e);
}

static void on_phases_stored(void *arg, const struct db_reply *r)
{
    struct sched *s = arg;
    s->phases_flying = false;
    if (r->end == DB_REFUSED)
        log_warn("phases were not stored", "error", r->message);
    if (r->end == DB_DONE)
        changes_note(s->changes);
}

/* One at a time, or they would fill the queue of turns while PostgreSQL is slow. */
static bool phases_wait(void *arg)
{
    return ((struct sched *)arg)->phases_flying;
}

/* On the connection of turns, whose ends change the same rows and must not find them changed
 * meanwhile; the claims of a large turn, which may go beside, are of other jobs. */
static void on_phases(void *arg, const char *workers, const char *attempts, const char *phases)
{
    struct sched *s = arg;
    struct db_tx *tx = st_write(s->hot, lead_term(s->lead));
    st_phases(tx, workers, attempts, phases);
    s->phases_flying = true;
    db_submit(tx, on_phases_stored, s);
}

/* ---- the database -----------------------------------------------------------------------------
 */

/* What was under way there may have been committed, and its rows would be missing in the world. */
static void on_writer_up(void *arg, bool up)
{
    if (!up)
        on_doubt(arg, "a database connection that writes was lost");
}

static void on_ctl_up(void *arg, bool up)
{
    struct sched *s = arg;
    if (s->closing)
        return;
    on_writer_up(s, up);
    roster_db_up(s->roster, up);
    lead_db_up(s->lead, up);
    if (up) { /* notifications may have been missed */
        commands_kick(s->commands);
        watch_kick(s->watch);
    }
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct sched *s = arg;
    if (s->closing)
        return;
    if (strcmp(channel, "farm_command") == 0)
        commands_kick(s->commands);
    else if (strcmp(channel, "farm_sync") == 0)
        watch_kick(s->watch);
    else if (strcmp(payload, "workers") == 0 && !farm_is_on(s->farm))
        roster_refresh(s->roster); /* a standby hears of new keys this way */
}

static const char *const listen_to[] = {"LISTEN farm_command", "LISTEN farm_sync",
                                        "LISTEN farm_change", NULL};

static void on_follow(void *arg, const char *channel, const char *payload)
{
    struct sched *s = arg;
    (void)channel;
    if (!s->closing)
        followers_add(s->followers, payload);
}

static const char *const listen_to_readers[] = {"LISTEN farm_follow", NULL};

/* A session that lost its client must not hold locks: the server ends what the client gave up. */
#define SESSION                                  \
    "-c idle_in_transaction_session_timeout=3s " \
    "-c client_connection_check_interval=2s -c jit=off "

static int open_databases(uv_loop_t *loop, struct sched *s, struct err *e)
{
    const struct db_config ctl = {.conninfo = s->opt->database,
                                  .name = "bootfarm-scheduler control",
                                  .settings = SESSION "-c statement_timeout=10s",
                                  .first = listen_to,
                                  .max_queue = 1000,
                                  .deadline = OTHER_DEADLINE,
                                  .on_up = on_ctl_up,
                                  .on_notify = on_notify,
                                  .arg = s};
    const struct db_config hot = {.conninfo = s->opt->database,
                                  .name = "bootfarm-scheduler turns",
                                  .settings = SESSION "-c statement_timeout=120s",
                                  .max_queue = 10,
                                  .deadline = HOT_DEADLINE,
                                  .on_up = on_writer_up,
                                  .arg = s};
    const struct db_config claims = {
        .conninfo = s->opt->database,
        .name = "bootfarm-scheduler claims",
        .settings = SESSION "-c statement_timeout=120s",
        .max_queue = 10,
        .deadline = HOT_DEADLINE,
        .arg = s}; /* a half that it loses is doubt; idle, it is not missed */
    const struct db_config slow = {.conninfo = s->opt->database,
                                   .name = "bootfarm-scheduler plans",
                                   .settings = SESSION "-c statement_timeout=120s",
                                   .max_queue = 1000,
                                   .deadline = 6 * OTHER_DEADLINE,
                                   .on_up = on_writer_up,
                                   .arg = s};
    const struct db_config log = {.conninfo = s->opt->database,
                                  .name = "bootfarm-scheduler logs",
                                  .settings = SESSION "-c statement_timeout=30s",
                                  .max_queue = 10,
                                  .deadline = 3 * OTHER_DEADLINE};
    const struct db_config readers = {.conninfo = s->opt->database,
                                      .name = "bootfarm-scheduler readers",
                                      .settings = SESSION "-c statement_timeout=10s",
                                      .first = listen_to_readers,
                                      .max_queue = 10,
                                      .deadline = OTHER_DEADLINE,
                                      .on_notify = on_follow,
                                      .arg = s};
    if (db_open(loop, &ctl, &s->ctl, e) || db_open(loop, &hot, &s->hot, e) ||
        db_open(loop, &claims, &s->claims, e) || db_open(loop, &slow, &s->slow, e) ||
        db_open(loop, &log, &s->log, e) || db_open(loop, &readers, &s->readers, e))
        return -1;
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void on_roster(void *arg)
{
    zloop_hold_zap(((struct sched *)arg)->z, false);
}

static void make_farm(uv_loop_t *loop, struct sched *s)
{
    const struct options *o = s->opt;
    s->roster = roster_new(loop, s->ctl, on_roster, s);
    s->lead =
        lead_new(loop, s->ctl,
                 &(struct lead_config){
                     .holder = s->home.name, .on_gain = on_gain, .on_loss = on_loss, .arg = s});
    s->changes = changes_new(loop, s->ctl);
    s->record = record_new(loop, o->state_dir, o->trace_limit);
    s->farm = farm_new(loop, s->hot, s->claims,
                       &(struct farm_config){.lease = o->lease,
                                             .kill_time = o->kill_time,
                                             .backoff_min = o->backoff_min,
                                             .backoff_max = o->backoff_max,
                                             .lost_limit = (int)o->lost_limit,
                                             .max_cpu_psi = 100 * (unsigned)o->max_cpu_psi,
                                             .max_io_psi = 100 * (unsigned)o->max_io_psi,
                                             .max_memory_psi = 100 * (unsigned)o->max_memory_psi,
                                             .disk_floor_mib = (o->disk_floor + MIB - 1) / MIB,
                                             .record = s->record,
                                             .may_act = may_act,
                                             .on_loaded = on_loaded,
                                             .on_doubt = on_doubt,
                                             .on_orders = on_orders,
                                             .on_answer = on_answer,
                                             .on_change = on_change,
                                             .arg = s});
    s->commands = commands_new(
        loop, s->ctl, s->farm,
        &(struct commands_config){
            .on_record = on_record, .on_applied = on_applied, .on_change = on_change, .arg = s});
}

static void make_watch(uv_loop_t *loop, struct sched *s)
{
    const struct options *o = s->opt;
    s->registry = registry_new(loop, &(struct registry_config){.skopeo = o->skopeo,
                                                               .authfile = o->registry_auth_file,
                                                               .cert_dir = o->registry_cert_dir,
                                                               .insecure = o->insecure_registries,
                                                               .tmp = s->home.tmp});
    s->blobs = blobs_new(loop, s->registry, (unsigned)o->uploads);
    s->watch = watch_new(loop, s->slow, s->blobs,
                         &(struct watch_config){.planner = o->planner,
                                                .state_dir = o->state_dir,
                                                .parallel = (unsigned)o->planners,
                                                .timeout = o->planner_timeout,
                                                .max_memory = o->planner_memory,
                                                .jitter = (double)o->poll_jitter / 100,
                                                .on_rows = on_rows,
                                                .arg = s});
    s->bases = bases_new(loop, s->slow, s->registry,
                         &(struct bases_config){.max_age = o->base_max_age,
                                                .parallel = (unsigned)o->base_lookups,
                                                .on_changed = on_base_changed,
                                                .arg = s});
    s->log_days = log_days_new(loop, s->log);
    s->followers = followers_new(s->readers);
    s->rebuilds = rebuilds_new(loop, s->slow, o->base_window, on_rebuilds, s);
}

static int open_sockets(uv_loop_t *loop, struct sched *s, struct err *e)
{
    s->z = zloop_new(loop, e);
    if (!s->z || zloop_set_zap(s->z, roster_zap, s->roster, e))
        return -1;
    zloop_hold_zap(s->z, true); /* until the roster is there */
    if (link_open(loop, s->z, s->roster, s->farm,
                  &(struct link_config){.endpoint = s->opt->listen,
                                        .secret_key = s->secret_key,
                                        .lease = s->opt->lease,
                                        .phases_wait = phases_wait,
                                        .on_phases = on_phases,
                                        .arg = s},
                  &s->link, e))
        return err_wrap(e, "listen = %s", s->opt->listen);
    if (logs_open(s->z, s->log, s->roster, s->followers,
                  &(struct logs_config){.endpoint = s->opt->listen_log,
                                        .secret_key = s->secret_key,
                                        .max_queue = (size_t)s->opt->log_queue},
                  &s->logs, e))
        return err_wrap(e, "listen_log = %s", s->opt->listen_log);
    log_info("listening", "control", link_endpoint(s->link), "log", logs_endpoint(s->logs), "key",
             s->public_key);
    return 0;
}

int sched_open(uv_loop_t *loop, const struct options *o, struct sched **out, struct err *e)
{
    struct sched *s = xcalloc(1, sizeof *s);
    s->opt = o;
    s->home.lock = -1;
    if (zcurve_load(o->key_file, s->public_key, s->secret_key, e) == 0 &&
        home_open(o->state_dir, &s->home, e) == 0 && open_databases(loop, s, e) == 0) {
        make_farm(loop, s);
        make_watch(loop, s);
        if (open_sockets(loop, s, e) == 0) {
            *out = s;
            return 0;
        }
    }
    sched_close(s);
    return -1;
}

/* Databases first: what was under way is called back, and nothing is asked any more. */
void sched_close(struct sched *s)
{
    if (!s)
        return;
    s->closing = true;
    db_close(s->hot);
    db_close(s->claims);
    db_close(s->slow);
    db_close(s->log);
    db_close(s->readers);
    db_close(s->ctl);
    commands_free(s->commands);
    watch_free(s->watch);
    bases_free(s->bases);
    rebuilds_free(s->rebuilds);
    blobs_free(s->blobs);
    registry_free(s->registry);
    link_close(s->link);
    log_days_free(s->log_days);
    logs_close(s->logs);
    followers_free(s->followers);
    farm_free(s->farm);
    record_free(s->record);
    changes_free(s->changes);
    lead_free(s->lead);
    roster_free(s->roster);
    if (s->z)
        zloop_close(s->z);
    home_close(&s->home);
    explicit_bzero(s->secret_key, sizeof s->secret_key);
    free(s);
}
