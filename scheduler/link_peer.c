#include "scheduler/link_peer.h"

static void take_boot(struct peer *p, struct id128 boot)
{
    p->old_boot = p->boot;
    p->boot = boot;
    p->report_seq = 0;
    p->echoed = false;
    p->n_unechoed = 0;
}

static void take_echo(struct peer *p, uint64_t echo_seq)
{
    if (echo_seq == 0 || echo_seq > p->orders_seq)
        return;
    size_t done = 0;
    p->echoed = true;
    while (done < p->n_unechoed && p->unechoed[done].seq <= echo_seq)
        done++;
    p->n_unechoed -= done;
    memmove(p->unechoed, p->unechoed + done, p->n_unechoed * sizeof p->unechoed[0]);
}

enum peer_verdict peer_report(struct peer *p, struct id128 boot, uint64_t seq, bool same_term,
                              uint64_t echo_seq, bf_time limit, bf_time now)
{
    if (!id128_eq(boot, p->boot)) {
        if (id128_eq(boot, p->old_boot) && now - p->heard <= limit)
            return PEER_DROP;
        take_boot(p, boot);
    }
    if (seq <= p->report_seq)
        return PEER_DROP;
    p->report_seq = seq;
    p->heard = now;
    if (same_term)
        take_echo(p, echo_seq);
    return peer_is_stale(p, limit, now) ? PEER_STALE : PEER_TAKE;
}

void peer_sent(struct peer *p, uint64_t seq, bf_time now)
{
    p->orders_seq = seq;
    if (p->n_unechoed < PEER_ECHOES) {
        p->unechoed[p->n_unechoed].seq = seq;
        p->unechoed[p->n_unechoed++].sent = now;
    } else {
        /* The last entry keeps its time: it is judged by its oldest. */
        p->unechoed[PEER_ECHOES - 1].seq = seq;
    }
}

bool peer_is_stale(const struct peer *p, bf_time limit, bf_time now)
{
    return p->n_unechoed && now - p->unechoed[0].sent > limit;
}
