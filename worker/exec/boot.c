#include "worker/exec/boot.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/exec/disk.h"
#include "worker/exec/initrd.h"
#include "worker/exec/kvm.h"
#include "worker/exec/rootfs.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define KERNEL_MAX (UINT64_C(256) << 20)
#define LIST_MAX (UINT64_C(16) << 20)
/* The guest keeps its own time and reports; the host waits this much longer before it kills. */
#define GRACE (30 * BF_SEC)

static int infra(struct boot *b, const struct err *e)
{
    return result_err(b->r, e->sys_errno == ENOSPC ? BLAME_NO_SPACE : BLAME_TOOL_FAILED, e);
}

int boot_look(struct boot *b, const char *mount)
{
    struct err e = ERR_INIT;
    b->mount = xstrdup(mount);
    b->root = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (b->root < 0) {
        err_sys(&e, "open %s", mount);
        return infra(b, &e);
    }
    b->version = root_kernel_version(b->root);
    return 0;
}

static enum disk_driver allowed_driver(const struct exec_config *c)
{
    switch ((enum disk_mode)c->disk) {
    case DISK_AUTO:
        return DRIVER_NONE;
    case DISK_NVME:
        return DRIVER_NVME;
    case DISK_VIRTIO:
        return DRIVER_VIRTIO;
    }
    BUG("disk %d", c->disk);
}

/* How the kernel gets to its disk, by what depmod says. */
static int plan_modules(struct boot *b)
{
    BF_CLEANUP(str_release) struct str builtin = STR_INIT, dep = STR_INIT;
    BF_CLEANUP(free_ptr)
    char *builtin_path = xasprintf("usr/lib/modules/%s/modules.builtin", b->version);
    BF_CLEANUP(free_ptr) char *dep_path = xasprintf("usr/lib/modules/%s/modules.dep", b->version);
    if (root_read(b->root, builtin_path, LIST_MAX, &builtin) < 0)
        str_clear(&builtin);
    if (root_read(b->root, dep_path, LIST_MAX, &dep) < 0)
        str_clear(&dep);
    modules_plan(builtin.p, dep.p, allowed_driver(b->x->config), &b->modules);
    if (b->modules.driver == DRIVER_NONE)
        return result_fail(b->r, BLAME_NO_KERNEL,
                           "kernel %s has neither nvme nor virtio_pci and virtio_blk, or no ext4",
                           b->version);
    return 0;
}

static void add_shortcut(struct boot *b, const char *shortcut)
{
    str_addf(&b->append, " %s", shortcut);
    json_array_append_new(json_object_get(b->r->detail, "shortcuts"), json_string(shortcut));
}

/* What makes this boot differ from one on a node is recorded. A root that was never deployed has no
 * SELinux labels, so enforcing them would stop every service. */
static void make_command_line(struct boot *b)
{
    str_init(&b->append);
    str_add(&b->append, "console=ttyS0 panic=-1 quiet");
    json_object_set_new(b->r->detail, "shortcuts", json_array());
    if (!b->x->config->mitigations)
        add_shortcut(b, "mitigations=off");
    if (root_has(b->root, "etc/selinux/config"))
        add_shortcut(b, "enforcing=0");
}

static int write_initrd(struct boot *b, const char *scripts_dir, struct err *e)
{
    struct initrd d = {
        .root = b->root,
        .version = b->version,
        .modules = &b->modules,
        .scripts_dir = scripts_dir,
        .order = b->x->order,
        .seconds = b->time / BF_SEC,
    };
    return initrd_write(&d, b->initrd, e);
}

int boot_prepare(struct boot *b, const char *scripts_dir)
{
    struct err e = ERR_INIT;
    if (b->version == NULL)
        return result_fail(b->r, BLAME_NO_KERNEL, "no kernel at /usr/lib/modules/VERSION/vmlinuz");
    if (strcmp(b->x->order->arch, "amd64") != 0)
        return result_fail(b->r, BLAME_VM_FAILED, "this worker boots amd64, not %s",
                           b->x->order->arch);
    if (plan_modules(b) < 0)
        return -1;
    exec_phase(b->x, "disk");
    make_command_line(b);
    BF_CLEANUP(free_ptr) char *kernel = xasprintf("usr/lib/modules/%s/vmlinuz", b->version);
    b->kernel = xasprintf("%s/vmlinuz", b->x->dir);
    b->initrd = xasprintf("%s/initrd", b->x->dir);
    b->disk = xasprintf("%s/disk.img", b->x->dir);
    if (root_copy(b->root, kernel, b->kernel, KERNEL_MAX, &e) < 0 ||
        write_initrd(b, scripts_dir, &e) < 0)
        return infra(b, &e);
    return disk_make(b->x, b->r, b->mount, b->disk);
}

void boot_close(struct boot *b)
{
    if (b->root >= 0)
        close(b->root);
    b->root = -1;
}

/* Two CPUs of an emulated guest are two threads here: more than this host has only slow it down. */
static unsigned cpus_for(const struct boot *b)
{
    long host = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = b->x->order->test.cpus;
    return host > 0 && wanted > (unsigned)host ? (unsigned)host : wanted;
}

int boot_run(struct boot *b)
{
    const struct test_order *o = &b->x->order->test;
    struct err e = ERR_INIT;
    if (kvm_works(b->x, b->kernel, &b->kvm, &e) < 0)
        return infra(b, &e);
    exec_phase(b->x, "boot");
    json_object_set_new(b->r->detail, "accel", json_string(b->kvm ? "kvm" : "tcg"));
    b->vm = (struct vm){
        .x = b->x,
        .limit = b->time + GRACE,
        .pattern = o->pattern,
        .qemu = {.kvm = b->kvm,
                 .cpus = cpus_for(b),
                 .memory = o->memory,
                 .kernel = b->kernel,
                 .initrd = b->initrd,
                 .append = b->append.p,
                 .disk = b->disk,
                 .driver = b->modules.driver},
    };
    b->ran = true;
    if (vm_run(&b->vm, &e) < 0)
        return result_err(b->r, BLAME_VM_FAILED, &e);
    if (b->x->cancelled)
        return result_fail(b->r, BLAME_TOOL_FAILED, "stopped by SIGTERM");
    return 0;
}

void boot_release(struct boot *b)
{
    boot_close(b);
    if (b->ran)
        vm_release(&b->vm);
    module_plan_release(&b->modules);
    str_release(&b->append);
    free(b->mount);
    free(b->version);
    free(b->kernel);
    free(b->initrd);
    free(b->disk);
}
