/* file.h - whole files and directory trees, for shells. */
#ifndef BF_FILE_H
#define BF_FILE_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Appends the file to *out; larger than `max` bytes is an error. */
int file_read(const char *path, size_t max, struct str *out, struct err *e) BF_MUST_CHECK;
/* Temporary file in the same directory, fsync, rename, fsync of the directory. */
int file_write_atomic(const char *path, const void *p, size_t n, unsigned mode,
                      struct err *e) BF_MUST_CHECK;
/* The path of `name` in the folder of our own program; the caller frees. NULL: /proc does not say
 * where that is. Nobody has looked whether it is there. */
char *file_beside_us(const char *name) BF_MUST_CHECK;
int dir_make(const char *path, unsigned mode, struct err *e) BF_MUST_CHECK; /* with parents */
/* Removes a tree; stays on one file system, never follows links; absent is success. */
int dir_remove(const char *path, struct err *e) BF_MUST_CHECK;

#endif
