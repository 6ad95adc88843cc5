/* vm.h - one boot of one virtual machine, from start to power-off, results and console collected.
 *
 * Happy path: QEMU starts → the guest reports on the second serial port → its last line → power
 * off. Failure modes, all ended here: it panics (killed after a moment for the rest of the
 * message); it says its last line and stays (killed); it overruns its time (killed); QEMU fails;
 * SIGTERM. */
#ifndef BF_EXEC_VM_H
#define BF_EXEC_VM_H

#include "worker/core/argv_qemu.h"
#include "worker/core/verdict.h"
#include "worker/exec/run.h"

struct vm {
    struct exec *x;
    struct qemu qemu;    /* name, owner and results are filled in by vm_run */
    bf_time limit;       /* wall clock, everything */
    bool silent;         /* nothing into the log */
    const char *pattern; /* on the console: tell the guest when it shows; NULL: none */
    /* what came of it */
    struct tap tap;
    struct console console;
    struct tail tail; /* of the console */
    enum vm_end end;
    char problem[256];   /* QEMU's, when end is VM_BROKEN */
    bf_time ready_after; /* 0: never */
    /* inside */
    uv_poll_t results;
    uv_timer_t doom;
    int results_fd, go_fd;
    bf_time began;
    bool told, doomed;
    unsigned open_handles;
};

/* -1 with an error only where nothing could be started. vm_release in any case. */
int vm_run(struct vm *vm, struct err *e) BF_MUST_CHECK;
void vm_release(struct vm *vm);

#endif
