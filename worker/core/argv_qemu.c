#include "worker/core/argv_qemu.h"

#include <inttypes.h>

#define MIB (UINT64_C(1) << 20)
#define MIN_MEMORY (256 * MIB)

static void add_machine(struct argv *a, bool kvm)
{
    argv_adds(a, "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
              "-no-reboot", "-nic", "none", "-machine", "pc,hpet=off", NULL);
    argv_adds(a, "-accel", kvm ? "kvm" : "tcg,thread=multi", NULL);
    argv_add(a, "-sandbox");
    argv_add(a, "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* Commas in a path would end an option's value; doubled they stand for themselves. */
static void add_path(struct argv *a, const char *before, const char *path, const char *after)
{
    BF_CLEANUP(free_ptr) char *quoted = xmalloc(2 * strlen(path) + 1);
    char *out = quoted;
    for (const char *p = path; *p != '\0'; p++) {
        *out++ = *p;
        if (*p == ',')
            *out++ = ',';
    }
    *out = '\0';
    argv_addf(a, "%s%s%s", before, quoted, after);
}

const char *disk_node(enum disk_driver driver)
{
    switch (driver) {
    case DRIVER_NVME:
        return "/dev/nvme0n1";
    case DRIVER_VIRTIO:
        return "/dev/vda";
    case DRIVER_NONE:
        return "/dev/null";
    }
    BUG("driver %d", (int)driver);
}

static void add_disk(struct argv *a, const struct qemu *q)
{
    if (q->disk == NULL)
        return;
    argv_add(a, "-drive");
    add_path(a, "file=", q->disk, ",if=none,id=root,format=raw,snapshot=on,cache=unsafe");
    argv_add(a, "-device");
    argv_add(a, q->driver == DRIVER_VIRTIO ? "virtio-blk-pci,drive=root"
                                           : "nvme,drive=root,serial=root");
}

void argv_qemu(struct argv *a, const struct qemu *q)
{
    uint64_t memory = q->memory < MIN_MEMORY ? MIN_MEMORY : q->memory;
    add_machine(a, q->kvm);
    argv_add(a, "-name");
    add_path(a, "guest=", q->name, "");
    argv_add(a, "-pidfile");
    argv_addf(a, "%s/vm.pid", q->owner);
    argv_adds(a, "-cpu", q->kvm ? "host" : "max", "-smp", NULL);
    argv_addf(a, "%u", q->cpus);
    argv_add(a, "-m");
    argv_addf(a, "%" PRIu64, (memory + MIB - 1) / MIB);
    argv_adds(a, "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
              "-chardev", NULL);
    add_path(a, "pipe,id=results,path=", q->results, "");
    argv_adds(a, "-serial", "chardev:results", NULL);
    add_disk(a, q);
    argv_adds(a, "-kernel", q->kernel, "-initrd", q->initrd, "-append", q->append, NULL);
}

void argv_qemu_sector(struct argv *a, bool kvm, const char *floppy)
{
    add_machine(a, kvm);
    argv_adds(a, "-m", "32", "-boot", "a", "-drive", NULL);
    add_path(a, "file=", floppy, ",if=floppy,format=raw,readonly=on");
    argv_adds(a, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04", NULL);
}
