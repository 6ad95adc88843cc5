/* The files of a commit that is like another one: two trees walked side by side, into folders that
 * differ only. */
#include "scheduler/planner/objects.h"

#include "common/base/vec.h"
#include "scheduler/planner/repo.h"

struct pair {
    git_oid before, now;
    const char *path; /* of the folder */
};

struct likeness {
    struct files *out;
    const struct files *base;
    struct repo *repo;
    struct tree_entry *entry; /* of the new tree */
    VEC(struct pair) todo;
    VEC(size_t) changed;
};

enum { DIFFERENT = 0, LIKE = 1 };

static const char *path_of(struct likeness *l, const struct pair *p, const git_tree_entry *x)
{
    return *p->path == '\0' ? arena_str(&l->out->arena, git_tree_entry_name(x))
                            : arena_fmt(&l->out->arena, "%s/%s", p->path, git_tree_entry_name(x));
}

static int take_file(struct likeness *l, const char *path, const git_tree_entry *now)
{
    const struct tree_entry *was = tree_find(&l->base->tree, path);
    if (was == NULL || was->kind == TREE_LINK || git_tree_entry_filemode(now) == GIT_FILEMODE_LINK)
        return DIFFERENT;
    size_t i = (size_t)(was - l->base->tree.entry);
    bool exec = git_tree_entry_filemode(now) == GIT_FILEMODE_BLOB_EXECUTABLE;
    l->entry[i].kind = exec ? TREE_EXEC : TREE_FILE;
    memcpy(l->entry[i].id.b, git_tree_entry_id(now)->id, sizeof l->entry[i].id.b);
    *vec_push(&l->changed) = i;
    return LIKE;
}

static int compare_entries(struct likeness *l, const struct pair *p, const git_tree_entry *before,
                           const git_tree_entry *now)
{
    git_object_t type = git_tree_entry_type(now);
    if (strcmp(git_tree_entry_name(before), git_tree_entry_name(now)) != 0 ||
        git_tree_entry_type(before) != type)
        return DIFFERENT;
    if (git_oid_equal(git_tree_entry_id(before), git_tree_entry_id(now)) &&
        git_tree_entry_filemode(before) == git_tree_entry_filemode(now))
        return LIKE;
    if (type == GIT_OBJECT_TREE)
        *vec_push(&l->todo) = (struct pair){.before = *git_tree_entry_id(before),
                                            .now = *git_tree_entry_id(now),
                                            .path = path_of(l, p, now)};
    return type == GIT_OBJECT_BLOB ? take_file(l, path_of(l, p, now), now) : LIKE;
}

static int compare_folders(struct likeness *l, const struct pair *p, struct err *e)
{
    git_tree *before = NULL, *now = NULL;
    int rc = DIFFERENT;
    if (git_tree_lookup(&before, l->repo->git, &p->before) != 0 ||
        git_tree_lookup(&now, l->repo->git, &p->now) != 0)
        rc = git_failed(e, p->path);
    else if (git_tree_entrycount(before) == git_tree_entrycount(now))
        rc = LIKE;
    for (size_t i = 0; rc == LIKE && i < git_tree_entrycount(now); i++)
        rc = compare_entries(l, p, git_tree_entry_byindex(before, i),
                             git_tree_entry_byindex(now, i));
    git_tree_free(before);
    git_tree_free(now);
    return rc;
}

static int compare_all(struct likeness *l, const char *oid, struct err *e)
{
    struct pair root = {.path = ""};
    git_oid id;
    git_commit *commit = NULL;
    if (git_oid_fromstr(&id, oid) != 0 || git_commit_lookup(&commit, l->repo->git, &id) != 0)
        return git_failed(e, oid);
    memcpy(root.before.id, l->base->id.b, sizeof root.before.id);
    root.now = *git_commit_tree_id(commit);
    memcpy(l->out->id.b, root.now.id, sizeof l->out->id.b);
    git_commit_free(commit);
    int rc = LIKE;
    *vec_push(&l->todo) = root;
    while (rc == LIKE && l->todo.n > 0) {
        struct pair p = vec_pop(&l->todo);
        rc = compare_folders(l, &p, e);
    }
    return rc;
}

int files_like(struct repo *r, const char *oid, const struct files *base, struct files *out,
               size_t **changed, size_t *n, struct err *e)
{
    *out = (struct files){.repo = r};
    struct likeness l = {.out = out, .base = base, .repo = r};
    l.entry = arena_memdup(&out->arena, base->tree.entry, base->tree.n * sizeof *l.entry);
    int rc = compare_all(&l, oid, e);
    out->tree =
        (struct tree){.entry = l.entry, .n = base->tree.n, .read = base->tree.read, .arg = out};
    arena_take(&out->arena, &l.changed, changed, n);
    vec_release(&l.todo);
    if (rc != LIKE)
        files_release(out);
    return rc;
}
