/* The stream against a store in memory that keeps its side of the protocol. */
#include "worker/stream.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "tests/unit/worker/tmp.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <zstd.h>

#define SILENCE (300 * BF_MSEC)

static struct err e;

struct store {
    struct str log; /* what is stored; gaps as '#' */
    uint64_t stored, sealed_length, sealed_stored, gaps;
    struct sha256 sha;
    bool sealed, dead, unknown, followed;
    unsigned chunks, repeated, seals;
    uint32_t credit;
    uint64_t in_flight_max, flight;
    struct str sent; /* raw bytes in order, for the hash */
};

struct bench {
    struct tmp t;
    uv_loop_t loop;
    struct spools *spools;
    struct stream *stream;
    struct store store;
    uv_timer_t answer; /* acknowledgements come from the loop, not from within send */
    bool owe;
    struct id128 id;
    unsigned renewed;
    bf_time renewed_at[8];
};

static void take_chunk(struct store *st, const wire_log_chunk *c)
{
    static char raw[WIRE_MAX_RAW];
    st->chunks++;
    if (c->offset - c->gap_bytes != st->stored) {
        st->repeated++;
        return;
    }
    size_t n = ZSTD_decompress(raw, sizeof raw, c->data.data, c->data.len);
    cr_assert_eq(n, c->raw_bytes);
    for (uint64_t i = 0; i < c->gap_bytes && i < 1000; i++)
        str_addch(&st->log, '#');
    st->gaps += c->gap_bytes;
    str_addmem(&st->log, raw, n);
    str_addmem(&st->sent, raw, n);
    st->stored = c->offset + n;
    st->flight += n;
    if (st->flight > st->in_flight_max)
        st->in_flight_max = st->flight;
}

static int send_frame(void *arg, const struct str *frame)
{
    struct bench *b = arg;
    struct wire_msg m;
    if (b->store.dead)
        return 0; /* swallowed, as by a link that is about to break */
    cr_assert_eq(wire_decode(WIRE_LOG_TO_SCHEDULER, frame->p, frame->len, &m, &e), 0, "%s", e.msg);
    if (m.type == WIRE_LOG_CHUNK) {
        take_chunk(&b->store, m.log_chunk);
    } else {
        cr_assert_eq(m.type, WIRE_LOG_SEAL);
        b->store.seals++;
        b->store.sealed = b->store.stored >= m.log_seal->stored;
        b->store.sealed_stored = m.log_seal->stored;
        b->store.sealed_length = m.log_seal->length;
        memcpy(b->store.sha.b, m.log_seal->sha256.data, 32);
    }
    b->owe = true;
    wire_release(&m);
    return 0;
}

static void on_answer(uv_timer_t *t)
{
    struct bench *b = t->data;
    if (!b->owe)
        return;
    wire_log_ack a = BOOTFARM__LOG_ACK__INIT;
    a.attempt_id = wire_id_bytes(&b->id);
    a.stored = b->store.stored;
    a.credit_bytes = b->store.credit;
    a.sealed = b->store.sealed;
    a.unknown = b->store.unknown;
    a.followed = b->store.followed;
    b->owe = false;
    b->store.flight = 0;
    stream_on_ack(b->stream, &a);
}

static void renew(void *arg)
{
    struct bench *b = arg;
    b->renewed_at[b->renewed++ % 8] = clock_mono();
    stream_link(b->stream, false);
    stream_link(b->stream, true);
}

static struct stream *open_stream(struct bench *b)
{
    return stream_new(
        &b->loop,
        &(struct stream_env){.send = send_frame, .renew = renew, .arg = b, .silence = SILENCE});
}

static void bench_open(struct bench *b, uint64_t head, uint64_t tail)
{
    const struct spool_caps caps = {.head = head, .tail = tail, .total = 1u << 30};
    *b = (struct bench){.store = {.credit = 200000, .log = STR_INIT, .sent = STR_INIT},
                        .id = tmp_id(1)};
    tmp_make(&b->t);
    cr_assert_eq(uv_loop_init(&b->loop), 0);
    cr_assert_eq(spools_open(tmp_path(&b->t, "spool"), &caps, &b->spools, &e), 0);
    b->stream = open_stream(b);
    uv_timer_init(&b->loop, &b->answer);
    b->answer.data = b;
    uv_timer_start(&b->answer, on_answer, 1, 1);
}

static void bench_close(struct bench *b)
{
    stream_close(b->stream);
    uv_close((uv_handle_t *)&b->answer, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    cr_expect_eq(uv_loop_close(&b->loop), 0);
    spools_close(b->spools);
    str_release(&b->store.log);
    str_release(&b->store.sent);
    tmp_remove(&b->t);
}

static struct spool *new_log(struct bench *b)
{
    struct spool *sp;
    cr_assert_eq(spool_create(b->spools, b->id, NULL, &sp, &e), 0, "%s", e.msg);
    stream_add(b->stream, sp);
    return sp;
}

static void write_lines(struct spool *sp, int from, int to)
{
    char line[32];
    for (int i = from; i < to; i++)
        spool_write(
            sp, line,
            (size_t)snprintf(line, sizeof line, "line %08d %x\n", i, (unsigned)i * 2654435761u));
}

static void until_empty(struct bench *b)
{
    while (stream_unsealed(b->stream) > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void expect_truthful_seal(const struct bench *b)
{
    struct sha256 sha;
    struct span part = {b->store.sent.p, b->store.sent.len};
    hash_openssl(&part, 1, &sha);
    cr_expect(b->store.sealed);
    cr_expect(sha256_eq(&sha, &b->store.sha), "the hash is over the bytes that were sent");
}

Test(stream, a_log_arrives_whole_and_is_sealed)
{
    struct bench b;
    bench_open(&b, 10u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 50000);
    uint64_t length = spool_length(sp);
    spool_end(sp);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.store.log.len, length);
    cr_expect_eq(b.store.sealed_length, length);
    cr_expect_eq(b.store.repeated, 0);
    cr_expect_leq(b.store.in_flight_max, 200000);
    cr_expect_null(spools_next(b.spools, NULL), "the files are gone");
    bench_close(&b);
}

Test(stream, a_running_log_is_followed)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    spool_write(sp, "first\n", 6);
    stream_wake(b.stream);
    while (b.store.stored < 6)
        uv_run(&b.loop, UV_RUN_ONCE);
    cr_expect_str_eq(b.store.log.p, "first\n");
    cr_expect(!b.store.sealed);
    spool_write(sp, "second\n", 7);
    spool_end(sp);
    stream_wake(b.stream);
    until_empty(&b);
    cr_expect_str_eq(b.store.log.p, "first\nsecond\n");
    expect_truthful_seal(&b);
    bench_close(&b);
}

static void on_write(uv_timer_t *t)
{
    struct bench *b = t->data;
    write_lines(spools_next(b->spools, NULL), 0, 100);
    stream_wake(b->stream);
}

/* How many chunks a log makes that grows by 2 KB each 5 ms, until 300 KB are stored. */
static unsigned chunks_of_a_busy_log(bool followed)
{
    struct bench b;
    uv_timer_t writer;
    bench_open(&b, 10u << 20, 1u << 20);
    b.store.followed = followed;
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    uv_timer_init(&b.loop, &writer);
    writer.data = &b;
    uv_timer_start(&writer, on_write, 0, 5);
    while (b.store.stored < 300000)
        uv_run(&b.loop, UV_RUN_ONCE);
    unsigned chunks = b.store.chunks;
    uv_close((uv_handle_t *)&writer, NULL);
    spool_end(sp);
    stream_wake(b.stream);
    until_empty(&b);
    expect_truthful_seal(&b);
    bench_close(&b);
    return chunks;
}

Test(stream, a_busy_log_fills_its_chunks_unless_somebody_reads_along)
{
    unsigned quiet = chunks_of_a_busy_log(false), followed = chunks_of_a_busy_log(true);
    cr_expect_leq(quiet, 8, "%u chunks of at most 64 KiB", quiet);
    cr_expect_gt(followed, quiet);
}

Test(stream, head_gap_and_tail)
{
    struct bench b;
    bench_open(&b, 1000, 500);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 5000);
    uint64_t length = spool_length(sp);
    spool_end(sp);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.store.stored, length);
    cr_expect_eq(b.store.sealed_length, length);
    cr_expect_gt(b.store.gaps, 0);
    cr_expect_eq(b.store.sent.len + b.store.gaps, length);
    bench_close(&b);
}

Test(stream, a_tiny_credit_is_kept_to)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    b.store.credit = 1000;
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 5000);
    spool_end(sp);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_leq(b.store.in_flight_max, 65536, "the first chunk goes on the first credit");
    bench_close(&b);
}

Test(stream, what_a_dead_link_swallowed_is_sent_again)
{
    struct bench b;
    bench_open(&b, 10u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 20000);
    stream_wake(b.stream);
    while (b.store.stored < 100000)
        uv_run(&b.loop, UV_RUN_ONCE);
    b.store.dead = true;
    write_lines(sp, 20000, 40000);
    spool_end(sp);
    stream_wake(b.stream);
    for (int i = 0; i < 500; i++)
        uv_run(&b.loop, UV_RUN_ONCE);
    stream_link(b.stream, false);
    b.store.dead = false;
    stream_link(b.stream, true);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.store.log.len, b.store.sealed_length);
    bench_close(&b);
}

Test(stream, a_restarted_daemon_goes_on_where_the_store_is)
{
    struct bench b;
    bench_open(&b, 10u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 40000);
    stream_wake(b.stream);
    while (b.store.stored < 300000)
        uv_run(&b.loop, UV_RUN_ONCE);
    b.store.stored = b.store.log.len = b.store.sent.len = 300001; /* no multiple of our chunks */
    /* the daemon dies here, and comes back */
    const struct spool_caps caps = {.head = 10u << 20, .tail = 1u << 20, .total = 1u << 30};
    stream_close(b.stream);
    uv_run(&b.loop, UV_RUN_NOWAIT);
    spools_close(b.spools);
    cr_assert_eq(spools_open(tmp_path(&b.t, "spool"), &caps, &b.spools, &e), 0);
    b.stream = open_stream(&b);
    sp = spools_next(b.spools, NULL);
    cr_assert_not_null(sp);
    stream_add(b.stream, sp);
    b.store.repeated = 0;
    stream_link(b.stream, true);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.store.log.len, b.store.sealed_length);
    cr_expect_leq(b.store.repeated, 1, "one chunk to learn where the store is");
    bench_close(&b);
}

Test(stream, a_store_that_lost_the_end_gets_it_again)
{
    struct bench b;
    bench_open(&b, 10u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 20000);
    stream_wake(b.stream);
    while (b.store.stored < 300000)
        uv_run(&b.loop, UV_RUN_ONCE);
    b.store.stored = b.store.log.len = b.store.sent.len = 100000; /* not committed: gone */
    b.owe = true;
    write_lines(sp, 20000, 30000);
    spool_end(sp);
    stream_wake(b.stream);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.store.log.len, b.store.sealed_length);
    bench_close(&b);
}

Test(stream, an_unknown_attempt_frees_the_spool)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    b.store.unknown = true;
    write_lines(sp, 0, 100);
    stream_wake(b.stream);
    while (b.store.chunks == 0)
        uv_run(&b.loop, UV_RUN_ONCE);
    write_lines(sp, 100, 200); /* it still runs: its log is kept here until it ends */
    spool_end(sp);
    stream_wake(b.stream);
    until_empty(&b);
    cr_expect_null(spools_next(b.spools, NULL));
    bench_close(&b);
}

Test(stream, a_dropped_log_says_that_it_was_cut)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    write_lines(sp, 0, 1000);
    uint64_t length = spool_length(sp);
    spool_end(sp);
    const struct spool_caps none = {.head = 1, .tail = 1, .total = 0};
    spools_set_caps(b.spools, &none);
    struct spool *other;
    cr_assert_eq(spool_create(b.spools, tmp_id(2), NULL, &other, &e), 0); /* makes room */
    stream_link(b.stream, true);
    until_empty(&b);
    cr_expect_eq(b.store.sealed_length, length);
    cr_expect_lt(b.store.log.len, length, "the seal is longer than what was stored");
    cr_expect_eq(b.store.sealed_stored, b.store.stored);
    spool_end(other);
    bench_close(&b);
}

/* The store stopped between its last answer and the seal; meanwhile the worker lost the files. */
Test(stream, a_seal_that_is_not_given_is_sent_for_what_is_left)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    stream_link(b.stream, true);
    write_lines(sp, 0, 1000);
    uint64_t length = spool_length(sp);
    stream_wake(b.stream);
    while (b.store.stored < length || b.owe)
        uv_run(&b.loop, UV_RUN_ONCE);
    b.store.stored = b.store.log.len = b.store.sent.len = 100;
    spool_end(sp);
    const struct spool_caps none = {.head = 1, .tail = 1, .total = 0};
    spools_set_caps(b.spools, &none);
    struct spool *other;
    cr_assert_eq(spool_create(b.spools, tmp_id(2), NULL, &other, &e), 0); /* makes room */
    stream_wake(b.stream);
    until_empty(&b);
    cr_expect_eq(b.store.seals, 2);
    cr_expect_eq(b.store.sealed_stored, 100);
    cr_expect_eq(b.store.sealed_length, length);
    spool_end(other);
    bench_close(&b);
}

/* A proxy that forgot the connection takes everything and says nothing. */
Test(stream, a_link_that_swallows_logs_is_made_anew_ever_more_rarely)
{
    struct bench b;
    bench_open(&b, 1u << 20, 1u << 20);
    struct spool *sp = new_log(&b);
    b.store.dead = true;
    stream_link(b.stream, true);
    write_lines(sp, 0, 1000);
    stream_wake(b.stream);
    while (b.renewed < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    cr_expect_geq(b.renewed_at[1] - b.renewed_at[0], 2 * SILENCE);
    cr_expect_geq(b.renewed_at[2] - b.renewed_at[1], 4 * SILENCE);
    b.store.dead = false;
    spool_end(sp);
    stream_wake(b.stream);
    until_empty(&b);
    expect_truthful_seal(&b);
    cr_expect_eq(b.renewed, 3);
    bench_close(&b);
}
