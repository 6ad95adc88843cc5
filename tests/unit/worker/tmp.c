#include "tests/unit/worker/tmp.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

void tmp_make(struct tmp *t)
{
    snprintf(t->dir, sizeof t->dir, "/tmp/bf-worker.XXXXXX");
    cr_assert_not_null(mkdtemp(t->dir));
}

void tmp_remove(struct tmp *t)
{
    cr_expect_eq(dir_remove(t->dir, NULL), 0);
}

const char *tmp_path(const struct tmp *t, const char *name)
{
    static char buf[4][PATH_MAX];
    static unsigned turn;
    char *out = buf[turn++ % 4];
    snprintf(out, PATH_MAX, "%s/%s", t->dir, name);
    return out;
}

void tmp_write(const struct tmp *t, const char *name, const void *p, size_t n)
{
    cr_assert_eq(file_write_atomic(tmp_path(t, name), p, n, 0600, NULL), 0);
}

struct id128 tmp_id(unsigned n)
{
    struct id128 id = {{0}};
    id.b[0] = (uint8_t)n;
    id.b[15] = 1;
    return id;
}
