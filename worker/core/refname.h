/* refname.h - what a name from outside may look like before it meets an argument list or a path.
 *
 * The grammars are those of the OCI distribution specification, narrowed: a host is always written
 * out, so that no tool ever applies its own default registry. All are whole-string questions. */
#ifndef BF_WORKER_REFNAME_H
#define BF_WORKER_REFNAME_H

#include "common/base/base.h"

#define REF_MAX 512 /* bytes of any reference */
#define PATH_TEXT_MAX 1024

bool ref_is_repo(const char *s);   /* HOST[:PORT]/PATH */
bool ref_is_pinned(const char *s); /* HOST[:PORT]/PATH@sha256:HEX */
bool ref_is_local(const char *s);  /* [HOST[:PORT]/]PATH[:TAG], something in the local storage */
bool tag_is_valid(const char *s);
bool secret_name_is_valid(const char *s); /* [A-Za-z0-9][A-Za-z0-9._-]*, at most 128 */
bool arch_is_valid(const char *s);        /* as in OCI platforms: amd64, arm64, ... */
/* Relative, no empty, "." or ".." component, no control character, does not begin with '-'. */
bool path_is_inside(const char *s);
/* Valid UTF-8 without control characters (also none of C1), at most `max` bytes. */
bool text_is_plain(const char *s, size_t max);

/* The last path component without tag and digest ("registry:5000/a/app:1" gives "app"); a piece of
 * `ref`, its length in *n. */
const char *ref_base_name(const char *ref, size_t *n);
/* The length of the part before '@' of a pinned reference. */
size_t ref_repo_len(const char *pinned);
/* The length of a reference before its tag; all of it where there is none. */
size_t ref_untagged_len(const char *ref);
/* HOST[:PORT] of a reference with a host: its length. */
size_t ref_host_len(const char *ref);

#endif
