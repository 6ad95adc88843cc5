/* swarm.h - many simulated workers in one process, each with a key pair and a connection of its
 * own. What a worker does about Orders is decided by worker/core/run.h, as in the daemon; instead
 * of executors there are clocks, instead of a journal there is memory. */
#ifndef BF_SWARM_H
#define BF_SWARM_H

#include "common/base/vec.h"
#include "common/loop/zloop.h"
#include "proto/wire.h"
#include "stats.h"
#include "worker/core/run.h"
#include <stdio.h>

#define NODES_PER_ZLOOP 100 /* a zloop asks all its sockets at each event */

struct options {
    char *scheduler, *server_key, *keys, *starts, *roles, *arch, *fail, *disconnect;
    int64_t workers, first, slots, seed, jobs;
    bf_time hold, away, heartbeat, timeout;
    bool together;
};

int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e) BF_MUST_CHECK;
void options_release(struct options *o);

enum ending { END_SUCCESS, END_FAILURE, END_CANCELLED, END_LAPSED };

struct attempt {
    struct run_entry run;
    enum ending ending;
    bool build; /* its result names a digest */
    bf_time taken, due;
};

struct node {
    struct swarm *swarm;
    unsigned index;
    char public_key[41], secret_key[41];
    struct zsock *sock; /* NULL: cut, comes back at `back_at` */
    bool up;
    struct id128 boot;
    uint64_t seq;
    struct run_seen seen;
    struct run_sent sent;
    struct run_lease lease;
    VEC(struct attempt) attempts; /* in the order taken; at most RUN_MAX_ENTRIES */
    uv_timer_t timer;
    bf_time beat_at, report_at, back_at; /* INT64_MAX: never */
    bf_time hunt;                        /* heartbeat while nobody leads; 0: somebody does */
};

struct report; /* report.c: storage of one message */

struct swarm {
    uv_loop_t loop;
    const struct options *options;
    struct zloop **zloops;
    size_t n_zloops;
    struct node *nodes;
    unsigned n, n_up;
    bool gone_live; /* everybody is connected, so Reports may begin */
    bool ending, timed_out;
    double fail, disconnect;
    char **roles;
    uint64_t rng;
    FILE *starts;
    uv_signal_t signals[2];
    uv_timer_t guard;
    struct report *report;
    run_actions actions;
    struct stats stats;
};

/* In [0, 1), from the seed. */
double swarm_random(struct swarm *s);
/* Enough results were acknowledged? Then everything is closed and the loop ends. */
void swarm_check_done(struct swarm *s);
void swarm_end(struct swarm *s);

void node_init(struct node *n, struct swarm *s, unsigned index);
int node_connect(struct node *n, struct err *e) BF_MUST_CHECK;
/* Reports for the first time. */
void node_go_live(struct node *n);
void node_close(struct node *n);
void node_release(struct node *n);

struct report *report_new(const struct swarm *s);
void report_free(struct report *r);
/* The node's whole state as a frame: what runs, the oldest results. */
int report_encode(struct report *r, const struct node *n, bf_time now, struct str *out,
                  struct err *e) BF_MUST_CHECK;

#endif
