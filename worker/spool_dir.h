/* spool_dir.h - the directories of spool.h: which there are, and which segments they hold. */
#ifndef BF_WORKER_SPOOL_DIR_H
#define BF_WORKER_SPOOL_DIR_H

#include "common/base/err.h"

struct segment {
    uint64_t start, n; /* offsets in the log */
};

/* Calls `found` for every directory of DIR that is named like an attempt, oldest first. */
int spool_dir_list(const char *dir, void (*found)(void *arg, struct id128 id), void *arg,
                   struct err *e) BF_MUST_CHECK;
/* The segments of a directory in order, at most `max`. Files
 * that overlap or are misnamed are left out. The caller frees. */
struct segment *spool_dir_segments(const char *dir, size_t max, size_t *n);
/* mkdir, mode 0700; it must not exist. */
int spool_dir_make(const char *dir, struct err *e) BF_MUST_CHECK;

#endif
