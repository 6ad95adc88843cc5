/* argv_buildah.h - buildah's command lines, as functions of what is wanted. Pure: tested as text.
 *
 * Everything is for buildah 1.28 and later. What the flags are for, where it is not plain:
 * --pull=never      an image that no pin brought in must fail, also where a registry would have it
 * --build-context   pins; buildah compares the name with the text in the file before expansion, so
 *                   each spelling is given
 * --force-rm        a failed build would keep its containers, mounted
 * --cgroup-parent   stands in each working container's record: that is how they are found again
 * --identity-label  off: the digest need not change with buildah's version */
#ifndef BF_WORKER_ARGV_BUILDAH_H
#define BF_WORKER_ARGV_BUILDAH_H

#include "worker/core/argv.h"

/* Where one worker's buildah keeps its things, and this attempt's settings. */
struct buildah {
    const char *root, *runroot;       /* absolute */
    const char *settings;             /* directory with registries.conf */
    const char *authfile, *certs_dir; /* NULL: none */
};

struct pair {
    const char *name, *value;
};

struct buildah_build {
    const char *attempt;
    const char *context;       /* absolute directory */
    const char *containerfile; /* absolute */
    const char *target;        /* NULL: the last stage */
    const char *isolation;     /* chroot, oci */
    const char *tag;           /* local name of the result */
    const char *cache;         /* repository of the remote layer cache; NULL: none */
    const struct pair *args, *pins,
        *secrets;                /* pins: text and HOST/REPO@digest; secrets: id and file */
    const struct pair *contexts; /* name and directory */
    size_t n_args, n_pins, n_secrets, n_contexts;
    const char *needs_dir; /* named context needs_images; NULL: none */
    int64_t timestamp;
    bool no_cache;
    /* For isolation oci; with chroot the caller does it from outside. */
    bool no_network;
    uint64_t memory;
    double cpus;
};

/* "buildah", its storage, and the command. */
void argv_buildah(struct argv *a, const struct buildah *b, const char *command);
void argv_buildah_build(struct argv *a, const struct buildah *b, const struct buildah_build *w);
void argv_buildah_pull(struct argv *a, const struct buildah *b, const char *image);
void argv_buildah_push(struct argv *a, const struct buildah *b, const char *local, const char *to,
                       const char *digestfile);
void argv_buildah_from(struct argv *a, const struct buildah *b, const char *image,
                       const char *name);
/* What all working containers of an attempt are known by: its --cgroup-parent, and the prefix of
 * containers' names. */
#define BUILDAH_OWNER "bootfarm-"

#endif
