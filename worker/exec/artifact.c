#include "worker/exec/artifact.h"

#include "common/base/hash.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/core/refname.h"
#include "worker/exec/cache.h"
#include "worker/exec/tarball.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HEX_AT 7 /* behind "sha256:" */
#define LAYER_TYPE "application/vnd.bootfarm.context.v1.tar"

static const char *digest_of(const char *pinned)
{
    return pinned + ref_repo_len(pinned) + 1;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int hash_fd(int fd, char out[static DIGEST_TEXT])
{
    char buf[65536];
    struct sha256 d;
    struct hasher *h = hasher_new();
    ssize_t n;
    while ((n = read(fd, buf, sizeof buf)) > 0)
        hasher_add(h, buf, (size_t)n);
    hasher_finish(h, &d);
    digest_format(&d, out);
    return n < 0 || lseek(fd, 0, SEEK_SET) < 0 ? -1 : 0;
}

/* The digest of the manifest's one layer, if it is a context's. */
static int layer_digest(const struct str *manifest, char out[static DIGEST_TEXT], struct err *e)
{
    json_t *m = json_loadb(manifest->p, manifest->len, 0, NULL);
    json_t *layers = json_object_get(m, "layers"), *layer = json_array_get(layers, 0);
    const char *type = json_string_value(json_object_get(layer, "mediaType"));
    const char *digest = json_string_value(json_object_get(layer, "digest"));
    struct sha256 d;
    int rc = 0;
    if (json_array_size(layers) != 1 || type == NULL || strcmp(type, LAYER_TYPE) != 0 ||
        digest == NULL || digest_parse(digest, &d) < 0)
        rc = err_set(e, ERR_INPUT, "its manifest has not one layer of type " LAYER_TYPE);
    else
        digest_format(&d, out);
    json_decref(m);
    return rc;
}

/* Opens the tar of a cached artifact after checking the manifest against `digest` and the tar
 * against the manifest. *e says why not. */
static int open_verified(const char *entry, const char *digest, struct err *e)
{
    BF_CLEANUP(str_release) struct str manifest = STR_INIT;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/manifest.json", entry);
    char layer[DIGEST_TEXT], found[DIGEST_TEXT];
    if (file_read(path, MANIFEST_MAX, &manifest, e) < 0)
        return -1;
    digest_text(manifest.p, manifest.len, found);
    if (strcmp(found, digest) != 0)
        return err_set(e, ERR_INPUT, "its manifest has digest %s", found);
    if (layer_digest(&manifest, layer, e) < 0)
        return -1;
    BF_CLEANUP(free_ptr) char *blob = xasprintf("%s/%s", entry, layer + HEX_AT);
    int fd = open(blob, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_sys(e, "open %s", blob);
    if (hash_fd(fd, found) == 0 && strcmp(found, layer) == 0)
        return fd;
    close(fd);
    return err_set(e, ERR_INPUT, "%s has digest %s", blob, found);
}

/* Half-made; what cannot be removed now is removed by a later trim of the cache. */
static void discard(struct exec *x, const char *path)
{
    struct err e = ERR_INIT;
    if (dir_remove(path, &e) < 0)
        exec_say(x, "bootfarm-exec: %s", e.msg);
}

static int fetch(struct exec *x, struct result *r, const char *ref, const char *entry)
{
    BF_CLEANUP(free_ptr) char *from = xasprintf("docker://%s", ref);
    BF_CLEANUP(free_ptr) char *made = xasprintf("%s.%s", entry, x->order->attempt);
    BF_CLEANUP(free_ptr) char *to = xasprintf("dir:%s", made);
    struct err e = ERR_INIT;
    if (registry_copy(x, r, from, to, BLAME_DIGEST_GONE) < 0) {
        discard(x, made);
        return -1;
    }
    return cache_put(made, entry, &e) < 0 ? result_err(r, BLAME_TOOL_FAILED, &e) : 0;
}

/* A descriptor of the verified tar. An entry of the cache that went bad is fetched again, once. */
static int open_artifact(struct exec *x, struct result *r, const char *ref)
{
    struct err e = ERR_INIT;
    const char *digest = digest_of(ref);
    BF_CLEANUP(free_ptr) char *entry = cache_path(x, "artifacts", digest, &e);
    if (entry == NULL)
        return result_err(r, BLAME_TOOL_FAILED, &e);
    int fd = cache_has(entry) ? open_verified(entry, digest, &e) : -1;
    if (fd >= 0)
        return fd;
    if (dir_remove(entry, &e) < 0)
        return result_err(r, BLAME_TOOL_FAILED, &e);
    if (fetch(x, r, ref, entry) < 0)
        return -1;
    fd = open_verified(entry, digest, &e);
    return fd < 0 ? result_fail(r, BLAME_REGISTRY, "%s: %s", ref, e.msg) : fd;
}

/* ENOSPC inside libarchive comes as text only. */
static enum blame blame_of(const struct err *e)
{
    return strstr(e->msg, strerror(ENOSPC)) != NULL ? BLAME_NO_SPACE : BLAME_TOOL_FAILED;
}

int artifact_unpack(struct exec *x, struct result *r, const struct order_artifact *a,
                    const char *name, char **dir)
{
    struct err e = ERR_INIT;
    if (a->dir != NULL) {
        *dir = xstrdup(a->dir);
        return 0;
    }
    BF_CLEANUP(close_fd) int fd = open_artifact(x, r, a->ref);
    if (fd < 0)
        return -1;
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", x->dir, name);
    if (dir_make(path, 0755, &e) < 0 || tar_unpack(fd, path, &e) < 0 ||
        cache_trim(x->config->state_dir, x->config->cache_size, &e) < 0) {
        err_wrap(&e, "%s", a->ref);
        return result_err(r, blame_of(&e), &e);
    }
    *dir = xstrdup(path);
    return 0;
}

/* skopeo's own oci-archive: holds the times of its files, so the tar is made here. */
static int make_archive(struct exec *x, struct result *r, const char *from, const char *name, int n,
                        const char *dir)
{
    struct err e = ERR_INIT;
    BF_CLEANUP(free_ptr) char *layout = xasprintf("%s/tmp/needs", x->dir);
    BF_CLEANUP(free_ptr) char *to = xasprintf("oci:%s:%.*s", layout, n, name);
    BF_CLEANUP(free_ptr) char *file = xasprintf("%s/image.oci.tar", dir);
    if (registry_copy(x, r, from, to, BLAME_BASE_NOT_FOUND) < 0)
        return -1;
    if (dir_make(dir, 0700, &e) < 0 || tar_pack(layout, file, &e) < 0 || dir_remove(layout, &e) < 0)
        return result_err(r, blame_of(&e), &e);
    return 0;
}

static int cache_archive(struct exec *x, struct result *r, const char *image, const char *entry)
{
    size_t n;
    const char *name = ref_base_name(image, &n);
    struct err e = ERR_INIT;
    BF_CLEANUP(free_ptr) char *from = xasprintf("docker://%s", image);
    BF_CLEANUP(free_ptr) char *made = xasprintf("%s.%s", entry, x->order->attempt);
    if (cache_has(entry))
        return 0;
    int rc = make_archive(x, r, from, name, (int)n, made);
    if (rc == 0 && cache_put(made, entry, &e) < 0)
        rc = result_err(r, BLAME_TOOL_FAILED, &e);
    discard(x, made);
    return rc;
}

/* Not kept: the name may mean another image tomorrow. */
static int local_archive(struct exec *x, struct result *r, const struct storage *s,
                         const char *image, char **file)
{
    size_t n;
    const char *name = ref_base_name(image, &n);
    BF_CLEANUP(free_ptr) char *dir = xasprintf("%s/tmp/%.*s", x->dir, (int)n, name);
    BF_CLEANUP(free_ptr)
    char *from = xasprintf("containers-storage:[%s+%s]%s", s->root, s->runroot, image);
    if (make_archive(x, r, from, name, (int)n, dir) < 0)
        return -1;
    *file = xasprintf("%s/image.oci.tar", dir);
    return 0;
}

int artifact_image(struct exec *x, struct result *r, const struct storage *s, const char *image,
                   char **file)
{
    struct err e = ERR_INIT;
    if (!ref_is_pinned(image))
        return local_archive(x, r, s, image, file);
    BF_CLEANUP(free_ptr) char *entry = cache_path(x, "images", digest_of(image), &e);
    if (entry == NULL)
        return result_err(r, BLAME_TOOL_FAILED, &e);
    if (cache_archive(x, r, image, entry) < 0)
        return -1;
    *file = xasprintf("%s/image.oci.tar", entry);
    return 0;
}
