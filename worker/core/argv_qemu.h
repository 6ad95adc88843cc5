/* argv_qemu.h - QEMU's command line for a boot test: no default device, no network, two serial
 * ports (console on standard output, results on a pair of FIFOs), the disk a throw-away overlay. */
#ifndef BF_WORKER_ARGV_QEMU_H
#define BF_WORKER_ARGV_QEMU_H

#include "worker/core/argv.h"
#include "worker/core/modules.h"

struct qemu {
    const char *name;  /* shown in the process list */
    const char *owner; /* directory by which a sweep knows whose it is */
    bool kvm;
    unsigned cpus;
    uint64_t memory; /* bytes */
    const char *kernel, *initrd, *append;
    const char *disk;        /* raw image; NULL: none */
    enum disk_driver driver; /* of `disk` */
    const char *results;     /* path without .in and .out */
};

void argv_qemu(struct argv *a, const struct qemu *q);
/* A machine that only starts the sector at `floppy` and ends through the exit device. */
void argv_qemu_sector(struct argv *a, bool kvm, const char *floppy);
/* The device node that the guest sees. */
const char *disk_node(enum disk_driver driver);

#endif
