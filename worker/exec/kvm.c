#include "worker/exec/kvm.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/exec/initrd.h"
#include "worker/exec/storage.h"
#include "worker/exec/vm.h"
#include <stdio.h>
#include <unistd.h>

#define SECTOR_TIME (2 * BF_SEC)
#define KERNEL_TIME (5 * BF_SEC)
#define SECTOR_EXIT 33 /* isa-debug-exit: value * 2 + 1 */
#define FLOPPY_BYTES 1474560

/* mov dx,0xf4; mov al,16; out dx,al; hlt; jmp $-1 */
static const unsigned char sector[] = {0xba, 0xf4, 0x00, 0xb0, 0x10, 0xee, 0xf4, 0xeb, 0xfd};

/* STATE/kvm: "BOOT-ID yes" or "BOOT-ID no". */
static char *answer_path(const struct exec *x)
{
    return xasprintf("%s/kvm", x->config->state_dir);
}

static bool recall(const struct exec *x, const char *boot, bool *out)
{
    BF_CLEANUP(free_ptr) char *path = answer_path(x);
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    if (file_read(path, 128, &s, NULL) < 0 || !str_starts(s.p, boot))
        return false;
    *out = strcmp(s.p + strlen(boot), " yes\n") == 0;
    return true;
}

static int remember(const struct exec *x, const char *boot, bool works, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = answer_path(x);
    BF_CLEANUP(free_ptr) char *text = xasprintf("%s %s\n", boot, works ? "yes" : "no");
    return file_write_atomic(path, text, strlen(text), 0600, e);
}

static bool has_device(const struct exec *x)
{
    return x->config->kvm != KVM_OFF && access("/dev/kvm", R_OK | W_OK) == 0;
}

static int try_sector(struct exec *x, bool *out, struct err *e)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    BF_CLEANUP(str_release) struct str image = STR_INIT;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/tmp/sector", x->dir);
    BF_CLEANUP(free_ptr) char *floppy = xcalloc(1, FLOPPY_BYTES);
    memcpy(floppy, sector, sizeof sector);
    memcpy(floppy + 510, "\x55\xaa", 2);
    if (file_write_atomic(path, floppy, FLOPPY_BYTES, 0600, e) < 0)
        return -1;
    argv_qemu_sector(&a, true, path);
    struct tool t = {.argv = &a, .timeout = SECTOR_TIME, .silent = true};
    if (tool_run(x, &t, &end, e) < 0)
        return -1;
    *out = end.how.end == PROC_EXITED && end.how.status == SECTOR_EXIT;
    return 0;
}

int kvm_is_likely(struct exec *x, bool *out, struct err *e)
{
    char boot[64];
    *out = false;
    if (!has_device(x))
        return 0;
    if (boot_id(boot, e) < 0)
        return -1;
    return recall(x, boot, out) ? 0 : try_sector(x, out, e);
}

static int try_kernel(struct exec *x, const char *kernel, bool *out, struct err *e)
{
    BF_CLEANUP(free_ptr) char *initrd = xasprintf("%s/tmp/probe-initrd", x->dir);
    struct initrd d = {.probe = true, .root = -1, .order = x->order};
    struct vm vm = {.x = x,
                    .limit = KERNEL_TIME,
                    .silent = true,
                    .qemu = {.kvm = true,
                             .cpus = 1,
                             .kernel = kernel,
                             .initrd = initrd,
                             .append = "console=ttyS0 panic=-1 quiet"}};
    if (initrd_write(&d, initrd, e) < 0)
        return -1;
    int rc = vm_run(&vm, e);
    *out = rc == 0 && vm.tap.probe;
    vm_release(&vm);
    return rc;
}

int kvm_works(struct exec *x, const char *kernel, bool *out, struct err *e)
{
    char boot[64];
    *out = false;
    if (!has_device(x))
        return 0;
    if (boot_id(boot, e) < 0)
        return -1;
    if (recall(x, boot, out))
        return 0;
    if (try_kernel(x, kernel, out, e) < 0)
        return -1;
    if (exec_cancelled(x))
        return 0;
    exec_say(x, "KVM %s", *out ? "boots a kernel here" : "boots no kernel here: emulating");
    return remember(x, boot, *out, e);
}
