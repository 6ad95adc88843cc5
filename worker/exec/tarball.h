/* tarball.h - tars in and out, by libarchive.
 *
 * Unpacking trusts nothing: only files, directories and symbolic links, nothing outside the target,
 * no owners, no special bits, no more than the caps. Packing is reproducible: sorted, no times. */
#ifndef BF_EXEC_TARBALL_H
#define BF_EXEC_TARBALL_H

#include "common/base/err.h"

#define TAR_MAX_BYTES (UINT64_C(16) << 30)
#define TAR_MAX_ENTRIES 1000000

/* Reads from the descriptor's position; `dir` exists and is empty. */
int tar_unpack(int fd, const char *dir, struct err *e) BF_MUST_CHECK;
/* The files below `dir` (at most two levels of directories), as a new file `path`. */
int tar_pack(const char *dir, const char *path, struct err *e) BF_MUST_CHECK;

#endif
