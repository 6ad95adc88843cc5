#include "worker/exec/initrd.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/core/argv_qemu.h"
#include "worker/core/cpio.h"
#include "worker/exec/guest.h"
#include "worker/exec/rootfs.h"
#include <elf.h>
#include <errno.h>
#include <fts.h>
#include <sys/stat.h>

#define BUSYBOX "/bin/busybox"
#define BUSYBOX_MAX (UINT64_C(16) << 20)
#define MODULE_MAX (UINT64_C(32) << 20)

/* A dynamic busybox would need the host's libraries in the RAM disk. */
static bool is_static(const struct str *elf)
{
    Elf64_Ehdr h;
    if (elf->len < sizeof h)
        return false;
    memcpy(&h, elf->p, sizeof h);
    if (memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 || h.e_ident[EI_CLASS] != ELFCLASS64 ||
        h.e_machine != EM_X86_64)
        return false;
    for (unsigned i = 0; i < h.e_phnum; i++) {
        Elf64_Phdr p;
        size_t at = h.e_phoff + (size_t)i * sizeof p;
        if (at > elf->len - sizeof p)
            return false;
        memcpy(&p, elf->p + at, sizeof p);
        if (p.p_type == PT_INTERP)
            return false;
    }
    return true;
}

static int add_busybox(struct cpio *c, struct err *e)
{
    BF_CLEANUP(str_release) struct str bb = STR_INIT;
    if (file_read(BUSYBOX, BUSYBOX_MAX, &bb, e) < 0)
        return -1;
    if (!is_static(&bb))
        return err_set(e, ERR_CONFIG,
                       BUSYBOX " is not a static program for this machine: install "
                               "busybox-static");
    cpio_dir(c, "bin");
    cpio_file(c, "bin/busybox", 0755, bb.p, bb.len);
    return 0;
}

static int add_modules(struct cpio *c, const struct initrd *d, struct err *e)
{
    BF_CLEANUP(str_release) struct str order = STR_INIT;
    size_t n = d->root >= 0 ? d->modules->load.list.n : 0;
    cpio_dir(c, "modules");
    for (size_t i = 0; i < n; i++) {
        BF_CLEANUP(str_release) struct str text = STR_INIT;
        BF_CLEANUP(free_ptr)
        char *path = xasprintf("usr/lib/modules/%s/%s", d->version, d->modules->load.list.v[i]);
        BF_CLEANUP(free_ptr) char *name = xasprintf("modules/%zu.ko", i);
        if (root_read_module(d->root, path, MODULE_MAX, &text, e) < 0)
            return -1;
        cpio_file(c, name, 0644, text.p, text.len);
        str_addf(&order, "%zu.ko\n", i);
    }
    cpio_file(c, "modules/order", 0644, order.p, order.len);
    return 0;
}

/* As a shell reads it back, whatever is in it. */
static void add_setting(struct str *s, const char *name, const char *value)
{
    str_addf(s, "%s='", name);
    for (; *value != '\0'; value++) {
        if (*value == '\'')
            str_add(s, "'\\''");
        else
            str_addch(s, *value);
    }
    str_add(s, "'\n");
}

static void add_settings(struct cpio *c, const struct initrd *d)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    const char *ready = d->order->test.ready;
    add_setting(&s, "PROBE", d->probe ? "yes" : "no");
    add_setting(&s, "DISK", disk_node(d->probe ? DRIVER_NONE : d->modules->driver));
    add_setting(&s, "IMAGE", d->order->image);
    add_setting(&s, "ARCH", d->order->arch);
    add_setting(&s, "READY", ready != NULL ? ready : "");
    str_addf(&s, "SECONDS_IN_ALL=%lld\n", (long long)d->seconds);
    cpio_file(c, "bootfarm/order", 0644, s.p, s.len);
}

static int add_file(struct cpio *c, const FTSENT *ent, const char *name, uint64_t *left,
                    struct err *e)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    if ((uint64_t)ent->fts_statp->st_size > *left)
        return err_set(e, ERR_INPUT, "the test scripts take more than %llu bytes",
                       (unsigned long long)SCRIPTS_MAX);
    if (file_read(ent->fts_accpath, (size_t)*left, &text, e) < 0)
        return -1;
    *left -= text.len < *left ? text.len : *left;
    cpio_file(c, name, ent->fts_statp->st_mode & 0777, text.p, text.len);
    return 0;
}

/* Files and directories; links are not followed and not taken. */
static int add_tree(struct cpio *c, const char *dir, const char *below, struct err *e)
{
    BF_CLEANUP(free_ptr) char *root = xstrdup(dir);
    char *const roots[] = {root, NULL};
    uint64_t left = SCRIPTS_MAX;
    int rc = 0;
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    if (tree == NULL)
        return err_sys(e, "list %s", dir);
    for (FTSENT *ent; rc == 0 && (ent = fts_read(tree)) != NULL;) {
        if (ent->fts_level == 0)
            continue;
        BF_CLEANUP(free_ptr)
        char *name = xasprintf("%s/%s", below, ent->fts_path + strlen(dir) + 1);
        if (ent->fts_info == FTS_D)
            cpio_dir(c, name);
        else if (ent->fts_info == FTS_F)
            rc = add_file(c, ent, name, &left, e);
    }
    fts_close(tree);
    return rc;
}

static int add_scripts(struct cpio *c, const struct initrd *d, struct err *e)
{
    BF_CLEANUP(str_release) struct str list = STR_INIT;
    cpio_dir(c, "bootfarm/scripts");
    for (strings s = d->order->test.names; *s != NULL; s++)
        str_addf(&list, "%s\n", *s);
    cpio_file(c, "bootfarm/list", 0644, list.p, list.len);
    return d->scripts_dir != NULL ? add_tree(c, d->scripts_dir, "bootfarm/scripts", e) : 0;
}

static int fill(struct cpio *c, const struct initrd *d, struct err *e)
{
    cpio_dir(c, "dev");
    cpio_device(c, "dev/console", 5, 1);
    cpio_device(c, "dev/null", 1, 3);
    cpio_file(c, "init", 0755, guest_init, guest_init_size);
    cpio_dir(c, "bootfarm");
    cpio_file(c, "bootfarm/run", 0755, guest_run, guest_run_size);
    cpio_file(c, "bootfarm/bootfarm-test.service", 0644, guest_unit, guest_unit_size);
    add_settings(c, d);
    if (add_busybox(c, e) < 0 || add_modules(c, d, e) < 0 || add_scripts(c, d, e) < 0)
        return -1;
    cpio_end(c);
    return 0;
}

int initrd_write(const struct initrd *d, const char *path, struct err *e)
{
    BF_CLEANUP(cpio_release) struct cpio c = {0};
    cpio_init(&c);
    return fill(&c, d, e) < 0 ? -1 : file_write_atomic(path, c.out.p, c.out.len, 0600, e);
}
