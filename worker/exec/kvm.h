/* kvm.h - whether this host can really run a guest with KVM. The device node proves nothing: there
 * are hosts that have it and on which kernels hang.
 *
 * Two probes: a boot sector, which needs no kernel and shows that KVM exists and is not slower than
 * emulation; and a kernel with a RAM disk that comes up, before the first test that would use KVM.
 * The second one's answer is kept for as long as the host is up. */
#ifndef BF_EXEC_KVM_H
#define BF_EXEC_KVM_H

#include "worker/exec/executor.h"

/* For the capabilities: the kept answer where there is one, else the boot sector. */
int kvm_is_likely(struct exec *x, bool *out, struct err *e) BF_MUST_CHECK;
/* For a test: the kept answer, else `kernel` (a file) is booted; takes 5 s where KVM hangs. */
int kvm_works(struct exec *x, const char *kernel, bool *out, struct err *e) BF_MUST_CHECK;

#endif
