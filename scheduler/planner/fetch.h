/* fetch.h - the remote side of a repository, by the `git` program.
 *
 * Its own configuration only, no hooks, filters or submodules, an allow-list of protocols, pinned
 * host keys, checked objects, a deadline and a memory limit. Two processes a poll: ls-remote, and
 * fetch when something differs. */
#ifndef BF_PLANNER_FETCH_H
#define BF_PLANNER_FETCH_H

#include "common/base/base.h"
#include "common/base/err.h"
#include "common/base/str.h"
#include "common/base/vec.h"
#include "scheduler/plan/arena.h"

enum remote_fault { FAULT_UNREACHABLE, FAULT_AUTH, FAULT_REPOSITORY, FAULT_LIMIT, FAULT_INTERNAL };
extern const char *const remote_fault_names[];

struct remote {
    const char *url;
    const char *ssh_key, *known_hosts, *ca_file, *credentials; /* files; NULL: none */
    bool pulls;       /* list the heads of pull and merge requests, too */
    bf_time deadline; /* monotonic */
};

struct remote_ref {
    const char *ref; /* "refs/heads/main", "refs/tags/v1" */
    char oid[41];    /* of a tag: of what it stands for */
};

struct remote_refs {
    const char *head; /* "refs/heads/main"; NULL: none or detached */
    char head_oid[41];
    struct remote_ref *v; /* by name */
    size_t n;
};

/* Branches, tags and, if asked for, "refs/pull/N/head" and "refs/merge-requests/N/head". -1: *fault
 * and *e say why. */
int remote_list(struct arena *a, const struct remote *r, struct remote_refs *out,
                enum remote_fault *fault, struct err *e) BF_MUST_CHECK;
/* Brings refs (full names) into the mirror under the same names, whatever they were there. When it
 * fails, *spoilt says whether the mirror itself is at fault: locks of a process that was killed,
 * broken files. It is only a copy: the caller makes a new one. */
int remote_fetch(const struct remote *r, const char *mirror, const char *const *refs, size_t n,
                 bool *spoilt, enum remote_fault *fault, struct err *e) BF_MUST_CHECK;

/* Who may sign: a file as git's gpg.ssh.allowedSignersFile, or an OpenPGP keyring as
 * `gpg --export` writes it; a signature that one of both accepts will do. */
struct signers {
    const char *allowed, *keyring; /* files; NULL: none */
};

/* Whether a commit of the mirror bears such a signature. 1, or 0 with the reason in *why; -1: it
 * could not be found out. */
int remote_verify(const struct remote *r, const struct signers *signers, const char *mirror,
                  const char *oid, struct str *why, enum remote_fault *fault,
                  struct err *e) BF_MUST_CHECK;

#endif
