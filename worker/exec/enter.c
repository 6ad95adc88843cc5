/* enter.c - bootfarm-exec enter: what a child must do to itself before it becomes a tool. */
#include "common/base/mem.h"
#include "common/base/str.h"
#include "worker/exec/limits.h"
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int failed(const char *what)
{
    fprintf(stderr, "Error: bootfarm-exec enter: %s: %s\n", what, strerror(errno));
    return 125;
}

static int bring_loopback_up(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &lo) < 0)
        return -1;
    lo.ifr_flags = (short)(lo.ifr_flags | IFF_UP);
    int rc = ioctl(fd, SIOCSIFFLAGS, &lo);
    close(fd);
    return rc;
}

/* Version 2: limits go to the cgroup we were started in, unless that is the executor's own. */
static void limit_own(const char *spare, const char *file, const char *value)
{
    BF_CLEANUP(free_ptr) char *dir = cgroup_own_dir("");
    if (dir == NULL || strcmp(dir, spare) == 0 || cgroup_write(dir, file, value) < 0)
        fprintf(stderr, "bootfarm-exec: no cgroup to limit here: %s stays as it is\n", file);
}

static int apply(const char *option, const char *spare)
{
    char quota[64];
    const char *value = strchr(option, '=');
    value = value != NULL ? value + 1 : "";
    if (strcmp(option, "--no-network") == 0)
        return unshare(CLONE_NEWNET) < 0 || bring_loopback_up() < 0 ? -1 : 0;
    if (str_starts(option, "--join="))
        return cgroup_write(value, "cgroup.procs", "0");
    if (str_starts(option, "--memory="))
        limit_own(spare, "memory.max", value);
    if (str_starts(option, "--cpus=")) {
        snprintf(quota, sizeof quota, "%.0f 100000", strtod(value, NULL) * 100000);
        limit_own(spare, "cpu.max", quota);
    }
    return 0;
}

int enter_main(int argc, char **argv)
{
    const char *spare = "";
    int i = 2;
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (str_starts(argv[i], "--spare="))
            spare = argv[i] + strlen("--spare=");
        else if (apply(argv[i], spare) < 0)
            return failed(argv[i]);
    }
    if (i + 1 >= argc)
        return 2;
    execvp(argv[i + 1], argv + i + 1);
    return failed(argv[i + 1]);
}
