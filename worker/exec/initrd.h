/* initrd.h - the small RAM disk that takes a kernel to the root under test (guest/init): one static
 * busybox, the modules the kernel lacks, the runner, the scripts. */
#ifndef BF_EXEC_INITRD_H
#define BF_EXEC_INITRD_H

#include "worker/core/modules.h"
#include "worker/exec/executor.h"

#define SCRIPTS_MAX (UINT64_C(64) << 20) /* bytes of all test scripts and what lies beside them */

struct initrd {
    bool probe;          /* only say that a kernel came up */
    int root;            /* the mounted image; -1: none, then there are no modules */
    const char *version; /* of the kernel */
    const struct module_plan *modules;
    const char *scripts_dir; /* NULL: none */
    const struct order *order;
    int64_t seconds; /* for settling and scripts together */
};

/* Writes it to the new file `path`. */
int initrd_write(const struct initrd *d, const char *path, struct err *e) BF_MUST_CHECK;

#endif
