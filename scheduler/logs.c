#include "scheduler/logs.h"

#include "common/base/clock.h"
#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "proto/wire.h"
#include "scheduler/store_pg.h"
#include <stdio.h>
#include <zmq.h>

#define BATCH_ENTRIES 256
#define BATCH_BYTES ((size_t)1 << 20)
#define CREDIT_MIN (64U << 10)
#define CREDIT_MAX (512U << 10)
#define TURN_MESSAGES 8 /* taken from the socket before others have their turn */
#define PEER_BACKLOG 16 /* messages of one worker that wait in the socket */

/* One message that waits for PostgreSQL, or is on its way. */
struct entry {
    struct list node;
    int64_t worker;
    struct id128 attempt;
    struct wire_msg msg; /* LogChunk or LogSeal */
    size_t bytes;
    size_t route_len;
    uint8_t route[255];
};

struct logs {
    struct logs_config cfg;
    struct db *db;
    struct zsock *sock;
    struct roster *roster;
    struct followers *followers;
    int64_t term;
    uint64_t epoch;
    struct list queue, flying;
    size_t queued;   /* bytes in both */
    size_t n_chunks; /* of `flying`: they come before the seals */
    bool busy;
    bf_time complained; /* a peer must not fill our log */
    bool singly;        /* the last batch was refused for one entry's content: find it */
};

struct ticket {
    struct logs *logs;
    uint64_t epoch;
};

static void send_batch(struct logs *l);

/* ---- answers ----------------------------------------------------------------------------------
 */

/* The fuller the queue, the less: what a worker may have under way waits at the worker. */
static uint32_t credit(const struct logs *l)
{
    size_t full = l->queued < l->cfg.max_queue ? l->queued : l->cfg.max_queue;
    double room = 1 - (double)full / (double)l->cfg.max_queue;
    return CREDIT_MIN + (uint32_t)((CREDIT_MAX - CREDIT_MIN) * room);
}

static void answer(struct logs *l, struct entry *x, const struct st_log_state *s)
{
    wire_log_ack ack = BOOTFARM__LOG_ACK__INIT;
    struct str frame = STR_INIT;
    struct err e = ERR_INIT;
    ack.attempt_id = wire_id_bytes(&x->attempt);
    ack.stored = s->stored;
    ack.credit_bytes = credit(l);
    ack.sealed = s->sealed;
    ack.unknown = !s->known;
    ack.followed = followers_has(l->followers, x->attempt);
    if (wire_encode(WIRE_LOG_ACK, &ack.base, &frame, &e) == 0) {
        struct zpart parts[] = {{x->route, x->route_len}, {frame.p, frame.len}};
        if (zsock_send(l->sock, parts, ARRAY_SIZE(parts), &e) < 0)
            log_warn("cannot acknowledge a log", "error", e.msg);
    } else {
        log_error("cannot acknowledge a log", "error", e.msg);
    }
    str_release(&frame);
}

static void entry_free(struct logs *l, struct entry *x)
{
    list_del(&x->node);
    l->queued -= x->bytes;
    wire_release(&x->msg);
    free(x);
}

static void drop_all(struct logs *l, struct list *list)
{
    while (!list_is_empty(list))
        entry_free(l, container_of(list->next, struct entry, node));
}

/* ---- batches ----------------------------------------------------------------------------------
 */

/* The last chunk of an attempt in the batch: it came on the newest connection. */
static struct entry *last_chunk(struct logs *l, struct id128 attempt)
{
    struct entry *last = NULL;
    size_t n = 0;
    list_for_each (it, &l->flying) {
        struct entry *x = container_of(it, struct entry, node);
        if (n++ == l->n_chunks)
            break;
        if (id128_eq(x->attempt, attempt))
            last = x;
    }
    return last;
}

static void answer_chunks(struct logs *l, const PGresult *rows)
{
    for (int row = 0; row < PQntuples(rows); row++) {
        struct st_log_state s;
        struct id128 attempt;
        struct entry *x = st_read_log_row(rows, row, &attempt, &s) ? last_chunk(l, attempt) : NULL;
        if (!x)
            continue;
        answer(l, x, &s);
        followers_tell(l->followers, attempt);
    }
}

/* Results: check_term's, that of all chunks, one for each seal. */
static void stored(struct logs *l, const struct db_reply *r)
{
    size_t i = 1, n = 0;
    if (l->n_chunks)
        answer_chunks(l, r->result[i++]);
    list_for_each (it, &l->flying) {
        struct st_log_state s;
        if (n++ < l->n_chunks)
            continue;
        st_read_log(r->result[i++], &s);
        answer(l, container_of(it, struct entry, node), &s);
    }
    drop_all(l, &l->flying);
}

static void refused(struct logs *l, const struct db_reply *r)
{
    const struct st_log_state unknown = {.known = false};
    bool one = l->flying.next->next == &l->flying;
    struct entry *first = container_of(l->flying.next, struct entry, node);
    if (one && db_is_content_error(r->sqlstate)) {
        log_warn("a piece of a log was refused", "worker", roster_name(l->roster, first->worker),
                 "error", r->message);
        answer(l, first, &unknown);
        entry_free(l, first);
        l->singly = false;
        return;
    }
    l->singly = db_is_content_error(r->sqlstate);
    if (!l->singly)
        log_error("logs cannot be stored", "sqlstate", r->sqlstate, "error", r->message);
    /* Back to the front of the queue when it may work one by one; else the workers send again. */
    while (l->singly && !list_is_empty(&l->flying)) {
        struct list *last = l->flying.prev;
        list_del(last);
        list_add_tail(l->queue.next, last);
    }
    drop_all(l, &l->flying);
}

static void on_batch(void *arg, const struct db_reply *r)
{
    struct ticket *t = arg;
    struct logs *l = t->logs;
    bool late = t->epoch != l->epoch;
    free(t);
    if (late)
        return;
    l->busy = false;
    if (r->end == DB_DONE) {
        stored(l, r);
        l->singly = false;
    } else if (r->end == DB_REFUSED) {
        refused(l, r);
    } else {
        drop_all(l, &l->flying);
    }
    send_batch(l);
    if (l->queued < l->cfg.max_queue / 2)
        zsock_hold(l->sock, false);
}

static void add_chunks(struct logs *l, struct db_tx *tx)
{
    struct st_log_chunk chunk[BATCH_ENTRIES];
    size_t n = 0;
    list_for_each (it, &l->flying) {
        struct entry *x = container_of(it, struct entry, node);
        if (n == l->n_chunks)
            break;
        const wire_log_chunk *c = x->msg.log_chunk;
        chunk[n++] = (struct st_log_chunk){x->attempt,   x->worker,    c->offset,  c->raw_bytes,
                                           c->gap_bytes, c->data.data, c->data.len};
    }
    if (n)
        st_log_put(tx, chunk, n);
}

static void add_seals(struct logs *l, struct db_tx *tx)
{
    size_t n = 0;
    list_for_each (it, &l->flying) {
        struct entry *x = container_of(it, struct entry, node);
        if (n++ < l->n_chunks)
            continue;
        const wire_log_seal *s = x->msg.log_seal;
        st_log_seal(tx, x->attempt, x->worker, s->length, s->stored, s->sha256.data, s->sha256.len);
    }
}

/* Moves a batch from the queue to `flying`: chunks before seals. A worker sends the seal when all
 * its chunks are acknowledged, so none of them can be overtaken. */
static void take_batch(struct logs *l)
{
    size_t n = 0, bytes = 0, most = l->singly ? 1 : BATCH_ENTRIES;
    struct list seals;
    list_init(&seals);
    l->n_chunks = 0;
    list_for_each (it, &l->queue) {
        struct entry *x = container_of(it, struct entry, node);
        bool chunk = x->msg.type == WIRE_LOG_CHUNK;
        if (n == most || (n && bytes + x->bytes > BATCH_BYTES))
            break;
        list_del(&x->node);
        list_add_tail(chunk ? &l->flying : &seals, &x->node);
        l->n_chunks += chunk;
        n++;
        bytes += x->bytes;
    }
    while (!list_is_empty(&seals)) {
        struct list *first = seals.next;
        list_del(first);
        list_add_tail(&l->flying, first);
    }
}

static void send_batch(struct logs *l)
{
    if (l->busy || !l->term || list_is_empty(&l->queue))
        return;
    struct db_tx *tx = st_write(l->db, l->term);
    take_batch(l);
    add_chunks(l, tx);
    add_seals(l, tx);
    struct ticket *t = xmalloc(sizeof *t);
    *t = (struct ticket){.logs = l, .epoch = l->epoch};
    l->busy = true;
    db_submit(tx, on_batch, t);
}

/* ---- receiving --------------------------------------------------------------------------------
 */

static void enqueue(struct logs *l, int64_t worker, const struct zpart *route, size_t bytes,
                    struct wire_msg *msg)
{
    struct entry *x = xcalloc(1, sizeof *x);
    list_init(&x->node);
    x->worker = worker;
    x->attempt = wire_id(msg->type == WIRE_LOG_CHUNK ? msg->log_chunk->attempt_id
                                                     : msg->log_seal->attempt_id);
    x->msg = *msg;
    *msg = (struct wire_msg){0};
    x->bytes = bytes + sizeof *x;
    x->route_len = route->n;
    memcpy(x->route, route->p, route->n);
    list_add_tail(&l->queue, &x->node);
    l->queued += x->bytes;
    if (l->queued >= l->cfg.max_queue)
        zsock_hold(l->sock, true);
    send_batch(l);
}

static void complain(struct logs *l, int64_t worker, const char *error)
{
    if (clock_mono() - l->complained < BF_SEC)
        return;
    l->complained = clock_mono();
    log_warn("a log frame was refused", "worker", roster_name(l->roster, worker), "error", error);
}

static void on_recv(void *arg, const struct zpart *part, size_t n, const char *user_id)
{
    struct logs *l = arg;
    struct wire_msg msg = {0};
    struct err e = ERR_INIT;
    int64_t worker = roster_check(l->roster, user_id);
    if (!worker || !l->term || n != 2 || part[0].n == 0 || part[0].n > 255)
        return;
    if (wire_decode(WIRE_LOG_TO_SCHEDULER, part[1].p, part[1].n, &msg, &e)) {
        complain(l, worker, e.msg);
        return;
    }
    enqueue(l, worker, &part[0], part[1].n, &msg);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void logs_set_term(struct logs *l, int64_t term)
{
    l->epoch++;
    l->term = term;
    l->busy = l->singly = false;
    drop_all(l, &l->queue);
    drop_all(l, &l->flying);
    if (l->sock)
        zsock_hold(l->sock, false);
}

const char *logs_endpoint(const struct logs *l)
{
    return zsock_endpoint(l->sock);
}

int logs_open(struct zloop *z, struct db *db, struct roster *roster, struct followers *followers,
              const struct logs_config *config, struct logs **out, struct err *e)
{
    struct logs *l = xcalloc(1, sizeof *l);
    struct zsock_spec spec = {.type = ZMQ_ROUTER,
                              .endpoint = config->endpoint,
                              .bind = true,
                              .max_message = (int64_t)wire_max_frame(WIRE_LOG_TO_SCHEDULER),
                              .backlog = PEER_BACKLOG,
                              .batch = TURN_MESSAGES,
                              .secret_key = config->secret_key,
                              .on_recv = on_recv,
                              .arg = l};
    l->cfg = *config;
    l->db = db;
    l->roster = roster;
    l->followers = followers;
    list_init(&l->queue);
    list_init(&l->flying);
    if (zsock_open(z, &spec, &l->sock, e)) {
        free(l);
        return -1;
    }
    *out = l;
    return 0;
}

void logs_close(struct logs *l)
{
    if (!l)
        return;
    logs_set_term(l, 0);
    zsock_close(l->sock);
    free(l);
}
