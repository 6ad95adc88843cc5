/* Virtual time, chance, and the first failure. */
#include "tests/sim/sim.h"

#include <stdio.h>

struct event {
    bf_time at;
    uint64_t seq;
    event_fn *fn;
    void *what;
    uint64_t n;
    void (*drop)(void *what);
};

struct event_queue {
    VEC(struct event) v;
    uint64_t seq;
};

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void sift_up(struct event *v, size_t i)
{
    while (i > 0 && before(&v[i], &v[(i - 1) / 2])) {
        struct event e = v[i];
        v[i] = v[(i - 1) / 2];
        v[(i - 1) / 2] = e;
        i = (i - 1) / 2;
    }
}

static void sift_down(struct event *v, size_t n, size_t i)
{
    for (size_t least = i;; i = least) {
        for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < n; c++) {
            if (before(&v[c], &v[least]))
                least = c;
        }
        if (least == i)
            return;
        struct event e = v[i];
        v[i] = v[least];
        v[least] = e;
    }
}

static void add(struct sim *s, struct event e)
{
    if (!s->queue)
        s->queue = xcalloc(1, sizeof *s->queue);
    struct event_queue *q = s->queue;
    e.at = e.at > s->now ? e.at : s->now;
    e.seq = q->seq++;
    *vec_push(&q->v) = e;
    sift_up(q->v.v, q->v.n - 1);
}

void sim_at(struct sim *s, bf_time at, event_fn *fn, void *what, uint64_t n)
{
    add(s, (struct event){.at = at, .fn = fn, .what = what, .n = n});
}

void sim_at_owned(struct sim *s, bf_time at, event_fn *fn, void *what, void (*drop)(void *))
{
    add(s, (struct event){.at = at, .fn = fn, .what = what, .drop = drop});
}

void sim_run(struct sim *s, bf_time end)
{
    struct event_queue *q = s->queue;
    while (!s->failure && q->v.n && q->v.v[0].at <= end) {
        struct event e = q->v.v[0];
        q->v.v[0] = vec_pop(&q->v);
        sift_down(q->v.v, q->v.n, 0);
        s->now = e.at;
        s->steps++;
        e.fn(s, e.what, e.n);
    }
    if (s->now < end && !s->failure)
        s->now = end;
}

void sim_events_free(struct sim *s)
{
    if (!s->queue)
        return;
    vec_for_each (i, &s->queue->v) {
        if (s->queue->v.v[i].drop)
            s->queue->v.v[i].drop(s->queue->v.v[i].what);
    }
    vec_release(&s->queue->v);
    free(s->queue);
    s->queue = NULL;
}

/* splitmix64 */
uint64_t rnd(struct sim *s)
{
    uint64_t z = (s->rng += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint64_t rnd_below(struct sim *s, uint64_t n)
{
    return n ? rnd(s) % n : 0;
}

bf_time rnd_time(struct sim *s, bf_time min, bf_time max)
{
    return min + (bf_time)rnd_below(s, (uint64_t)(max - min) + 1);
}

bool chance(struct sim *s, unsigned percent)
{
    return rnd_below(s, 100) < percent;
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->failure)
        return;
    struct str text = STR_INIT;
    va_list ap;
    str_addf(&text, "at %.3f s: ", (double)s->now / BF_SEC);
    va_start(ap, fmt);
    str_addv(&text, fmt, ap);
    va_end(ap);
    s->failure = str_steal(&text);
}

void sim_trace(struct sim *s, const char *fmt, ...)
{
    if (!s->trace)
        return;
    va_list ap;
    fprintf(stderr, "%10.3f ", (double)s->now / BF_SEC);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}
