/* hand.h - a scheduler with a seeded database, and workers that do what the test says. */
#ifndef BF_TEST_HAND_H
#define BF_TEST_HAND_H

#include "common/base/vec.h"
#include "common/loop/zloop.h"
#include "pgd.h"
#include "proto/wire.h"

struct hub {
    struct pgd pg;
    uv_loop_t loop;
    uv_timer_t guard;
    struct zloop *z;
    pid_t scheduler;
    int said; /* its standard error */
    char dir[64];
    char control[64], logs[64], public_key[41];
};

/* Starts PostgreSQL and a scheduler with a lease of 3 s; three builds are ready. */
void hub_start(struct hub *h);
void hub_start_scheduler(struct hub *h);
void hub_kill_scheduler(struct hub *h);
void hub_stop(struct hub *h);
/* One value. */
const char *hub_sql(struct hub *h, const char *sql);
/* True: another session keeps farm.job_state from being read, until false. */
void hub_hold_jobs(struct hub *h, bool hold);
void hub_until_sql(struct hub *h, const char *sql, const char *value);

/* A worker's sockets and what came over them last. */
struct hand {
    struct hub *hub;
    int64_t id;
    struct zsock *control, *log;
    bool linked;
    uv_timer_t beat; /* reports while somebody waits */
    bool fixed_echo; /* always the same echo */
    uint64_t echo_term, echo_seq;
    struct id128 boot;
    uint64_t seq;
    struct wire_msg orders; /* newest; type 0: none */
    unsigned n_orders, n_not_leader, n_acks;
    wire_log_ack ack; /* newest; without its attempt */
    VEC(struct id128) running;
    struct id128 result; /* none: no result */
    const char *code;    /* of a result that failed; NULL: it succeeded */
    const char *message;
};

/* Roles build and test. `enrolled` false: a key that nobody knows. */
void hand_open(struct hand *w, struct hub *h, const char *name, bool enrolled);
void hand_close(struct hand *w);
/* Echoes Orders (term, seq). */
void hand_report(struct hand *w, uint64_t term, uint64_t seq);
/* Echoes the newest ones, unless the echo is fixed. */
void hand_echo(struct hand *w);
void hand_send(struct hand *w, const void *p, size_t n, unsigned parts);
void hand_chunk(struct hand *w, struct id128 attempt, uint64_t offset, const char *bytes);
void hand_seal(struct hand *w, struct id128 attempt, uint64_t length, uint64_t stored);
/* Until so many Orders have come in all; reports five times a second meanwhile. */
void hand_until_orders(struct hand *w, unsigned n);
/* Until so many LogAcks have come in all. */
void hand_until_ack(struct hand *w, unsigned n);
/* The next ones. */
void hand_next_orders(struct hand *w);
/* Echoes until Orders want something; returns the first attempt. */
struct id128 hand_until_work(struct hand *w);

#endif
