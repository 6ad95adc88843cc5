/* options.h - the configuration of bootfarm-scheduler (the table is options.c; README.md is made
 * to match it by tests/lint). */
#ifndef BF_SCHED_OPTIONS_H
#define BF_SCHED_OPTIONS_H

#include "common/base/conf.h"

struct options {
    char *database, *listen, *listen_log, *key_file, *state_dir;
    char *planner, *skopeo;
    char *registry_auth_file, *registry_cert_dir, *insecure_registries;
    bf_time lease, kill_time, backoff_min, backoff_max;
    int64_t lost_limit;
    int64_t max_cpu_psi, max_io_psi, max_memory_psi; /* percent */
    uint64_t disk_floor;
    int64_t poll_jitter, planners;
    bf_time planner_timeout;
    uint64_t planner_memory;
    int64_t uploads, base_lookups;
    bf_time base_max_age, base_window;
    uint64_t log_queue, trace_limit;
    int log_level;
};

/* Parses `argv` (argv[0] is the program). -1 with ERR_CONFIG. `*rest` as in conf_load. */
int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e) BF_MUST_CHECK;
/* What `run` cannot do without. */
int options_check_run(const struct options *o, struct err *e) BF_MUST_CHECK;
void options_release(struct options *o);

#endif
