/* boot.h - from a mounted image to a guest that has run its scripts. */
#ifndef BF_EXEC_BOOT_H
#define BF_EXEC_BOOT_H

#include "worker/core/modules.h"
#include "worker/exec/storage.h"
#include "worker/exec/vm.h"

struct boot {
    struct exec *x;
    struct result *r;
    bf_time time;  /* for boot and scripts */
    int root;      /* the mounted image; -1: closed */
    char *mount;   /* its path */
    char *version; /* of the kernel; NULL: the image has none */
    struct module_plan modules;
    char *kernel, *initrd, *disk; /* files of the attempt */
    struct str append;
    bool kvm, ran;
    struct vm vm;
};

/* Opens the image and looks for its kernel. */
int boot_look(struct boot *b, const char *mount) BF_MUST_CHECK;
/* Takes kernel, modules and root out of it and lays the test ready. */
int boot_prepare(struct boot *b, const char *scripts_dir) BF_MUST_CHECK;
/* The image is not needed any more and can be unmounted. */
void boot_close(struct boot *b);
/* Boots; b->vm holds what came of it. Fills detail.accel and detail.shortcuts. */
int boot_run(struct boot *b) BF_MUST_CHECK;
void boot_release(struct boot *b);

#endif
