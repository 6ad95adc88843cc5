#include "hand.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

static struct err e;

/* ---- the hub ----------------------------------------------------------------------------------
 */

/* A shell command; the database's keeper runs it. */
static void run(struct hub *h, const char *format, ...)
{
    struct str line = STR_INIT, said = STR_INIT;
    va_list ap;
    str_add(&line, "run ");
    va_start(ap, format);
    str_addv(&line, format, ap);
    va_end(ap);
    pgd_do(&h->pg, line.p, &said);
    cr_assert_eq(said.len, 0, "%s", said.p);
    str_release(&line);
    str_release(&said);
}

static void on_guard(uv_timer_t *t)
{
    (void)t;
    cr_assert_fail("nothing happened for a minute");
}

/* The line that says where it listens; what comes after stays in the pipe. */
static void read_endpoints(struct hub *h)
{
    struct str line = STR_INIT;
    char c;
    while (read(h->said, &c, 1) == 1) {
        if (c != '\n') {
            str_addch(&line, c);
            continue;
        }
        const char *at = strstr(line.p, "listening control=");
        if (at && sscanf(at, "listening control=%63s log=%63s", h->control, h->logs) == 2)
            break;
        str_clear(&line);
    }
    cr_assert(line.len, "the scheduler does not listen");
    str_release(&line);
}

void hub_start_scheduler(struct hub *h)
{
    int out[2];
    char *args[] = {
        BIN "/bootfarm-scheduler",
        xasprintf("--database=host=%s port=%s user=bf dbname=postgres", h->pg.host, h->pg.port),
        xasprintf("--listen=%s", h->control),
        xasprintf("--listen-log=%s", h->logs),
        xasprintf("--key-file=%s/key", h->dir),
        xasprintf("--state-dir=%s/state", h->dir),
        "--lease=3s",
        "--kill-time=0s",
        "--planner=/bin/false",
        NULL};
    cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
    h->scheduler = fork();
    if (h->scheduler == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also when an assertion ends the test */
        dup2(out[1], 1);
        dup2(out[1], 2);
        execv(args[0], args);
        _exit(127);
    }
    close(out[1]);
    h->said = out[0];
    for (size_t i = 1; i < 6; i++)
        free(args[i]);
    read_endpoints(h);
}

void hub_kill_scheduler(struct hub *h)
{
    kill(h->scheduler, SIGKILL);
    waitpid(h->scheduler, NULL, 0);
    close(h->said);
}

void hub_start(struct hub *h)
{
    FILE *f;
    *h = (struct hub){.control = "tcp://127.0.0.1:*", .logs = "tcp://127.0.0.1:*"};
    log_init("test", LOG_LVL_ERROR);
    pgd_start(&h->pg);
    snprintf(h->dir, sizeof h->dir, "/tmp/bootfarm-hand.XXXXXX");
    cr_assert_not_null(mkdtemp(h->dir));
    run(h, BIN "/bootfarm-scheduler migrate --log-level=error --database='%s'", h->pg.conninfo);
    run(h, BIN "/bootfarm-scheduler keygen %s/key >%s/pub", h->dir, h->dir);
    char *pub = xasprintf("%s/pub", h->dir);
    f = fopen(pub, "r");
    cr_assert_eq(fscanf(f, "%40s", h->public_key), 1);
    fclose(f);
    free(pub);
    pgd_do(&h->pg, "psql create role bf login in role bootfarm_scheduler", NULL);
    pgd_do(&h->pg, "file " SEED, NULL);
    cr_assert_eq(uv_loop_init(&h->loop), 0);
    uv_timer_init(&h->loop, &h->guard);
    uv_timer_start(&h->guard, on_guard, 60000, 0);
    h->z = zloop_new(&h->loop, &e);
    cr_assert_not_null(h->z);
    hub_start_scheduler(h);
}

void hub_stop(struct hub *h)
{
    int status = 0;
    kill(h->scheduler, SIGTERM);
    waitpid(h->scheduler, &status, 0);
    cr_assert_eq(status, 0, "the scheduler ended with %d", status);
    close(h->said);
    zloop_close(h->z);
    uv_close((uv_handle_t *)&h->guard, NULL);
    uv_run(&h->loop, UV_RUN_DEFAULT);
    cr_assert_eq(uv_loop_close(&h->loop), 0);
    run(h, "rm -rf %s", h->dir);
    pgd_stop(&h->pg);
}

const char *hub_sql(struct hub *h, const char *sql)
{
    static char value[256];
    struct str out = STR_INIT;
    char *line = xasprintf("psql %s", sql);
    pgd_do(&h->pg, line, &out);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(out.p, "\n"), out.p);
    str_release(&out);
    free(line);
    return value;
}

void hub_until_sql(struct hub *h, const char *sql, const char *value)
{
    while (strcmp(hub_sql(h, sql), value) != 0)
        uv_run(&h->loop, UV_RUN_NOWAIT);
}

void hub_hold_jobs(struct hub *h, bool hold)
{
    if (hold)
        run(h,
            "psql -Xq '%s' -c 'lock table farm.job_state; select pg_sleep(300)' </dev/null "
            ">/dev/null 2>&1 &",
            h->pg.conninfo);
    else
        (void)hub_sql(h, "select pg_terminate_backend(pid) from pg_stat_activity where query like "
                         "'lock table%pg_sleep%'");
    hub_until_sql(h,
                  "select count(*) from pg_locks where relation = 'farm.job_state'::regclass and "
                  "mode = 'AccessExclusiveLock' and granted",
                  hold ? "1" : "0");
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static void on_control(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct hand *w = arg;
    struct wire_msg m = {0};
    (void)user_id;
    cr_assert_eq(n, 1);
    cr_assert_eq(wire_decode(WIRE_CONTROL_TO_WORKER, part[0].p, part[0].n, &m, &e), 0, "%s", e.msg);
    if (m.type != WIRE_ORDERS) {
        w->n_not_leader++;
        wire_release(&m);
        return;
    }
    wire_release(&w->orders);
    w->orders = m;
    w->n_orders++;
}

static void on_log(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct hand *w = arg;
    struct wire_msg m = {0};
    (void)user_id;
    cr_assert_eq(n, 1);
    cr_assert_eq(wire_decode(WIRE_LOG_TO_WORKER, part[0].p, part[0].n, &m, &e), 0, "%s", e.msg);
    w->ack = *m.log_ack;
    w->n_acks++;
    wire_release(&m);
}

static void on_link(void *arg, bool up)
{
    ((struct hand *)arg)->linked = up;
}

static void on_beat(uv_timer_t *t)
{
    struct hand *w = t->data;
    if (w->linked)
        hand_echo(w);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static struct zsock *dial(struct hand *w, const char *endpoint, zsock_recv_cb *cb,
                          const char *public_key, const char *secret_key)
{
    struct zsock *s = NULL;
    struct zsock_spec spec = {.type = ZMQ_DEALER,
                              .endpoint = endpoint,
                              .max_message = 8 << 20,
                              .public_key = public_key,
                              .secret_key = secret_key,
                              .server_key = w->hub->public_key,
                              .on_recv = cb,
                              .on_link = cb == on_control ? on_link : NULL,
                              .arg = w};
    cr_assert_eq(zsock_open(w->hub->z, &spec, &s, &e), 0, "%s", e.msg);
    return s;
}

static void enroll(struct hand *w, const char *name, const char *public_key)
{
    char *sql = xasprintf("select dashboard.submit_command('worker_enroll', jsonb_build_object("
                          "'name', '%s', 'site', 'hub', 'roles', array['build', 'test'], "
                          "'public_key', $key$%s$key$), 'test', 'test')",
                          name, public_key);
    (void)hub_sql(w->hub, sql);
    hub_until_sql(w->hub, "select count(*) from farm.command where state = 'submitted'", "0");
    free(sql);
    sql = xasprintf("select id from farm.worker where name = '%s'", name);
    w->id = strtoll(hub_sql(w->hub, sql), NULL, 10);
    cr_assert(w->id);
    free(sql);
}

void hand_open(struct hand *w, struct hub *h, const char *name, bool enrolled)
{
    char public_key[41], secret_key[41];
    *w = (struct hand){.hub = h};
    cr_assert_eq(zcurve_keypair(public_key, secret_key, &e), 0);
    cr_assert_eq(uv_random(NULL, NULL, w->boot.b, sizeof w->boot.b, 0, NULL), 0);
    if (enrolled)
        enroll(w, name, public_key);
    w->control = dial(w, h->control, on_control, public_key, secret_key);
    w->log = dial(w, h->logs, on_log, public_key, secret_key);
    uv_timer_init(&h->loop, &w->beat);
    w->beat.data = w;
    while (enrolled && !w->linked)
        uv_run(&h->loop, UV_RUN_ONCE);
}

void hand_close(struct hand *w)
{
    zsock_close(w->control);
    zsock_close(w->log);
    uv_close((uv_handle_t *)&w->beat, NULL);
    wire_release(&w->orders);
    vec_release(&w->running);
}

/* ---- sending ----------------------------------------------------------------------------------
 */

static void send_msg(struct hand *w, struct zsock *s, enum wire_type type,
                     const ProtobufCMessage *msg)
{
    struct str frame = STR_INIT;
    cr_assert_eq(wire_encode(type, msg, &frame, &e), 0, "%s", e.msg);
    while (zsock_send(s, &(struct zpart){frame.p, frame.len}, 1, &e) == 1)
        uv_run(&w->hub->loop, UV_RUN_ONCE); /* not connected yet */
    str_release(&frame);
}

void hand_report(struct hand *w, uint64_t term, uint64_t seq)
{
    wire_report r = BOOTFARM__REPORT__INIT;
    Bootfarm__Capacity c = BOOTFARM__CAPACITY__INIT;
    Bootfarm__Pressure p = BOOTFARM__PRESSURE__INIT;
    Bootfarm__Running run[8], *runs[8];
    Bootfarm__Result res = BOOTFARM__RESULT__INIT, *results[] = {&res};
    uint8_t detail[] = "{\"bad\": \"\\u0000\"}"; /* jsonb takes no NUL */
    for (size_t i = 0; i < w->running.n; i++) {
        bootfarm__running__init(&run[i]);
        run[i].attempt_id = wire_id_bytes(&w->running.v[i]);
        run[i].phase = "build";
        run[i].started = true;
        runs[i] = &run[i];
    }
    c.slots = 1;
    c.arch = "amd64";
    p.accepting = true;
    res.attempt_id = wire_id_bytes(&w->result);
    res.outcome = BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED;
    res.digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
    if (w->code) {
        res.outcome = BOOTFARM__OUTCOME__OUTCOME_FAILED;
        res.fail_class = BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA;
        res.digest = "";
        res.code = (char *)(uintptr_t)w->code;
        res.message = (char *)(uintptr_t)w->message;
    }
    res.detail = (ProtobufCBinaryData){sizeof detail - 1, detail};
    r.boot_id = wire_id_bytes(&w->boot);
    r.seq = ++w->seq;
    r.echo_term = term;
    r.echo_seq = seq;
    r.capacity = &c;
    r.pressure = &p;
    r.running = runs;
    r.n_running = w->running.n;
    r.results = results;
    r.n_results = id128_is_none(w->result) ? 0 : 1;
    r.binary = "0.1.0";
    send_msg(w, w->control, WIRE_REPORT, &r.base);
}

void hand_echo(struct hand *w)
{
    const wire_orders *o = w->orders.type == WIRE_ORDERS ? w->orders.orders : NULL;
    if (!w->fixed_echo) {
        w->echo_term = o ? o->term : 0;
        w->echo_seq = o ? o->seq : 0;
    }
    hand_report(w, w->echo_term, w->echo_seq);
}

void hand_send(struct hand *w, const void *p, size_t n, unsigned parts)
{
    struct zpart part[ZLOOP_MAX_PARTS];
    for (unsigned i = 0; i < parts; i++)
        part[i] = (struct zpart){p, n};
    cr_assert_eq(zsock_send(w->control, part, parts, &e), 0, "%s", e.msg);
}

void hand_chunk(struct hand *w, struct id128 attempt, uint64_t offset, const char *bytes)
{
    wire_log_chunk c = BOOTFARM__LOG_CHUNK__INIT;
    c.attempt_id = wire_id_bytes(&attempt);
    c.offset = offset;
    c.raw_bytes = (uint32_t)strlen(bytes);
    c.data = (ProtobufCBinaryData){strlen(bytes), (uint8_t *)(uintptr_t)bytes};
    send_msg(w, w->log, WIRE_LOG_CHUNK, &c.base);
}

void hand_seal(struct hand *w, struct id128 attempt, uint64_t length, uint64_t stored)
{
    wire_log_seal s = BOOTFARM__LOG_SEAL__INIT;
    uint8_t sha[32] = {1};
    s.attempt_id = wire_id_bytes(&attempt);
    s.length = length;
    s.stored = stored;
    s.sha256 = (ProtobufCBinaryData){sizeof sha, sha};
    send_msg(w, w->log, WIRE_LOG_SEAL, &s.base);
}

/* ---- waiting ----------------------------------------------------------------------------------
 */

void hand_until_orders(struct hand *w, unsigned n)
{
    uv_timer_start(&w->beat, on_beat, 200, 200);
    while (w->n_orders < n)
        uv_run(&w->hub->loop, UV_RUN_ONCE);
    uv_timer_stop(&w->beat);
}

void hand_next_orders(struct hand *w)
{
    hand_until_orders(w, w->n_orders + 1);
}

void hand_until_ack(struct hand *w, unsigned n)
{
    while (w->n_acks < n)
        uv_run(&w->hub->loop, UV_RUN_ONCE);
}

struct id128 hand_until_work(struct hand *w)
{
    do {
        hand_echo(w);
        hand_next_orders(w);
    } while (w->orders.orders->n_wanted == 0);
    return wire_id(w->orders.orders->wanted[0]->attempt_id);
}
