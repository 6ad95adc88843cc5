/* release.h - a digest brought to its place and its tags put on it; for publish and mirror. */
#ifndef BF_EXEC_RELEASE_H
#define BF_EXEC_RELEASE_H

#include "worker/exec/registry.h"

/* Copies source to dest by digest, moves the tags, and re-reads each. Fixed tags that stand at
 * another digest are found before anything is written, and so is a source that answers with other
 * bytes than the digest's. Fills digest, size and detail.tags. */
int release_copy(struct exec *x, struct result *r) BF_MUST_CHECK;

#endif
