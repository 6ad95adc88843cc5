/* What follows when an attempt ends, and how soon. */
#include "scheduler/core/world.h"

/* backoff_min, doubled with each attempt, up to backoff_max. */
bf_time backoff(const struct brain_config *c, unsigned attempts)
{
    bf_time wait = c->backoff_min;
    for (unsigned i = 1; i < attempts && wait < c->backoff_max; i++)
        wait *= 2;
    return wait < c->backoff_max ? wait : c->backoff_max;
}

struct decision decide_result(const struct world *w, const struct job *j, enum outcome outcome,
                              enum fail_class fail_class)
{
    const struct decision again = {
        .next = JOB_WAITING,
        .reason = WAIT_BACKOFF,
        .not_before = w->now + backoff(&w->config, j->attempts),
    };
    switch (outcome) {
    case OUTCOME_SUCCEEDED:
        return (struct decision){.next = JOB_SUCCEEDED};
    case OUTCOME_CANCELLED: /* but we want it: the worker gave it up, fenced or shut down */
        return again;
    case OUTCOME_FAILED:
        break;
    }
    switch (fail_class) {
    case FAIL_NONE:
    case FAIL_INFRA:
        return again;
    case FAIL_USER:
    case FAIL_TIMEOUT:
        if (j->kind == JOB_TEST && !j->rerun) /* flaky? once more, elsewhere if possible */
            return (struct decision){.next = JOB_READY};
        return (struct decision){.next = JOB_FAILED};
    }
    BUG("fail class %d", (int)fail_class);
}

/* `losses` counts this one. */
struct decision decide_loss(const struct world *w, const struct job *j)
{
    if (j->losses >= w->config.lost_limit)
        return (struct decision){.next = JOB_FAILED, .reason = WAIT_QUARANTINED};
    return (struct decision){.next = JOB_READY};
}
