/* storage.h - this worker's container storage, shared by its attempts, and who owns what in it.
 *
 * STATE/storage/root holds images and layers for all attempts; the runroot belongs to one boot of
 * the host. Working containers carry the attempt that made them (core/argv_buildah.h), so that each
 * attempt removes its own, and a sweep those of the dead. */
#ifndef BF_EXEC_STORAGE_H
#define BF_EXEC_STORAGE_H

#include "worker/core/argv_buildah.h"
#include "worker/exec/run.h"

struct storage {
    char *root, *runroot;
    struct buildah buildah;
};

/* Makes what is missing. */
int storage_open(struct exec *x, bool local, struct storage *s, struct err *e) BF_MUST_CHECK;
void storage_release(struct storage *s);

/* Each working container with the attempt that owns it ("" for nobody's). Stops at the first
 * non-zero answer. A storage that does not exist yet has none. */
typedef int container_fn(void *arg, const char *id, const char *attempt);
int storage_each(const struct storage *s, container_fn *fn, void *arg);

/* Removes this attempt's working containers and their mounts; quiet when there are none. */
void storage_cleanup(struct exec *x, const struct storage *s);
/* `buildah rm` of one container, as a cleanup. */
void storage_remove(struct exec *x, const struct storage *s, const char *id);

/* For local runs, whose references have tags: leaves *pinned NULL where the local storage has an
 * image of that name, else sets it to what the registry has under it now (the caller frees). */
int storage_resolve(struct exec *x, struct result *r, const struct storage *s, const char *name,
                    enum blame not_found, char **pinned) BF_MUST_CHECK;

/* Pulls an image by digest, unless it is there under that name. */
int storage_pull(struct exec *x, struct result *r, const struct storage *s, const char *image,
                 enum blame not_found) BF_MUST_CHECK;

/* 36 characters that change with each boot of the kernel. */
int boot_id(char out[static 64], struct err *e) BF_MUST_CHECK;

#endif
