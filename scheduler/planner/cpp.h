/* cpp.h - runs the C preprocessor over a Containerfile.in (scheduler/plan/prepro.h).
 *
 * The files that may be included stand in a private folder, alone; a deadline and a memory limit
 * hold. Should the program have opened any other file all the same, its output is thrown away. */
#ifndef BF_PLANNER_CPP_H
#define BF_PLANNER_CPP_H

#include "scheduler/plan/prepro.h"

/* A preprocess_fn; arg is not used. ERR_CONFIG: this host has no cpp. */
int cpp_run(void *arg, const struct prepro_input *in, struct str *text, struct str *complaints,
            struct err *e);

#endif
