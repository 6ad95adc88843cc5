/* registry.h - what executors ask of registries, all through skopeo: no buildah storage, no
 * privileges. A failure is recorded in the result with its blame (-1); a question that was answered
 * with "no such thing" is 1 where the caller says so. */
#ifndef BF_EXEC_REGISTRY_H
#define BF_EXEC_REGISTRY_H

#include "worker/exec/run.h"

#define MANIFEST_MAX (UINT64_C(4) << 20)

/* `not_found`: the blame for a missing manifest; BLAME_NONE: return 1 instead. *out is replaced. */
int registry_manifest(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                      struct str *out) BF_MUST_CHECK;
/* The digest that a tag or a pinned reference has there now. */
int registry_digest(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                    char out[static DIGEST_TEXT]) BF_MUST_CHECK;
/* The image's configuration, for the order's architecture. The caller decrefs. */
int registry_config(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                    json_t **out) BF_MUST_CHECK;

/* skopeo copy --preserve-digests between any two of its places ("docker://…", "dir:…", "oci:…"). */
int registry_copy(struct exec *x, struct result *r, const char *from, const char *to,
                  enum blame not_found) BF_MUST_CHECK;

/* What the manifest says the image takes: its config and layers, in bytes. */
int64_t manifest_size(const struct str *manifest);

/* SHA-256 of text in its usual form. */
void digest_text(const void *p, size_t n, char out[static DIGEST_TEXT]);

/* Starts a tool; records what is nobody's but the worker's: it cannot be started, or it was stopped
 * by SIGTERM. Returns 0 with the end to look at, or -1. */
int exec_tool(struct exec *x, struct result *r, const struct tool *t,
              struct tool_end *end) BF_MUST_CHECK;

#endif
