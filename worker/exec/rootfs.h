/* rootfs.h - files of a mounted image, read by a host that does not trust them.
 *
 * An image's links may point anywhere, so every path is resolved inside the image's root
 * (openat2(2), RESOLVE_IN_ROOT); what is read is capped. */
#ifndef BF_EXEC_ROOTFS_H
#define BF_EXEC_ROOTFS_H

#include "common/base/err.h"
#include "common/base/str.h"

/* A descriptor for reading, or -1 with errno. Anything but a regular file is EINVAL. */
int root_open(int root, const char *path);
/* Appends the file; -1 where it is missing, no file, or larger than `max`. */
int root_read(int root, const char *path, size_t max, struct str *out);
bool root_has(int root, const char *path);
/* The newest /usr/lib/modules/VERSION that has a vmlinuz; NULL where there is none. The caller
 * frees. */
char *root_kernel_version(int root);
/* Copies a file out of the image. */
int root_copy(int root, const char *path, const char *to, size_t max, struct err *e) BF_MUST_CHECK;
/* Appends a kernel module, unpacked where it is compressed (.xz, .zst, .gz). */
int root_read_module(int root, const char *path, size_t max, struct str *out,
                     struct err *e) BF_MUST_CHECK;

#endif
