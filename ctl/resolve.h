/* resolve.h - from a reference as people write it to one by digest, as a work order wants it. */
#ifndef BF_CTL_RESOLVE_H
#define BF_CTL_RESOLVE_H

#include "common/base/err.h"
#include "common/base/str.h"

/* Appends HOST/PATH@sha256:… Asks the registry (by skopeo) what a tag means now; a digest in the
 * reference is taken as it is; localhost/… without a port means this host's own images and stays a
 * name. `config` (NULL: none) is the executors' configuration, whose registries' settings hold;
 * `insecure`: plain HTTP, or HTTPS with any certificate. */
int reference_resolve(const char *reference, const char *config, bool insecure, struct str *out,
                      struct err *e) BF_MUST_CHECK;

/* The parts of it that need no registry. Value of `name` in the text of a configuration file, ""
 * when it is not set. */
void config_value(const char *text, const char *name, struct str *out);
/* Is `host` one of the comma-separated words? */
bool list_has(const char *list, const char *host, size_t n);
/* Bytes of the reference up to its tag or digest. */
size_t reference_name_length(const char *reference);

#endif
