/* main.c - bootfarm-logswarm: log streams against a real scheduler. README of tests/bench. */
#include "common/base/clock.h"
#include "common/base/conf.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/vec.h"
#include "common/loop/zloop.h"
#include "lag.h"
#include "swarm.h"
#include "tests/lib/cpu_time.h"
#include "text.h"
#include "worker/pack.h"
#include "worker/stream.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <zmq.h>

#define TICK_MS 10
#define MARK (100 * BF_MSEC) /* between two marks of a stream */
#define PER_ZLOOP 50         /* a zloop asks all its sockets at each event */

struct options {
    char *scheduler, *server_key, *keys, *attempts;
    int64_t rate, marked, seed;
    bf_time time, timeout;
};

#define OPT(member) .name = #member, .offset = offsetof(struct options, member)

static const struct conf_option table[] = {
    {OPT(scheduler), .type = CONF_STRING, .help = "log endpoint, tcp://HOST:PORT"},
    {OPT(server_key), .type = CONF_STRING, .help = "public CURVE key of the scheduler"},
    {OPT(keys), .type = CONF_STRING, .help = "file with a line `public secret` for each worker"},
    {OPT(attempts), .type = CONF_STRING,
     .help = "file with a line `WORKER ATTEMPT` for each stream: line of the key file, id"},
    {OPT(rate), .type = CONF_INT, .def = "110000000", .min = 1, .max = INT64_MAX,
     .help = "bytes a second of all streams together"},
    {OPT(marked), .type = CONF_INT, .def = "0", .min = 0, .max = 10000,
     .help = "so many streams have lines that say when they were written"},
    {OPT(time), .type = CONF_DURATION, .def = "20s", .min = BF_MSEC, .max = 3600 * BF_SEC,
     .help = "how long they write; then the logs end"},
    {OPT(timeout), .type = CONF_DURATION, .def = "60s", .max = 24 * 3600 * BF_SEC,
     .help = "how long the seals may take after that"},
    {OPT(seed), .type = CONF_INT, .def = "1", .min = 0, .max = INT64_MAX, .help = "of the text"},
    {.name = NULL},
};

static const struct conf conf = {
    .program = "bootfarm-logswarm",
    .summary = "plays workers that send logs, and prints one line of JSON at the end.\n"
               "  run          (default)\n"
               "  lag          reads a followed log, prints for each marked line how many\n"
               "               milliseconds ago it was written",
    .options = table,
    .positional = "[run | lag]",
};

struct node {
    struct swarm *swarm;
    char public_key[41], secret_key[41];
    struct zsock *sock;
    struct stream *stream; /* NULL: no log is of this worker */
    bool up;
};

struct log {
    struct node *node;
    struct id128 id;
    struct spool *spool;
    bool marked;
    bf_time mark_at;
};

struct swarm {
    uv_loop_t loop;
    const struct options *opt;
    struct str text;
    VEC(struct node) nodes;
    VEC(struct log) logs;
    VEC(struct zloop *) zloops;
    uv_timer_t tick;
    size_t n_up, want_up;
    bf_time begin, end, done; /* of writing; the last seal */
    uint64_t written, sent_bytes, frames, acks;
    bool failed;
};

/* ---- files ------------------------------------------------------------------------------------
 */

static int load_keys(struct swarm *s, struct err *e)
{
    FILE *f = fopen(s->opt->keys, "re");
    char public_key[41], secret_key[41];
    if (f == NULL)
        return err_sys(e, "%s", s->opt->keys);
    while (fscanf(f, "%40s %40s", public_key, secret_key) == 2) {
        struct node *n = vec_push(&s->nodes);
        *n = (struct node){.swarm = s};
        memcpy(n->public_key, public_key, sizeof public_key);
        memcpy(n->secret_key, secret_key, sizeof secret_key);
    }
    fclose(f);
    return 0;
}

static int load_attempts(struct swarm *s, struct err *e)
{
    FILE *f = fopen(s->opt->attempts, "re");
    char id[40];
    unsigned worker;
    if (f == NULL)
        return err_sys(e, "%s", s->opt->attempts);
    while (fscanf(f, "%u %39s", &worker, id) == 2) {
        struct log *l = vec_push(&s->logs);
        *l = (struct log){.marked = s->logs.n <= (size_t)s->opt->marked};
        if (worker >= s->nodes.n || id128_parse(id, &l->id)) {
            fclose(f);
            return err_set(e, ERR_INPUT, "%s: line %zu", s->opt->attempts, s->logs.n);
        }
        l->node = &s->nodes.v[worker];
    }
    fclose(f);
    return s->logs.n > 0 ? 0 : err_set(e, ERR_INPUT, "%s: no attempts", s->opt->attempts);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static void finish(struct swarm *s)
{
    s->done = clock_mono();
    uv_close((uv_handle_t *)&s->tick, NULL);
    vec_for_each (i, &s->nodes)
        if (s->nodes.v[i].stream)
            stream_close(s->nodes.v[i].stream);
    vec_for_each (i, &s->zloops)
        zloop_close(s->zloops.v[i]);
}

static void mark(struct log *l, bf_time now)
{
    char line[64];
    if (now < l->mark_at)
        return;
    snprintf(line, sizeof line, LAG_MARK "%" PRId64 "\n", clock_mono());
    source_line(l->spool, line);
    l->mark_at = now + MARK;
}

/* Each log grows to its share of what should be written by now. */
static void write_some(struct swarm *s, bf_time now)
{
    uint64_t due = (uint64_t)s->opt->rate * (uint64_t)(now - s->begin) / BF_SEC / s->logs.n;
    s->written = 0;
    vec_for_each (i, &s->logs) {
        struct log *l = &s->logs.v[i];
        uint64_t length = spool_length(l->spool);
        if (due > length)
            source_grow(l->spool, (size_t)(due - length));
        if (l->marked)
            mark(l, now);
        s->written += spool_length(l->spool);
        if (spool_length(l->spool) > length)
            stream_wake(l->node->stream);
    }
}

static void end_all(struct swarm *s, bf_time now)
{
    s->end = now;
    vec_for_each (i, &s->logs) {
        source_end(s->logs.v[i].spool);
        stream_wake(s->logs.v[i].node->stream);
    }
}

static void on_tick(uv_timer_t *t)
{
    struct swarm *s = t->data;
    bf_time now = clock_mono();
    if (!s->end && now >= s->begin + s->opt->time)
        end_all(s, now);
    else if (!s->end)
        write_some(s, now);
    s->failed = s->end && now > s->end + s->opt->timeout;
    if (sources_removed() == s->logs.n || s->failed)
        finish(s);
}

/* Every log begins with a whole piece of the text, so that the next chunks are pieces, too. */
static void begin(struct swarm *s)
{
    s->begin = clock_mono();
    vec_for_each (i, &s->logs) {
        struct log *l = &s->logs.v[i];
        size_t pieces = s->text.len / PACK_MAX;
        l->spool = source_new(l->id, &s->text, i * 7 % pieces * PACK_MAX, l->marked);
        source_grow(l->spool, PACK_MAX);
        stream_add(l->node->stream, l->spool);
    }
    uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
}

/* ---- the link ---------------------------------------------------------------------------------
 */

static int send_frame(void *arg, const struct str *frame)
{
    struct node *n = arg;
    struct err e = ERR_INIT;
    struct zpart part = {frame->p, frame->len};
    int rc = zsock_send(n->sock, &part, 1, &e);
    if (rc < 0)
        log_warn("not sent", "why", e.msg);
    n->swarm->frames += rc == 0;
    n->swarm->sent_bytes += rc == 0 ? frame->len : 0;
    return rc;
}

static void on_recv(void *arg, const struct zpart *part, size_t parts, const char *user_id)
{
    struct node *n = arg;
    struct wire_msg m = {0};
    struct err e = ERR_INIT;
    (void)user_id;
    if (n->swarm->done)
        return;
    if (parts != 1 || wire_decode(WIRE_LOG_TO_WORKER, part->p, part->n, &m, &e)) {
        log_warn("frame refused", "why", e.msg);
        return;
    }
    n->swarm->acks++;
    if (m.type == WIRE_LOG_ACK)
        stream_on_ack(n->stream, m.log_ack);
    wire_release(&m);
}

static void on_link(void *arg, bool up)
{
    struct node *n = arg;
    struct swarm *s = n->swarm;
    if (s->done)
        return;
    n->up = up;
    stream_link(n->stream, up);
    s->n_up += up;
    if (up && s->n_up == s->want_up && !s->begin)
        begin(s);
}

static void renew(void *arg)
{
    zsock_renew(((struct node *)arg)->sock);
}

static int connect_node(struct swarm *s, struct node *n, struct err *e)
{
    struct zsock_spec spec = {.type = ZMQ_DEALER,
                              .endpoint = s->opt->scheduler,
                              .max_message = (int64_t)wire_max_frame(WIRE_LOG_TO_WORKER),
                              .secret_key = n->secret_key,
                              .public_key = n->public_key,
                              .server_key = s->opt->server_key,
                              .on_recv = on_recv,
                              .on_link = on_link,
                              .arg = n};
    if (s->want_up % PER_ZLOOP == 0) {
        struct zloop *z = zloop_new(&s->loop, e);
        if (z == NULL)
            return -1;
        *vec_push(&s->zloops) = z;
    }
    s->want_up++;
    n->stream = stream_new(
        &s->loop, &(struct stream_env){
                      .send = send_frame, .renew = renew, .arg = n, .silence = STREAM_SILENCE});
    return zsock_open(s->zloops.v[s->zloops.n - 1], &spec, &n->sock, e);
}

static int connect_all(struct swarm *s, struct err *e)
{
    vec_for_each (i, &s->logs) {
        struct node *n = s->logs.v[i].node;
        if (n->stream == NULL && connect_node(s, n, e))
            return -1;
    }
    return 0;
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void print_result(const struct swarm *s, double cpu)
{
    struct packed p = cache_counts();
    double seconds = (double)(s->done - s->begin) / BF_SEC;
    printf("{\"streams\":%zu,\"workers\":%zu,\"written\":%" PRIu64
           ",\"write_s\":%.3f,\"seal_s\":%.3f,"
           "\"mb_s\":%.1f,\"sealed\":%" PRIu64 ",\"chunks\":%" PRIu64 ",\"chunks_ahead\":%" PRIu64
           ",\"sent_raw\":%" PRIu64 ",\"sent_packed\":%" PRIu64 ",\"ratio\":%.2f,\"acks\":%" PRIu64
           ",\"cpu_s\":%.2f}\n",
           s->logs.n, s->want_up, s->written, (double)(s->end - s->begin) / BF_SEC,
           (double)(s->done - s->end) / BF_SEC, (double)s->written / 1e6 / seconds,
           sources_removed(), p.chunks, p.ahead, p.raw, p.bytes,
           p.bytes ? (double)p.raw / (double)p.bytes : 0, s->acks, cpu);
}

static int load(struct swarm *s, struct err *e)
{
    if (!s->opt->scheduler || !s->opt->server_key || !s->opt->keys || !s->opt->attempts)
        return err_set(e, ERR_CONFIG, "--scheduler, --server-key, --keys, --attempts are needed");
    if (load_keys(s, e) || load_attempts(s, e))
        return -1;
    text_make((uint64_t)s->opt->seed, TEXT_BYTES, &s->text);
    s->text.len = TEXT_BYTES; /* a whole number of pieces */
    s->text.p[TEXT_BYTES - 1] = '\n';
    cache_fill(&s->text);
    return 0;
}

static int run(const struct options *o, struct err *e)
{
    struct swarm s = {.opt = o, .text = STR_INIT};
    int rc = load(&s, e);
    double cpu = cpu_time();
    if (rc == 0) {
        if (uv_loop_init(&s.loop) != 0)
            BUG("no event loop");
        uv_timer_init(&s.loop, &s.tick);
        s.tick.data = &s;
        rc = connect_all(&s, e);
        if (rc)
            finish(&s);
        uv_run(&s.loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&s.loop) != 0)
            BUG("a handle is left on the loop");
    }
    if (rc == 0)
        print_result(&s, cpu_time() - cpu);
    if (rc == 0 && s.failed)
        rc = err_set(e, ERR_TEMPORARY, "not all logs were sealed in time");
    cache_free();
    str_release(&s.text);
    vec_release(&s.nodes);
    vec_release(&s.logs);
    vec_release(&s.zloops);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    struct err e = ERR_INIT;
    int rest = 0;
    signal(SIGPIPE, SIG_IGN);
    log_init("logswarm", LOG_LVL_WARN);
    int rc = conf_load(&conf, argc, argv, &o, &rest, &e);
    if (rc == 0) {
        bool lag = rest < argc && strcmp(argv[rest], "lag") == 0;
        rc = lag ? lag_print(&e) : run(&o, &e);
        conf_release(&conf, &o);
    }
    if (rc)
        fprintf(stderr, "bootfarm-logswarm: %s\n", e.msg);
    return rc == 0 ? 0 : e.kind == ERR_CONFIG ? 2 : 1;
}
