/* GET of a job's log: stored chunks, oldest first, decompressed on the way.
 *
 *     which attempt? ──► stream:  fetch ──► buffer ──► client reads it ──► fetch …
 *                                   │ nothing new
 *                                   ├─ the log has ended ──► end
 *                                   ├─ not following ──► end
 *                                   └─ wait for farm_log, or a second ──► fetch
 *
 * The scheduler is told who is followed (farm_follow): only such logs are notified of, and their
 * workers send what they have sooner.
 *
 * A follower outlives PostgreSQL's absence. A slow client is waited for: the next chunks are
 * fetched when it has read the last. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "scheduler/api/api.h"
#include "scheduler/api/logtext.h"
#include "scheduler/api/statements.h"
#include "scheduler/api/watch.h"
#include <inttypes.h>
#include <stdio.h>

#define POLL BF_SEC        /* behind notifications */
#define TELL (10 * BF_SEC) /* the scheduler believes it for half a minute that somebody follows */
/* Chunks may hold a line or 256 KiB: as many are fetched at once as give about FETCH_BYTES. */
#define FETCH_BYTES ((size_t)512 << 10)
#define CHUNKS_MIN 4 /* at most 1 MiB of text */
#define CHUNKS_MAX 64

struct follow {
    struct watcher w; /* first: on_wake() gets it */
    struct api *a;
    struct request *r;
    struct logtext *unpacker;
    char attempt[ID128_TEXT];
    bool follow;
    int64_t next; /* byte of the log */
    int chunks;   /* of the next fetch */
    struct str text;
    size_t sent; /* of text */
    bool fetching, waiting, over, broken;
    bool again;   /* woken meanwhile */
    bf_time told; /* the scheduler, that somebody follows */
    bool gone;    /* the client; freed when the fetch has come back */
};

static void follow_free(struct follow *f)
{
    watch_del(&f->w);
    logtext_free(f->unpacker);
    str_release(&f->text);
    free(f);
}

/* ---- fetching ---------------------------------------------------------------------------------
 */

static void fetch(struct follow *f);

static int64_t number_at(const PGresult *rows, int row, int column)
{
    int64_t v = 0;

    if (PQgetisnull(rows, row, column) ||
        parse_i64(PQgetvalue(rows, row, column), INT64_MIN, INT64_MAX, &v) < 0)
        return 0;
    return v;
}

static void add_chunk(struct follow *f, const PGresult *rows, int row)
{
    struct log_chunk c = {.offset = number_at(rows, row, 2),
                          .raw = number_at(rows, row, 3),
                          .gap = number_at(rows, row, 4)};
    unsigned char *data = PQunescapeBytea((const unsigned char *)PQgetvalue(rows, row, 5), &c.n);

    c.data = data;
    logtext_add(f->unpacker, &c, &f->next, &f->text);
    PQfreemem(data);
}

/* Few bytes of as many chunks as were asked for: more at once next time. */
static void adapt(struct follow *f, int got)
{
    if (f->text.len > FETCH_BYTES)
        f->chunks = CHUNKS_MIN;
    else if (got == f->chunks && f->text.len < FETCH_BYTES / 4 && f->chunks < CHUNKS_MAX)
        f->chunks *= 2;
}

/* Rows: whether the log has ended, its length when sealed, and a chunk (NULL: none is left). */
static void take_rows(struct follow *f, const PGresult *rows)
{
    int n = PQntuples(rows);
    bool none = n == 0 || PQgetisnull(rows, 0, 2);
    bool ended = n == 0 || PQgetvalue(rows, 0, 0)[0] == 't';

    for (int i = 0; i < n && !none; i++)
        add_chunk(f, rows, i);
    if (!none) {
        adapt(f, n);
        return;
    }
    if (ended && n && !PQgetisnull(rows, 0, 1))
        logtext_end(number_at(rows, 0, 1), f->next, &f->text);
    if (ended || !f->follow)
        f->over = true;
    else if (f->again)
        fetch(f);
    else
        f->waiting = true;
}

static void on_chunks(void *arg, PGresult *rows, const struct err *e)
{
    struct follow *f = arg;

    f->fetching = false;
    if (f->gone) {
        PQclear(rows);
        follow_free(f);
        return;
    }
    if (rows)
        take_rows(f, rows);
    else if (!f->follow || f->a->stopping || e->kind != ERR_TEMPORARY)
        f->broken = true;
    else
        f->waiting = true; /* until PostgreSQL is back */
    PQclear(rows);
    if (f->text.len || f->over || f->broken)
        request_wake(f->r);
}

static void on_told(void *arg, PGresult *rows, const struct err *e)
{
    (void)arg, (void)e; /* the poll is behind it */
    PQclear(rows);
}

static void tell(struct follow *f)
{
    const char *values[] = {f->attempt};

    if (!f->follow || (f->told && clock_mono() - f->told < TELL))
        return;
    f->told = clock_mono();
    pool_query(f->a->pool, SQL_FOLLOW, 1, values, on_told, NULL);
}

static void fetch(struct follow *f)
{
    char next[24], chunks[12];
    const char *values[] = {f->attempt, next, chunks};

    f->waiting = f->again = false;
    f->fetching = true;
    tell(f);
    snprintf(next, sizeof next, "%" PRId64, f->next);
    snprintf(chunks, sizeof chunks, "%d", f->chunks);
    pool_query(f->a->pool, SQL_LOG, 3, values, on_chunks, f);
}

static void on_wake(struct watcher *w)
{
    struct follow *f = (struct follow *)w;

    if (f->a->stopping) {
        watch_del(w);
        f->broken = true;
        request_wake(f->r);
    } else if (f->waiting) {
        fetch(f);
    } else {
        f->again = true;
    }
}

/* ---- the stream -------------------------------------------------------------------------------
 */

static ssize_t read_text(void *arg, char *buf, size_t max)
{
    struct follow *f = arg;
    size_t n = f->text.len - f->sent;

    if (n == 0) {
        f->sent = 0;
        str_clear(&f->text);
        if (f->over)
            return STREAM_END;
        if (f->broken)
            return STREAM_ABORT;
        if (!f->fetching && !f->waiting)
            fetch(f);
        return STREAM_LATER;
    }
    if (n > max)
        n = max;
    memcpy(buf, f->text.p + f->sent, n);
    f->sent += n;
    return (ssize_t)n;
}

static void on_client_done(void *arg)
{
    struct follow *f = arg;

    f->gone = true;
    watch_del(&f->w);
    if (!f->fetching)
        follow_free(f);
}

static const struct stream_ops log_stream = {.read = read_text, .closed = on_client_done};

/* ---- the request ------------------------------------------------------------------------------
 */

static void on_attempt(void *arg, PGresult *rows, const struct err *e)
{
    struct follow *f = arg;

    if (rows && PQntuples(rows) == 1) {
        snprintf(f->attempt, sizeof f->attempt, "%s", PQgetvalue(rows, 0, 0));
        snprintf(f->w.key, sizeof f->w.key, "%s", f->attempt);
        f->unpacker = logtext_new();
        if (f->follow)
            watch_add(f->a->watch, &f->w);
        request_stream(f->r, "text/plain; charset=utf-8", &log_stream, f);
    } else {
        if (rows)
            request_error(f->r, 404, "there is no such job, or it has no such attempt yet");
        else
            answer_failure(f->r, e);
        follow_free(f);
    }
    PQclear(rows);
}

static int read_options(struct request *r, bool *follow, const char **attempt)
{
    const char *text = request_query(r, "follow");
    int64_t n;

    *follow = text && strcmp(text, "1") == 0;
    *attempt = request_query(r, "attempt");
    if (text && !*follow && strcmp(text, "0") != 0)
        request_error(r, 400, "follow: expected 0 or 1");
    else if (*attempt && parse_i64(*attempt, 1, INT32_MAX, &n) < 0)
        request_error(r, 400, "attempt: expected a number from 1");
    else
        return 0;
    return -1;
}

void get_log(struct api *a, struct request *r, const char *job)
{
    const char *attempt;
    bool follow, is_number;
    struct follow *f;

    if (!job_key(r, job, &is_number) || read_options(r, &follow, &attempt) < 0)
        return;
    f = xcalloc(1, sizeof *f);
    f->w = (struct watcher){.channel = CHANNEL_LOG, .wake = on_wake, .poll = POLL};
    list_init(&f->w.link);
    f->a = a;
    f->r = r;
    f->follow = follow;
    f->chunks = CHUNKS_MIN;
    str_init(&f->text);
    pool_query(a->pool, is_number ? SQL_ATTEMPT_BY_ID : SQL_ATTEMPT_BY_NAME, 2,
               (const char *[]){job, attempt}, on_attempt, f);
}
