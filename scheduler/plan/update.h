/* update.h - the plan of a revision in which only contents differ from one that is planned already.
 *
 * Most commits change files that the planner never looks into: contents of contexts. The paths and
 * everything that was read are the same then, so the images, what they are built from and which
 * files travel are the same; only keys change. Where that does not hold, plan_make() is the way. */
#ifndef BF_PLAN_UPDATE_H
#define BF_PLAN_UPDATE_H

#include "scheduler/plan/plan.h"

/* `before` was made by plan_make with the same input but for the tree. in->tree has the same paths
 * in the same order, and the same links; `changed` are the indices of files whose content or mode
 * differs. False, and nothing is in *out: one of them was read for the earlier plan.
 * The earlier plan and its tree must live as long as *out. */
bool plan_update(const struct plan_input *in, const struct plan *before, const size_t *changed,
                 size_t n, struct plan *out) BF_MUST_CHECK;

#endif
