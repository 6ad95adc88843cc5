/* disk.h - a throw-away disk that holds exactly what an image's root holds. */
#ifndef BF_EXEC_DISK_H
#define BF_EXEC_DISK_H

#include "worker/exec/run.h"

/* Writes an ext4 file system with the tree at `root` to the new file `path`, with room for the
 * system to write. Sparse: takes what the content takes. */
int disk_make(struct exec *x, struct result *r, const char *root, const char *path) BF_MUST_CHECK;

#endif
