/* copy.h - the rest of one file into another, whatever file systems they are on. */
#ifndef BF_EXEC_COPY_H
#define BF_EXEC_COPY_H

/* -1 with errno. */
int copy_fd(int in, int out) __attribute__((warn_unused_result));

#endif
