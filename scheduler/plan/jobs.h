/* jobs.h - what would run: everything for a first plan, or what changed between two plans and what
 * depends on it. The scheduler decides by keys that it has seen before; this is the same comparison
 * with one earlier plan, for people who ask. */
#ifndef BF_PLAN_JOBS_H
#define BF_PLAN_JOBS_H

#include "scheduler/plan/plan.h"

enum plan_job_kind { PLAN_BUILD, PLAN_TEST, PLAN_PUBLISH, PLAN_MIRROR };
extern const char *const plan_job_kind_names[];

enum plan_reason {
    REASON_NEW,
    REASON_CONTEXT,
    REASON_DEFINITION,
    REASON_ARGUMENT,
    REASON_INPUT,
    REASON_PARENT,
    REASON_EXTERNAL
};
extern const char *const plan_reason_names[];

struct plan_job {
    const char *id; /* build:NAME:ARCH, test:NAME:ARCH, publish:NAME, mirror:NAME:SITE */
    enum plan_job_kind kind;
    const struct image *image;
    const char *arch, *site; /* NULL where the kind has none */
    enum plan_reason reason;
    const char *because; /* the path, argument, image or reference */
    const char **after;  /* ids of jobs that come first */
    size_t n_after;
};

struct plan_jobs {
    struct plan_job *v; /* each behind those that it comes after */
    size_t n;
};

/* `before` NULL: everything is new. The result lives in now's arena. */
void plan_jobs_make(struct plan *now, const struct plan *before, struct plan_jobs *out);

#endif
