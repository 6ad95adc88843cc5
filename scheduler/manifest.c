/* manifest.c - from the raw manifest that a reference names to the digest of one platform. */
#include "scheduler/bases.h"

#include <jansson.h>

static const char *text_of(const json_t *o, const char *key)
{
    const char *v = json_string_value(json_object_get(o, key));
    return v ? v : "";
}

/* Without a variant, or with the one that every CPU of that architecture has. */
static bool is_plain_variant(const char *arch, const char *variant)
{
    return *variant == '\0' || (strcmp(arch, "arm64") == 0 && strcmp(variant, "v8") == 0) ||
           (strcmp(arch, "arm") == 0 && strcmp(variant, "v7") == 0);
}

static const json_t *entry_for(const json_t *manifests, const char *arch)
{
    const json_t *other_variant = NULL;
    for (size_t i = 0; i < json_array_size(manifests); i++) {
        const json_t *m = json_array_get(manifests, i);
        const json_t *p = json_object_get(m, "platform");
        if (strcmp(text_of(p, "os"), "linux") != 0 || strcmp(text_of(p, "architecture"), arch) != 0)
            continue;
        if (is_plain_variant(arch, text_of(p, "variant")))
            return m;
        if (!other_variant)
            other_variant = m;
    }
    return other_variant;
}

static int index_digest(const json_t *manifests, const char *arch, struct sha256 *out,
                        struct err *e)
{
    const json_t *m = entry_for(manifests, arch);
    if (!m)
        return err_set(e, ERR_INPUT, "the image has no manifest for linux/%s", arch);
    if (digest_parse(text_of(m, "digest"), out))
        return err_set(e, ERR_INPUT, "the index has a bad digest for linux/%s", arch);
    return 0;
}

int manifest_digest(const char *text, size_t n, const char *arch, struct sha256 *out, struct err *e)
{
    json_error_t why;
    json_t *doc = json_loadb(text, n, 0, &why);
    int rc = -1;
    if (!doc) {
        err_set(e, ERR_INPUT, "the registry's answer is no manifest: %s", why.text);
        return -1;
    }
    const json_t *manifests = json_object_get(doc, "manifests");
    if (json_is_array(manifests)) {
        rc = index_digest(manifests, arch, out, e);
    } else if (json_is_object(json_object_get(doc, "config"))) {
        const struct span all = {.p = text, .n = n};
        hash_openssl(&all, 1, out);
        rc = 0;
    } else {
        err_set(e, ERR_INPUT, "the registry's answer is neither a manifest nor an index");
    }
    json_decref(doc);
    return rc;
}
