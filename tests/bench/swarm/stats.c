#include "stats.h"

#include "tests/lib/cpu_time.h"

/* Below HIST_SUB microseconds each value has a bucket of its own; above, each power of two has
 * HIST_SUB of them. */
static size_t bucket_of(bf_time us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    if (v < HIST_SUB)
        return (size_t)v;
    unsigned shift = 58 - (unsigned)__builtin_clzll(v); /* leaves 5 bits and the leading one */
    size_t at = (size_t)(shift + 1) * HIST_SUB + (size_t)((v >> shift) - HIST_SUB);
    return at < HIST_BUCKETS ? at : HIST_BUCKETS - 1;
}

static bf_time middle_of(size_t bucket)
{
    if (bucket < 2 * (size_t)HIST_SUB)
        return (bf_time)bucket;
    size_t shift = bucket / HIST_SUB - 1;
    uint64_t low = (uint64_t)(HIST_SUB + bucket % HIST_SUB) << shift;
    return (bf_time)(low + (UINT64_C(1) << shift) / 2);
}

void hist_add(struct hist *h, bf_time us)
{
    h->count[bucket_of(us)]++;
    h->n++;
    if (us > h->max)
        h->max = us;
}

bf_time hist_quantile(const struct hist *h, double part)
{
    uint64_t rank = (uint64_t)((double)h->n * part + 0.999999), seen = 0;
    for (size_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->count[i];
        if (seen >= rank && seen > 0)
            return middle_of(i) < h->max ? middle_of(i) : h->max;
    }
    return h->max;
}

static void add_count(struct str *out, const char *name, uint64_t value)
{
    str_addf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void add_ms(struct str *out, const char *name, bf_time us)
{
    str_addf(out, ",\"%s\":%.3f", name, (double)us / 1e3);
}

static double rate(const struct stats *s)
{
    bf_time took = s->last_ack - s->first_order;
    return took > 0 ? (double)s->accepted * 1e6 / (double)took : 0;
}

void stats_json(const struct stats *s, unsigned workers, struct str *out)
{
    str_addf(out, "{\"workers\":%u", workers);
    add_count(out, "jobs", s->taken);
    add_count(out, "finished", s->finished);
    add_count(out, "failed", s->failed);
    add_count(out, "dropped", s->dropped);
    add_count(out, "lapsed", s->lapsed);
    add_count(out, "acknowledged", stats_acks(s));
    add_count(out, "accepted", s->accepted);
    add_count(out, "duplicate", s->duplicate);
    add_count(out, "fenced", s->fenced);
    add_count(out, "unknown", s->unknown);
    add_count(out, "reports", s->reports);
    add_count(out, "orders", s->orders);
    add_count(out, "stale_orders", s->stale);
    add_count(out, "refused_frames", s->refused);
    add_count(out, "unsent", s->unsent);
    add_count(out, "bytes_out", s->bytes_out);
    add_count(out, "bytes_in", s->bytes_in);
    add_count(out, "connected", s->connected);
    add_count(out, "cut", s->cut);
    add_count(out, "first_order_us", (uint64_t)s->first_order);
    add_count(out, "last_ack_us", (uint64_t)s->last_ack);
    str_addf(out, ",\"seconds\":%.6f", (double)(s->last_ack - s->first_order) / 1e6);
    str_addf(out, ",\"accepted_per_second\":%.1f", rate(s));
    add_ms(out, "order_to_ack_ms_p50", hist_quantile(&s->order_to_ack, 0.5));
    add_ms(out, "order_to_ack_ms_p99", hist_quantile(&s->order_to_ack, 0.99));
    add_ms(out, "order_to_ack_ms_max", s->order_to_ack.max);
    str_addf(out, ",\"cpu_s\":%.2f", cpu_time());
    str_add(out, "}\n");
}
