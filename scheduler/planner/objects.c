#include "scheduler/planner/objects.h"

#include "common/base/vec.h"
#include <errno.h>
#include <git2.h>
#include <git2/sys/repository.h>
#include <limits.h>

#include "scheduler/planner/repo.h"

#define DEPTH_MAX 500

void objects_init(void)
{
    git_libgit2_init();
    for (int level = GIT_CONFIG_LEVEL_PROGRAMDATA; level <= GIT_CONFIG_LEVEL_GLOBAL; level++)
        git_libgit2_opts(GIT_OPT_SET_SEARCH_PATH, level, "");
    git_libgit2_opts(GIT_OPT_SET_OWNER_VALIDATION, 0);
    git_libgit2_opts(GIT_OPT_SET_MWINDOW_MAPPED_LIMIT, (size_t)512 << 20);
    /* Objects were checked when they were fetched; hashing each again would cost most of a poll. */
    git_libgit2_opts(GIT_OPT_ENABLE_STRICT_HASH_VERIFICATION, 0);
}

void objects_shutdown(void)
{
    git_libgit2_shutdown();
}

int git_failed(struct err *e, const char *what)
{
    const git_error *last = git_error_last();
    return err_set(e, ERR_INPUT, "%s: %s", what, last != NULL ? last->message : "unknown error");
}

struct repo *repo_open(const char *path, struct err *e)
{
    char real[PATH_MAX];
    if (realpath(path, real) == NULL) {
        err_sys(e, "%s", path);
        return NULL;
    }
    struct repo *r = xcalloc(1, sizeof *r);
    int rc = git_repository_open_ext(&r->git, real, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL);
    if (rc != 0 && rc != GIT_ENOTFOUND) {
        git_failed(e, path);
        repo_close(r);
        return NULL;
    }
    r->root = xstrdup(real);
    return r;
}

struct repo *repo_open_mirror(const char *path, struct err *e)
{
    struct repo *r = xcalloc(1, sizeof *r);
    int rc = git_repository_open_bare(&r->git, path);
    if (rc == GIT_ENOTFOUND) {
        git_repository_init_options options;
        git_repository_init_options_init(&options, GIT_REPOSITORY_INIT_OPTIONS_VERSION);
        options.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKPATH;
        rc = git_repository_init_ext(&r->git, path, &options);
    }
    if (rc == 0) {
        r->root = xstrdup(path);
        return r;
    }
    git_failed(e, path);
    repo_close(r);
    return NULL;
}

void repo_close(struct repo *r)
{
    if (r == NULL)
        return;
    git_repository_free(r->git);
    free(r->root);
    free(r);
}

bool repo_is_git(const struct repo *r)
{
    return r->git != NULL;
}

bool repo_has_work_tree(const struct repo *r)
{
    return r->git != NULL && !git_repository_is_bare(r->git);
}

char *repo_head_branch(struct repo *r)
{
    git_reference *head = NULL;
    char *name = NULL;
    if (r->git == NULL || git_reference_lookup(&head, r->git, "HEAD") != 0)
        return NULL;
    const char *target = git_reference_symbolic_target(head);
    if (target != NULL && str_starts(target, "refs/heads/"))
        name = xstrdup(target + strlen("refs/heads/"));
    git_reference_free(head);
    return name;
}

int repo_commit(struct repo *r, const char *rev, char oid[static OID_TEXT], struct err *e)
{
    git_object *any = NULL, *commit = NULL;
    int rc = -1;
    if (r->git == NULL)
        return err_set(e, ERR_INPUT, "%s is not a Git repository", r->root);
    if (git_revparse_single(&any, r->git, rev) != 0 ||
        git_object_peel(&commit, any, GIT_OBJECT_COMMIT) != 0)
        git_failed(e, rev);
    else
        rc = 0;
    if (rc == 0)
        git_oid_tostr(oid, OID_TEXT, git_object_id(commit));
    git_object_free(any);
    git_object_free(commit);
    return rc;
}

int repo_ref_commit(struct repo *r, const char *ref, char oid[static OID_TEXT], struct err *e)
{
    git_oid id;
    git_object *any = NULL, *commit = NULL;
    int rc = git_reference_name_to_id(&id, r->git, ref);
    if (rc == 0)
        rc = git_object_lookup(&any, r->git, &id, GIT_OBJECT_ANY);
    if (rc == 0)
        rc = git_object_peel(&commit, any, GIT_OBJECT_COMMIT);
    if (rc == 0)
        git_oid_tostr(oid, OID_TEXT, git_object_id(commit));
    else
        git_failed(e, ref);
    git_object_free(any);
    git_object_free(commit);
    return rc == 0 ? 0 : -1;
}

void repo_prune(struct repo *r, bool (*keep)(void *arg, const char *ref), void *arg)
{
    git_strarray names = {.count = 0};
    if (git_reference_list(&names, r->git) != 0)
        return; /* nothing is wrong with keeping a few refs longer */
    for (size_t i = 0; i < names.count; i++) {
        if (!keep(arg, names.strings[i]))
            git_reference_remove(r->git, names.strings[i]);
    }
    git_strarray_dispose(&names);
}

/* ---- a commit's tree ---- */

static int read_blob(void *arg, const struct tree_entry *entry, size_t max, struct str *out,
                     struct err *e)
{
    const struct files *f = arg;
    git_oid id;
    git_odb *odb = NULL;
    git_odb_object *object = NULL;
    memcpy(id.id, entry->id.b, sizeof entry->id.b);
    int rc = git_repository_odb(&odb, f->repo->git);
    if (rc == 0) {
        size_t size;
        git_object_t type;
        rc = git_odb_read_header(&size, &type, odb, &id);
        if (rc == 0 && size > max) {
            git_odb_free(odb);
            return err_set(e, ERR_INPUT, "%s is larger than %zu bytes", entry->path, max);
        }
    }
    if (rc == 0)
        rc = git_odb_read(&object, odb, &id);
    if (rc == 0)
        str_addmem(out, git_odb_object_data(object), git_odb_object_size(object));
    else
        git_failed(e, entry->path);
    git_odb_object_free(object);
    git_odb_free(odb);
    return rc == 0 ? 0 : -1;
}

struct level {
    git_tree *tree;
    size_t next, prefix; /* index of the next entry; length of the path of this tree */
};

struct walk {
    struct files *f;
    VEC(struct level) stack;
    VEC(struct tree_entry) list;
    struct str path;
};

static int open_level(struct walk *w, const git_oid *id, struct err *e)
{
    git_tree *tree = NULL;
    if (w->stack.n >= DEPTH_MAX || w->path.len > 4000)
        return err_set(e, ERR_INPUT, "%s: folders nested too deep", w->path.p);
    if (git_tree_lookup(&tree, w->f->repo->git, id) != 0)
        return git_failed(e, w->path.p);
    *vec_push(&w->stack) = (struct level){.tree = tree, .prefix = w->path.len};
    return 0;
}

static void set_path(struct walk *w, size_t prefix, const char *name)
{
    w->path.len = prefix;
    w->path.p[prefix] = '\0';
    if (prefix > 0)
        str_addch(&w->path, '/');
    str_add(&w->path, name);
}

static int add_file(struct walk *w, const git_tree_entry *entry, struct err *e)
{
    if (w->list.n >= OBJECTS_MAX_FILES)
        return err_set(e, ERR_INPUT, "more than %d files", OBJECTS_MAX_FILES);
    struct tree_entry *out = vec_push(&w->list);
    git_filemode_t mode = git_tree_entry_filemode(entry);
    out->path = arena_strn(&w->f->arena, w->path.p, w->path.len);
    out->kind = mode == GIT_FILEMODE_LINK              ? TREE_LINK
                : mode == GIT_FILEMODE_BLOB_EXECUTABLE ? TREE_EXEC
                                                       : TREE_FILE;
    memcpy(out->id.b, git_tree_entry_id(entry)->id, sizeof out->id.b);
    return 0;
}

/* Git's order of a tree is the order of the full paths. Submodules are left out. */
static int walk_tree(struct walk *w, struct err *e)
{
    while (w->stack.n > 0) {
        struct level *top = &w->stack.v[w->stack.n - 1];
        if (top->next == git_tree_entrycount(top->tree)) {
            git_tree_free(top->tree);
            w->stack.n--;
            continue;
        }
        const git_tree_entry *entry = git_tree_entry_byindex(top->tree, top->next++);
        git_object_t type = git_tree_entry_type(entry);
        const char *name = git_tree_entry_name(entry);
        if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 ||
            strcmp(name, "..") == 0)
            return err_set(e, ERR_INPUT, "%s holds an entry named '%s'", w->path.p, name);
        set_path(w, top->prefix, name);
        if (type == GIT_OBJECT_TREE && open_level(w, git_tree_entry_id(entry), e) < 0)
            return -1;
        if (type == GIT_OBJECT_BLOB && add_file(w, entry, e) < 0)
            return -1;
    }
    return 0;
}

int files_of_commit(struct repo *r, const char *oid, struct files *out, struct err *e)
{
    git_oid id;
    git_commit *commit = NULL;
    *out = (struct files){.repo = r};
    struct walk w = {.f = out};
    str_init(&w.path);
    int rc = git_oid_fromstr(&id, oid);
    if (rc != 0 || git_commit_lookup(&commit, r->git, &id) != 0)
        rc = git_failed(e, oid);
    if (rc == 0) {
        memcpy(out->id.b, git_commit_tree_id(commit)->id, sizeof out->id.b);
        rc = open_level(&w, git_commit_tree_id(commit), e);
    }
    if (rc == 0)
        rc = walk_tree(&w, e);
    vec_for_each (i, &w.stack)
        git_tree_free(w.stack.v[i].tree);
    vec_release(&w.stack);
    str_release(&w.path);
    git_commit_free(commit);
    if (rc == 0)
        arena_take(&out->arena, &w.list, &out->tree.entry, &out->tree.n);
    vec_release(&w.list);
    out->tree.read = read_blob;
    out->tree.arg = out;
    if (rc < 0)
        files_release(out);
    return rc;
}

void files_release(struct files *f)
{
    arena_release(&f->arena);
}
