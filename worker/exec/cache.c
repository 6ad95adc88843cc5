#include "worker/exec/cache.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_AT 7 /* behind "sha256:" */

char *cache_path(const struct exec *x, const char *kind, const char *digest, struct err *e)
{
    BF_CLEANUP(free_ptr) char *dir = xasprintf("%s/cache/%s", x->config->state_dir, kind);
    if (dir_make(dir, 0700, e) < 0)
        return NULL;
    return xasprintf("%s/%s", dir, digest + HEX_AT);
}

bool cache_has(const char *path)
{
    return utimensat(AT_FDCWD, path, NULL, 0) == 0;
}

int cache_put(const char *made, const char *path, struct err *e)
{
    if (rename(made, path) == 0)
        return 0;
    /* a directory is never renamed over one that is not empty */
    if ((errno == EEXIST || errno == ENOTEMPTY) && cache_has(path))
        return 0;
    return err_sys(e, "cannot move %s to %s", made, path);
}

struct entry {
    char *path;
    struct timespec used;
    uint64_t size;
};
typedef VEC(struct entry) entries;

/* Disk space of a tree; what vanishes meanwhile counts nothing. */
static uint64_t tree_size(char *path)
{
    char *const paths[] = {path, NULL};
    uint64_t size = 0;
    FTS *tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    for (FTSENT *ent; tree != NULL && (ent = fts_read(tree)) != NULL;)
        if (ent->fts_info == FTS_D || ent->fts_info == FTS_F)
            size += (uint64_t)ent->fts_statp->st_blocks * 512;
    if (tree != NULL)
        fts_close(tree);
    return size;
}

static void add_entry(entries *all, char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        free(path); /* somebody else evicted it */
    else
        *vec_push(all) = (struct entry){.path = path, .used = st.st_mtim, .size = tree_size(path)};
}

static int by_use(const void *a, const void *b)
{
    const struct timespec *x = &((const struct entry *)a)->used;
    const struct timespec *y = &((const struct entry *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static void list_dir(const char *dir, entries *all, void (*visit)(entries *, char *))
{
    DIR *d = opendir(dir);
    for (struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL;)
        if (ent->d_name[0] != '.')
            visit(all, xasprintf("%s/%s", dir, ent->d_name));
    if (d != NULL)
        closedir(d);
}

static void list_kind(entries *all, char *dir)
{
    list_dir(dir, all, add_entry);
    free(dir);
}

int cache_trim(const char *state_dir, uint64_t max, struct err *e)
{
    BF_CLEANUP(free_ptr) char *root = xasprintf("%s/cache", state_dir);
    entries all = VEC_INIT;
    uint64_t total = 0;
    int rc = 0;
    list_dir(root, &all, list_kind);
    if (all.n > 0)
        qsort(all.v, all.n, sizeof *all.v, by_use);
    vec_for_each (i, &all)
        total += all.v[i].size;
    vec_for_each (i, &all) {
        if (total > max && rc == 0) {
            rc = dir_remove(all.v[i].path, e);
            total -= all.v[i].size;
        }
        free(all.v[i].path);
    }
    vec_release(&all);
    return rc;
}
