#include "worker/core/argv_buildah.h"

#include <inttypes.h>

void argv_buildah(struct argv *a, const struct buildah *b, const char *command)
{
    argv_add(a, "buildah");
    argv_addf(a, "--root=%s", b->root);
    argv_addf(a, "--runroot=%s", b->runroot);
    argv_addf(a, "--registries-conf=%s/registries.conf", b->settings);
    argv_addf(a, "--short-name-alias-conf=%s/aliases.conf", b->settings);
    argv_add(a, command);
}

static void add_access(struct argv *a, const struct buildah *b)
{
    if (b->authfile != NULL)
        argv_addf(a, "--authfile=%s", b->authfile);
    if (b->certs_dir != NULL)
        argv_addf(a, "--cert-dir=%s", b->certs_dir);
}

static void add_pairs(struct argv *a, const char *before, const struct pair *p, size_t n,
                      const char *between)
{
    for (size_t i = 0; i < n; i++)
        argv_addf(a, "%s%s%s%s", before, p[i].name, between, p[i].value);
}

static void add_limits(struct argv *a, const struct buildah_build *w)
{
    if (w->no_network)
        argv_add(a, "--network=none");
    if (w->memory > 0)
        argv_addf(a, "--memory=%" PRIu64, w->memory);
    if (w->cpus > 0)
        argv_addf(a, "--cpu-quota=%.0f", w->cpus * 100000);
}

void argv_buildah_build(struct argv *a, const struct buildah *b, const struct buildah_build *w)
{
    argv_buildah(a, b, "build");
    add_access(a, b);
    argv_adds(a, "--format=oci", "--layers", "--force-rm", "--pull=never", "--identity-label=false",
              NULL);
    argv_addf(a, "--cgroup-parent=/" BUILDAH_OWNER "%s", w->attempt);
    argv_addf(a, "--isolation=%s", w->isolation);
    argv_addf(a, "--timestamp=%" PRId64, w->timestamp);
    if (w->no_cache)
        argv_add(a, "--no-cache");
    if (w->cache != NULL) {
        if (!w->no_cache)
            argv_addf(a, "--cache-from=%s", w->cache);
        argv_addf(a, "--cache-to=%s", w->cache);
    }
    add_pairs(a, "--build-arg=", w->args, w->n_args, "=");
    add_pairs(a, "--build-context=", w->pins, w->n_pins, "=docker-image://");
    add_pairs(a, "--build-context=", w->contexts, w->n_contexts, "=");
    if (w->needs_dir != NULL)
        argv_addf(a, "--build-context=needs_images=%s", w->needs_dir);
    add_pairs(a, "--secret=id=", w->secrets, w->n_secrets, ",src=");
    add_limits(a, w);
    if (w->target != NULL)
        argv_addf(a, "--target=%s", w->target);
    argv_addf(a, "--file=%s", w->containerfile);
    argv_addf(a, "--tag=%s", w->tag);
    argv_add(a, w->context);
}

void argv_buildah_pull(struct argv *a, const struct buildah *b, const char *image)
{
    argv_buildah(a, b, "pull");
    add_access(a, b);
    argv_add(a, "--policy=missing");
    argv_addf(a, "docker://%s", image);
}

void argv_buildah_push(struct argv *a, const struct buildah *b, const char *local, const char *to,
                       const char *digestfile)
{
    argv_buildah(a, b, "push");
    add_access(a, b);
    argv_add(a, "--format=oci");
    argv_addf(a, "--digestfile=%s", digestfile);
    argv_add(a, local);
    argv_addf(a, "docker://%s", to);
}

void argv_buildah_from(struct argv *a, const struct buildah *b, const char *image, const char *name)
{
    argv_buildah(a, b, "from");
    argv_adds(a, "--pull-never", "--isolation=chroot", NULL);
    argv_addf(a, "--name=" BUILDAH_OWNER "%s", name);
    argv_add(a, image);
}
