/* cpio.h - an archive in "newc" form, as the kernel unpacks its initial RAM disk from: in memory,
 * owner root, times zero, so the same content gives the same bytes. */
#ifndef BF_WORKER_CPIO_H
#define BF_WORKER_CPIO_H

#include "common/base/str.h"

struct cpio {
    struct str out;
    unsigned inode;
};

void cpio_init(struct cpio *c);
void cpio_release(struct cpio *c);
/* Paths are relative; each directory must come before what is in it. */
void cpio_dir(struct cpio *c, const char *path);
void cpio_file(struct cpio *c, const char *path, unsigned mode, const void *p, size_t n);
/* /dev/console, /dev/null and the like: a character device. */
void cpio_device(struct cpio *c, const char *path, unsigned major, unsigned minor);
/* Ends the archive; c->out is complete. */
void cpio_end(struct cpio *c);

#endif
