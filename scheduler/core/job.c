/* The one table of job states. farm.job_transition mirrors it; README.md shows what
 * job_states_mermaid() prints.
 *
 *                parents passed         claimed          process started
 *        waiting ─────────────► ready ─────────► leased ─────────────────► running
 *        ▲ ▲ │ │                ▲ │                │                          │
 *        │ │ │ └► skipped       │ │                ├──────────────────────────┤
 *        │ │ │    the same      │ │                │                          │
 *        │ │ │    was made      │ │                ▼                          ▼
 *        │ │ │    before        └─┼── lost, or a failed test's one rerun ─────┤
 *        │ └─┼────────────────────┼── infrastructure: not before a time ──────┤
 *        │   │                    │                                           ▼
 *        │   └────────────────────┴─► superseded, cancelled ◄─┐   succeeded, failed
 *        │                            (from leased, running) ─┘                │
 *        └──────────── job retry: failed and cancelled ────────────────────────┘
 *
 * It suspends in waiting (for a parent or a time), in ready (for a slot), in leased and running
 * (for the worker). A start and its result in one Report are one step from leased; an attempt that
 * was one loss too many goes to failed. ready goes back to waiting where PostgreSQL refused it. */
#include "scheduler/core/job.h"

#include "common/base/sm.h"
#include "scheduler/core/brain.h"

#define ENDED (SM_BIT(JOB_SUPERSEDED) | SM_BIT(JOB_CANCELLED))
#define DECIDED (SM_BIT(JOB_SUCCEEDED) | SM_BIT(JOB_FAILED))
#define AGAIN (SM_BIT(JOB_WAITING) | SM_BIT(JOB_READY))

static const struct sm_state states[JOB_STATES] = {
    [JOB_WAITING] = {"waiting", SM_BIT(JOB_READY) | SM_BIT(JOB_SKIPPED) | ENDED},
    [JOB_READY] = {"ready", SM_BIT(JOB_LEASED) | SM_BIT(JOB_WAITING) | ENDED},
    [JOB_LEASED] = {"leased", SM_BIT(JOB_RUNNING) | DECIDED | AGAIN | ENDED},
    [JOB_RUNNING] = {"running", DECIDED | AGAIN | ENDED},
    [JOB_SUCCEEDED] = {"succeeded", 0},
    [JOB_FAILED] = {"failed", SM_BIT(JOB_WAITING)},
    [JOB_SKIPPED] = {"skipped", 0},
    [JOB_SUPERSEDED] = {"superseded", 0},
    [JOB_CANCELLED] = {"cancelled", SM_BIT(JOB_WAITING)},
};

static const char *const kinds[JOB_KINDS] = {"build", "test", "publish", "mirror"};

static const char *const reasons[] = {
    [WAIT_NONE] = NULL,
    [WAIT_PARENT] = "parent",
    [WAIT_BLOCKED] = "blocked",
    [WAIT_BASE] = "base",
    [WAIT_BACKOFF] = "backoff",
    [WAIT_NO_WORKER] = "worker",
    [WAIT_DRAINED] = "drained",
    [WAIT_BUSY] = "busy",
    [WAIT_PRESSURE] = "pressure",
    [WAIT_DISCONNECTED] = "disconnected",
    [WAIT_QUARANTINED] = "quarantined",
    [WAIT_RESTING] = "resting",
};

static const char *const classes[] = {
    [FAIL_NONE] = NULL,
    [FAIL_USER] = "user",
    [FAIL_INFRA] = "infra",
    [FAIL_TIMEOUT] = "timeout",
};

bool job_may(enum job_state from, enum job_state to)
{
    return sm_allows(states, from, to);
}

bool job_is_live(enum job_state s)
{
    return s == JOB_LEASED || s == JOB_RUNNING;
}

bool job_is_over(enum job_state s)
{
    return s >= JOB_SUCCEEDED;
}

bool job_is_through(enum job_state s)
{
    return s == JOB_SUCCEEDED || s == JOB_SKIPPED;
}

void job_states_mermaid(struct str *out)
{
    str_add(out, "stateDiagram-v2\n    [*] --> waiting\n");
    for (unsigned from = 0; from < JOB_STATES; from++) {
        for (unsigned to = 0; to < JOB_STATES; to++) {
            if (sm_allows(states, from, to))
                str_addf(out, "    %s --> %s\n", states[from].name, states[to].name);
        }
        if (states[from].next == 0)
            str_addf(out, "    %s --> [*]\n", states[from].name);
    }
}

/* Index of `s` in a table of names that may hold NULL; -1: not there. */
static int lookup(const char *const *names, size_t n, const char *s)
{
    for (size_t i = 0; i < n; i++) {
        if (names[i] && strcmp(names[i], s) == 0)
            return (int)i;
    }
    return -1;
}

const char *job_kind_name(enum job_kind k)
{
    return kinds[k];
}

const char *job_state_name(enum job_state s)
{
    return states[s].name;
}

const char *wait_reason_name(enum wait_reason r)
{
    return reasons[r];
}

const char *fail_class_name(enum fail_class c)
{
    return classes[c];
}

int job_kind_parse(const char *s, enum job_kind *out)
{
    int i = lookup(kinds, ARRAY_SIZE(kinds), s);
    if (i >= 0)
        *out = (enum job_kind)i;
    return i < 0 ? -1 : 0;
}

int job_state_parse(const char *s, enum job_state *out)
{
    for (unsigned i = 0; i < JOB_STATES; i++) {
        if (strcmp(states[i].name, s) == 0) {
            *out = (enum job_state)i;
            return 0;
        }
    }
    return -1;
}

int wait_reason_parse(const char *s, enum wait_reason *out)
{
    int i = lookup(reasons, ARRAY_SIZE(reasons), s);
    if (i >= 0)
        *out = (enum wait_reason)i;
    return i < 0 ? -1 : 0;
}

int fail_class_parse(const char *s, enum fail_class *out)
{
    int i = lookup(classes, ARRAY_SIZE(classes), s);
    if (i >= 0)
        *out = (enum fail_class)i;
    return i < 0 ? -1 : 0;
}
