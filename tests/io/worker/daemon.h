/* daemon.h - a real bootfarm-worker process beside a hub, with its own state directory. */
#ifndef BF_TEST_WORKER_DAEMON_H
#define BF_TEST_WORKER_DAEMON_H

#include "tests/io/worker/hub.h"
#include "tests/unit/worker/tmp.h"

struct daemon {
    struct hub hub;
    struct tmp tmp;
    uv_process_t process;
    bool running, ended;
    int64_t status;
    int signal;
    char conf[128];
};

/* Hub, keys, configuration (with further lines), and the process; returns when it has reported. */
void daemon_setup(struct daemon *d, const char *more);
/* The same, without starting it. */
void daemon_prepare(struct daemon *d, const char *more);
void daemon_start(struct daemon *d);
/* Rewrites the configuration. */
void daemon_configure(struct daemon *d, const char *more);
void daemon_signal(struct daemon *d, int sig);
/* Runs the loop until it has ended. */
void daemon_wait(struct daemon *d);
/* Ends it by SIGKILL where it still runs; closes everything. */
void daemon_teardown(struct daemon *d);

/* A file of the test's directory; "" where it is absent. The caller frees. */
char *daemon_file(const struct daemon *d, const char *name);
/* An order whose executor is tests/io/worker/executor.sh, running `sh`; in a static buffer. */
const char *order_sh(const char *sh);
/* For bootfarm-exec --fake; `fake` is the member's text. */
const char *order_fake(const char *fake);

/* Want it, and wait until its executor runs; with the result, until that is acknowledged and gone.
 */
void run_to_start(struct daemon *d, struct id128 id, const char *order);
const Bootfarm__Result *run_to_result(struct daemon *d, struct id128 id, const char *order);

/* True when a file of the test's directory is not empty. */
hub_cond file_has_text;
struct file_query {
    const struct daemon *d;
    const char *name;
};
void wait_for_file(struct daemon *d, const char *name);
/* Lets an executor pass its `gate NAME`; waits until it is there. */
void open_gate(struct daemon *d, const char *name);
/* The number in a file; and whether that process is gone (or a zombie). */
long file_number(struct daemon *d, const char *name);
bool process_gone(long pid);
void wait_process_gone(struct daemon *d, long pid);

#endif
