/* Where: /proc/self/mounts names the cgroup2 mount, /proc/self/cgroup our place in it. Names are
 * bootfarm.PID.NUMBER with the pid of the daemon; leftovers of a daemon that is gone are removed
 * when the next one makes its first. */
#include "common/loop/cgroup.h"
#include "common/base/str.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_file(FILE **f)
{
    if (*f)
        fclose(*f);
}

/* The mount point; false: none. */
static bool find_mount(char mount[static 256])
{
    BF_CLEANUP(close_file) FILE *f = fopen("/proc/self/mounts", "re");
    char line[4096], type[32];

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "%*s %255s %31s", mount, type) == 2 && strcmp(type, "cgroup2") == 0 &&
            !strchr(mount, '\\'))
            return true;
    }
    return false;
}

/* Our own cgroup, as a path below the mount. */
static bool find_own(char own[static 512])
{
    BF_CLEANUP(close_file) FILE *f = fopen("/proc/self/cgroup", "re");
    char line[600];

    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "0::%511[^\n]", own) == 1)
            return true;
    }
    return false;
}

static void kill_all(int dir, const char *name)
{
    char path[320];

    snprintf(path, sizeof path, "%s/cgroup.kill", name);
    int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (write(fd, "1", 1) != 1)
        errno = 0; /* it is empty or gone: what we want */
    close(fd);
}

/* Removes a cgroup and those that its processes made in it. */
static void remove_tree(int dir, const char *name, unsigned depth)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    if (!d) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while (depth < 16 && (entry = readdir(d)) != NULL) {
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            remove_tree(fd, entry->d_name, depth + 1);
    }
    closedir(d);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static void sweep(int base)
{
    int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;

    while (d && (entry = readdir(d)) != NULL) {
        int pid, number;
        if (sscanf(entry->d_name, "bootfarm.%d.%d", &pid, &number) != 2)
            continue;
        if (kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        kill_all(base, entry->d_name);
        remove_tree(base, entry->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* Our own cgroup's directory; -1: there is none. Looked up once. */
static int base_dir(void)
{
    static int base = -2;
    char mount[256], own[512], path[sizeof mount + sizeof own];

    if (base != -2)
        return base;
    base = -1;
    if (!find_mount(mount) || !find_own(own))
        return base;
    snprintf(path, sizeof path, "%s%s", mount, own);
    base = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base >= 0)
        sweep(base);
    return base;
}

void cgroup_make(struct cgroup *c)
{
    static unsigned number;
    int base = base_dir();

    *c = (struct cgroup){.dir = -1, .kill = -1};
    if (base < 0)
        return;
    snprintf(c->name, sizeof c->name, "bootfarm.%d.%u", (int)getpid(), number++);
    if (mkdirat(base, c->name, 0755) < 0) {
        c->name[0] = '\0';
        return;
    }
    c->dir = openat(base, c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->dir >= 0)
        c->kill = openat(c->dir, "cgroup.kill", O_WRONLY | O_CLOEXEC); /* since Linux 5.14 */
    if (c->kill < 0)
        cgroup_remove(c);
}

void cgroup_remove(struct cgroup *c)
{
    if (c->dir >= 0)
        close(c->dir);
    if (c->kill >= 0)
        close(c->kill);
    if (c->name[0]) {
        kill_all(base_dir(), c->name);
        remove_tree(base_dir(), c->name, 0);
    }
    *c = (struct cgroup){.dir = -1, .kill = -1};
}
