/* stats.h - what a swarm counts, in constant memory. */
#ifndef BF_SWARM_STATS_H
#define BF_SWARM_STATS_H

#include "common/base/base.h"
#include "common/base/str.h"

/* Durations in buckets whose width is 1/32 of what they hold: percentiles are off by 3 % at most.
 */
#define HIST_SUB 32
#define HIST_BUCKETS (60 * HIST_SUB)

struct hist {
    uint64_t count[HIST_BUCKETS], n;
    bf_time max;
};

void hist_add(struct hist *h, bf_time us);
/* The duration that `part` (0 to 1) of all do not exceed; 0 where there are none. */
bf_time hist_quantile(const struct hist *h, double part);

struct stats {
    uint64_t taken, finished, failed, dropped;     /* attempts; dropped: no longer wanted */
    uint64_t accepted, duplicate, fenced, unknown; /* acknowledgements */
    uint64_t reports, orders, stale, refused;      /* messages; refused: frames that break a rule */
    uint64_t unsent, bytes_out, bytes_in;          /* bytes of frames, before encryption */
    uint64_t connected, cut;       /* links that came up; that the swarm cut itself */
    uint64_t lapsed;               /* attempts ended because the lease was over */
    bf_time first_order, last_ack; /* monotonic; 0: none yet */
    struct hist order_to_ack;
};

static inline uint64_t stats_acks(const struct stats *s)
{
    return s->accepted + s->duplicate + s->fenced + s->unknown;
}

/* One line of JSON. */
void stats_json(const struct stats *s, unsigned workers, struct str *out);

#endif
