/* config.h - the settings of the executors on this host: one table, one file. */
#ifndef BF_EXEC_CONFIG_H
#define BF_EXEC_CONFIG_H

#include "common/base/conf.h"

enum isolation { ISOLATION_AUTO, ISOLATION_CHROOT, ISOLATION_OCI };

struct exec_config {
    char *state_dir;
    int isolation; /* enum isolation */
    char *insecure_registries;
    char *certs_dir, *authfile, *secrets_dir;
    int kvm;  /* enum kvm_mode */
    int disk; /* enum disk_mode */
    bool mitigations;
    bool limits;
    uint64_t cache_size, min_free;
};

enum kvm_mode { KVM_AUTO, KVM_OFF };
enum disk_mode { DISK_AUTO, DISK_NVME, DISK_VIRTIO };

extern const struct conf exec_conf;

/* `file` NULL: the defaults. */
int exec_config_load(const char *file, struct exec_config *c, struct err *e) BF_MUST_CHECK;
void exec_config_release(struct exec_config *c);

#endif
