/* reference.h - names of container images: taken apart, checked, and brought into one form.
 *
 * The grammar is that of registries: [host[:port]/]path[/path…][:tag][@sha256:…]. The first
 * component is a host when it has a dot or a colon, or is "localhost"; a name without a host is
 * short, and what it means is not for this file to say. */
#ifndef BF_PLAN_REFERENCE_H
#define BF_PLAN_REFERENCE_H

#include "common/base/err.h"
#include "scheduler/plan/arena.h"

struct reference {
    const char *host; /* NULL: a short name */
    const char *path;
    const char *tag;    /* "latest" where the text has neither tag nor digest; NULL with a digest */
    const char *digest; /* "sha256:…" or NULL; then the tag is dropped, as every tool ignores it */
};

/* Strips "docker://". -1 says what is wrong with the text. */
int reference_parse(struct arena *a, const char *text, struct reference *out,
                    struct err *e) BF_MUST_CHECK;
/* One spelling for each meaning: docker.io/x becomes docker.io/library/x, index.docker.io becomes
 * docker.io. */
char *reference_text(struct arena *a, const struct reference *r);
/* "oci-archive:…", "dir:…" and so on: files made during the build, not images of a registry. */
bool reference_is_transport(const char *text);

/* What a registry does not allow becomes "-", capitals become small. A path
 * of several components keeps its slashes; empty components vanish. May return "" for hopeless
 * input. */
char *registry_path(struct arena *a, const char *text);
#define REGISTRY_TAG_MAX 128
char *registry_tag(struct arena *a, const char *text);
char registry_tag_char(char c); /* of a tag, but for the first, which is no "." or "-" either */

#endif
