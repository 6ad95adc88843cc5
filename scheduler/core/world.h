/* world.h - the records behind `struct world`, shared by the files of core/ and nobody else.
 *
 *     group (an image of a ref) ──► image (one architecture) ──► parents, bases
 *       │ publish, mirrors           │ build, test
 *       └──────────► slot ◄──────────┘          a slot holds the newest job of its kind
 *                      │
 *                      ▼
 *                     job ──► queue (of a repository) ──► bucket ◄──► class of equal workers
 *                      └────► lease ──► worker
 *
 * A farm of 100,000 queued jobs must stay small: a job that went through leaves its slot, which
 * keeps what it made; what was made is stored once (made.c), edges take a word (links.h), and what
 * few images have (publishes, mirrors) is made when it is needed.
 *
 * A job's state and its memberships (slot, ready heap, timer heap, lease) change together, in
 * job_enter(). Nothing here walks a map to decide anything: where an order matters there is a list
 * or an array in order of arrival. */
#ifndef BF_CORE_WORLD_H
#define BF_CORE_WORLD_H

#include "common/base/list.h"
#include "common/base/map.h"
#include "common/base/slab.h"
#include "common/base/vec.h"
#include "scheduler/core/brain.h"
#include "scheduler/core/heap.h"
#include "scheduler/core/idmap.h"
#include "scheduler/core/job.h"
#include "scheduler/core/links.h"

/* Capability names, sorted, each once. */
struct names {
    char **v;
    size_t n;
};

struct site {
    int64_t id;
    char *name;
    bool continue_on_partition;
    bf_time grace;
};

/* Learnt durations in ms; 0: not known. */
struct took {
    uint32_t build, test;
};

struct base {
    int64_t id;
    char *reference;
    struct sha256 digest;
    char *error;
    VEC(struct image *) users;
};

/* A digest and where it lies. */
struct made {
    _Alignas(int64_t) struct sha256 digest; /* its first bytes are the id of an idmap */
    uint32_t users;
    char repository[]; /* "": not known */
};

/* The newest job of (kind, image, arch or site), and what it made. */
struct slot {
    union {
        struct job *newest;
        int64_t last; /* through: its id */
    };
    struct made *made;   /* of the newest: made, or (test) under test */
    uint32_t older_live; /* older ones that still run */
    bool through;        /* the newest succeeded or was skipped, and is no record any more */
};

/* Of a publish, or of mirrors to a site. */
struct tag_slot {
    struct slot slot;
    struct group *group;
    int64_t site; /* 0: the publish */
    /* A publish or mirror that was cancelled while it ran may still move tags: until then, or until
     * its worker shows that the process is gone, the next one waits. */
    bf_time hold;
    struct id128 ending; /* its attempt */
};

/* Of one repository. */
struct repo {
    int64_t id;
    unsigned weight;
    struct took took; /* mean of its images */
};

struct image {
    int64_t id;
    struct group *group; /* NULL: only named by others as yet */
    const char *arch;    /* the world's */
    struct sha256 recipe, tests_key;
    struct made *passing;
    int64_t passing_serial; /* of the revision whose test said so; 0: not known */
    struct links parents, children, bases;
    struct slot build, test;
    struct took took;
    uint32_t length; /* ms, expected: build, test, and the longest chain of what is built from it */
    uint16_t has[2]; /* nr of the workers that built or tested it last; 0: none */
    bool known : 1;  /* its row has come */
    bool removed : 1;
    bool barred : 1;
    bool pending : 1; /* in world.chains */
    bool rescan : 1;  /* its children may have become shorter */
};

struct group {
    int64_t id;
    char *name; /* repo:name@ref; NULL: no row has come */
    struct repo *repo;
    struct links archs;
    struct links tags; /* of tag_slot: where something was published or mirrored */
};

struct image_set {
    size_t n;
    struct image *v[];
};

struct lease {
    int64_t key; /* of the attempt's id, for world.attempts */
    struct list of_worker;
    struct job *job;
    struct worker *worker;
    struct id128 attempt, boot;
    bf_time started;   /* on our clock; 0: not known */
    bool durable;      /* its claim is committed: Orders may name it */
    bool disconnected; /* OP_WAIT said so */
};

struct job {
    int64_t id;
    struct heap_node node; /* ready: in its queue; waiting for a time: in world.timers */
    uint8_t kind, state, reason;
    bool because_parent : 1;
    bool rerun : 1;
    bool keyed : 1;    /* has the input key and pins of an earlier attempt */
    bool staged : 1;   /* rows of the same plan may still be coming */
    bool dirty : 1;    /* in world.dirty */
    bool settling : 1; /* its end is not committed yet: does not count as through */
    bool frozen : 1;   /* its row was asked for again */
    bool refused : 1;  /* PostgreSQL quarantined it: rests until `job retry` */
    bool newest : 1;
    bool grave : 1; /* in world.grave */
    bool told : 1;  /* reason and wait_ref are what the database shows */
    bool held : 1;  /* ready, but not in its queue before not_before */
    uint16_t attempts, losses;
    uint16_t last_worker; /* nr of that whose attempt failed or was lost; 0: none */
    int32_t priority;
    uint32_t blames; /* worker.trusts of that one, if it failed for infrastructure; else 0 */
    struct slot *slot;
    union {
        struct image *image;     /* build, test */
        struct image_set *archs; /* publish, mirror */
    };
    struct queue *queue;
    struct lease *lease; /* leased, running */
    int64_t revision, forced;
    int64_t wait_ref;  /* what it waits for: a job's id, or minus an image's or a base's */
    bf_time queued_at; /* since when somebody wants it */
    union {
        bf_time order; /* ready, in its queue: its place there */
        bf_time not_before;
    };
};

/* Workers that compete for jobs, as far as a fair share goes: those of a site and architecture. */
struct pool {
    struct list all;
    unsigned nr;
    bool tags; /* publishes and mirrors: they go first */
    int64_t site;
    const char *arch;
    bf_time vtime; /* of the share that was served last */
    struct idmap shares;
};

/* What one repository has had of a pool. */
struct share {
    int64_t repo_id;
    struct repo *repo;
    struct pool *pool;
    bf_time vtime; /* seconds of slots, by its weight, since ever */
    size_t ready;
};

/* Ready jobs of one repository in one bucket. */
struct queue {
    int64_t repo_id;
    struct heap_node node; /* in bucket.queues, while it has ready jobs */
    struct heap ready;     /* of jobs */
    struct bucket *bucket;
    struct share *share;
    bf_time key; /* not later than queue_key(), which may have grown since */
    size_t jobs; /* that refer to it */
};

/* Jobs that exactly the same workers can run. */
struct bucket {
    int64_t id; /* see struct op */
    struct list all;
    struct heap_node hot; /* in world.hot: has ready jobs, and something changed */
    struct heap queues;   /* those with ready jobs */
    struct idmap of_repo;
    struct pool *pool;
    enum job_kind kind;
    int64_t site;     /* 0: any */
    const char *arch; /* NULL: any */
    struct names needs;
    unsigned band, cpus; /* memory and processors that its jobs ask for */
    char *key;
    VEC(struct class *) classes; /* that can run its jobs */
    bool shown;                  /* the database shows a reason ... */
    bool told;                   /* ... and this one */
    enum wait_reason reason;     /* of its ready jobs */
    int64_t wait_ref;            /* the worker that is named, or 0 */
};

/* How a worker stands towards new work. */
enum stand {
    STAND_AWAY,    /* not connected */
    STAND_DRAINED, /* or shutting down */
    STAND_FULL,    /* takes nothing for lack of disk or memory */
    STAND_RESTING, /* fails what goes through at others */
    STAND_BUSY,    /* no free slot */
    STAND_PRESSED, /* a free slot, but it stalls */
    STAND_FREE,
    STANDS
};

/* Bands of free memory: a worker of a band has at least so much, see capacity.c. */
#define BANDS 32

/* Workers that can run exactly the same jobs. */
struct class
{
    struct list all;
    int64_t site;
    const char *arch;
    unsigned roles, cpus;
    struct names capabilities;
    char *key;
    VEC(struct worker *) members;
    size_t stands[STANDS];   /* how many of them */
    struct heap free[BANDS]; /* those that are free, most free slots first */
    uint32_t bands;          /* a bit for each heap that is not empty */
    VEC(struct bucket *) buckets;
};

struct ack_entry {
    struct id128 attempt;
    enum op_status status;
    bool pending; /* the transaction that asks is not committed yet */
};

/* An attempt that was cancelled and may still run. */
struct linger {
    struct tag_slot *slot;
    struct id128 attempt;
    bool started; /* its worker has said so */
};

struct worker {
    int64_t id;
    struct heap_node timer; /* in world.lapses */
    struct heap_node room;  /* in class.free[band], while it stands free */
    bf_time lapse;          /* when to look at it again */
    uint32_t nr;            /* 1 + its place in world.all_workers */
    char *name;
    int64_t site;
    unsigned roles;
    bool drained, revoked;
    /* from Reports of this term */
    bool reported;
    bool connected; /* within its lease, and the link works */
    bool accepting, full, stalled;
    bool lapsed;  /* its lease is over and its attempts were marked */
    bool in_step; /* its Report is being read: where it stands is found out at the end */
    struct id128 boot, old_boot;
    const char *arch; /* the world's; NULL: not said */
    struct names capabilities;
    struct class *class; /* NULL: not heard of in this term, or revoked */
    enum stand stand;
    unsigned spare, band; /* as its class knows them */
    uint64_t memory;      /* free, MiB; 0: not known */
    uint64_t promised;    /* of it, to attempts that have not taken it yet */
    unsigned cpus;
    unsigned slots;      /* how many it gets: may be fewer than it has leases */
    unsigned slots_said; /* by itself */
    unsigned slots_wanted;
    unsigned strays; /* runs so many attempts that are no longer wanted */
    uint32_t trusts; /* how often it was found to work, from 1 */
    unsigned blamed; /* jobs that it failed since then, and that went through at others */
    unsigned rests;  /* how often it has rested since then */
    bool resting;
    bf_time rests_until; /* or rested */
    bf_time failed;      /* for infrastructure, last */
    bf_time heard;
    enum worker_state shown; /* what the database shows */
    uint64_t orders_step;    /* the step that asked for Orders last */
    struct list leases;
    unsigned n_leases;
    VEC(struct ack_entry) acks;
    VEC(struct linger) lingers;
};

struct world {
    struct brain_config config;
    uint64_t rng[4];
    bf_time now;
    uint64_t step;
    bool loaded;
    bool committed; /* a transaction is durable, and nothing was made of it yet */
    bool listened;  /* for a full lease since then */
    bf_time loaded_at;
    struct effects *out;                  /* of the step under way */
    struct slab job_slab[JOB_MIRROR + 1]; /* by kind: builds go before their tests */
    struct slab lease_slab, image_slab, group_slab;
    struct str *scratch; /* of keys.c */

    struct map sites;
    struct idmap bases, images, groups, jobs, repos, mades, workers;
    struct idmap attempts; /* leases */
    struct smap names;     /* architectures, each once */
    struct smap bucket_of, class_of;
    struct list buckets, classes, pools;
    unsigned n_pools;
    VEC(struct worker *) all_workers;

    struct took took; /* mean of the farm */

    struct heap hot;    /* buckets, by their first queue */
    struct heap timers; /* jobs with a time to wait for */
    struct heap lapses; /* workers whose lease must be looked at */

    VEC(struct job *) staged; /* in order of arrival, the first n_unstaged are done */
    size_t n_unstaged;
    VEC(struct job *) dirty; /* to be evaluated, the first n_evaluated are done */
    size_t n_evaluated;
    VEC(struct image *) chains; /* whose parents do not know their length yet */
    VEC(struct job *) settling;
    VEC(struct job *) grave;     /* over and not newest: freed when nothing refers to them */
    VEC(struct id128) undurable; /* attempts claimed in the open transaction */
    VEC(int64_t) pending_acks;   /* workers with such acks */

    VEC(struct id128) orders_wanted; /* buffers of world_orders */
    VEC(struct ack) orders_acks;
};

static inline bool job_has_arch(const struct job *j)
{
    return j->kind == JOB_BUILD || j->kind == JOB_TEST;
}

/* NULL: it went through, or there is none. */
static inline struct job *slot_newest(const struct slot *s)
{
    return s->through ? NULL : s->newest;
}

/* Publish and mirror. */
static inline struct tag_slot *tag_of(const struct job *j)
{
    return container_of(j->slot, struct tag_slot, slot);
}

/* Of the nr of workers beyond that many nothing is remembered. */
static inline uint16_t short_nr(uint32_t nr)
{
    return nr <= UINT16_MAX ? (uint16_t)nr : 0;
}

static inline struct bucket *bucket_of(const struct job *j)
{
    return j->queue->bucket;
}

static inline struct group *job_group(const struct job *j)
{
    return job_has_arch(j) ? j->image->group : tag_of(j)->group;
}

/* made.c: what was made, stored once. */
/* Empties *slot for a digest of none. `repository` NULL: not known. */
void made_set(struct world *w, struct made **slot, const struct sha256 *digest,
              const char *repository);
void made_share(struct world *w, struct made **slot, struct made *m); /* m may be NULL */
const struct sha256 *made_digest(const struct made *m);               /* none for NULL */
const char *made_repository(const struct made *m);                    /* NULL: not known */

/* Empties `vec`; where it was once needed for a whole farm, its memory goes. */
#define vec_shrink(vec, keep)        \
    do {                             \
        if ((vec)->cap > 4 * (keep)) \
            vec_release(vec);        \
        else                         \
            vec_clear(vec);          \
    } while (0)

/* world.c: find, or make one that only has an id. */
struct image *world_image(struct world *w, int64_t id);
struct group *world_group(struct world *w, int64_t id);
struct base *world_base(struct world *w, int64_t id);
struct worker *world_worker(struct world *w, int64_t id);
const char *site_name(const struct world *w, int64_t id);
void take_site(struct world *w, const struct site_row *row);
void take_base(struct world *w, const struct base_row *row);
void take_image(struct world *w, const struct image_row *row);
/* A UUID of version 8 (RFC 9562, 5.8): the 48 low bits of the job's id, big-endian, where a version
 * 7 has its time, and 74 random ones. farm.job_of() in the schema reads it. */
struct id128 world_attempt_id(struct world *w, int64_t job);
const char *world_name(struct world *w, const char *name); /* lives as long as the world */
void set_text(char **slot, const char *value);
bool names_set(struct names *to, const char *const *v, size_t n); /* true: changed */
void names_release(struct names *s);

/* jobs.c */
void take_job(struct world *w, const struct job_row *row);
void jobs_unstage(struct world *w);
/* State, reason and every membership. The transition must be in the table. */
void job_enter(struct world *w, struct job *j, enum job_state to, enum wait_reason reason);
/* The same where the database has corrected us: any transition. */
void job_correct(struct world *w, struct job *j, enum job_state to, enum wait_reason reason);
/* The database shows that it waits for this; nothing needs to be written. */
void job_said(struct job *j, enum wait_reason reason, int64_t ref);
/* Superseded when something newer exists or nobody wants its image. */
bool job_is_unwanted(const struct job *j);
void job_supersede(struct world *w, struct job *j);
void job_until(struct world *w, struct job *j, bf_time when);
void mark_dirty(struct world *w, struct job *j);
/* Jobs that wait for `j`'s slot are looked at again. */
void notify_successors(struct world *w, struct job *j);
void image_changed(struct world *w, struct image *im);
struct job *world_job(const struct world *w, int64_t id);
void jobs_bury(struct world *w);
void job_through(struct world *w, struct job *j); /* leaves its slot, which keeps what it made */
struct tag_slot *tag_at(const struct group *g, int64_t site); /* 0: the publish; may be NULL */
bf_time job_hold(const struct job *j); /* an older tag may move until then; 0: no */
void jobs_due(struct world *w);        /* timers */
bool job_timer_less(const struct heap_node *a, const struct heap_node *b);
char *job_label(const struct world *w, const struct job *j); /* kind:image[:arch or :site] */

/* parents.c */
void evaluate_dirty(struct world *w);

/* keys.c: what may be reused is named by these. */
void key_build(const struct world *w, const struct job *j, const struct pin *pins, size_t n,
               struct sha256 *out);
void key_test(const struct world *w, const struct job *j, const struct sha256 *digest,
              struct sha256 *out);
void key_publish(const struct world *w, const struct pin *pins, size_t n, struct sha256 *out);
void key_mirror(const struct world *w, const struct sha256 *released, struct sha256 *out);

/* queue.c: who waits where, in which order */
struct queue *queue_for(struct world *w, const struct job_row *row, const char *arch,
                        struct repo *repo);
void queue_put(struct world *w, struct queue *q); /* one job less refers to it */
void queue_add(struct world *w, struct job *j);   /* ready */
void queue_del(struct world *w, struct job *j);
void queue_move(struct world *w, struct job *j); /* its place may be another now */
/* The first job of the bucket that has waited longest for its share; NULL: it must be asked again,
 * another bucket may come first. */
struct job *bucket_first(struct world *w, struct bucket *b);
void share_charge(struct world *w, const struct job *j); /* it gets a slot */
void bucket_heat(struct world *w, struct bucket *b);
void bucket_cool(struct world *w, struct bucket *b);
bool bucket_less(const struct heap_node *a, const struct heap_node *b);
void queues_free(struct world *w);

/* capacity.c: who could run what */
unsigned band_for(uint64_t mib); /* of a request */
void bucket_join(struct world *w, struct bucket *b);
void bucket_leave(struct bucket *b);
void worker_sort(struct world *w, struct worker *k);  /* its facts have changed: its class */
void worker_stand(struct world *w, struct worker *k); /* its capacity has changed */
struct worker *choose(const struct world *w, const struct bucket *b, const struct job *j);
bool bucket_has_room(const struct bucket *b);
void worker_pressure(struct world *w, struct worker *k, const struct worker_report *r);
void worker_promise(struct worker *k, const struct bucket *b);
/* The member of lowest id of the bucket's classes that stands so; NULL: none. */
const struct worker *bucket_someone(const struct bucket *b, enum stand stand);
void classes_free(struct world *w);

/* chain.c: how long things take */
struct repo *world_repo(struct world *w, int64_t id);
void chain_row(struct world *w, struct image *im, const struct took *row);
void chain_edges(struct world *w, struct image *im); /* its parents or children are others now */
void chain_learn(struct world *w, const struct job *j, bf_time took);
void chains_settle(struct world *w);
bf_time job_expected(const struct world *w, const struct job *j);
bf_time job_remaining(const struct world *w, const struct job *j); /* with what follows it */
void image_seen_at(struct image *im, const struct worker *k);

/* policy.c */
void buckets_listened(struct world *w);
void dispatch(struct world *w);

/* worker.c */
void take_worker(struct world *w, const struct worker_row *row);
void take_report(struct world *w, const struct worker_report *r);
void worker_link_down(struct world *w, int64_t id);
void worker_lapses(struct world *w); /* timers */
void workers_loaded(struct world *w);
void worker_watch(struct world *w, struct worker *k);
bf_time worker_patience(const struct world *w, const struct worker *k);
void worker_show(struct world *w, struct worker *k, bool facts_changed);
/* An attempt failed for infrastructure. */
void worker_failed(struct world *w, const struct lease *l);
/* One that its worker failed so went through: `l` is another worker's. */
void worker_blame(struct world *w, struct worker *k, const struct lease *l);
/* It works: it did something, an operator says so, or it has begun anew. */
void worker_trust(struct world *w, struct worker *k);
bool worker_is_suspect(const struct worker *k);
void worker_free(struct worker *k);
bool worker_lapse_less(const struct heap_node *a, const struct heap_node *b);

/* lease.c */
struct lease *lease_new(struct world *w, struct job *j, struct worker *k, struct id128 attempt,
                        struct id128 boot);
void lease_end(struct world *w, struct job *j);
struct lease *lease_find(const struct world *w, struct id128 attempt);
void lease_lose(struct world *w, struct lease *l);
void leases_durable(struct world *w);
/* The database knows of no such live attempt: its job's row is read again. */
void lease_in_doubt(struct world *w, struct id128 attempt);
/* `l` is being cancelled: keeps the next job of its slot waiting while its process may run. */
void lease_linger(struct world *w, const struct lease *l);
/* A Report shows what still runs; of another boot than before, nothing does. */
void lingers_check(struct world *w, struct worker *k, const struct worker_report *r,
                   bool same_boot);

/* report.c */
void report_running(struct world *w, struct worker *k, const struct worker_report *r);
void report_results(struct world *w, struct worker *k, const struct worker_report *r);
void report_lost_by_reboot(struct world *w, struct worker *k, const struct worker_report *r);
void acks_drop(struct worker *k, const struct worker_report *r);
void acks_committed(struct world *w);
bool report_runs(const struct worker_report *r, struct id128 attempt);
bool report_ended(const struct worker_report *r, struct id128 attempt);
void ack_set(struct world *w, int64_t worker, struct id128 attempt, enum op_status status);

/* retry.c */
struct decision {
    enum job_state next;
    enum wait_reason reason;
    bf_time not_before;
};
struct decision decide_result(const struct world *w, const struct job *j, enum outcome outcome,
                              enum fail_class fail_class);
struct decision decide_loss(const struct world *w, const struct job *j);
/* How long whoever has failed `attempts` times waits before the next one. */
bf_time backoff(const struct brain_config *c, unsigned attempts);

/* status.c */
void take_status(struct world *w, const struct op *op, enum op_status st,
                 const struct sha256 *digest, const char *repository);
void take_committed(struct world *w);
void settle(struct world *w);

/* command.c */
void command_cancel(struct world *w, int64_t command, int64_t job, const char *who);
void command_retry(struct world *w, int64_t command, int64_t job, const char *who);
void command_drain(struct world *w, int64_t command, int64_t worker, bool drained);

/* effect.c */
struct op *emit(struct world *w, enum op_type type, int64_t job);
void emit_orders(struct world *w, struct worker *k);
void emit_reload(struct world *w, struct job *j);
void emit_wait(struct world *w, struct job *j, enum wait_reason reason, int64_t ref, char *detail);
/* Copies pins and their strings into one block that the op owns. */
void op_set_pins(struct op *op, const struct pin *pins, size_t n);

#endif
