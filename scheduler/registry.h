/* registry.h - skopeo as a child process: what the scheduler does with registries.
 *
 * Credentials, CAs and which hosts are plain HTTP stand in the configuration. Every call has a
 * deadline; the child and whatever it started are gone when the callback comes. */
#ifndef BF_REGISTRY_H
#define BF_REGISTRY_H

#include "common/base/err.h"
#include <uv.h>

struct registry; /* opaque: the settings and what runs */
struct registry_call;

struct registry_config {
    const char *skopeo;   /* program */
    const char *authfile; /* NULL: none */
    const char *cert_dir; /* NULL: the system's CAs */
    const char *insecure; /* "HOST:PORT,HOST": plain HTTP, or TLS that is not verified */
    const char *tmp;      /* directory for its temporary files */
};

/* ok: `out` is what it printed. Else `error` is one line. Valid during the call. */
typedef void registry_cb(void *arg, bool ok, const char *out, size_t n, const char *error);

struct registry *registry_new(uv_loop_t *loop, const struct registry_config *config);
/* Copies the OCI layout DIR (tag `context`) to REPOSITORY:TAG without changing a byte; prints
 * nothing. */
int registry_push(struct registry *r, const char *dir, const char *repository, const char *tag,
                  registry_cb *cb, void *arg, struct registry_call **out,
                  struct err *e) BF_MUST_CHECK;
/* The raw manifest that a reference names now. */
int registry_manifest(struct registry *r, const char *reference, registry_cb *cb, void *arg,
                      struct registry_call **out, struct err *e) BF_MUST_CHECK;
/* Kills the child; the callback does not come. */
void registry_cancel(struct registry_call *c);
/* Nothing may be under way. Accepts NULL. */
void registry_free(struct registry *r);

/* A repository, tag or reference of nothing but A-Z a-z 0-9 . _ - / : @, safe on a command line. */
bool registry_text_ok(const char *text);

#endif
