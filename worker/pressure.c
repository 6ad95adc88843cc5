#include "worker/pressure.h"
#include "common/base/str.h"
#include "common/loop/file.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#define MIB (UINT64_C(1) << 20)
#define INODE_FLOOR 1000

/* The number after `key` in a text of the kernel's; 0 where there is none. */
static uint64_t number_after(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static void read_memory(struct pressure *p)
{
    struct str s = STR_INIT;
    if (file_read("/proc/meminfo", 65536, &s, NULL) == 0) {
        p->memory_free = number_after(s.p, "MemAvailable:") * 1024;
        p->memory_all = number_after(s.p, "MemTotal:") * 1024;
    }
    str_release(&s);
}

/* "some avg10=1.25 ..." is 125 */
static unsigned read_psi(const char *path)
{
    struct str s = STR_INIT;
    unsigned value = 0;
    if (file_read(path, 4096, &s, NULL) == 0) {
        const char *at = strstr(s.p, "some avg10=");
        double percent = at ? strtod(at + strlen("some avg10="), NULL) : 0;
        value = percent > 0 && percent <= 100 ? (unsigned)(percent * 100 + 0.5) : 0;
    }
    str_release(&s);
    return value;
}

static void read_disk(const struct options *o, struct pressure *p)
{
    struct statvfs st;
    if (statvfs(o->state_dir, &st)) {
        snprintf(p->why_not, sizeof p->why_not, "state_dir cannot be examined");
        return;
    }
    p->disk_free = (uint64_t)st.f_bavail * st.f_frsize;
    p->disk_total = (uint64_t)st.f_blocks * st.f_frsize;
    p->log_room = p->disk_free >= o->log_floor;
    if (p->disk_free < o->disk_floor)
        snprintf(p->why_not, sizeof p->why_not, "disk: %llu MiB free, below the floor of %llu MiB",
                 (unsigned long long)(p->disk_free / MIB),
                 (unsigned long long)(o->disk_floor / MIB));
    else if (st.f_files > 0 && st.f_favail < INODE_FLOOR)
        snprintf(p->why_not, sizeof p->why_not, "disk: only %llu inodes free",
                 (unsigned long long)st.f_favail);
}

void pressure_read(const struct options *o, struct pressure *p)
{
    *p = (struct pressure){0};
    read_disk(o, p);
    read_memory(p);
    p->cpu = read_psi("/proc/pressure/cpu");
    p->io = read_psi("/proc/pressure/io");
    p->memory = read_psi("/proc/pressure/memory");
    if (p->why_not[0] == '\0' && p->memory_all > 0 && p->memory_free < o->memory_floor)
        snprintf(p->why_not, sizeof p->why_not,
                 "memory: %llu MiB available, below the floor of %llu MiB",
                 (unsigned long long)(p->memory_free / MIB),
                 (unsigned long long)(o->memory_floor / MIB));
    p->accepting = p->why_not[0] == '\0';
}
