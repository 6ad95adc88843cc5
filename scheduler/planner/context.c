#include "scheduler/planner/context.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "scheduler/planner/objects.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define CONFIG_TYPE "application/vnd.bootfarm.context.config.v1+json"
#define LAYER_TYPE "application/vnd.bootfarm.context.v1.tar"
#define MANIFEST_TYPE "application/vnd.oci.image.manifest.v1+json"

/* Where the tar goes: a file, hashed on the way, or an unpacker. */
struct tar_out {
    int fd;
    struct hasher *hash;
    uint64_t size;
    struct err *e;
};

/* ---- entries ---- */

static void set_owner(struct archive_entry *ae)
{
    archive_entry_set_uid(ae, 0);
    archive_entry_set_gid(ae, 0);
    archive_entry_set_mtime(ae, 0, 0);
}

static int put_header(struct archive *ar, struct archive_entry *ae, struct err *e)
{
    set_owner(ae);
    if (archive_write_header(ar, ae) == ARCHIVE_OK)
        return 0;
    return err_set(e, ERR_SYSTEM, "%s: %s", archive_entry_pathname(ae), archive_error_string(ar));
}

static int put_folder(struct archive *ar, struct archive_entry *ae, const char *path, struct err *e)
{
    archive_entry_clear(ae);
    archive_entry_set_pathname(ae, path);
    archive_entry_set_filetype(ae, AE_IFDIR);
    archive_entry_set_perm(ae, 0755);
    archive_entry_set_size(ae, 0);
    return put_header(ar, ae, e);
}

/* The folders above `path` that were not put yet: those it does not share with the entry before. */
static int put_parents(struct archive *ar, struct archive_entry *ae, const char *before,
                       const char *path, struct err *e)
{
    for (const char *p = strchr(path, '/'); p != NULL; p = strchr(p + 1, '/')) {
        size_t n = (size_t)(p - path);
        if (strncmp(before, path, n + 1) == 0)
            continue;
        char *folder = xstrndup(path, n);
        int rc = put_folder(ar, ae, folder, e);
        free(folder);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int put_content(struct archive *ar, const struct str *text, const char *path, struct err *e)
{
    size_t done = 0;
    while (done < text->len) {
        la_ssize_t n = archive_write_data(ar, text->p + done, text->len - done);
        if (n <= 0)
            return err_set(e, ERR_SYSTEM, "%s: %s", path, archive_error_string(ar));
        done += (size_t)n;
    }
    return 0;
}

static int read_entry(const struct tree *t, const struct ship_entry *s, struct str *text,
                      struct err *e)
{
    if (s->text == NULL)
        return t->read(t->arg, s->entry, OBJECTS_MAX_FILE_BYTES, text, e);
    str_addmem(text, s->text, s->text_len);
    return 0;
}

static int put_file(struct archive *ar, struct archive_entry *ae, const struct tree *t,
                    const struct ship_entry *s, struct err *e)
{
    struct str text = STR_INIT;
    int rc = read_entry(t, s, &text, e);
    archive_entry_clear(ae);
    archive_entry_set_pathname(ae, s->path);
    if (s->kind == TREE_LINK) {
        archive_entry_set_filetype(ae, AE_IFLNK);
        archive_entry_set_perm(ae, 0777);
        archive_entry_set_symlink(ae, text.p);
        archive_entry_set_size(ae, 0);
        text.len = 0;
    } else {
        archive_entry_set_filetype(ae, AE_IFREG);
        archive_entry_set_perm(ae, s->kind == TREE_EXEC ? 0755 : 0644);
        archive_entry_set_size(ae, (la_int64_t)text.len);
    }
    if (rc == 0)
        rc = put_header(ar, ae, e);
    if (rc == 0)
        rc = put_content(ar, &text, s->path, e);
    str_release(&text);
    return rc;
}

static int put_all(struct archive *ar, const struct tree *t, const struct ship_list *list,
                   struct err *e)
{
    struct archive_entry *ae = archive_entry_new();
    BUG_ON(ae == NULL);
    const char *before = "";
    int rc = 0;
    for (size_t i = 0; i < list->n && rc == 0; i++) {
        rc = put_parents(ar, ae, before, list->v[i].path, e);
        if (rc == 0)
            rc = put_file(ar, ae, t, &list->v[i], e);
        before = list->v[i].path;
    }
    archive_entry_free(ae);
    return rc;
}

/* ---- the tar file ---- */

static la_ssize_t on_bytes(struct archive *ar, void *arg, const void *p, size_t n)
{
    struct tar_out *out = arg;
    size_t done = 0;
    if (out->size + n > CONTEXT_MAX_BYTES) {
        archive_set_error(ar, EFBIG, "the context is larger than %llu bytes",
                          (unsigned long long)CONTEXT_MAX_BYTES);
        return -1;
    }
    while (done < n) {
        ssize_t wrote = write(out->fd, (const char *)p + done, n - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            archive_set_error(ar, errno, "%s", strerror(errno));
            return -1;
        }
        done += (size_t)wrote;
    }
    hasher_add(out->hash, p, n);
    out->size += n;
    return (la_ssize_t)n;
}

/* GNU's tar keeps names as bytes, whatever the locale; pax would convert them. */
static int write_tar(struct tar_out *out, const struct tree *t, const struct ship_list *list,
                     struct err *e)
{
    struct archive *ar = archive_write_new();
    BUG_ON(ar == NULL);
    int rc = archive_write_set_format_gnutar(ar);
    if (rc == ARCHIVE_OK)
        rc = archive_write_set_bytes_in_last_block(ar, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(ar, out, NULL, on_bytes, NULL);
    rc = rc == ARCHIVE_OK ? put_all(ar, t, list, e)
                          : err_set(e, ERR_SYSTEM, "tar: %s", archive_error_string(ar));
    if (archive_write_close(ar) != ARCHIVE_OK && rc == 0)
        rc = err_set(e, ERR_SYSTEM, "tar: %s", archive_error_string(ar));
    archive_write_free(ar);
    return rc;
}

/* ---- the OCI layout ---- */

static int write_text(const char *dir, const char *name, const char *text, struct err *e)
{
    char *path = xasprintf("%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    size_t n = strlen(text);
    int rc = fd >= 0 && write(fd, text, n) == (ssize_t)n ? 0 : err_sys(e, "%s", path);
    if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

static void hash_text(const char *text, struct sha256 *out)
{
    struct span span = {.p = text, .n = strlen(text)};
    hash_openssl(&span, 1, out);
}

/* A blob is a file named by the hash of its content. */
static int write_blob(const char *dir, const char *text, struct sha256 *digest, struct err *e)
{
    char name[DIGEST_TEXT];
    hash_text(text, digest);
    digest_format(digest, name);
    char *path = xasprintf("blobs/sha256/%s", name + strlen("sha256:"));
    int rc = write_text(dir, path, text, e);
    free(path);
    return rc;
}

static int write_index(const char *dir, const char *manifest_digest, size_t manifest_size,
                       struct err *e)
{
    char *index = xasprintf("{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" MANIFEST_TYPE
                            "\",\"digest\":\"%s\",\"size\":%zu,\"annotations\":"
                            "{\"org.opencontainers.image.ref.name\":\"context\"}}]}",
                            manifest_digest, manifest_size);
    int rc = write_text(dir, "index.json", index, e);
    if (rc == 0)
        rc = write_text(dir, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}", e);
    free(index);
    return rc;
}

static int write_layout(const char *dir, const struct sha256 *layer, uint64_t layer_size,
                        struct sha256 *manifest, struct err *e)
{
    struct sha256 config;
    char layer_text[DIGEST_TEXT], config_text[DIGEST_TEXT], manifest_text[DIGEST_TEXT];
    if (write_blob(dir, "{}", &config, e) < 0)
        return -1;
    digest_format(layer, layer_text);
    digest_format(&config, config_text);
    char *text =
        xasprintf("{\"schemaVersion\":2,\"mediaType\":\"" MANIFEST_TYPE
                  "\",\"config\":{\"mediaType\":\"" CONFIG_TYPE
                  "\",\"digest\":\"%s\",\"size\":2},\"layers\":[{\"mediaType\":\"" LAYER_TYPE
                  "\",\"digest\":\"%s\",\"size\":%llu}]}",
                  config_text, layer_text, (unsigned long long)layer_size);
    int rc = write_blob(dir, text, manifest, e);
    digest_format(manifest, manifest_text);
    if (rc == 0)
        rc = write_index(dir, manifest_text, strlen(text), e);
    free(text);
    return rc;
}

int context_write(const struct tree *t, const struct ship_list *list, const char *dir,
                  struct artifact *out, struct err *e)
{
    char *blobs = xasprintf("%s/blobs/sha256", dir), *tar = xasprintf("%s/tar", blobs),
         *named = NULL;
    struct tar_out to = {.fd = -1, .hash = hasher_new(), .e = e};
    struct sha256 layer;
    char text[DIGEST_TEXT];
    int rc = dir_make(blobs, 0755, e);
    if (rc == 0) {
        to.fd = open(tar, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        rc = to.fd < 0 ? err_sys(e, "%s", tar) : write_tar(&to, t, list, e);
    }
    hasher_finish(to.hash, &layer);
    if (to.fd >= 0)
        close(to.fd);
    if (rc == 0) {
        digest_format(&layer, text);
        named = xasprintf("%s/%s", blobs, text + strlen("sha256:"));
        rc = rename(tar, named) < 0 ? err_sys(e, "%s", named)
                                    : write_layout(dir, &layer, to.size, &out->manifest, e);
    }
    out->size = to.size;
    free(blobs);
    free(tar);
    free(named);
    return rc;
}

/* ---- unpacked ---- */

int context_unpack(const struct tree *t, const struct ship_list *list, const char *dir,
                   struct err *e)
{
    int rc = 0;
    for (size_t i = 0; i < list->n && rc == 0; i++) {
        const struct ship_entry *s = &list->v[i];
        struct str text = STR_INIT;
        char *path = xasprintf("%s/%s", dir, s->path), *slash = strrchr(path, '/');
        *slash = '\0';
        rc = dir_make(path, 0755, e);
        *slash = '/';
        if (rc == 0)
            rc = read_entry(t, s, &text, e);
        if (rc == 0 && s->kind == TREE_LINK)
            rc = symlink(text.p, path) < 0 ? err_sys(e, "%s", path) : 0;
        else if (rc == 0)
            rc = file_write_atomic(path, text.p, text.len, s->kind == TREE_EXEC ? 0755 : 0644, e);
        free(path);
        str_release(&text);
    }
    return rc;
}
