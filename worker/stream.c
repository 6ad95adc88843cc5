#include "worker/stream.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "worker/now.h"
#include "worker/pack.h"

#define CHUNK PACK_MAX
#define PACE (500 * BF_MSEC)         /* between two chunks of a log that are not full */
#define PACE_FOLLOWED (50 * BF_MSEC) /* the same while somebody reads along */
#define FIRST_CREDIT CHUNK           /* before the store has said anything */
#define MOMENT_MS 25                 /* how long new bytes wait for more in any case */
#define IDLE_MS 250 /* between looks while there is nothing to send, only to hear */

struct item {
    struct list node;
    struct spool *sp;
    uint64_t stored, sent; /* offsets */
    uint64_t raw_stored;   /* the same without gaps, as far as we walked them */
    uint64_t raw_sent;
    uint64_t credit;
    struct hasher *hasher; /* over what was sent, in order */
    uint64_t hashed;       /* offset up to which */
    struct sha256 sha;
    bool hash_done, seal_sent;
    bool probing;     /* one chunk is sent to learn where the store is, and no more until it says */
    bool unwanted;    /* the store knows no such attempt: the files go when the log has ended */
    bool broken;      /* the files cannot be read: the log ends at `sent` */
    bool followed;    /* somebody reads along */
    bf_time heard;    /* last acknowledgement, or the first byte sent after it */
    bf_time chunk_at; /* when the last chunk was sent */
};

struct stream {
    uv_timer_t timer;
    struct stream_env env;
    bool up;
    bf_time heard;    /* last acknowledgement of any log, or when the link came up */
    bf_time patience; /* for the next one, while logs wait */
    struct list items;
    struct packer *packer;    /* while something is sent */
    unsigned char raw[CHUNK]; /* the chunk at hand */
    unsigned char packed[PACK_ROOM];
};

static void on_timer(uv_timer_t *t);

struct stream *stream_new(uv_loop_t *loop, const struct stream_env *env)
{
    struct stream *s = xcalloc(1, sizeof *s);
    s->env = *env;
    s->patience = 2 * env->silence;
    list_init(&s->items);
    BUG_ON(uv_timer_init(loop, &s->timer) != 0);
    s->timer.data = s;
    return s;
}

static void item_free(struct item *it)
{
    struct sha256 ignored;
    if (it->hasher != NULL)
        hasher_finish(it->hasher, &ignored);
    list_del(&it->node);
    free(it);
}

static void on_closed(uv_handle_t *h)
{
    struct stream *s = h->data;
    list_for_each (n, &s->items)
        item_free(container_of(n, struct item, node));
    packer_free(s->packer);
    free(s);
}

void stream_close(struct stream *s)
{
    uv_close((uv_handle_t *)&s->timer, on_closed);
}

void stream_add(struct stream *s, struct spool *sp)
{
    struct item *it = xcalloc(1, sizeof *it);
    it->sp = sp;
    it->credit = FIRST_CREDIT;
    it->probing = true;
    list_add_tail(&s->items, &it->node);
    stream_wake(s);
}

void stream_wake(struct stream *s)
{
    if (s->up &&
        (!uv_is_active((uv_handle_t *)&s->timer) || uv_timer_get_due_in(&s->timer) > MOMENT_MS))
        uv_timer_start(&s->timer, on_timer, MOMENT_MS, 0);
}

static void rewind_item(struct item *it)
{
    it->sent = it->stored;
    it->raw_sent = it->raw_stored;
    it->credit = FIRST_CREDIT;
    it->probing = true;
    it->seal_sent = false;
}

void stream_link(struct stream *s, bool up)
{
    s->up = up;
    list_for_each (n, &s->items)
        rewind_item(container_of(n, struct item, node));
    s->heard = now_boot();
    if (up)
        stream_wake(s);
    else
        uv_timer_stop(&s->timer);
}

size_t stream_unsealed(const struct stream *s)
{
    size_t count = 0;
    list_for_each (n, &s->items)
        count++;
    return count;
}

/* ---- hashing --------------------------------------------------------------------------------- */

/* Adds the part of [start, start + n) that was not hashed yet. Chunks come in order; after a rewind
 * some come again. */
static void hash_chunk(struct item *it, uint64_t start, const unsigned char *p, size_t n)
{
    if (start + n <= it->hashed)
        return;
    if (it->hasher == NULL)
        it->hasher = hasher_new();
    size_t skip = it->hashed > start ? (size_t)(it->hashed - start) : 0;
    hasher_add(it->hasher, p + skip, n - skip);
    it->hashed = start + n;
}

/* The next run at or after `at`, at most a chunk, into s->raw; 0 when there is none. */
static size_t load_chunk(struct stream *s, struct item *it, uint64_t at, uint64_t *start,
                         uint64_t *gap)
{
    struct err e = ERR_INIT;
    uint64_t n = 0;
    spool_peek(it->sp, at, start, &n, gap);
    n = n < CHUNK ? n : CHUNK;
    if (n == 0 || it->broken)
        return 0;
    if (spool_read(it->sp, *start, s->raw, (size_t)n, &e)) {
        log_error("log cannot be read: it ends here", "why", e.msg);
        it->broken = true;
        return 0;
    }
    return (size_t)n;
}

/* Hashes what an earlier run of the daemon had sent; a slice per call. True when all is hashed. */
static bool hash_rest(struct stream *s, struct item *it)
{
    for (int slice = 0; slice < 16; slice++) {
        uint64_t start = 0, gap = 0;
        size_t n = load_chunk(s, it, it->hashed, &start, &gap);
        if (n == 0)
            return true;
        hash_chunk(it, start, s->raw, n);
    }
    return false;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int send_message(struct stream *s, enum wire_type type, const ProtobufCMessage *msg)
{
    struct str frame = STR_INIT;
    struct err e = ERR_INIT;
    int rc = 1;
    if (wire_encode(type, msg, &frame, &e))
        log_error("log message not sent", "why", e.msg);
    else
        rc = s->env.send(s->env.arg, &frame);
    str_release(&frame);
    return rc;
}

static int send_chunk(struct stream *s, struct item *it, uint64_t start, size_t n, uint64_t gap)
{
    struct id128 id = spool_id(it->sp);
    if (s->packer == NULL)
        s->packer = packer_new();
    size_t packed = packer_pack(s->packer, s->raw, n, s->packed);
    wire_log_chunk m = BOOTFARM__LOG_CHUNK__INIT;
    m.attempt_id = wire_id_bytes(&id);
    m.offset = start;
    m.raw_bytes = (uint32_t)n;
    m.gap_bytes = gap;
    m.data = (ProtobufCBinaryData){.len = packed, .data = s->packed};
    return send_message(s, WIRE_LOG_CHUNK, &m.base);
}

static void finish_hash(struct item *it)
{
    hasher_finish(it->hasher ? it->hasher : hasher_new(), &it->sha);
    it->hasher = NULL;
    it->hash_done = true;
}

static int send_seal(struct stream *s, struct item *it)
{
    struct id128 id = spool_id(it->sp);
    if (!it->hash_done) {
        if (!hash_rest(s, it))
            return 0; /* more at the next turn */
        finish_hash(it);
    }
    wire_log_seal m = BOOTFARM__LOG_SEAL__INIT;
    m.attempt_id = wire_id_bytes(&id);
    m.length = it->broken ? it->sent : spool_length(it->sp);
    m.stored = it->stored;
    m.sha256 = (ProtobufCBinaryData){.len = sizeof it->sha.b, .data = it->sha.b};
    int rc = send_message(s, WIRE_LOG_SEAL, &m.base);
    it->seal_sent = rc == 0;
    if (rc == 0)
        it->heard = now_boot();
    return rc;
}

static uint64_t in_flight(const struct item *it)
{
    return it->raw_sent > it->raw_stored ? it->raw_sent - it->raw_stored : 0;
}

static bool has_bytes(const struct item *it)
{
    uint64_t start, n, gap;
    spool_peek(it->sp, it->sent, &start, &n, &gap);
    return n > 0 && !it->broken;
}

/* Everything readable was sent and stored, and no more will come. */
static bool ready_for_seal(const struct item *it)
{
    return spool_ended(it->sp) && !it->seal_sent && in_flight(it) == 0 && !has_bytes(it);
}

/* A full chunk, or the last one; a smaller one only now and then: a quiet log's next line goes at
 * once, a busy log makes full chunks. */
static bool is_due(const struct item *it, size_t n)
{
    return n == CHUNK || spool_ended(it->sp) ||
           now_boot() - it->chunk_at >= (it->followed ? PACE_FOLLOWED : PACE);
}

/* One chunk or the seal of one log: 1 sent something, 0 nothing to send or no credit, -1 the socket
 * takes no more. */
static int send_one(struct stream *s, struct item *it)
{
    uint64_t start = 0, gap = 0;
    if (it->probing && in_flight(it) > 0)
        return 0;
    uint64_t room = it->credit > in_flight(it) ? it->credit - in_flight(it) : 0;
    size_t n = room > 0 ? load_chunk(s, it, it->sent, &start, &gap) : 0;
    if (n == 0)
        return ready_for_seal(it) && send_seal(s, it) != 0 ? -1 : 0;
    if (n > room && in_flight(it) > 0)
        return 0; /* no crumbs: wait for more credit */
    if (!is_due(it, n))
        return 0;
    n = n < room ? n : (size_t)room;
    if (send_chunk(s, it, start, n, gap))
        return -1;
    it->chunk_at = now_boot();
    if (in_flight(it) == 0)
        it->heard = now_boot();
    if (!it->hash_done && it->hashed >= it->sent)
        hash_chunk(it, start, s->raw, n);
    it->sent = start + n;
    it->raw_sent += n;
    return 1;
}

static bool is_waiting(const struct item *it)
{
    return in_flight(it) > 0 || it->seal_sent;
}

static bool is_silent(const struct stream *s, const struct item *it)
{
    return is_waiting(it) && now_boot() - it->heard > s->env.silence;
}

static bool has_unsent(const struct item *it)
{
    return has_bytes(it) || ready_for_seal(it);
}

/* One chunk per log and turn, so that a loud one does not keep the others waiting. */
static void pump(struct stream *s)
{
    for (bool progress = true; progress;) {
        progress = false;
        list_for_each (n, &s->items) {
            struct item *it = container_of(n, struct item, node);
            int rc = it->unwanted ? 0 : send_one(s, it);
            if (rc < 0)
                return;
            progress = progress || rc > 0;
        }
    }
}

static void drop(struct item *it)
{
    struct spool *sp = it->sp;
    item_free(it);
    spool_remove(sp);
}

static void send_later(struct stream *s)
{
    bool busy = false, unsent = false;
    list_for_each (n, &s->items) {
        const struct item *it = container_of(n, struct item, node);
        unsent = unsent || (!it->unwanted && has_unsent(it));
        busy = busy || (!it->unwanted && is_waiting(it));
    }
    if (unsent || busy) {
        uv_timer_start(&s->timer, on_timer, unsent ? MOMENT_MS : IDLE_MS, 0);
    } else {
        packer_free(s->packer);
        s->packer = NULL;
    }
}

/* One log that is silent beside others is the store's affair. */
static bool link_is_silent(const struct stream *s)
{
    return now_boot() - s->heard > s->patience;
}

static void renew(struct stream *s)
{
    if (s->patience < 16 * s->env.silence)
        s->patience *= 2;
    s->heard = now_boot();
    s->env.renew(s->env.arg);
}

/* The timer runs while anything is unsent or unanswered; an idle worker has none. */
static void on_timer(uv_timer_t *t)
{
    struct stream *s = t->data;
    bool silent = false;
    list_for_each (n, &s->items) {
        struct item *it = container_of(n, struct item, node);
        if (it->unwanted && spool_ended(it->sp)) {
            drop(it);
        } else if (is_silent(s, it)) {
            rewind_item(it);
            silent = true;
        }
    }
    if (silent && link_is_silent(s))
        renew(s);
    if (!s->up)
        return;
    pump(s);
    send_later(s);
}

/* ---- acknowledgements ------------------------------------------------------------------------ */

static struct item *find(const struct stream *s, struct id128 id)
{
    list_for_each (n, &s->items) {
        struct item *it = container_of(n, struct item, node);
        if (id128_eq(spool_id(it->sp), id))
            return it;
    }
    return NULL;
}

/* Walks the runs from the old `stored` to the new one, to count bytes without gaps. */
static void move_stored(struct item *it, uint64_t to)
{
    while (it->stored < to) {
        uint64_t start, n, gap;
        spool_peek(it->sp, it->stored, &start, &n, &gap);
        if (n == 0 || start >= to) {
            it->stored = to; /* it has more than we have: it was cut by a power failure */
            break;
        }
        uint64_t end = start + n < to ? start + n : to;
        it->raw_stored += end - start;
        it->stored = end;
    }
    if (it->sent < it->stored) {
        it->sent = it->stored;
        it->raw_sent = it->raw_stored;
    }
}

void stream_on_ack(struct stream *s, const wire_log_ack *ack)
{
    struct item *it = find(s, wire_id(ack->attempt_id));
    s->heard = now_boot();
    s->patience = 2 * s->env.silence;
    if (it == NULL)
        return;
    it->unwanted = it->unwanted || ack->unknown;
    if (spool_ended(it->sp) && (it->unwanted || ack->sealed)) {
        drop(it);
        return;
    }
    it->heard = now_boot();
    it->credit = ack->credit_bytes;
    it->followed = ack->followed;
    if (ack->stored != it->stored)
        it->seal_sent = false; /* it was not given: it named another place */
    bool first = it->probing;
    it->probing = false;
    if (ack->stored < it->stored) /* the store lost what it had not committed yet */
        it->stored = it->raw_stored = it->sent = it->raw_sent = 0;
    if (ack->stored > it->stored)
        move_stored(it, ack->stored);
    if (first) { /* a probe that overlapped what the store has was not taken */
        it->sent = it->stored;
        it->raw_sent = it->raw_stored;
    }
    if (has_unsent(it)) {
        pump(s);
        stream_wake(s);
    }
}
