/* link_peer.h - what the link remembers of one worker; pure, so that the rules have unit tests. */
#ifndef BF_LINK_PEER_H
#define BF_LINK_PEER_H

#include "common/base/base.h"

#define PEER_ECHOES 16
#define PEER_LISTED 320 /* WIRE_MAX_RUNNING + WIRE_MAX_RESULTS */

struct peer {
    int64_t worker;
    struct id128 boot, old_boot;
    uint64_t report_seq; /* newest of `boot` */
    bf_time heard;       /* when that came */
    uint64_t orders_seq; /* last sent in this term; 0: none */
    bool echoed;         /* Orders of this term have arrived at this boot */
    /* Orders that were not echoed yet, oldest first; the newest entry stands for all later ones
     * when there are more. */
    struct {
        uint64_t seq;
        bf_time sent;
    } unechoed[PEER_ECHOES];
    size_t n_unechoed;
};

enum peer_verdict {
    PEER_TAKE,  /* a newer state of the worker */
    PEER_STALE, /* the same, but what we send does not arrive: not available */
    PEER_DROP   /* old, replayed, or from a boot that was left behind */
};

/* A Report has arrived; updates the peer. A boot that another one has followed is left behind for
 * as long as the newer one is heard within `limit`: of two daemons with one key the one that was
 * started last counts. */
enum peer_verdict peer_report(struct peer *p, struct id128 boot, uint64_t seq, bool same_term,
                              uint64_t echo_seq, bf_time limit, bf_time now);
/* Orders number `seq` were sent. */
void peer_sent(struct peer *p, uint64_t seq, bf_time now);
/* The oldest Orders without an echo are older than `limit`. */
bool peer_is_stale(const struct peer *p, bf_time limit, bf_time now);

#endif
