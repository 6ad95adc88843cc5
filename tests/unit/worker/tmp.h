/* tmp.h - a directory of its own for a test, and small files in it. */
#ifndef BF_TEST_WORKER_TMP_H
#define BF_TEST_WORKER_TMP_H

#include "common/base/base.h"

struct tmp {
    char dir[64];
};

void tmp_make(struct tmp *t);
void tmp_remove(struct tmp *t);
/* dir/name, in a static buffer of four that take turns. */
const char *tmp_path(const struct tmp *t, const char *name);
void tmp_write(const struct tmp *t, const char *name, const void *p, size_t n);
struct id128 tmp_id(unsigned n);

#endif
