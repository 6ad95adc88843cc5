/* verdict.h - what a boot test proved, from what the host saw. Pure: one scenario per row of the
 * table of blame in its test. */
#ifndef BF_WORKER_VERDICT_H
#define BF_WORKER_VERDICT_H

#include "worker/core/blame.h"
#include "worker/core/console.h"
#include "worker/core/tap.h"

/* How the virtual machine ended. */
enum vm_end {
    VM_OFF,     /* by itself: powered off, or rebooted (which ends it, too) */
    VM_STOPPED, /* by us, when its time was over */
    VM_BROKEN   /* the emulator failed or was killed */
};

struct verdict {
    enum blame blame; /* BLAME_NONE: passed */
    struct str message;
};

/* `problem`: the emulator's own words, "" where it had none. `limit`: the test's time, seconds. */
void verdict_of(const struct tap *t, const struct console *c, enum vm_end end, const char *problem,
                int64_t limit, struct verdict *out);

#endif
