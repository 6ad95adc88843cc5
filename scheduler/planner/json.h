/* json.h - plans as JSON: the public form (README.md) and the one for the scheduler
 * (README.md). */
#ifndef BF_PLANNER_JSON_H
#define BF_PLANNER_JSON_H

#include "scheduler/plan/jobs.h"
#include "scheduler/planner/context.h"
#include <jansson.h>

/* Text from a repository; bytes that are no UTF-8 become U+FFFD. NULL gives null. */
json_t *json_text(const char *s);
json_t *json_digest(const struct sha256 *d);
json_t *json_diags(const struct diags *d);
/* The members of the public plan. */
json_t *json_image(const struct plan *p, const struct image *image);
/* The further members for the scheduler, but for the artifacts. */
void json_image_details(const struct plan *p, const struct image *image, json_t *out);
json_t *json_build(const struct image *image);
json_t *json_test(const struct image *image);
json_t *json_jobs(const struct plan_jobs *jobs);

#endif
