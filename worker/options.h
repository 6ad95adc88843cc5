/* options.h - the settings of the daemon, one table (options.c); `bootfarm-worker --help` prints
 * it. README.md has it as a reference. SIGHUP reads the file again and takes over what is
 * reloadable. */
#ifndef BF_WORKER_OPTIONS_H
#define BF_WORKER_OPTIONS_H

#include "common/base/conf.h"

#define MAX_ENDPOINTS 8

struct options {
    char *name, *site;
    char *schedulers, *log_endpoints, *server_key, *key_file;
    char *state_dir;
    int64_t slots;
    char *roles, *arch, *capabilities;
    char *exec, *exec_config;
    bool fake;
    char *secrets_dir;
    bf_time heartbeat, kill_time, overrun;
    uint64_t disk_floor, memory_floor, log_floor;
    uint64_t log_head, log_tail, log_total;
    int log_level; /* enum log_level */
};

extern const struct conf worker_conf;

/* argv as of main(). Checks what one option alone cannot: as many log endpoints as schedulers,
 * known roles, lists within their limits. *rest as conf_load. */
int options_load(int argc, char **argv, struct options *o, int *rest, struct err *e) BF_MUST_CHECK;
/* Reads everything again; on success takes over the reloadable members, on failure nothing. */
int options_reload(int argc, char **argv, struct options *o, struct err *e) BF_MUST_CHECK;
void options_release(struct options *o);

/* The words of a CONF_LIST: NULL-terminated, at most `max`, white space trimmed, empty ones left
 * out. One allocation for free(); a NULL list is empty. */
char **list_split(const char *list, size_t max, size_t *n);
/* Is `word` in the list? */
bool list_has(const char *list, const char *word);

#endif
