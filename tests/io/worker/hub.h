/* hub.h - a small scheduler for tests: CURVE sockets like the real one's, Orders as the test says,
 * a log store in memory. It answers each Report with Orders, unless told to be silent. */
#ifndef BF_TEST_WORKER_HUB_H
#define BF_TEST_WORKER_HUB_H

#include "common/base/vec.h"
#include "common/loop/zloop.h"
#include "proto/wire.h"

#define HUB_MAX 32

struct hub_log {
    struct id128 id;
    struct str text; /* as stored; a gap is written as "<N bytes left out>" */
    uint64_t stored, length;
    bool sealed, hash_ok;
    struct hasher *hasher;
};

struct hub_want {
    struct id128 id;
    char *order;
};

struct hub {
    uv_loop_t loop;
    struct zloop *zloop;
    struct zsock *control, *log;
    char public_key[41], secret_key[41], worker_key[41];
    char control_endpoint[64], log_endpoint[64];
    uv_timer_t pulse;
    uint64_t waiting_since;
    bool late;
    struct hub *twin;           /* driven along while this one waits; may be NULL */
    void (*on_late)(void *arg); /* before a test fails that waited in vain; may be NULL */
    void *on_late_arg;

    /* what the Orders say */
    uint64_t term, seq;
    VEC(struct hub_want) wanted;
    bool ack;          /* acknowledge the results of each Report (default) */
    bool silent;       /* answer nothing */
    bool deaf;         /* answer, but as if no Report had come since */
    bool keep_wanting; /* an acknowledged attempt stays in `wanted` */
    uint64_t lease_ms;
    bool kill_on_partition, refuse_worker, not_leader;
    uint32_t credit;

    /* what came in */
    uint8_t route[256];
    size_t route_len;
    struct wire_msg report;     /* the newest; type 0: none yet */
    VEC(struct wire_msg) older; /* with results; two may come in one turn of the loop */
    unsigned reports;
    uint64_t echoed_report; /* newest seq not heard with a deaf ear */
    unsigned bad;           /* frames that did not decode */
    VEC(struct hub_log) logs;
};

void hub_open(struct hub *h);
/* A standby: the same keys, other ports, a loop of its own; it answers NotLeader. */
void hub_open_twin(struct hub *h, struct hub *leader);
/* Sockets only; hub_reopen binds the same ports again. */
void hub_break(struct hub *h);
void hub_reopen(struct hub *h);
void hub_close(struct hub *h);

/* Wants an attempt; `order` is JSON. Sends Orders at once when a worker is known. */
void hub_want(struct hub *h, struct id128 id, const char *order);
void hub_unwant(struct hub *h, struct id128 id);
/* One Orders message now, with the present term and the next seq. */
void hub_send_orders(struct hub *h);
/* The same with any numbers; `wanted` may be none. */
void hub_send_old_orders(struct hub *h, uint64_t term, uint64_t seq, struct id128 boot);
void hub_send_not_leader(struct hub *h);

/* Runs the loop until `ready`; fails the test after 20 s, naming `what`. */
typedef bool hub_cond(struct hub *h, const void *arg);
void hub_until(struct hub *h, hub_cond *ready, const void *arg, const char *what);
/* Runs the loop until one more Report has come. */
void hub_next_report(struct hub *h);

/* In the newest Report; NULL: not there. */
const Bootfarm__Running *hub_running(const struct hub *h, struct id128 id);
const Bootfarm__Result *hub_result(const struct hub *h, struct id128 id);
/* In any Report so far, the newest first. */
const Bootfarm__Result *hub_past_result(const struct hub *h, struct id128 id);
/* Forgets all Reports, before a new boot. */
void hub_forget_reports(struct hub *h);
struct hub_log *hub_log(struct hub *h, struct id128 id);

hub_cond hub_has_report, hub_is_started, hub_has_result, hub_had_result, hub_is_sealed, hub_is_gone;
/* The newest Report echoes the term at `arg` (uint64_t). One that left before the Orders came, for
 * news of the worker's own, does not yet: ask for this, not for the next Report. */
hub_cond hub_echoes_term;

#endif
