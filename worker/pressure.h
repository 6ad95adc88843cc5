/* pressure.h - how much room this host has left, read from the kernel when asked. */
#ifndef BF_WORKER_PRESSURE_H
#define BF_WORKER_PRESSURE_H

#include "worker/options.h"

struct pressure {
    uint64_t disk_free, disk_total;   /* of the file system of state_dir, for us */
    uint64_t memory_free, memory_all; /* MemAvailable, MemTotal */
    unsigned cpu, io, memory;         /* PSI "some avg10" in hundredths of a percent */
    bool accepting;                   /* above the floors */
    bool log_room;                    /* above log_floor */
    char why_not[160];                /* a line; "" when accepting */
};

/* Never fails: what cannot be read is 0, and an unreadable disk is not accepting. */
void pressure_read(const struct options *o, struct pressure *p);

#endif
