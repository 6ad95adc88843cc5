/* tap.h - what the guest says on its second serial port: TAP, and comments of our own.
 *
 *   # bf-up                    the runner has begun
 *   # bf-waiting               the host must say when the console shows the text
 *   # bf-state running         systemctl is-system-running
 *   # bf-pending UNIT …        a job that keeps the system from being ready
 *   # bf-failed UNIT           a failed unit of a degraded system
 *   # bf-not-ready WHY
 *   # bf-ready
 *   # bf-run NAME              a script begins
 *   # > TEXT                   a line of its output
 *   ok 1 - NAME # ms=12        also: "# ms=12 SKIP"
 *   not ok 2 - NAME # ms=9 exit=3      also: "# ms=9 TIMEOUT after 3 s"
 *   # bf-init-failed WHY       the RAM disk could not hand over to the image
 *   # bf-exit N                the last line
 *
 * The guest may be hostile: everything is capped, and unknown lines are ignored. */
#ifndef BF_WORKER_TAP_H
#define BF_WORKER_TAP_H

#include "common/base/vec.h"
#include "worker/core/lines.h"

#define TAP_MAX_TESTS 1024
#define TAP_MAX_UNITS 20

enum tap_result { TAP_OK, TAP_NOT_OK, TAP_SKIP, TAP_TIMEOUT };
const char *tap_result_name(enum tap_result r); /* "ok", "not ok", "skip", "not ok" */

struct tap_test {
    char *name, *message; /* message: "" for what passed */
    enum tap_result result;
    int64_t ms;
};

struct tap {
    struct lines lines;
    VEC(struct tap_test) tests;
    VEC(char *) pending, failed; /* lines about units */
    char *running;               /* the script that began and did not end; NULL: none */
    char *last_output;           /* its last line */
    char state[32];
    char *not_ready, *init_failed; /* NULL: not said */
    bool up, waiting, ready, probe, ended;
    int64_t exit_status; /* where ended */
    int64_t planned;     /* of "1..N"; -1: not said */
};

void tap_init(struct tap *t);
void tap_release(struct tap *t);
/* `log` sees each line that a person may want to read, as it should be shown. */
void tap_feed(struct tap *t, const char *p, size_t n, line_fn *log, void *arg);

#endif
