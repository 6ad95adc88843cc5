/* run.h - what a worker does about Orders: pure decisions over the list of its attempts.
 *
 *     (nothing) ──wanted──► pending ──a free slot──► running ──its process ended──► finished ⇄
 * acked ──omitted──► (nothing) │                        │ not wanted, fenced, shut down          ▲
 *                              │                        ▼                                        │
 *                              │                     stopping ──its process ended──► finished    │
 *                              └────────── not wanted, refused ─────────────────────────┘
 *
 * Everything is level-triggered: Orders are the whole set of attempts that are wanted here, a
 * Report is the whole state, and losing or repeating either changes nothing. Three rules carry the
 * safety:
 *
 *  - Orders of another boot, or not newer than the newest (term, seq) seen, are dropped.
 *  - An id that was ever taken is never started again: the entry of a finished attempt stays until
 *    Orders newer than its acknowledgement omit it, so no late Orders can start it twice.
 *  - A finished attempt that newer Orders want again (the scheduler lost the result: a restored
 *    backup) is not run again; its result is reported again.
 *
 * Includes common/base only. */
#ifndef BF_WORKER_RUN_H
#define BF_WORKER_RUN_H

#include "common/base/base.h"
#include "common/base/sm.h"
#include "common/base/vec.h"

enum run_state {
    RUN_PENDING,  /* in the journal; waits for a slot */
    RUN_RUNNING,  /* its executor exists */
    RUN_STOPPING, /* killed; its executor still exists */
    RUN_FINISHED, /* has a result that no Orders have acknowledged */
    RUN_ACKED     /* acknowledged; stays until newer Orders omit it */
};
extern const struct sm_state run_states[];

/* A place in the order of Orders. All zero: before all of them. */
struct run_at {
    uint64_t term, seq;
};
static inline bool run_at_less(struct run_at a, struct run_at b)
{
    return a.term != b.term ? a.term < b.term : a.seq < b.seq;
}

/* One attempt, as far as decisions go. */
struct run_entry {
    struct id128 id;
    enum run_state state;
    struct run_at acked_at; /* RUN_ACKED */
};

struct run_orders {
    struct id128 boot;
    struct run_at at;
    const struct run_wanted {
        struct id128 id;
        bool has_order; /* the work order came along */
    } * wanted;
    size_t n_wanted;
    const struct id128 *acks;
    size_t n_acks;
};

/* What this worker has seen so far. */
struct run_seen {
    struct id128 boot;
    struct run_at last;  /* of the newest Orders accepted in this boot */
    uint64_t term_floor; /* highest term ever heard of; survives restarts */
};

enum run_verdict {
    RUN_ACCEPT,
    RUN_OTHER_BOOT, /* meant for an earlier life of this worker */
    RUN_STALE_TERM, /* from a leader that was deposed */
    RUN_STALE_SEQ   /* repeated or overtaken */
};
enum run_verdict run_judge(const struct run_seen *seen, const struct run_orders *o);

enum run_do {
    RUN_DO_TAKE,   /* enter it as pending; `index` is its place in wanted */
    RUN_DO_DROP,   /* pending and not wanted: finish it as cancelled, it never ran */
    RUN_DO_KILL,   /* running and not wanted */
    RUN_DO_ACK,    /* finished → acked at o->at */
    RUN_DO_REPORT, /* acked → finished: wanted again, say the result again */
    RUN_DO_FORGET  /* remove the entry */
};

struct run_action {
    enum run_do what;
    struct id128 id;
    size_t index;
};
typedef VEC(struct run_action) run_actions;

/* More are not taken (the scheduler keeps them): a bound for memory, far above what slots allow. */
#define RUN_MAX_ENTRIES 1024

/* Appends what accepted Orders ask for, first everything that frees, then what is new. An entry
 * appears in at most one action. `entries` in any order. */
void run_decide(const struct run_entry *entries, size_t n, const struct run_orders *o,
                run_actions *out);

/* How many pending entries may start now: slots less executors that exist (stopping ones, too). */
size_t run_free_slots(const struct run_entry *entries, size_t n, unsigned slots);

/* The lease of `kill_on_partition`. It is counted from when the newest Report was *sent* that
 * Orders have answered, so that the worker always ends it before the scheduler does, also on a link
 * that carries Orders but not Reports. */
struct run_lease {
    bf_time renewed; /* when that Report was sent */
    bf_time length;  /* 0: none given yet */
    bool kill;
};
#define RUN_SENT_RING 64
struct run_sent {
    uint64_t seq[RUN_SENT_RING];
    bf_time at[RUN_SENT_RING];
};
void run_sent_note(struct run_sent *s, uint64_t seq, bf_time now);
/* When Report `seq` was sent; -1 when it is too long ago or unknown. */
bf_time run_sent_when(const struct run_sent *s, uint64_t seq);
/* When to kill everything; INT64_MAX: never. */
bf_time run_fence_at(const struct run_lease *l);

/* Does the link to one scheduler still carry both ways? Each Report is answered within seconds, by
 * Orders that echo it or by NotLeader, unless the scheduler hangs; a connection that a proxy or a
 * firewall has forgotten looks alive to TCP, and swallows Reports. A link whose oldest Report has
 * waited for `patience` is made anew, before the lease is over: `patience` is a quarter of that. It
 * doubles each time that a new link did not help, since a scheduler that hangs must not meet
 * thousands of handshakes. */
struct run_replies {
    uint64_t said;  /* newest Report sent to it; 0: none */
    uint64_t asked; /* oldest that it has not answered; 0: none */
    bf_time since;  /* when that one began to wait */
    bf_time patience;
};
#define RUN_PATIENCE_LEAST (5 * BF_SEC)
#define RUN_PATIENCE_FIRST (15 * BF_SEC) /* while no lease was given */
#define RUN_PATIENCE_MOST (2 * 60 * BF_SEC)
bf_time run_patience(bf_time lease); /* 0: none given */
void run_said(struct run_replies *r, uint64_t seq, bf_time now);
/* All up to `echo`; UINT64_MAX: all. `patience`: from now on. */
void run_answered(struct run_replies *r, uint64_t echo, bf_time patience, bf_time now);
/* When the link is to be made anew; INT64_MAX: not as it stands. */
bf_time run_renew_at(const struct run_replies *r);
/* It is gone, by itself or because it was made anew (`renewed`): nothing is waited for. */
void run_unlinked(struct run_replies *r, bool renewed);

/* Heartbeat while nobody leads, first and then up to: whoever has just stepped down mostly leads
 * again within a second, and a standby may lead any second. */
#define RUN_HUNT_FIRST (250 * BF_MSEC)
#define RUN_HUNT (3 * BF_SEC)
bf_time run_hunt_next(bf_time hunt);

#endif
