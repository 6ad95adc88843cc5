/* poll.h - one poll: its input, and what it finds; only for poll.c and poll_input.c. */
#ifndef BF_PLANNER_POLL_H
#define BF_PLANNER_POLL_H

#include "scheduler/plan/plan.h"
#include "scheduler/planner/fetch.h"
#include "scheduler/planner/objects.h"
#include <jansson.h>

struct watched {
    const char *name; /* "main", "tags/v1" */
    const char *ref;  /* "refs/heads/main" */
    char oid[OID_TEXT];
    bool changed;
    bool no_commit; /* a tag of something else */
};

struct poll {
    struct arena a;
    json_t *in, *out;
    struct remote remote;
    struct signers signers;
    const char *slug, *mirror, *dir, *registry, *arch;
    VEC(struct plan_alias) alias;
    VEC(struct plan_onbuild) onbuild;
    struct remote_refs refs;
    VEC(struct watched) watch;
    struct repo *repo;
    json_t *plans;   /* each is a line of the output, after `out` */
    json_t *written; /* context key → artifact, or null where the farm has it */
    enum remote_fault fault;
};

/* Reads and checks standard input; from then on the process ends at the deadline, with an answer.
 */
int poll_read_input(struct poll *p, struct err *e) BF_MUST_CHECK;
/* "tags/", "pull/" or "merge-requests/" when the name of a ref, or a pattern, begins so; NULL: it
 * is a branch's. */
const char *poll_space(const char *name);
/* Before the answer: there is only one. */
void poll_stop_clock(void);

#endif
