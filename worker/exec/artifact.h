/* artifact.h - contexts and test scripts: fetched by digest, verified, kept for later attempts,
 * unpacked for this one. */
#ifndef BF_EXEC_ARTIFACT_H
#define BF_EXEC_ARTIFACT_H

#include "worker/exec/registry.h"
#include "worker/exec/storage.h"

/* Makes the artifact's tree available and sets *dir to it (the caller frees): the given directory
 * of a local run as it is, else DIR/`name`, unpacked. */
int artifact_unpack(struct exec *x, struct result *r, const struct order_artifact *a,
                    const char *name, char **dir) BF_MUST_CHECK;

/* Sets *file to an OCI archive of the image (the caller frees): HOST/REPO@DIGEST, kept in the
 * cache; or, in a local run, a name in the local storage. The same image gives the same bytes on
 * every worker, so that a build that copies it is reproducible. */
int artifact_image(struct exec *x, struct result *r, const struct storage *s, const char *image,
                   char **file) BF_MUST_CHECK;

#endif
