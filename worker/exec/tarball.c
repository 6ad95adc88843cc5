#include "worker/exec/tarball.h"

#include "common/base/mem.h"
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNPACK_FLAGS                                                                 \
    (ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_SECURE_SYMLINKS | \
     ARCHIVE_EXTRACT_SECURE_NODOTDOT)

static void free_reader(struct archive **a)
{
    archive_read_free(*a);
}

static void free_writer(struct archive **a)
{
    archive_write_free(*a);
}

static int failed(struct archive *a, const char *what, const char *name, struct err *e)
{
    const char *why = archive_error_string(a);
    return err_set(e, ERR_INPUT, "%s %s: %s", what, name, why != NULL ? why : "unknown error");
}

/* The entry's path becomes one below `dir`. */
static int place(struct archive_entry *ent, const char *dir, struct err *e)
{
    const char *name = archive_entry_pathname(ent);
    if (name == NULL || name[0] == '/')
        return err_set(e, ERR_INPUT, "tar: entry '%s' is not a relative path", name ? name : "?");
    mode_t type = archive_entry_filetype(ent);
    if (archive_entry_hardlink(ent) != NULL ||
        (type != AE_IFREG && type != AE_IFDIR && type != AE_IFLNK))
        return err_set(e, ERR_INPUT, "tar: entry '%s' is no file, directory or symbolic link",
                       name);
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
    archive_entry_copy_pathname(ent, path);
    archive_entry_set_perm(ent, archive_entry_perm(ent) & 0777);
    return 0;
}

static int copy_data(struct archive *in, struct archive *out, const char *name, uint64_t *left,
                     struct err *e)
{
    const void *p;
    size_t n;
    la_int64_t at;
    int rc;
    while ((rc = archive_read_data_block(in, &p, &n, &at)) == ARCHIVE_OK) {
        if (n > *left)
            return err_set(e, ERR_INPUT, "tar: more than %llu bytes",
                           (unsigned long long)TAR_MAX_BYTES);
        *left -= n;
        if (archive_write_data_block(out, p, n, at) < ARCHIVE_OK)
            return failed(out, "cannot write", name, e);
    }
    return rc == ARCHIVE_EOF ? 0 : failed(in, "cannot read", name, e);
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *ent,
                        const char *dir, uint64_t *left, struct err *e)
{
    if (place(ent, dir, e) < 0)
        return -1;
    const char *name = archive_entry_pathname(ent);
    if (archive_write_header(out, ent) < ARCHIVE_OK)
        return failed(out, "cannot make", name, e);
    if (copy_data(in, out, name, left, e) < 0)
        return -1;
    return archive_write_finish_entry(out) < ARCHIVE_OK ? failed(out, "cannot finish", name, e) : 0;
}

int tar_unpack(int fd, const char *dir, struct err *e)
{
    BF_CLEANUP(free_reader) struct archive *in = archive_read_new();
    BF_CLEANUP(free_writer) struct archive *out = archive_write_disk_new();
    struct archive_entry *ent;
    uint64_t left = TAR_MAX_BYTES;
    int rc = ARCHIVE_OK;
    archive_read_support_format_tar(in);
    archive_write_disk_set_options(out, UNPACK_FLAGS);
    if (archive_read_open_fd(in, fd, 65536) != ARCHIVE_OK)
        return failed(in, "cannot read", "the tar", e);
    for (size_t n = 0; (rc = archive_read_next_header(in, &ent)) == ARCHIVE_OK; n++) {
        if (n == TAR_MAX_ENTRIES)
            return err_set(e, ERR_INPUT, "tar: more than %d entries", TAR_MAX_ENTRIES);
        if (unpack_entry(in, out, ent, dir, &left, e) < 0)
            return -1;
    }
    if (rc != ARCHIVE_EOF)
        return failed(in, "cannot read", "the tar", e);
    return archive_write_close(out) != ARCHIVE_OK ? failed(out, "cannot finish", dir, e) : 0;
}

static int pack_data(struct archive *out, const char *path, struct err *e)
{
    char buf[65536];
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return err_sys(e, "open %s", path);
    while ((n = read(fd, buf, sizeof buf)) > 0)
        if (archive_write_data(out, buf, (size_t)n) != n)
            break;
    close(fd);
    return n != 0 ? failed(out, "cannot pack", path, e) : 0;
}

static int pack_entry(struct archive *out, const FTSENT *file, const char *name, struct err *e)
{
    struct archive_entry *ent = archive_entry_new();
    bool is_dir = file->fts_info == FTS_D;
    archive_entry_set_pathname(ent, name);
    archive_entry_set_filetype(ent, is_dir ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(ent, is_dir ? 0755 : 0644);
    archive_entry_set_mtime(ent, 0, 0);
    archive_entry_set_size(ent, is_dir ? 0 : file->fts_statp->st_size);
    int rc = archive_write_header(out, ent) != ARCHIVE_OK ? failed(out, "cannot pack", name, e) : 0;
    archive_entry_free(ent);
    return rc < 0 || is_dir ? rc : pack_data(out, file->fts_accpath, e);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int pack_tree(struct archive *out, const char *dir, struct err *e)
{
    BF_CLEANUP(free_ptr) char *root = xstrdup(dir);
    char *const roots[] = {root, NULL};
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    int rc = tree != NULL ? 0 : err_sys(e, "list %s", dir);
    for (FTSENT *ent; rc == 0 && (ent = fts_read(tree)) != NULL;)
        if (ent->fts_level > 0 && (ent->fts_info == FTS_D || ent->fts_info == FTS_F))
            rc = pack_entry(out, ent, ent->fts_path + strlen(dir) + 1, e);
    if (tree != NULL)
        fts_close(tree);
    return rc;
}

int tar_pack(const char *dir, const char *path, struct err *e)
{
    BF_CLEANUP(free_writer) struct archive *out = archive_write_new();
    archive_write_set_format_ustar(out);
    if (archive_write_open_filename(out, path) != ARCHIVE_OK)
        return failed(out, "cannot make", path, e);
    if (pack_tree(out, dir, e) < 0)
        return -1;
    return archive_write_close(out) != ARCHIVE_OK ? failed(out, "cannot finish", path, e) : 0;
}
