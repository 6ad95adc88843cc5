/* Files as they are on the disk: a plain folder, or a working tree with what is not committed. */
#include "common/base/vec.h"
#include "scheduler/planner/repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder {
    DIR *dir;
    size_t prefix;
};

struct disk {
    struct files *f;
    git_repository *work_tree; /* NULL: nothing is ignored */
    git_index *index;
    VEC(struct folder) stack;
    VEC(struct tree_entry) list;
    struct str path; /* relative to the root */
};

static int read_link(int dir, const char *path, size_t max, struct str *out, struct err *e)
{
    char target[4097];
    ssize_t n = readlinkat(dir, path, target, sizeof target);
    if (n < 0)
        return err_sys(e, "%s", path);
    if ((size_t)n > max || (size_t)n == sizeof target)
        return err_set(e, ERR_INPUT, "%s: the link is too long", path);
    str_addmem(out, target, (size_t)n);
    return 0;
}

static int read_fd(int fd, const char *path, size_t max, struct str *out, struct err *e)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(e, "%s", path);
        if (n == 0)
            return 0;
        if (out->len + (size_t)n > max)
            return err_set(e, ERR_INPUT, "%s is larger than %zu bytes", path, max);
        str_addmem(out, piece, (size_t)n);
    }
}

static int read_file(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                     struct err *e)
{
    const struct files *f = arg;
    int root = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC), rc = -1, fd = -1;
    if (root < 0)
        return err_sys(e, "%s", f->root);
    if (entry->kind == TREE_LINK) {
        rc = read_link(root, entry->path, max, out, e);
    } else {
        fd = openat(root, entry->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        rc = fd < 0 ? err_sys(e, "%s", entry->path) : read_fd(fd, entry->path, max, out, e);
    }
    if (fd >= 0)
        close(fd);
    close(root);
    return rc;
}

/* Git's name of the content, so that keys are the same as after a commit. */
static int hash_entry(struct disk *d, struct tree_entry *entry, const char *full, struct err *e)
{
    git_oid id;
    struct str target = STR_INIT;
    int rc;
    if (entry->kind == TREE_LINK) {
        rc = read_link(AT_FDCWD, full, 4096, &target, e);
        if (rc == 0)
            rc = git_odb_hash(&id, target.p, target.len, GIT_OBJECT_BLOB);
    } else {
        rc = git_odb_hashfile(&id, full, GIT_OBJECT_BLOB);
    }
    str_release(&target);
    if (rc != 0)
        return git_failed(e, entry->path);
    memcpy(entry->id.b, id.id, sizeof entry->id.b);
    (void)d;
    return 0;
}

static bool is_tracked(struct disk *d, bool folder)
{
    size_t at;
    if (d->index == NULL)
        return false;
    if (!folder)
        return git_index_find(&at, d->index, d->path.p) == 0;
    str_addch(&d->path, '/');
    bool found = git_index_find_prefix(&at, d->index, d->path.p) == 0;
    d->path.p[--d->path.len] = '\0';
    return found;
}

/* What Git ignores is left out, unless it is tracked all the same. */
static bool is_ignored(struct disk *d, bool folder)
{
    int ignored = 0;
    if (d->work_tree == NULL || is_tracked(d, folder))
        return false;
    if (folder)
        str_addch(&d->path, '/'); /* patterns that end in one match folders only */
    if (git_ignore_path_is_ignored(&ignored, d->work_tree, d->path.p) != 0)
        ignored = 0;
    if (folder)
        d->path.p[--d->path.len] = '\0';
    return ignored != 0;
}

static int open_folder(struct disk *d, const char *full, struct err *e)
{
    if (d->stack.n >= 500 || d->path.len > 4000)
        return err_set(e, ERR_INPUT, "%s: folders nested too deep", d->path.p);
    DIR *dir = opendir(full);
    if (dir == NULL)
        return err_sys(e, "%s", full);
    *vec_push(&d->stack) = (struct folder){.dir = dir, .prefix = d->path.len};
    return 0;
}

static int take_file(struct disk *d, const struct stat *st, const char *full, struct err *e)
{
    if (d->list.n >= OBJECTS_MAX_FILES)
        return err_set(e, ERR_INPUT, "more than %d files", OBJECTS_MAX_FILES);
    struct tree_entry *entry = vec_push(&d->list);
    *entry = (struct tree_entry){.path = arena_strn(&d->f->arena, d->path.p, d->path.len),
                                 .kind = S_ISLNK(st->st_mode)    ? TREE_LINK
                                         : st->st_mode & S_IXUSR ? TREE_EXEC
                                                                 : TREE_FILE};
    return hash_entry(d, entry, full, e);
}

static int take_name(struct disk *d, size_t prefix, const char *name, struct err *e)
{
    struct str full = STR_INIT;
    struct stat st;
    int rc = 0;
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, ".git") == 0)
        return 0;
    d->path.len = prefix;
    d->path.p[prefix] = '\0';
    if (prefix > 0)
        str_addch(&d->path, '/');
    str_add(&d->path, name);
    str_addf(&full, "%s/%s", d->f->root, d->path.p);
    if (lstat(full.p, &st) < 0)
        rc = err_sys(e, "%s", full.p);
    else if (S_ISDIR(st.st_mode))
        rc = is_ignored(d, true) ? 0 : open_folder(d, full.p, e);
    else if ((S_ISREG(st.st_mode) || S_ISLNK(st.st_mode)) && !is_ignored(d, false))
        rc = take_file(d, &st, full.p, e);
    str_release(&full);
    return rc;
}

static int walk_disk(struct disk *d, struct err *e)
{
    if (open_folder(d, d->f->root, e) < 0)
        return -1;
    while (d->stack.n > 0) {
        struct folder top = d->stack.v[d->stack.n - 1];
        errno = 0;
        const struct dirent *entry = readdir(top.dir);
        if (entry == NULL) {
            if (errno != 0)
                return err_sys(e, "%s", d->path.p);
            closedir(top.dir);
            d->stack.n--;
        } else if (take_name(d, top.prefix, entry->d_name, e) < 0) {
            return -1;
        }
    }
    return 0;
}

static int by_path(const void *x, const void *y)
{
    return strcmp(((const struct tree_entry *)x)->path, ((const struct tree_entry *)y)->path);
}

bool repo_has_changes(const struct repo *r)
{
    git_status_list *list = NULL;
    git_status_options options;
    if (!repo_has_work_tree(r))
        return false;
    git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES;
    bool changes =
        git_status_list_new(&list, r->git, &options) == 0 && git_status_list_entrycount(list) > 0;
    git_status_list_free(list);
    return changes;
}

int files_on_disk(struct repo *r, struct files *out, struct err *e)
{
    *out = (struct files){.repo = r};
    out->root = arena_str(&out->arena, r->root);
    struct disk d = {.f = out};
    str_init(&d.path);
    if (repo_has_work_tree(r)) {
        d.work_tree = r->git;
        if (git_repository_index(&d.index, r->git) != 0)
            d.index = NULL; /* a new repository: nothing is tracked */
    }
    int rc = walk_disk(&d, e);
    vec_for_each (i, &d.stack)
        closedir(d.stack.v[i].dir);
    vec_release(&d.stack);
    str_release(&d.path);
    git_index_free(d.index);
    if (rc == 0 && d.list.n > 1)
        qsort(d.list.v, d.list.n, sizeof *d.list.v, by_path);
    if (rc == 0)
        arena_take(&out->arena, &d.list, &out->tree.entry, &out->tree.n);
    vec_release(&d.list);
    out->tree.read = read_file;
    out->tree.arg = out;
    if (rc < 0)
        files_release(out);
    return rc;
}
