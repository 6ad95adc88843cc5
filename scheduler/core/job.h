/* job.h - the states of a job: which may follow which, and what they are called. */
#ifndef BF_CORE_JOB_H
#define BF_CORE_JOB_H

#include "common/base/str.h"
#include "scheduler/core/model.h"

#define JOB_STATES 9

bool job_may(enum job_state from, enum job_state to);
/* leased or running: an attempt is bound to it. */
bool job_is_live(enum job_state s);
/* Nothing follows but, for failed and cancelled, `job retry`. */
bool job_is_over(enum job_state s);
/* Its digest counts: succeeded or skipped. */
bool job_is_through(enum job_state s);
/* The table as a mermaid state diagram, as README.md shows it. */
void job_states_mermaid(struct str *out);

#endif
