#include "worker/exec/release.h"

#include "common/base/mem.h"
#include <stdio.h>

/* "" where the tag does not exist. */
static int read_tag(struct exec *x, struct result *r, const char *tag, char out[static DIGEST_TEXT])
{
    BF_CLEANUP(free_ptr) char *ref = xasprintf("%s:%s", x->order->publish.dest, tag);
    out[0] = '\0';
    return registry_digest(x, r, ref, BLAME_NONE, out) < 0 ? -1 : 0;
}

static int check_fixed_tags(struct exec *x, struct result *r)
{
    const struct publish_order *p = &x->order->publish;
    for (strings tag = p->fixed_tags; *tag != NULL; tag++) {
        char now[DIGEST_TEXT];
        if (read_tag(x, r, *tag, now) < 0)
            return -1;
        if (now[0] != '\0' && strcmp(now, p->digest) != 0)
            return result_fail(r, BLAME_TAG_CONFLICT,
                               "%s:%s never moves and is %s already, not %s: raise the version",
                               p->dest, *tag, now, p->digest);
    }
    return 0;
}

/* A copy whose outcome is unknown is settled by asking for the digest: a registry accepts a
 * manifest only when it has everything the manifest names. */
static int copy_digest(struct exec *x, struct result *r)
{
    const struct publish_order *p = &x->order->publish;
    BF_CLEANUP(free_ptr) char *from = xasprintf("docker://%s", p->source);
    BF_CLEANUP(free_ptr) char *ref = xasprintf("%s@%s", p->dest, p->digest);
    BF_CLEANUP(free_ptr) char *to = xasprintf("docker://%s", ref);
    BF_CLEANUP(result_release) struct result failed = {0};
    char there[DIGEST_TEXT];
    result_init(&failed);
    if (registry_copy(x, &failed, from, to, BLAME_DIGEST_GONE) < 0) {
        BF_CLEANUP(result_release) struct result asked = {0};
        result_init(&asked);
        if (registry_digest(x, &asked, ref, BLAME_NONE, there) != 0 ||
            strcmp(there, p->digest) != 0)
            return result_fail(r, failed.blame, "%s", failed.message.p);
    }
    if (registry_digest(x, r, ref, BLAME_REGISTRY, there) < 0)
        return -1;
    if (strcmp(there, p->digest) != 0)
        return result_fail(r, BLAME_REGISTRY, "%s: the registry answers with %s", ref, there);
    return 0;
}

static int move_tag(struct exec *x, struct result *r, const char *tag)
{
    const struct publish_order *p = &x->order->publish;
    BF_CLEANUP(free_ptr) char *from = xasprintf("docker://%s@%s", p->dest, p->digest);
    BF_CLEANUP(free_ptr) char *to = xasprintf("docker://%s:%s", p->dest, tag);
    BF_CLEANUP(result_release) struct result failed = {0};
    char before[DIGEST_TEXT], now[DIGEST_TEXT];
    result_init(&failed);
    if (read_tag(x, r, tag, before) < 0)
        return -1;
    snprintf(now, sizeof now, "%s", before);
    if (strcmp(before, p->digest) != 0) {
        int copied = registry_copy(x, &failed, from, to, BLAME_DIGEST_GONE);
        if (read_tag(x, r, tag, now) < 0)
            return -1;
        if (strcmp(now, p->digest) != 0 && copied < 0)
            return result_fail(r, failed.blame, "%s", failed.message.p);
    }
    if (strcmp(now, p->digest) != 0)
        return result_fail(r, BLAME_REGISTRY, "%s:%s is %s after it was moved to %s", p->dest, tag,
                           now, p->digest);
    exec_say(x, "%s:%s is %s", p->dest, tag, now);
    json_t *tags = json_object_get(r->detail, "tags");
    json_array_append_new(tags, json_pack("{sssssb}", "tag", tag, "before", before, "moved",
                                          strcmp(before, now) != 0));
    return 0;
}

static int check_source(struct exec *x, struct result *r)
{
    const struct publish_order *p = &x->order->publish;
    BF_CLEANUP(str_release) struct str manifest = STR_INIT;
    char digest[DIGEST_TEXT];
    if (registry_manifest(x, r, p->source, BLAME_DIGEST_GONE, &manifest) < 0)
        return -1;
    digest_text(manifest.p, manifest.len, digest);
    if (strcmp(digest, p->digest) != 0)
        return result_fail(r, BLAME_REGISTRY, "%s: the registry answers with %s", p->source,
                           digest);
    r->size = manifest_size(&manifest);
    return 0;
}

int release_copy(struct exec *x, struct result *r)
{
    const struct publish_order *p = &x->order->publish;
    json_object_set_new(r->detail, "tags", json_array());
    if (check_fixed_tags(x, r) < 0)
        return -1;
    exec_phase(x, "copy");
    if (check_source(x, r) < 0 || copy_digest(x, r) < 0)
        return -1;
    exec_phase(x, "tag");
    for (strings tag = p->tags; *tag != NULL; tag++)
        if (move_tag(x, r, *tag) < 0)
            return -1;
    snprintf(r->digest, sizeof r->digest, "%s", p->digest);
    return 0;
}
