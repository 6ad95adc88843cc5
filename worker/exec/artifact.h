/* artifact.h - contexts and test scripts: fetched by digest, verified, kept for later attempts,
 * unpacked for this one. */
#ifndef BF_EXEC_ARTIFACT_H
#define BF_EXEC_ARTIFACT_H

#include "worker/exec/registry.h"

/* Makes the artifact's tree available and sets *dir to it (the caller frees): the given directory
 * of a local run as it is, else DIR/`name`, unpacked. */
int artifact_unpack(struct exec *x, struct result *r, const struct order_artifact *a,
                    const char *name, char **dir) BF_MUST_CHECK;

/* Sets *file to an OCI archive of the image in the cache (the caller frees). The same image gives
 * the same bytes on every worker, so that a build that copies it is reproducible. */
int artifact_image(struct exec *x, struct result *r, const char *image, char **file) BF_MUST_CHECK;

#endif
