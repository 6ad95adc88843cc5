#include "worker/exec/disk.h"

#include "common/base/mem.h"
#include "worker/core/blame.h"
#include "worker/exec/registry.h"
#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>

#define BLOCK 4096
#define ROOM (UINT64_C(512) << 20) /* for what the booted system writes */
#define SPARE_INODES 20000

struct tree {
    uint64_t blocks, inodes;
};

static int measure(const char *root, struct tree *t, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = xstrdup(root);
    char *const paths[] = {path, NULL};
    FTS *fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    if (fts == NULL)
        return err_sys(e, "list %s", root);
    for (FTSENT *ent; (ent = fts_read(fts)) != NULL;) {
        if (ent->fts_info == FTS_DP)
            continue;
        t->inodes++;
        t->blocks += 1 + ((uint64_t)ent->fts_statp->st_size + BLOCK - 1) / BLOCK;
    }
    fts_close(fts);
    return 0;
}

/* buildah mounts a root without an entry of its own as 0555; systems expect 0755. The container is
 * a throw-away one. */
static int fix_root_mode(const char *root, struct err *e)
{
    struct stat st;
    if (stat(root, &st) < 0 || ((st.st_mode & 07777) == 0555 && chmod(root, 0755) < 0))
        return err_sys(e, "chmod %s", root);
    return 0;
}

int disk_make(struct exec *x, struct result *r, const char *root, const char *path)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    struct err e = ERR_INIT;
    struct tree t = {0};
    if (fix_root_mode(root, &e) < 0 || measure(root, &t, &e) < 0)
        return result_err(r, BLAME_TOOL_FAILED, &e);
    uint64_t size = t.blocks * BLOCK + t.blocks * BLOCK / 8 + ROOM;
    argv_adds(&a, "mkfs.ext4", "-q", "-F", "-d", root, "-L", "root", "-b", "4096", "-m", "0", "-O",
              "^has_journal", "-E", "nodiscard,lazy_itable_init=1", "-N", NULL);
    argv_addf(&a, "%llu", (unsigned long long)(t.inodes + t.inodes / 4 + SPARE_INODES));
    argv_add(&a, path);
    argv_addf(&a, "%lluk", (unsigned long long)(size / 1024));
    struct tool tool = {.argv = &a};
    if (exec_tool(x, r, &tool, &end) < 0)
        return -1;
    if (tool_succeeded(&end))
        return 0;
    const char *reason = tail_reason(&end.tail);
    bool full = strstr(reason, strerror(ENOSPC)) != NULL || strstr(reason, "No space") != NULL;
    return result_fail(r, full ? BLAME_NO_SPACE : BLAME_TOOL_FAILED, "mkfs.ext4: %s", reason);
}
