/* brain.h - every decision of the scheduler, pure and deterministic.
 *
 *     brain_step(world, input, now) → effects
 *
 * The brain sees no clock, no socket, no database and no memory of an earlier leadership: the same
 * inputs at the same times give the same effects. The shell (scheduler/farm.c) collects the
 * `persist` effects of all inputs of one turn at once and performs everything else
 * after its commit, so nothing is said to the outside that is not durable. When a commit fails or
 * its outcome is unknown, the shell frees the world, takes a new term, loads, and goes on: restart
 * = load + act.
 *
 * The world is updated as soon as the effect is made (before the commit). Where PostgreSQL answers
 * a row with something else than "ok", the shell feeds IN_STATUS, and the brain corrects itself, or
 * asks for the row again (EFF_RELOAD_JOB).
 *
 * Time: `now` is database time at connect plus local monotonic time since, in microseconds since
 * the epoch; it never goes backwards.
 *
 * A job's parents are not stored as edges between jobs. What a job waits for follows from the
 * images:
 *
 * - build(arch): every parent image_arch has a passing verdict of its newest test job; every base
 *   was resolved
 * - test(arch): the newest build job of the same image_arch succeeded or was skipped
 * - publish: the newest test job of each of its image_archs succeeded or was skipped, and no older
 *   publish of the image runs
 * - mirror(site): the newest publish job of the image succeeded or was skipped, and no older mirror
 *   of the image to that site runs
 *
 * "Newest" is the job with the highest id of (kind, image, arch, target site); when a newer one is
 * loaded, older ones that are waiting or ready are superseded (a running one goes on, its result is
 * recorded and not published). Where there is no such job, a parent counts by its passing_digest.
 * A parent whose newest test (or build) failed or was cancelled blocks the child, unless the child
 * has a reason of its own (not because_parent), the parent's failed job belongs to another
 * revision, and the parent has a passing digest: then the child is built on that one.
 *
 * What a shell must do, beyond carrying things:
 *
 * - IN_TICK whenever brain_deadline() is not later than now; rows that came are looked at then, so
 *   all rows of one plan are fed without a tick between them, images before the jobs that name
 *   them. A step does a bounded part of what is to be done (about a thousand rows, evaluations or
 *   claims) and says "now" for the rest: no step takes long, and one turn's transaction is not
 *   huge.
 * - One turn at a time. After its commit IN_COMMITTED and every IN_STATUS, in either order,
 *   before any other input; then the effects of that turn; ops that came meanwhile are the next. */
#ifndef BF_BRAIN_H
#define BF_BRAIN_H

#include "common/base/hash.h"
#include "scheduler/core/model.h"

struct world; /* opaque */

struct brain_config {
    int64_t term;
    bf_time lease;       /* no Report for so long: disconnected (default 45 s) */
    bf_time kill_time;   /* what a worker needs to fence itself after that (default 15 s) */
    bf_time backoff_min; /* first infrastructure retry (default 5 s), doubled up to ... */
    bf_time backoff_max; /* ... (default 10 min) */
    int lost_limit;      /* lost on so many workers: quarantined (3) */
    /* A worker that has work gets no more while tasks stall for so long (PSI some avg10, hundredths
     * of a percent), and none at all with less disk; 0: no limit. */
    unsigned max_cpu_psi, max_io_psi, max_memory_psi;
    uint64_t disk_floor_mib;
    hash_fn *hash;
    uint64_t seed; /* for attempt ids: xoshiro or the like, seeded from the kernel by the shell */
};

struct world *world_new(const struct brain_config *config);
void world_free(struct world *w); /* accepts NULL */

/* ---- inputs ---------------------------------------------------------------------------------- */

struct running_report {
    struct id128 attempt;
    bool started;
    const char *phase;   /* may be "" */
    bf_time started_ago; /* 0 when not started */
};

enum outcome { OUTCOME_SUCCEEDED, OUTCOME_FAILED, OUTCOME_CANCELLED };

struct result_report {
    struct id128 attempt;
    enum outcome outcome;
    enum fail_class fail_class;
    const char *code; /* worker/README.md */
    struct sha256 digest;
    bf_time took; /* 0: not told */
    /* The shell's own: the decoded message, handed back in the FINISH op. */
    const void *cookie;
};

/* A Report that the link has authenticated and whose echo is fresh. */
struct worker_report {
    int64_t worker;
    struct id128 boot;
    const char *arch;
    unsigned slots;
    bool accepting; /* neither draining nor out of disk or memory */
    bool full;      /* not accepting for lack of disk or memory, not because it drains */
    unsigned cpus;  /* 0 here and below: not known */
    uint64_t memory_free_mib, disk_free_mib;
    unsigned cpu_psi, io_psi, memory_psi; /* some avg10, hundredths of a percent */
    const char *const *capabilities;
    size_t n_capabilities;
    const struct running_report *running;
    size_t n_running;
    const struct result_report *results;
    size_t n_results;
};

enum op_status {
    ST_OK,       /* ready, accepted, … : as asked */
    ST_SKIPPED,  /* make_ready: satisfied already; digest says by what */
    ST_STALE,    /* the row was not in the state that the op starts from */
    ST_REFUSED,  /* quarantined by PostgreSQL */
    ST_BUSY,     /* claim of a publish: another one of the image is under way */
    ST_OUTDATED, /* claim of a publish: a newer revision was released, or its ref may not */
    ST_DUPLICATE,
    ST_FENCED,
    ST_UNKNOWN
};

enum input_type {
    /* Rows; upserts. After a take-over all of them arrive in this order, then IN_LOADED. Later,
     * rows arrive whenever they changed (a plan was committed, a command made jobs). */
    IN_SITE,
    IN_WORKER,
    IN_BASE,
    IN_IMAGE,
    IN_JOB,
    IN_LOADED, /* from now on the brain acts */
    IN_REPORT,
    IN_LINK_DOWN,  /* the worker's echo is too old or its key was revoked: not available */
    IN_NO_WORK,    /* PostgreSQL has no work order for this attempt: it has ended there */
    IN_COMMITTED,  /* the turn's transaction is durable */
    IN_STATUS,     /* answer for one op of it that is not plain ST_OK, or carries a digest */
    IN_CANCEL_JOB, /* operator's commands; each is answered by an OP_COMMAND_DONE */
    IN_RETRY_JOB,
    IN_DRAIN,
    IN_RESUME,
    IN_TICK /* time passed */
};

struct op;

struct input {
    enum input_type type;
    union {
        const struct site_row *site;
        const struct worker_row *worker;
        const struct base_row *base;
        const struct image_row *image;
        const struct job_row *job;
        const struct worker_report *report;
        int64_t worker_id;    /* IN_LINK_DOWN */
        struct id128 attempt; /* IN_NO_WORK */
        struct {
            const struct op *op; /* the op as it was emitted */
            enum op_status status;
            struct sha256 digest;
            const char *repository; /* where the digest lies (builds); may be NULL */
        } status;
        struct {
            int64_t id;     /* of the command row */
            int64_t object; /* job or worker id */
            const char *who;
        } command;
    };
};

/* ---- effects --------------------------------------------------------------------------------- */

/* One row of the turn's transaction. The order of ops is the order of calls: ops of one type that
 * follow each other may be sent as one call, and a job's ops stay in order. */
enum op_type {
    OP_MAKE_READY,  /* job, key, pins, bucket */
    OP_RETRY_READY, /* job */
    OP_CLAIM,       /* job, attempt, worker, boot */
    OP_START,       /* job, attempt, ago */
    OP_FINISH, /* attempt, worker, next, reason, not_before, cookie; job 0: unknown to the world,
                  recorded only, the status says duplicate, fenced or unknown */
    OP_LOSE,   /* job, attempt, next, reason, not_before */
    OP_WAIT,   /* job, reason, detail; of a running job only WAIT_DISCONNECTED and WAIT_NONE */
    OP_END,    /* job, next: superseded or cancelled; who */
    OP_REOPEN, /* job, who */
    OP_WORKER_SEEN,  /* worker, boot, worker_state */
    OP_DRAIN,        /* worker, drained */
    OP_COMMAND_DONE, /* command, refused, detail */
    OP_EXPLAIN,      /* bucket, reason, detail: why its ready jobs wait */
    OP_LAST = OP_EXPLAIN
};

enum worker_state {
    WORKER_NEVER_SEEN,
    WORKER_CONNECTED,
    WORKER_DRAINING,
    WORKER_DISCONNECTED,
    WORKER_RESTING, /* connected, but it failed what went through at others */
    WORKER_LAST = WORKER_RESTING
};

struct pin {
    bool base;  /* else an image */
    int64_t id; /* base, or image_arch */
    struct sha256 digest;
    const char *repository; /* images; owned by the effects; NULL where it is not known (a digest
                               that a take-over found): the store knows */
};

struct op {
    enum op_type type;
    int64_t job, worker, command;
    int64_t bucket; /* of ready jobs that exactly the same workers can run: the same number in every
                       leadership, for it is a hash of what such jobs ask for */
    struct id128 attempt, boot;
    struct sha256 key;
    const struct pin *pins; /* owned by the effects, one block with their strings */
    size_t n_pins;
    enum job_state next;
    enum wait_reason reason;
    bf_time not_before, ago;
    enum worker_state worker_state;
    bool drained, refused;
    bool apart;   /* OP_CLAIM: of a build or test, which waits for no other op of its turn */
    char *detail; /* owned by the effects; may be NULL */
    char *who;    /* the same */
    const void *cookie;
};

enum effect_type {
    EFF_ORDERS,    /* send Orders to `worker` (world_orders tells which) */
    EFF_RELOAD_JOB /* read the row `job` again and feed it as IN_JOB */
};

struct effect {
    enum effect_type type;
    int64_t worker, job;
};

/* Filled by brain_step, emptied by the shell. */
struct effects {
    struct op *ops;
    size_t n_ops, cap_ops;
    struct effect *after; /* to perform after the commit (at once when there are no ops) */
    size_t n_after, cap_after;
};

void effects_clear(struct effects *e);   /* frees what ops own, keeps the arrays */
void effects_release(struct effects *e); /* everything */

/* One input. Effects are appended. */
void brain_step(struct world *w, const struct input *in, bf_time now, struct effects *out);

/* When the brain next wants an IN_TICK; INT64_MAX: never. */
bf_time brain_deadline(const struct world *w);

/* ---- questions the shell may ask --------------------------------------------------------------
 */

struct ack {
    struct id128 attempt;
    enum op_status status; /* ST_OK (accepted), ST_DUPLICATE, ST_FENCED or ST_UNKNOWN */
};

struct orders_view {
    const struct id128 *wanted; /* attempts that the worker shall have */
    size_t n_wanted;
    const struct ack *acks; /* for results in its last Report that are settled */
    size_t n_acks;
    bool drained;
    bool kill_on_partition;
};

/* What Orders to this worker say now; arrays are valid until the next brain_step or call.
 * False: nothing may be sent (no Report yet, not loaded). */
bool world_orders(struct world *w, int64_t worker, struct orders_view *out);

/* Its row has come. */
bool world_has_image(const struct world *w, int64_t image_arch);

/* Names for logs and SQL, the same as in the schema. */
const char *job_kind_name(enum job_kind k);
const char *job_state_name(enum job_state s);
const char *wait_reason_name(enum wait_reason r); /* NULL for WAIT_NONE */
const char *fail_class_name(enum fail_class c);   /* NULL for FAIL_NONE */
/* -1 for an unknown name. */
int job_kind_parse(const char *s, enum job_kind *out) BF_MUST_CHECK;
int job_state_parse(const char *s, enum job_state *out) BF_MUST_CHECK;
int wait_reason_parse(const char *s, enum wait_reason *out) BF_MUST_CHECK;
int fail_class_parse(const char *s, enum fail_class *out) BF_MUST_CHECK;

#endif
