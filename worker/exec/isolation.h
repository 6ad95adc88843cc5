/* isolation.h - which kinds of isolation RUN can have on this host: tried, not guessed. */
#ifndef BF_EXEC_ISOLATION_H
#define BF_EXEC_ISOLATION_H

#include "worker/exec/storage.h"

struct isolations {
    bool oci, chroot;
};

/* Runs a program in a container of its own with each kind. Takes about a second. */
int isolation_probe(struct exec *x, const struct storage *s, struct isolations *out,
                    struct err *e) BF_MUST_CHECK;

/* "oci" or "chroot", by the settings; `auto` probes once per boot of the host and remembers. */
int isolation_choose(struct exec *x, const struct storage *s, const char **out,
                     struct err *e) BF_MUST_CHECK;

#endif
