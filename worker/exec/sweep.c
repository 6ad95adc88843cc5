/* sweep.c - removes what dead attempts left in this worker's state: containers and their mounts,
 * processes, cgroups, locks, half-made cache entries, and the run state of earlier boots.
 *
 * An attempt lives when --live names it or when its executor holds its lock. No loop device is ever
 * made here, so none can be left. The attempts' own directories belong to the caller (--dir). */
#include "worker/exec/sweep.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/exec/cache.h"
#include "worker/exec/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct sweep {
    struct exec *x;
    const struct storage *s; /* the one at hand */
    VEC(char *) live;
    bool idle; /* nobody lives but this sweep */
    unsigned containers, processes, mounts, others;
    int rc;
    struct err *e;
};

static void check(struct sweep *w, int rc)
{
    if (rc < 0)
        w->rc = -1;
}

static void note(struct sweep *w, int rc)
{
    w->others += rc == 0;
    check(w, rc);
}

static bool lock_is_held(const char *dir, const char *attempt)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s/lock", dir, attempt);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool held = flock(fd, LOCK_EX | LOCK_NB) < 0;
    close(fd);
    return held;
}

static char *attempt_dir(const struct sweep *w, const char *attempt)
{
    return xasprintf("%s/attempts/%s", w->x->config->state_dir, attempt);
}

/* One that began after this sweep did holds its lock. */
static bool is_live(const struct sweep *w, const char *attempt)
{
    BF_CLEANUP(free_ptr) char *dir = xasprintf("%s/attempts", w->x->config->state_dir);
    vec_for_each (i, &w->live)
        if (strcmp(w->live.v[i], attempt) == 0)
            return true;
    return lock_is_held(dir, attempt);
}

typedef void entry_fn(struct sweep *w, const char *dir, const char *name);

static void each_entry(struct sweep *w, const char *dir, entry_fn *fn)
{
    DIR *d = opendir(dir);
    for (struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL;)
        if (strcmp(ent->d_name, ".") != 0 && strcmp(ent->d_name, "..") != 0)
            fn(w, dir, ent->d_name);
    if (d != NULL)
        closedir(d);
}

/* ---- who lives ---- */

static void add_if_held(struct sweep *w, const char *dir, const char *name)
{
    if (lock_is_held(dir, name))
        *vec_push(&w->live) = xstrdup(name);
}

/* ---- what the dead left ---- */

static int remove_dead_container(void *arg, const char *id, const char *attempt)
{
    struct sweep *w = arg;
    if (is_live(w, attempt))
        return 0;
    storage_remove(w->x, w->s, id);
    w->containers++;
    return 0;
}

/* The attempt in a command line that mentions STATE/attempts/ATTEMPT/, NULL where there is none. */
static const char *attempt_in(const struct str *cmdline, const char *attempts,
                              char out[static ID128_TEXT])
{
    for (size_t i = 0; i < cmdline->len; i += strlen(cmdline->p + i) + 1) {
        const char *p = strstr(cmdline->p + i, attempts);
        if (p == NULL || strlen(p) < strlen(attempts) + ID128_TEXT)
            continue;
        snprintf(out, ID128_TEXT, "%s", p + strlen(attempts) + 1);
        return out;
    }
    return NULL;
}

static void kill_if_dead(struct sweep *w, const char *dir, const char *name)
{
    char attempt[ID128_TEXT];
    int64_t pid;
    BF_CLEANUP(str_release) struct str cmdline = STR_INIT;
    if (parse_i64(name, 2, INT32_MAX, &pid) < 0 || pid == getpid())
        return;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s/cmdline", dir, name);
    BF_CLEANUP(free_ptr) char *attempts = xasprintf("%s/attempts", w->x->config->state_dir);
    if (file_read(path, 1 << 20, &cmdline, NULL) < 0 ||
        attempt_in(&cmdline, attempts, attempt) == NULL || is_live(w, attempt))
        return;
    if (kill((pid_t)pid, SIGKILL) == 0)
        w->processes++;
}

static void remove_dead_attempt(struct sweep *w, const char *dir, const char *name)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    if (!is_live(w, name))
        note(w, dir_remove(path, w->e));
}

/* bootfarm-ATTEMPT below our place in a version 1 hierarchy. */
static void remove_dead_cgroup(struct sweep *w, const char *dir, const char *name)
{
    BF_CLEANUP(str_release) struct str pids = STR_INIT;
    if (!str_starts(name, BUILDAH_OWNER) ||
        strlen(name) != strlen(BUILDAH_OWNER) + ID128_TEXT - 1 ||
        is_live(w, name + strlen(BUILDAH_OWNER)))
        return;
    /* Workers of one host share the hierarchy: what is not in our state is somebody else's. */
    BF_CLEANUP(free_ptr) char *ours = attempt_dir(w, name + strlen(BUILDAH_OWNER));
    if (access(ours, F_OK) < 0)
        return;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    BF_CLEANUP(free_ptr) char *procs = xasprintf("%s/cgroup.procs", path);
    if (file_read(procs, 1 << 20, &pids, NULL) == 0)
        for (char *save = NULL, *pid = strtok_r(pids.p, "\n", &save); pid != NULL;
             pid = strtok_r(NULL, "\n", &save))
            kill((pid_t)strtol(pid, NULL, 10), SIGKILL);
    if (rmdir(path) == 0)
        w->others++;
}

static void remove_dead_cgroups(struct sweep *w)
{
    static const char *const controllers[] = {"memory", "cpu"};
    for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
        BF_CLEANUP(free_ptr) char *dir = cgroup_own_dir(controllers[i]);
        if (dir != NULL)
            each_entry(w, dir, remove_dead_cgroup);
    }
}

/* HEX.ATTEMPT: the attempt died before the entry was whole. */
static void remove_half_made(struct sweep *w, const char *dir, const char *name)
{
    const char *dot = strchr(name, '.');
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    if (dot != NULL && !is_live(w, dot + 1))
        note(w, dir_remove(path, w->e));
}

static void clean_cache_kind(struct sweep *w, const char *dir, const char *name)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    each_entry(w, path, remove_half_made);
}

static void remove_old_runroot(struct sweep *w, const char *dir, const char *name)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    if (str_starts(name, "run-") && strcmp(path, w->s->runroot) != 0)
        note(w, dir_remove(path, w->e));
}

/* Deepest first, as they stand in the table from back to front. Only when nobody works here. */
static void unmount_all(struct sweep *w)
{
    BF_CLEANUP(free_ptr) char *below = xasprintf("%s/", w->x->config->state_dir);
    VEC(char *) points = VEC_INIT;
    FILE *f = setmntent("/proc/self/mounts", "re");
    for (struct mntent *m; f != NULL && (m = getmntent(f)) != NULL;)
        if (str_starts(m->mnt_dir, below))
            *vec_push(&points) = xstrdup(m->mnt_dir);
    if (f != NULL)
        endmntent(f);
    for (size_t i = points.n; i-- > 0;) {
        w->mounts += umount2(points.v[i], MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
        free(points.v[i]);
    }
    vec_release(&points);
}

/* ---- room ---- */

static bool is_short_of_space(const struct exec_config *c)
{
    struct statvfs fs;
    return statvfs(c->state_dir, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < c->min_free;
}

/* Images and caches can all be fetched or made again; a full disk stops everything. */
static void remove_images(struct sweep *w)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    exec_say(w->x, "less than min_free is left: emptying %s", w->s->root);
    argv_buildah(&a, &w->s->buildah, "rmi");
    argv_adds(&a, "--all", "--force", NULL);
    struct tool t = {.argv = &a, .timeout = 200 * BF_SEC, .silent = true};
    check(w, tool_run(w->x, &t, &end, w->e));
}

static void sweep_storage(struct sweep *w, const char *name, bool local)
{
    struct storage s = {0};
    BF_CLEANUP(free_ptr) char *dir = xasprintf("%s/%s", w->x->config->state_dir, name);
    if (access(dir, F_OK) == 0 && storage_open(w->x, local, &s, w->e) == 0) {
        w->s = &s;
        (void)storage_each(&s, remove_dead_container, w);
        if (w->idle)
            each_entry(w, dir, remove_old_runroot);
        if (w->idle && is_short_of_space(w->x->config))
            remove_images(w);
    }
    storage_release(&s);
}

static void work(struct sweep *w)
{
    const char *state = w->x->config->state_dir;
    BF_CLEANUP(free_ptr) char *attempts = xasprintf("%s/attempts", state);
    BF_CLEANUP(free_ptr) char *cache = xasprintf("%s/cache", state);
    each_entry(w, attempts, add_if_held);
    w->idle = w->live.n == 1;
    each_entry(w, "/proc", kill_if_dead);
    sweep_storage(w, "storage", false);
    sweep_storage(w, "local", true);
    remove_dead_cgroups(w);
    each_entry(w, cache, clean_cache_kind);
    each_entry(w, attempts, remove_dead_attempt);
    if (w->idle)
        unmount_all(w);
    bool short_of_space = w->idle && is_short_of_space(w->x->config);
    check(w, cache_trim(state, short_of_space ? 0 : w->x->config->cache_size, w->e));
}

int sweep(struct exec *x, char *const *live, size_t n_live, struct err *e)
{
    struct sweep w = {.x = x, .e = e};
    for (size_t i = 0; i < n_live; i++)
        *vec_push(&w.live) = xstrdup(live[i]);
    work(&w);
    exec_say(x, "swept: %u containers, %u processes, %u mounts, %u directories", w.containers,
             w.processes, w.mounts, w.others);
    vec_for_each (i, &w.live)
        free(w.live.v[i]);
    vec_release(&w.live);
    return w.rc;
}
