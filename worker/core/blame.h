/* blame.h - which failure is whose: the table of worker/README.md, in code.
 *
 * A fault of ours must never be recorded as the user's failure; in doubt it is ours (infra), which
 * costs a second attempt and no verdict. The questions below look only at what the tools themselves
 * said at the end (their "Error:" and "level=error" lines), never at what a RUN or a script
 * printed: else a user's program could choose whose fault it is. */
#ifndef BF_WORKER_BLAME_H
#define BF_WORKER_BLAME_H

#include "common/base/base.h"

/*    member              code                class     */
#define BLAME_LIST(X)                                \
    X(RUN_FAILED, "run-failed", "user")              \
    X(CONTAINERFILE, "containerfile", "user")        \
    X(UNPINNED_BASE, "unpinned-base", "user")        \
    X(BASE_NOT_FOUND, "base-not-found", "user")      \
    X(BUILD_TIMEOUT, "build-timeout", "timeout")     \
    X(BUILD_SILENT, "build-silent", "timeout")       \
    X(SCRIPT_FAILED, "script-failed", "user")        \
    X(GUEST_PANIC, "guest-panic", "user")            \
    X(GUEST_ENDED, "guest-ended", "user")            \
    X(NOT_SETTLED, "not-settled", "timeout")         \
    X(TEST_TIMEOUT, "test-timeout", "timeout")       \
    X(NO_KERNEL, "no-kernel", "user")                \
    X(WRONG_ARCH, "wrong-arch", "user")              \
    X(PARENT_LAYERS, "parent-layers", "infra")       \
    X(DIGEST_GONE, "digest-gone", "infra")           \
    X(TAG_CONFLICT, "tag-conflict", "user")          \
    X(REGISTRY, "registry", "infra")                 \
    X(AUTH, "auth", "infra")                         \
    X(NO_SPACE, "no-space", "infra")                 \
    X(SECRET_MISSING, "secret-missing", "infra")     \
    X(VM_FAILED, "vm-failed", "infra")               \
    X(EXECUTOR_DIED, "executor-died", "infra")       \
    X(WORKER_RESTARTED, "worker-restarted", "infra") \
    X(WORKER_REFUSED, "worker-refused", "infra")     \
    X(LEASE_LOST, "lease-lost", "infra")             \
    X(BAD_ORDER, "bad-order", "infra")               \
    X(TOOL_FAILED, "tool-failed", "infra")

enum blame {
    BLAME_NONE = 0,
#define X(member, code, class) BLAME_##member,
    BLAME_LIST(X)
#undef X
        BLAME_COUNT
};

const char *blame_code(enum blame b);
const char *blame_class(enum blame b);

/* What a registry's client (skopeo, buildah pull and push) said. `not_found` is the verdict where
 * the registry answered that it has no such thing. */
enum blame blame_registry(const char *error, enum blame not_found);

/* `buildah build` exited with `status` and this error of its own ("" where it gave none).
 * `no_network`: the definition asked for none, so what needs one is the definition's fault. */
enum blame blame_build(int status, const char *error, bool no_network);

#endif
