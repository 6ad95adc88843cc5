/* modules.h - which kernel modules must be loaded before the root can be mounted, by what depmod
 * wrote: modules.builtin (one path per line) and modules.dep ("path: dependency dependency"). */
#ifndef BF_WORKER_MODULES_H
#define BF_WORKER_MODULES_H

#include "worker/core/argv.h"

/* How the kernel can reach its disk. */
enum disk_driver { DRIVER_NONE, DRIVER_NVME, DRIVER_VIRTIO };

struct module_plan {
    enum disk_driver driver;
    struct argv load; /* paths below /usr/lib/modules/VERSION, in the order of loading */
};

/* `builtin` and `dep` are the files' texts; "" where a file is missing. `only`: the one driver
 * allowed, or DRIVER_NONE for the best: built in before modules, NVMe before virtio. driver is
 * DRIVER_NONE where the kernel has no way (or no ext4). */
void modules_plan(const char *builtin, const char *dep, enum disk_driver only,
                  struct module_plan *out);
void module_plan_release(struct module_plan *p);

#endif
