#include "worker/spool.h"
#include "common/base/log.h"
#include "common/base/vec.h"
#include "common/loop/file.h"
#include "worker/spool_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_SEGMENTS 16

struct spools {
    char *dir;
    struct spool_caps caps;
    bool room;
    uint64_t bytes;
    struct list all; /* oldest first */
    size_t n;
};

struct spool {
    struct list node;
    struct spools *in;
    struct id128 id;
    char *dir;
    VEC(struct segment) seg; /* in order of offsets; the first is the head */
    int fd;                  /* of the last segment while it is written; -1: none */
    uint64_t length;
    bool ended;
    struct redact *secrets;
};

static void segment_path(const struct spool *sp, const struct segment *g, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%020llu", sp->dir, (unsigned long long)g->start);
}

static struct spool *spool_new(struct spools *s, struct id128 id)
{
    char name[ID128_TEXT];
    struct spool *sp = xcalloc(1, sizeof *sp);
    id128_format(id, name);
    sp->in = s;
    sp->id = id;
    sp->dir = xasprintf("%s/%s", s->dir, name);
    sp->fd = -1;
    list_add_tail(&s->all, &sp->node);
    s->n++;
    return sp;
}

static void close_fd(struct spool *sp)
{
    if (sp->fd >= 0)
        close(sp->fd);
    sp->fd = -1;
}

static void spool_free(struct spool *sp)
{
    close_fd(sp);
    sp->in->n--;
    list_del(&sp->node);
    vec_release(&sp->seg);
    free(sp->dir);
    free(sp);
}

static void adopt(void *arg, struct id128 id)
{
    struct spools *s = arg;
    struct spool *sp = spool_new(s, id);
    size_t n = 0;
    sp->seg.v = spool_dir_segments(sp->dir, MAX_SEGMENTS, &n);
    sp->seg.n = sp->seg.cap = n;
    sp->ended = true;
    vec_for_each (i, &sp->seg)
        s->bytes += sp->seg.v[i].n;
    if (n > 0)
        sp->length = sp->seg.v[n - 1].start + sp->seg.v[n - 1].n;
}

int spools_open(const char *dir, const struct spool_caps *caps, struct spools **out, struct err *e)
{
    if (dir_make(dir, 0700, e))
        return -1;
    struct spools *s = xcalloc(1, sizeof *s);
    s->dir = xstrdup(dir);
    s->caps = *caps;
    s->room = true;
    list_init(&s->all);
    if (spool_dir_list(dir, adopt, s, e)) {
        spools_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

void spools_close(struct spools *s)
{
    if (s == NULL)
        return;
    list_for_each (it, &s->all)
        spool_free(container_of(it, struct spool, node));
    free(s->dir);
    free(s);
}

void spools_set_caps(struct spools *s, const struct spool_caps *caps)
{
    s->caps = *caps;
}

void spools_set_room(struct spools *s, bool room)
{
    s->room = room;
}

uint64_t spools_bytes(const struct spools *s)
{
    return s->bytes;
}

struct spool *spools_next(const struct spools *s, const struct spool *after)
{
    struct list *next = after ? after->node.next : s->all.next;
    return next == &s->all ? NULL : container_of(next, struct spool, node);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void drop_segment(struct spool *sp, size_t i)
{
    char path[PATH_MAX];
    segment_path(sp, &sp->seg.v[i], path);
    unlink(path);
    sp->in->bytes -= sp->seg.v[i].n;
    memmove(&sp->seg.v[i], &sp->seg.v[i + 1], (sp->seg.n - i - 1) * sizeof sp->seg.v[0]);
    sp->seg.n--;
}

/* Begins a segment at the present end. A failure leaves no file open: a gap begins. */
static void begin_segment(struct spool *sp)
{
    char path[PATH_MAX];
    struct segment g = {.start = sp->length};
    close_fd(sp);
    segment_path(sp, &g, path);
    sp->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_APPEND, 0600);
    if (sp->fd >= 0)
        *vec_push(&sp->seg) = g;
}

/* The oldest tail segments go while the newer ones hold enough without them. */
static void trim_tail(struct spool *sp)
{
    uint64_t kept = 0;
    for (size_t i = 1; i < sp->seg.n; i++)
        kept += sp->seg.v[i].n;
    while (sp->seg.n > 2 &&
           (kept - sp->seg.v[1].n >= sp->in->caps.tail || sp->seg.n >= MAX_SEGMENTS)) {
        kept -= sp->seg.v[1].n;
        drop_segment(sp, 1);
    }
}

/* How much the open segment still takes. */
static uint64_t room_in_segment(const struct spool *sp)
{
    uint64_t cap = sp->seg.n == 1 ? sp->in->caps.head : sp->in->caps.tail / 2 + 1;
    uint64_t have = sp->seg.v[sp->seg.n - 1].n;
    return have < cap ? cap - have : 0;
}

static void advance(struct spool *sp, size_t n)
{
    sp->seg.v[sp->seg.n - 1].n += n;
    sp->in->bytes += n;
    sp->length += n;
}

/* Stores clean bytes. After a failed write the rest of this piece is a gap; the next piece tries a
 * new segment. */
static void store(struct spool *sp, const char *p, size_t n)
{
    while (n > 0 && sp->in->room) {
        if (sp->fd < 0 || room_in_segment(sp) == 0) {
            begin_segment(sp);
            trim_tail(sp);
        }
        if (sp->fd < 0)
            break;
        uint64_t room = room_in_segment(sp);
        size_t want = n < room ? n : (size_t)room;
        ssize_t got = write(sp->fd, p, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        advance(sp, (size_t)got);
        p += got;
        n -= (size_t)got;
    }
    if (n > 0) {
        close_fd(sp);
        sp->length += n;
    }
}

/* Beyond the total the oldest logs go that nobody writes any more. */
static void enforce_total(struct spools *s)
{
    list_for_each (it, &s->all) {
        struct spool *sp = container_of(it, struct spool, node);
        if (s->bytes <= s->caps.total)
            return;
        if (!sp->ended)
            continue;
        char id[ID128_TEXT];
        id128_format(sp->id, id);
        log_warn("log dropped: the spool is full", "attempt", id);
        while (sp->seg.n > 0)
            drop_segment(sp, sp->seg.n - 1);
    }
}

int spool_create(struct spools *s, struct id128 id, struct redact *secrets, struct spool **out,
                 struct err *e)
{
    if (s->n >= SPOOLS_MAX)
        return err_set(e, ERR_TEMPORARY, "%zu logs wait for the log store already", s->n);
    struct spool *sp = spool_new(s, id);
    sp->secrets = secrets;
    if (spool_dir_make(sp->dir, e)) {
        spool_free(sp);
        return -1;
    }
    begin_segment(sp);
    enforce_total(s);
    *out = sp;
    return 0;
}

void spool_write(struct spool *sp, const void *p, size_t n)
{
    BUG_ON(sp->ended);
    if (sp->secrets == NULL) {
        store(sp, p, n);
        return;
    }
    struct str clean = STR_INIT;
    redact_feed(sp->secrets, p, n, &clean);
    store(sp, clean.p, clean.len);
    str_release(&clean);
}

void spool_note(struct spool *sp, const char *fmt, ...)
{
    struct str line = STR_INIT;
    va_list ap;
    str_add(&line, "bootfarm-worker: ");
    va_start(ap, fmt);
    str_addv(&line, fmt, ap);
    va_end(ap);
    str_addch(&line, '\n');
    spool_write(sp, line.p, line.len);
    str_release(&line);
}

void spool_end(struct spool *sp)
{
    if (sp->secrets != NULL) {
        struct str rest = STR_INIT;
        redact_end(sp->secrets, &rest);
        store(sp, rest.p, rest.len);
        str_release(&rest);
    }
    sp->secrets = NULL;
    if (sp->fd >= 0)
        (void)fdatasync(sp->fd); /* a log may lose its end in a power cut; the seal tells */
    close_fd(sp);
    sp->ended = true;
    enforce_total(sp->in);
}

void spool_remove(struct spool *sp)
{
    struct err e = ERR_INIT;
    while (sp->seg.n > 0)
        drop_segment(sp, sp->seg.n - 1);
    if (dir_remove(sp->dir, &e))
        log_warn("log directory stays", "why", e.msg);
    spool_free(sp);
}

/* ---- reading --------------------------------------------------------------------------------- */

struct id128 spool_id(const struct spool *sp)
{
    return sp->id;
}

bool spool_ended(const struct spool *sp)
{
    return sp->ended;
}

uint64_t spool_length(const struct spool *sp)
{
    return sp->length;
}

void spool_peek(const struct spool *sp, uint64_t at, uint64_t *start, uint64_t *n, uint64_t *gap)
{
    uint64_t end_before = 0;
    size_t readable = sp->ended ? sp->seg.n : 1;
    *start = at;
    *n = *gap = 0;
    for (size_t i = 0; i < readable && i < sp->seg.n; i++) {
        const struct segment *g = &sp->seg.v[i];
        uint64_t end = g->start + g->n;
        if (at < end) {
            *start = at > g->start ? at : g->start;
            *n = end - *start;
            *gap = *start == g->start ? g->start - end_before : 0;
            return;
        }
        end_before = end;
    }
}

static const struct segment *segment_at(const struct spool *sp, uint64_t at)
{
    vec_for_each (i, &sp->seg) {
        const struct segment *g = &sp->seg.v[i];
        if (at >= g->start && at < g->start + g->n)
            return g;
    }
    return NULL;
}

int spool_read(const struct spool *sp, uint64_t start, void *p, size_t n, struct err *e)
{
    const struct segment *g = segment_at(sp, start);
    BUG_ON(g == NULL || n > g->start + g->n - start);
    char path[PATH_MAX];
    segment_path(sp, g, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "cannot open %s", path);
    ssize_t got = pread(fd, p, n, (off_t)(start - g->start));
    int saved = errno;
    close(fd);
    errno = saved;
    if (got < 0)
        return err_sys(e, "cannot read %s", path);
    if ((size_t)got != n)
        return err_set(e, ERR_INPUT, "%s is shorter than it was", path);
    return 0;
}
