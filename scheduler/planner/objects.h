/* objects.h - the files of a commit, of a working tree or of a plain folder, as the pure planner
 * wants them (scheduler/plan/tree.h). Reading is libgit2's; nothing of a repository is ever
 * executed. */
#ifndef BF_PLANNER_OBJECTS_H
#define BF_PLANNER_OBJECTS_H

#include "scheduler/plan/tree.h"

#define OBJECTS_MAX_FILES 2000000
#define OBJECTS_MAX_FILE_BYTES ((size_t)256 * 1024 * 1024) /* of one file that travels */
#define OID_TEXT 41

struct repo; /* an opened repository, or a folder that is none */

/* Once per process: no configuration of this host's users, no owner checks (nothing is executed).
 */
void objects_init(void);
void objects_shutdown(void);

/* Opens `path`: a bare repository, a working tree, or else any folder. */
struct repo *repo_open(const char *path, struct err *e) BF_MUST_CHECK;
/* Opens a bare repository, making it when there is none. */
struct repo *repo_open_mirror(const char *path, struct err *e) BF_MUST_CHECK;
void repo_close(struct repo *r);
bool repo_is_git(const struct repo *r);
bool repo_has_work_tree(const struct repo *r);
/* Whether a work tree holds something that HEAD's commit does not, or the other way round. What Git
 * ignores does not count, nor do submodules. False where that cannot be known. */
bool repo_has_changes(const struct repo *r);
/* The name of the branch that HEAD stands for, or NULL (detached, or no Git). Free it. */
char *repo_head_branch(struct repo *r);
/* The commit that a revision means (peeled). */
int repo_commit(struct repo *r, const char *rev, char oid[static OID_TEXT],
                struct err *e) BF_MUST_CHECK;
/* The same for a full name ("refs/tags/v1") of a mirror. */
int repo_ref_commit(struct repo *r, const char *ref, char oid[static OID_TEXT],
                    struct err *e) BF_MUST_CHECK;
/* Local refs "refs/heads/…" and "refs/tags/…" of a mirror that `keep` does not want are deleted. */
void repo_prune(struct repo *r, bool (*keep)(void *arg, const char *ref), void *arg);

/* The files; the tree is valid until files_release, which comes before repo_close. */
struct files {
    struct tree tree;
    struct arena arena;
    struct repo *repo;
    const char *root;  /* on disk; NULL: in Git */
    struct blob_id id; /* of the whole tree, in Git */
};
int files_of_commit(struct repo *r, const char *oid, struct files *out,
                    struct err *e) BF_MUST_CHECK;
/* The same, by looking only at folders that differ from those of `base`, files of another commit.
 * 1: paths and links are the same; *changed (arena of *out) are the indices of the files that
 * differ, and `base` must live as long as *out. 0: they are not, and *out is empty. */
int files_like(struct repo *r, const char *oid, const struct files *base, struct files *out,
               size_t **changed, size_t *n, struct err *e) BF_MUST_CHECK;
/* What is on the disk, uncommitted changes too; in a working tree without what Git ignores. */
int files_on_disk(struct repo *r, struct files *out, struct err *e) BF_MUST_CHECK;
void files_release(struct files *f);

#endif
