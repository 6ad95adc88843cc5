/* executor_publish.c - from staging to release: look at the image again, then copy and tag it.
 *
 * Happy path: its platform is the job's → it begins with its parents' layers → fixed tags are free
 * → the digest is there → copied by digest → tags moved and re-read. The order of publishes is
 * decided in PostgreSQL; registries have no compare-and-set. */
#include "common/base/mem.h"
#include "worker/exec/release.h"

static int check_platform(struct exec *x, struct result *r, const json_t *config)
{
    const char *arch = json_string_value(json_object_get(config, "architecture"));
    const char *os = json_string_value(json_object_get(config, "os"));
    if (arch == NULL || os == NULL || strcmp(os, "linux") != 0 || strcmp(arch, x->order->arch) != 0)
        return result_fail(r, BLAME_WRONG_ARCH, "%s is for %s/%s, the job is for linux/%s",
                           x->order->publish.source, os != NULL ? os : "?",
                           arch != NULL ? arch : "?", x->order->arch);
    return 0;
}

static const json_t *layers(const json_t *config)
{
    return json_object_get(json_object_get(config, "rootfs"), "diff_ids");
}

/* Uncompressed digests: they stay the same whoever compressed a layer. */
static bool begins_with(const json_t *image, const json_t *parent)
{
    size_t n = json_array_size(parent);
    if (!json_is_array(image) || !json_is_array(parent) || n > json_array_size(image))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!json_equal(json_array_get(image, i), json_array_get(parent, i)))
            return false;
    return true;
}

static int check_parent(struct exec *x, struct result *r, const json_t *config, const char *parent)
{
    json_t *theirs = NULL;
    if (registry_config(x, r, parent, BLAME_DIGEST_GONE, &theirs) < 0)
        return -1;
    bool ok = begins_with(layers(config), layers(theirs));
    json_decref(theirs);
    if (!ok)
        return result_fail(r, BLAME_PARENT_LAYERS, "%s does not begin with the layers of %s",
                           x->order->publish.source, parent);
    return 0;
}

static int check_config(struct exec *x, struct result *r)
{
    const struct publish_order *p = &x->order->publish;
    json_t *config = NULL;
    if (registry_config(x, r, p->source, BLAME_DIGEST_GONE, &config) < 0)
        return -1;
    int rc = check_platform(x, r, config);
    for (strings parent = p->parents; rc == 0 && *parent != NULL; parent++)
        rc = check_parent(x, r, config, *parent);
    json_decref(config);
    return rc;
}

void executor_publish(struct exec *x, struct result *r)
{
    exec_phase(x, "verify");
    if (check_config(x, r) == 0 && release_copy(x, r) == 0)
        exec_say(x, "published %s@%s", x->order->publish.dest, r->digest);
}
