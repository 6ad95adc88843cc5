/* model.h - the rows the brain is told about: sites, workers, images, bases, jobs.
 *
 * Each row is what one of the schema's load functions returns (schema/README.md). Rows are inputs:
 * strings and arrays are borrowed for the duration of the call that takes the row. Ids are those of
 * PostgreSQL, positive. Times are in the brain's time (see brain.h). */
#ifndef BF_MODEL_H
#define BF_MODEL_H

#include "common/base/base.h"

enum job_kind { JOB_BUILD, JOB_TEST, JOB_PUBLISH, JOB_MIRROR };
#define JOB_KINDS 4
#define ROLE_BIT(kind) (1u << (kind)) /* a worker's role is a kind of job */

/* The table of transitions stands in core/job.c and in farm.job_transition. */
enum job_state {
    JOB_WAITING,
    JOB_READY,
    JOB_LEASED,
    JOB_RUNNING,
    JOB_SUCCEEDED,
    JOB_FAILED,
    JOB_SKIPPED,
    JOB_SUPERSEDED,
    JOB_CANCELLED
};

/* Why a waiting or ready job does not run. */
enum wait_reason {
    WAIT_NONE,
    WAIT_PARENT,       /* a parent, or an earlier job of the same image, is not through yet */
    WAIT_BLOCKED,      /* it failed or was cancelled */
    WAIT_BASE,         /* an external base has never been resolved */
    WAIT_BACKOFF,      /* until not_before, after an infrastructure failure */
    WAIT_NO_WORKER,    /* no connected worker has the role, site, architecture and capabilities */
    WAIT_DRAINED,      /* such workers exist, all drained */
    WAIT_BUSY,         /* such workers exist, all slots are taken */
    WAIT_PRESSURE,     /* such workers exist, with free slots, but lack memory or disk, or stall */
    WAIT_DISCONNECTED, /* running at a site whose link is down (continue) */
    WAIT_QUARANTINED,  /* lost on three workers; until `job retry` */
    WAIT_RESTING,      /* such workers exist, but rest: they failed what went through at others */
    WAIT_LAST = WAIT_RESTING
};

enum fail_class { FAIL_NONE, FAIL_USER, FAIL_INFRA, FAIL_TIMEOUT };

struct site_row {
    int64_t id;
    const char *name;
    bool hub;
    bool continue_on_partition;
    bf_time grace;
};

struct worker_row {
    int64_t id;
    const char *name;
    int64_t site;
    unsigned roles; /* ROLE_BIT of each kind */
    bool drained;
    bool revoked;
    unsigned slots_wanted; /* at most so many of those that it says; 0: all */
};

/* One architecture of an image of a ref. Several rows may share `image`. */
struct image_row {
    int64_t id; /* image_arch */
    int64_t image;
    const char *name; /* repo:name@ref */
    int64_t repo;
    const char *arch;
    struct sha256 recipe, tests_key;
    struct sha256 passing_digest;   /* none: nothing passed yet */
    const char *passing_repository; /* where it lies; NULL with none */
    const int64_t *parents;         /* image_arch ids */
    size_t n_parents;
    const int64_t *bases;
    size_t n_bases;
    bool removed; /* no revision wants it */
    bool barred;  /* its ref may not publish it */
    /* What policy goes by; 0 where nobody has said. */
    unsigned repo_weight;       /* of its repository: a share so many times that of 1 */
    uint32_t build_ms, test_ms; /* how long they took */
};

struct base_row {
    int64_t id;
    const char *reference;
    struct sha256 digest; /* none: never resolved */
    const char *error;    /* of the last try, or NULL */
};

struct job_row {
    int64_t id;
    enum job_kind kind;
    int64_t image;
    int64_t image_arch;         /* build, test; else 0 */
    const int64_t *image_archs; /* publish, mirror: all released together */
    size_t n_image_archs;
    int64_t target_site; /* mirror; else 0 */
    int64_t run_site;
    int64_t revision_serial;
    enum job_state state;
    enum wait_reason reason;
    bool because_parent; /* its only reason is a parent */
    int64_t forced;      /* serial of a forced rebuild, or 0 */
    const char *const *needs;
    size_t n_needs;
    int priority;
    bf_time not_before;  /* 0: none */
    bf_time ready_at;    /* 0: never ready */
    bf_time created_at;  /* 0: not told */
    unsigned memory_mib; /* that an attempt needs free; 0: whatever there is */
    unsigned cpus;       /* the same */
    int attempts, losses;
    struct sha256 digest; /* of a succeeded or skipped job */
    enum fail_class fail_class;
    /* leased, running: */
    struct id128 attempt;
    int64_t worker;
    struct id128 boot;
    bool rerun; /* test: a first attempt failed, this is the one rerun */
};

#endif
