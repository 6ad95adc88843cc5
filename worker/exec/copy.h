/* copy.h - two questions to file systems. */
#ifndef BF_EXEC_COPY_H
#define BF_EXEC_COPY_H

#include <stdbool.h>

/* The rest of one file into another, whatever file systems they are on. -1 with errno. */
int copy_fd(int in, int out) __attribute__((warn_unused_result));
/* No room is left for anybody: less than 16 MiB, or no inode. */
bool disk_is_full(const char *path);

#endif
