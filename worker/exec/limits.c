#include "worker/exec/limits.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include <errno.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERIOD 100000 /* microseconds, the kernel's default */

/* One of a comma-separated list; "" is in the empty list only. */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (; *list != '\0'; list += strcspn(list, ","), list += *list == ',')
        if (n > 0 && strncmp(list, word, n) == 0 && (list[n] == ',' || list[n] == '\0'))
            return true;
    return n == 0 && *list == '\0';
}

/* Our path in the hierarchy of `controller`; "" asks for version 2. NULL: not in any. */
static char *own_path(const char *controller)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    if (file_read("/proc/self/cgroup", 65536, &text, NULL) < 0)
        return NULL;
    for (char *save = NULL, *line = strtok_r(text.p, "\n", &save); line != NULL;
         line = strtok_r(NULL, "\n", &save)) {
        char *name = strchr(line, ':');
        char *path = name != NULL ? strchr(name + 1, ':') : NULL;
        if (path == NULL)
            continue;
        *path = '\0';
        if (has_word(name + 1, controller))
            return xstrdup(path + 1);
    }
    return NULL;
}

static bool is_mount_of(const struct mntent *m, const char *controller)
{
    if (controller[0] == '\0')
        return strcmp(m->mnt_type, "cgroup2") == 0;
    return strcmp(m->mnt_type, "cgroup") == 0 && hasmntopt(m, controller) != NULL;
}

/* Where the hierarchy is mounted; never hard-coded, since hybrids differ. */
static char *mount_point(const char *controller)
{
    FILE *f = setmntent("/proc/self/mounts", "re");
    char *dir = NULL;
    for (struct mntent *m; f != NULL && dir == NULL && (m = getmntent(f)) != NULL;)
        if (is_mount_of(m, controller))
            dir = xstrdup(m->mnt_dir);
    if (f != NULL)
        endmntent(f);
    return dir;
}

char *cgroup_own_dir(const char *controller)
{
    BF_CLEANUP(free_ptr) char *path = own_path(controller);
    BF_CLEANUP(free_ptr) char *mount = path != NULL ? mount_point(controller) : NULL;
    return mount != NULL ? xasprintf("%s%s", mount, strcmp(path, "/") == 0 ? "" : path) : NULL;
}

int cgroup_write(const char *dir, const char *file, const char *value)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, file);
    FILE *f = fopen(path, "r+e");
    if (f == NULL)
        return -1;
    int rc = fputs(value, f) < 0 ? -1 : 0;
    return fclose(f) != 0 ? -1 : rc;
}

static int write_number(const char *dir, const char *file, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return cgroup_write(dir, file, text);
}

static void drop(char **dir)
{
    if (*dir != NULL)
        rmdir(*dir); /* empty once the tool is gone; a sweep takes what is not */
    free(*dir);
    *dir = NULL;
}

/* A version 1 cgroup with one limit; NULL where that cannot be. */
static char *make_v1(struct exec *x, const char *controller, const char *file, uint64_t value)
{
    BF_CLEANUP(free_ptr) char *own = cgroup_own_dir(controller);
    if (own == NULL)
        return NULL;
    char *dir = xasprintf("%s/bootfarm-%s", own, x->order->attempt);
    if ((mkdir(dir, 0755) < 0 && errno != EEXIST) || write_number(dir, file, value) < 0)
        drop(&dir);
    return dir;
}

void limits_make(struct exec *x, struct limits *l, uint64_t memory, double cpus)
{
    *l = (struct limits){.memory = memory, .cpus = cpus};
    if (!x->config->limits || (memory == 0 && cpus <= 0))
        return;
    if (memory > 0)
        l->memory_dir = make_v1(x, "memory", "memory.limit_in_bytes", memory);
    if (cpus > 0)
        l->cpu_dir = make_v1(x, "cpu", "cpu.cfs_quota_us", (uint64_t)(cpus * PERIOD));
    if ((memory > 0 && l->memory_dir == NULL) || (cpus > 0 && l->cpu_dir == NULL))
        l->own_cgroup = cgroup_own_dir("");
}

void limits_release(struct limits *l)
{
    drop(&l->memory_dir);
    drop(&l->cpu_dir);
    free(l->own_cgroup);
    l->own_cgroup = NULL;
}

int64_t limits_oom_kills(const struct limits *l)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    if (l->memory_dir == NULL)
        return 0;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/memory.oom_control", l->memory_dir);
    if (file_read(path, 4096, &text, NULL) < 0)
        return 0;
    const char *p = strstr(text.p, "oom_kill ");
    return p != NULL ? strtoll(p + strlen("oom_kill "), NULL, 10) : 0;
}

void limits_wrap(const struct limits *l, bool no_network, struct argv *a)
{
    argv_addf(a, "/proc/%d/exe", (int)getpid()); /* us, whoever runs it */
    argv_add(a, "enter");
    if (l->own_cgroup != NULL)
        argv_addf(a, "--spare=%s", l->own_cgroup);
    if (no_network)
        argv_add(a, "--no-network");
    if (l->memory_dir != NULL)
        argv_addf(a, "--join=%s", l->memory_dir);
    else if (l->own_cgroup != NULL && l->memory > 0)
        argv_addf(a, "--memory=%" PRIu64, l->memory);
    if (l->cpu_dir != NULL)
        argv_addf(a, "--join=%s", l->cpu_dir);
    else if (l->own_cgroup != NULL && l->cpus > 0)
        argv_addf(a, "--cpus=%.3f", l->cpus);
    argv_add(a, "--");
}
