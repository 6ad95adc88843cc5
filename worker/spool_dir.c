#include "worker/spool_dir.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

struct dated {
    struct id128 id;
    int64_t mtime;
};

static int by_age(const void *a, const void *b)
{
    const struct dated *x = a, *y = b;
    if (x->mtime != y->mtime)
        return x->mtime < y->mtime ? -1 : 1;
    return memcmp(x->id.b, y->id.b, sizeof x->id.b);
}

static void close_dir(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

int spool_dir_list(const char *dir, void (*found)(void *arg, struct id128 id), void *arg,
                   struct err *e)
{
    BF_CLEANUP(close_dir) DIR *d = opendir(dir);
    if (d == NULL)
        return err_sys(e, "cannot read %s", dir);
    VEC(struct dated) all = VEC_INIT;
    for (const struct dirent *ent; (ent = readdir(d)) != NULL;) {
        struct dated one = {0};
        struct stat st;
        if (id128_parse(ent->d_name, &one.id) ||
            fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISDIR(st.st_mode))
            continue;
        one.mtime = (int64_t)st.st_mtim.tv_sec;
        *vec_push(&all) = one;
    }
    if (all.n > 0)
        qsort(all.v, all.n, sizeof all.v[0], by_age);
    vec_for_each (i, &all)
        found(arg, all.v[i].id);
    vec_release(&all);
    return 0;
}

static int by_start(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static bool parse_name(const char *name, uint64_t *start)
{
    int64_t value = 0;
    if (strlen(name) != 20)
        return false;
    while (*name == '0' && name[1] != '\0')
        name++;
    if (parse_i64(name, 0, INT64_MAX / 2, &value))
        return false;
    *start = (uint64_t)value;
    return true;
}

struct segment *spool_dir_segments(const char *dir, size_t max, size_t *n)
{
    BF_CLEANUP(close_dir) DIR *d = opendir(dir);
    VEC(struct segment) all = VEC_INIT;
    for (const struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL;) {
        struct segment g;
        struct stat st;
        if (parse_name(ent->d_name, &g.start) &&
            fstatat(dirfd(d), ent->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode)) {
            g.n = (uint64_t)st.st_size;
            *vec_push(&all) = g;
        }
    }
    if (all.n > 0)
        qsort(all.v, all.n, sizeof all.v[0], by_start);
    size_t kept = 0;
    vec_for_each (i, &all) {
        bool overlaps = kept > 0 && all.v[i].start < all.v[kept - 1].start + all.v[kept - 1].n;
        if (!overlaps && kept < max)
            all.v[kept++] = all.v[i];
    }
    *n = kept;
    return all.v;
}

int spool_dir_make(const char *dir, struct err *e)
{
    return mkdir(dir, 0700) == 0 ? 0 : err_sys(e, "cannot make %s", dir);
}
