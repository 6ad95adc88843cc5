/* temp.h - a directory of a test's own. */
#ifndef BF_TEST_EXEC_TEMP_H
#define BF_TEST_EXEC_TEMP_H

#include "common/base/mem.h"
#include "common/loop/file.h"
#include <criterion/criterion.h>
#include <stdlib.h>

static inline char *temp_dir(void)
{
    char *dir = xstrdup("/tmp/bootfarm-test-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
    return dir;
}

static inline void temp_remove(char *dir)
{
    struct err e = ERR_INIT;
    cr_expect(dir_remove(dir, &e) == 0, "%s", e.msg);
    free(dir);
}

static inline void temp_write(const char *dir, const char *name, const char *text)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    struct err e = ERR_INIT;
    cr_assert(file_write_atomic(path, text, strlen(text), 0644, &e) == 0, "%s", e.msg);
}

#endif
