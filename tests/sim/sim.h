/* sim.h - a whole farm in virtual time: what its parts know of each other.
 *
 *     git.c ──plans──► db.c ◄──transactions── hub.c (the brain's shell) ◄──net.c──► node.c
 * (workers) ▲                                                             │
 *                        └───────────────────────── check.c ──────────────────────────┘
 *
 * One thread, one event queue, one seed: the same seed is the same run. Nothing here is clever
 * about the brain; db.c does what schema/README.md says of each function, hub.c what farm.c does,
 * node.c what proto/README.md says of a worker. faults.c breaks things, check.c watches. */
#ifndef BF_SIM_H
#define BF_SIM_H

#include "common/base/map.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "scheduler/core/brain.h"
#include "scheduler/core/world.h"
#include "tests/sim/hash.h"

#define MAX_ARCHS 2
#define MAX_PARENTS 3
#define MAX_NODES 8
#define N_REFS 2
#define N_SITES 3 /* 1 hub, 2 an ACP that continues, 3 an ACP that kills */
#define N_HUBS 2
#define LEASE (45 * BF_SEC)
#define KILL_TIME (15 * BF_SEC)
#define GRACE (20 * 60 * BF_SEC)
#define LEADER_STALE (3 * BF_SEC)

/* What check.c must notice: each is a real mistake that somebody could make. */
enum mutation {
    MUT_NONE,
    MUT_DOUBLE_RESULT,   /* the database applies a result twice */
    MUT_NO_FENCE,        /* a worker that is cut off goes on */
    MUT_LEASE_BY_ORDERS, /* a worker counts its lease from the arrival of Orders */
    MUT_ACT_FIRST,       /* the shell sends before the commit */
    MUT_NO_KILL_TIME,    /* the brain gives the attempt to another at the end of the lease */
    MUT_LOST_ACK,        /* the shell forgets to say what a FINISH was answered */
    MUT_SLOT_LEAK,       /* the database forgets that a lost attempt has ended */
    MUTATIONS
};

struct sim;
struct node;
struct hub;
struct ids {
    int64_t *v;
    size_t n, cap;
};

/* ---- clock.c --------------------------------------------------------------------------------- */

typedef void event_fn(struct sim *s, void *what, uint64_t n);
void sim_at(struct sim *s, bf_time at, event_fn *fn, void *what, uint64_t n);
/* The same for a `what` that `fn` frees; `drop` does so when the run ends before. */
void sim_at_owned(struct sim *s, bf_time at, event_fn *fn, void *what, void (*drop)(void *));
/* Runs until `end` or a failure. */
void sim_run(struct sim *s, bf_time end);
void sim_events_free(struct sim *s);
uint64_t rnd(struct sim *s);
uint64_t rnd_below(struct sim *s, uint64_t n);
bf_time rnd_time(struct sim *s, bf_time min, bf_time max);
bool chance(struct sim *s, unsigned percent);
/* The first failure counts; the run stops. */
void sim_fail(struct sim *s, const char *fmt, ...) BF_PRINTF(2, 3);
void sim_trace(struct sim *s, const char *fmt, ...) BF_PRINTF(2, 3);

/* ---- db.c: PostgreSQL ------------------------------------------------------------------------ */

struct t_arch { /* image_arch; id = index + 1 */
    int64_t id, image;
    char *name;
    const char *arch;
    struct sha256 recipe, tests_key, passing;
    int64_t passing_serial;
    int64_t parents[MAX_PARENTS];
    size_t n_parents;
    int64_t base;
    bool removed;
};

struct t_image {
    int64_t id, ref, repo;
    char *name;
    struct sha256 publish_key;
    int64_t archs[MAX_ARCHS];
    size_t n_archs;
    unsigned mirrors; /* bit of each site */
    bool removed;
};

struct t_base {
    int64_t id;
    char *reference;
    struct sha256 digest;
};

struct t_job {
    struct job_row row;
    struct sha256 recipe, tests_key, publish_key; /* of the plan that made it */
    struct sha256 key;
    struct pin pins[MAX_PARENTS + 1];
    size_t n_pins;
    int64_t bucket;
    int64_t archs[MAX_ARCHS]; /* row.image_archs */
    bool stale_parent;        /* built on what a failed parent had passed before */
    bf_time since;            /* of its state */
    bool fed;                 /* a leader has read it */
    int decided;              /* terminal results since it was made or reopened */
};

struct t_attempt {
    struct id128 id, boot;
    int64_t job, worker;
    bf_time leased, ended;
    int lost;      /* 1: by its lease; 2: its worker rebooted */
    int accepted;  /* results */
    bool finished; /* ended by a result */
};

struct t_release {
    int64_t image, serial, revision, job;
    struct sha256 digest, publish_key;
    bool publishing, released, checked;
};

struct t_event {
    int64_t job;
    enum job_state from, to;
};

struct t_command {
    enum input_type type;
    int64_t object;
    bool done;
};

/* Where a digest came from. */
struct origin {
    struct sha256 digest, recipe;
    struct sha256 parents[MAX_PARENTS];
    size_t n_parents;
};

struct known { /* build_result, verdict */
    struct sha256 key, digest;
    bool passed;
};

struct db {
    int64_t term;
    int holder;
    bf_time renewed;
    bf_time down_until;
    VEC(struct t_image) images;
    VEC(struct t_arch) archs;
    VEC(struct t_base) bases;
    VEC(struct t_job *) jobs; /* id = index + 1 */
    VEC(struct t_attempt) attempts;
    struct map attempt_of; /* id128_key → index + 1 */
    struct map reason_of;  /* bucket → enum wait_reason */
    VEC(struct t_release) releases;
    VEC(struct t_event) events;
    VEC(struct t_command) commands;
    VEC(struct known) results;
    VEC(struct known) verdicts;
    struct map result_of, verdict_of, origin_of; /* first bytes of the key or digest → index + 1 */
    VEC(struct origin) origins;
    struct sha256 presence[N_SITES + 1][64]; /* by image */
    bool uncertain[N_SITES + 1][64];         /* an attempt since then may have moved the tags */
    struct worker_row workers[MAX_NODES + 1];
    enum worker_state worker_state[MAX_NODES + 1];
    uint64_t commits;
};

struct t_job *db_job(struct sim *s, int64_t id);
struct t_attempt *db_attempt(struct sim *s, struct id128 id);
struct t_arch *db_arch(struct sim *s, int64_t id);
struct t_image *db_image(struct sim *s, int64_t id);
const struct origin *db_origin(struct sim *s, const struct sha256 *digest);
const struct t_release *db_released(struct sim *s, int64_t image); /* the newest, or NULL */
/* The newest job of the same (kind, image, arch, site), or NULL. */
struct t_job *db_newest(struct sim *s, enum job_kind kind, int64_t image, int64_t arch,
                        int64_t site);
/* The same among those that a leader has read: a plan may have been committed since. */
struct t_job *db_newest_fed(struct sim *s, enum job_kind kind, int64_t image, int64_t arch,
                            int64_t site);
int64_t db_add_job(struct sim *s, struct job_row row);
void db_move(struct sim *s, struct t_job *j, enum job_state to, enum wait_reason reason);
/* Why it waits, as farm.job shows it; the row that a leader is given says the same. */
enum wait_reason db_reason(const struct sim *s, const struct t_job *j);
struct job_row db_row(const struct sim *s, const struct t_job *j);
void db_free(struct sim *s);

/* One op of a transaction, applied at its commit. */
struct answer {
    enum op_status status;
    struct sha256 digest;
    bool located; /* say where it lies */
};
struct answer db_apply(struct sim *s, const struct op *op);
bool db_lead(struct sim *s, int holder, int64_t *term); /* if it is stale or its own */

/* db_ready.c, db_result.c */
struct answer db_make_ready(struct sim *s, const struct op *op);
struct answer db_claim(struct sim *s, const struct op *op);
struct answer db_finish(struct sim *s, const struct op *op);
struct answer db_lose(struct sim *s, const struct op *op);
const struct known *db_result(struct sim *s, const struct sha256 *key);
const struct known *db_verdict(struct sim *s, const struct sha256 *key);

/* ---- git.c ----------------------------------------------------------------------------------- */

struct git;
void git_init(struct sim *s);
void git_free(struct sim *s);
void git_edit(struct sim *s);                     /* a push: a random edit, revert, removal, ... */
void git_republish(struct sim *s, int64_t image); /* only its tags change */
void git_base_moves(struct sim *s);               /* an external base is resolved or moves */
bool git_is_pushed(const struct sim *s);
/* plan_commit of what was pushed, if anything was; which rows to read. */
bool git_plan(struct sim *s, int ref, struct ids *jobs, struct ids *images);
bool recipe_is_bad(const struct sha256 *recipe);
bool tests_are_bad(const struct sha256 *recipe, const struct sha256 *tests_key);

/* ---- net.c ----------------------------------------------------------------------------------- */

struct work { /* a work order */
    struct id128 attempt;
    int64_t job, image, arch, site, serial;
    enum job_kind kind;
    struct sha256 recipe, tests_key, digest;
    struct sha256 parents[MAX_PARENTS];
    size_t n_parents;
};

struct wire_running {
    struct id128 attempt;
    bool started;
    bf_time ago;
};

struct wire_result {
    struct id128 attempt;
    enum outcome outcome;
    enum fail_class fail_class;
    struct sha256 digest;
};

#define MAX_LISTED 64
struct msg {
    int refs;
    int node, hub;
    bool orders; /* else a Report */
    struct id128 boot;
    /* Report */
    uint64_t seq, echo_seq;
    int64_t echo_term;
    unsigned slots;
    struct wire_running running[MAX_LISTED];
    struct wire_result results[MAX_LISTED];
    size_t n_running, n_results;
    /* Orders */
    int64_t term;
    uint64_t echo_report;
    struct work wanted[MAX_LISTED];
    bool has_work[MAX_LISTED];
    struct ack acks[MAX_LISTED];
    size_t n_wanted, n_acks;
    bool kill;
};

struct msg *msg_new(void);
void msg_put(struct msg *m);
/* Takes the reference; perhaps loses, doubles or delays it. */
void net_send(struct sim *s, struct msg *m);

/* ---- node.c: a worker ------------------------------------------------------------------------ */

enum proc { PROC_QUEUED, PROC_RUNNING, PROC_KILLED, PROC_DONE };
struct entry { /* of its journal */
    struct work work;
    enum proc state;
    bf_time started, ends;
    struct wire_result result;
    bool acked;
    uint64_t generation; /* of the timer that ends it */
};

struct node {
    int id; /* also the worker's */
    int64_t site;
    const char *arch;
    unsigned slots;
    bool up;
    bf_time paused_until;
    struct id128 boot;
    uint64_t boots, seq;
    int64_t term;
    uint64_t orders_seq;
    bf_time lease_base;
    bool kill, fenced;
    uint64_t sent_seq[32]; /* Reports and when they were sent */
    bf_time sent_at[32];
    VEC(struct entry) journal;
    uint64_t generation;
};
void node_start(struct sim *s, struct node *n);
void node_stop(struct sim *s, struct node *n, bool keep_journal);
void node_take(struct sim *s, struct node *n, const struct msg *m);
bool node_awake(const struct sim *s, const struct node *n);
size_t node_processes(const struct node *n);

/* ---- hub.c: a scheduler ---------------------------------------------------------------------- */

struct hub_peer {
    struct id128 boot, old_boot;
    uint64_t report_seq, orders_seq;
    bf_time unechoed_since; /* 0: all Orders were echoed */
    uint64_t unechoed_seq, unechoed_first;
    struct msg *report;  /* newest, not yet stepped */
    struct msg *stepped; /* newest that the brain knows */
    bool cut;            /* the brain was told that the link is down */
    bf_time sent_at;
};

struct hub {
    int id;
    bool up;
    bf_time paused_until;
    bool leading, on, flying, planning;
    int64_t term;
    bf_time renewed;
    uint64_t life;  /* of this process */
    uint64_t epoch; /* what was begun in an earlier one is ignored */
    struct world *world;
    struct effects effects;
    struct hub_peer peers[MAX_NODES + 1];
    size_t commands_seen;
    VEC(struct input) link_down;
    struct ids want_jobs, want_images;
    bool want_bases, want_workers;
    unsigned slots_wanted[MAX_NODES + 1]; /* by the rows that it was fed; 0: all */
    bf_time timer;                        /* a wake-up is set for then */
};
void hub_start(struct sim *s, struct hub *h);
void hub_stop(struct sim *s, struct hub *h);
void hub_take(struct sim *s, struct hub *h, struct msg *m);
void hub_wake(struct sim *s, struct hub *h);
struct hub *sim_leader(struct sim *s); /* who leads and works, or NULL */
void hub_free(struct hub *h);
/* hub_link.c */
void hub_drop(struct sim *s, struct hub *h);
bool hub_may_act(const struct sim *s, const struct hub *h);
void hub_step(struct sim *s, struct hub *h, const struct input *in);
void hub_send_orders(struct sim *s, struct hub *h, int64_t worker);
void hub_step_reports(struct sim *s, struct hub *h);
void hub_heartbeat(struct sim *s, struct hub *h);
/* hub_load.c */
void hub_read(struct sim *s, struct hub *h, bool first);

/* ---- faults.c, check.c, farm.c --------------------------------------------------------------- */

void faults_start(struct sim *s, unsigned wildness); /* 0: people only */
void faults_heal(struct sim *s);
void resume_all(struct sim *s);
void operator_asks(struct sim *s, enum input_type type, int64_t object);

void check_commit(struct sim *s); /* after each transaction */
void check_node(struct sim *s, const struct node *n);
void check_hub(struct sim *s, struct hub *h); /* nothing under way: world and database agree */
void check_tag(struct sim *s, int64_t image, const struct sha256 *digest);
void check_end(struct sim *s);
void check_watch(struct sim *s, void *what,
                 uint64_t n); /* each second: processes without a lease */
bool is_settled(struct sim *s);
/* An operator runs again what did not fail by its own fault. */
void retry_what_failed(struct sim *s);

struct tag {
    struct sha256 digest;
    int64_t serial; /* of the release */
};

struct sim {
    uint64_t seed, rng;
    bf_time now;
    struct event_queue *queue;
    char *failure;
    bool trace, healed;
    enum mutation mutation;
    struct str *record; /* a trace for each hub, or NULL */
    uint64_t steps, hash;
    unsigned loss, doubled; /* percent */
    bf_time delay;
    bool cut_up[N_SITES + 1], cut_down[N_SITES + 1]; /* site → hub, hub → site */
    unsigned infra, flaky;                           /* percent */
    unsigned wildness;                               /* of the faults, 0 to 2 */
    bool cut_node[MAX_NODES + 1];                    /* both directions */
    struct db db;
    struct git *git;
    struct node nodes[MAX_NODES + 1];
    int n_nodes;
    struct hub hubs[N_HUBS];
    VEC(uint8_t) replayed; /* states of jobs as the events tell them */
    size_t events_seen;
    struct tag tag[64];                            /* by image, in the registry at the hub */
    struct tag site_tag[N_SITES + 1][64];          /* and at the sites */
    uint64_t attempts, losses, restarts, messages; /* for the summary */
};

/* Runs one farm; NULL, or what went wrong (the caller frees). */
char *sim_farm(uint64_t seed, enum mutation mutation, bool trace, struct sim *summary);
/* The same farm; what its brains took and decided is added to a trace for each scheduler. */
char *sim_farm_recorded(uint64_t seed, struct str record[static N_HUBS]);

#endif
