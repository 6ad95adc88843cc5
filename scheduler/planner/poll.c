/* poll: list the remote's refs, fetch what differs, plan each ref that changed. */
#include "scheduler/planner/poll.h"

#include "common/loop/file.h"
#include "scheduler/planner/commands.h"
#include "scheduler/planner/context.h"
#include "scheduler/planner/cpp.h"
#include "scheduler/planner/json.h"

#define WATCH_MAX 5000

/* ---- which refs ---- */

/* "main", "tags/v1", "pull/7", "merge-requests/7". */
static const char *ref_name(struct arena *a, const char *ref)
{
    if (str_starts(ref, "refs/heads/"))
        return ref + strlen("refs/heads/");
    if (poll_space(ref + strlen("refs/")) == NULL || str_starts(ref, "refs/tags/"))
        return ref + strlen("refs/");
    return arena_strn(a, ref + strlen("refs/"), strlen(ref) - strlen("refs/") - strlen("/head"));
}

/* A branch whose name would be taken for something else is nobody's. */
static bool is_reserved(const char *ref)
{
    return str_starts(ref, "refs/heads/") && poll_space(ref + strlen("refs/heads/")) != NULL;
}

static bool same_space(const char *ref, const char *pattern)
{
    const char *space = poll_space(pattern);
    return space == NULL ? str_starts(ref, "refs/heads/")
                         : str_starts(ref + strlen("refs/"), space);
}

static bool is_watched(const struct poll *p, const char *ref, const char *name)
{
    const json_t *patterns = json_object_get(p->in, "refs");
    for (size_t i = 0; i < json_array_size(patterns); i++) {
        const char *pattern = json_string_value(json_array_get(patterns, i));
        if (pattern == NULL)
            continue;
        if (strcmp(pattern, "HEAD") == 0) {
            if (p->refs.head != NULL && strcmp(p->refs.head, ref) == 0)
                return true;
        } else if (same_space(ref, pattern) && glob_match(pattern, name) == 1) {
            return true;
        }
    }
    return false;
}

static int find_watched(struct poll *p, struct err *e)
{
    const json_t *known = json_object_get(p->in, "known_refs");
    for (size_t i = 0; i < p->refs.n; i++) {
        const struct remote_ref *r = &p->refs.v[i];
        const char *name = ref_name(&p->a, r->ref);
        if (is_reserved(r->ref) || !is_watched(p, r->ref, name))
            continue;
        if (p->watch.n >= WATCH_MAX) {
            p->fault = FAULT_LIMIT;
            return err_set(e, ERR_INPUT, "more than %d refs are watched", WATCH_MAX);
        }
        struct watched *w = vec_push(&p->watch);
        *w = (struct watched){.name = name, .ref = r->ref};
        memcpy(w->oid, r->oid, OID_TEXT);
        const char *before = json_string_value(json_object_get(known, w->name));
        w->changed = before == NULL || strcmp(before, w->oid) != 0;
    }
    return 0;
}

/* ---- the mirror ---- */

static bool is_watched_ref(void *arg, const char *ref)
{
    const struct poll *p = arg;
    vec_for_each (i, &p->watch) {
        if (strcmp(p->watch.v[i].ref, ref) == 0)
            return true;
    }
    return false;
}

/* A ref may move on between the list and the fetch: what was fetched is what counts. */
static int read_fetched(struct poll *p, struct err *e)
{
    vec_for_each (i, &p->watch) {
        struct watched *w = &p->watch.v[i];
        if (!w->changed || repo_ref_commit(p->repo, w->ref, w->oid, e) == 0)
            continue;
        w->no_commit = str_starts(w->ref, "refs/tags/");
        p->fault = FAULT_REPOSITORY;
        if (!w->no_commit)
            return -1;
    }
    return 0;
}

static int open_mirror(struct poll *p, struct err *e)
{
    repo_close(p->repo);
    p->repo = repo_open_mirror(p->mirror, e);
    p->fault = FAULT_INTERNAL;
    return p->repo != NULL ? 0 : -1;
}

static int new_mirror(struct poll *p, struct err *e)
{
    p->fault = FAULT_INTERNAL;
    return dir_remove(p->mirror, e) < 0 ? -1 : open_mirror(p, e);
}

static int fetch_changed(struct poll *p, bool *spoilt, struct err *e)
{
    VEC(const char *) missing = VEC_INIT;
    int rc = 0;
    vec_for_each (i, &p->watch) {
        const struct watched *w = &p->watch.v[i];
        char have[OID_TEXT];
        if (w->changed &&
            (repo_ref_commit(p->repo, w->ref, have, NULL) < 0 || strcmp(have, w->oid) != 0))
            *vec_push(&missing) = w->ref;
    }
    *spoilt = false;
    if (missing.n > 0)
        rc = remote_fetch(&p->remote, p->mirror, missing.v, missing.n, spoilt, &p->fault, e);
    vec_release(&missing);
    return rc;
}

static int bring_once(struct poll *p, bool *spoilt, struct err *e)
{
    if (fetch_changed(p, spoilt, e) < 0)
        return -1;
    *spoilt = true; /* git believes that all is there */
    return read_fetched(p, e);
}

/* A mirror is only a copy: one that is spoilt (a poll was killed, a disk was full) is made again.
 */
static int bring_changed(struct poll *p, struct err *e)
{
    bool spoilt;
    if (open_mirror(p, e) < 0 && new_mirror(p, e) < 0)
        return -1;
    if (bring_once(p, &spoilt, e) == 0)
        return 0;
    return spoilt && new_mirror(p, e) == 0 ? bring_once(p, &spoilt, e) : -1;
}

static bool any_changed(const struct poll *p)
{
    vec_for_each (i, &p->watch) {
        if (p->watch.v[i].changed)
            return true;
    }
    return false;
}

/* ---- output ---- */

/* The artifact of a list, written unless the farm has it; null for those. NULL: *e. */
static json_t *artifact(struct poll *p, const struct tree *t, const struct ship_list *list,
                        struct err *e)
{
    char key[DIGEST_TEXT], manifest[DIGEST_TEXT];
    digest_format(&list->key, key);
    json_t *known = json_object_get(p->written, key);
    if (known != NULL)
        return json_incref(known);
    const char *path = arena_fmt(&p->a, "contexts/%s", key + strlen("sha256:"));
    struct artifact made;
    if (context_write(t, list, arena_fmt(&p->a, "%s/%s", p->dir, path), &made, e) < 0) {
        p->fault = e->kind == ERR_INPUT ? FAULT_LIMIT : FAULT_INTERNAL;
        return NULL;
    }
    digest_format(&made.manifest, manifest);
    known = json_pack("{s:s, s:I, s:s}", "digest", manifest, "size", (json_int_t)made.size, "path",
                      path);
    json_object_set(p->written, key, known);
    return known;
}

static int add_artifacts(struct poll *p, const struct tree *t, const struct image *image,
                         json_t *out, struct err *e)
{
    json_t *context = artifact(p, t, &image->context_files, e);
    if (context == NULL)
        return err_wrap(e, "%s: the context", image->name);
    json_object_set_new(out, "artifact", context);
    json_t *scripts = image->scripts.n > 0 ? artifact(p, t, &image->scripts, e) : json_null();
    if (scripts == NULL)
        return err_wrap(e, "%s: the test scripts", image->name);
    json_object_set_new(out, "tests_artifact", scripts);
    return 0;
}

static json_t *images(struct poll *p, const struct plan *plan, const struct tree *t, struct err *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < plan->images; i++) {
        json_t *o = json_image(plan, &plan->image[i]);
        json_image_details(plan, &plan->image[i], o);
        json_array_append_new(list, o);
        if (add_artifacts(p, t, &plan->image[i], o, e) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

/* A plan that is only an error, and one that may concern any image. */
static void report_only(struct poll *p, const struct watched *w, const char *code, const char *hint,
                        const char *message)
{
    struct arena a = ARENA_INIT;
    struct diags errors = {.a = &a};
    diag_add(&errors, (struct diag_at){.file = w->name}, code, hint, "%s", message);
    json_array_append_new(p->plans,
                          json_pack("{s:s, s:s, s:[], s:o, s:[]}", "ref", w->name, "oid", w->oid,
                                    "images", "errors", json_diags(&errors), "warnings"));
    diags_release(&errors);
    arena_release(&a);
}

/* 0: reported as an error of the ref. */
static int check_signature(struct poll *p, const struct watched *w, struct err *e)
{
    if (p->signers.allowed == NULL && p->signers.keyring == NULL)
        return 1;
    struct str why = STR_INIT;
    int rc = remote_verify(&p->remote, &p->signers, p->mirror, w->oid, &why, &p->fault, e);
    if (rc == 0) {
        char *message = xasprintf("commit %.12s is not signed by one of the farm's signers%s%s",
                                  w->oid, why.len > 0 ? ": " : "", why.p);
        report_only(p, w, "unsigned-commit", "sign it (git commit --amend -S) and push again",
                    message);
        free(message);
    }
    str_release(&why);
    return rc;
}

static int plan_ref(struct poll *p, const struct watched *w, struct err *e)
{
    struct files files;
    struct plan plan;
    if (w->no_commit) {
        report_only(p, w, "not-a-commit", NULL, "this tag stands for something else than a commit");
        return 0;
    }
    int trusted = check_signature(p, w, e);
    if (trusted <= 0)
        return trusted;
    if (files_of_commit(p->repo, w->oid, &files, e) < 0) {
        p->fault = FAULT_REPOSITORY;
        (void)!dir_remove(p->mirror,
                          NULL); /* objects are missing here: the next poll begins anew */
        return err_wrap(e, "%s", w->name);
    }
    struct plan_input in = {.tree = &files.tree,
                            .hash = hash_openssl,
                            .preprocess = cpp_run,
                            .slug = p->slug,
                            .registry = p->registry,
                            .arch = p->arch,
                            .ref = str_starts(w->name, "tags/") ? w->name + 5 : w->name,
                            .alias = p->alias.v,
                            .aliases = p->alias.n,
                            .onbuild = p->onbuild.v,
                            .onbuilds = p->onbuild.n};
    plan_make(&in, &plan);
    json_t *list = images(p, &plan, &files.tree, e);
    if (list != NULL)
        json_array_append_new(p->plans,
                              json_pack("{s:s, s:s, s:o, s:o, s:o}", "ref", w->name, "oid", w->oid,
                                        "images", list, "errors", json_diags(&plan.errors),
                                        "warnings", json_diags(&plan.warnings)));
    plan_release(&plan);
    files_release(&files);
    return list != NULL ? 0 : -1;
}

static json_t *ref_list(const struct poll *p)
{
    json_t *refs = json_array();
    vec_for_each (i, &p->watch) {
        const struct watched *w = &p->watch.v[i];
        json_t *o = json_object();
        json_object_set_new(o, "name", json_text(w->name));
        json_object_set_new(o, "oid", json_string(w->oid));
        json_array_append_new(refs, o);
    }
    return refs;
}

/* What was written below `out`, by its key. */
static json_t *artifact_list(const struct poll *p)
{
    json_t *list = json_object(), *written = p->written, *a;
    const char *key;
    json_object_foreach(written, key, a)
    {
        if (!json_is_null(a))
            json_object_set(list, key, a);
    }
    return list;
}

static int plan_changed(struct poll *p, struct err *e)
{
    if (bring_changed(p, e) < 0)
        return -1;
    vec_for_each (i, &p->watch) {
        if (p->watch.v[i].changed && plan_ref(p, &p->watch.v[i], e) < 0)
            return -1;
    }
    repo_prune(p->repo, is_watched_ref, p);
    return 0;
}

static int poll_once(struct poll *p, struct err *e)
{
    p->fault = FAULT_INTERNAL;
    if (poll_read_input(p, e) < 0)
        return -1;
    if (remote_list(&p->a, &p->remote, &p->refs, &p->fault, e) < 0 || find_watched(p, e) < 0)
        return -1;
    bool changed = any_changed(p);
    size_t i;
    json_t *plan;
    p->plans = json_array();
    if (changed && plan_changed(p, e) < 0)
        return -1;
    const char *head = p->refs.head != NULL ? ref_name(&p->a, p->refs.head) : NULL;
    json_t *planned = json_array();
    json_array_foreach(p->plans, i, plan)
    {
        json_object_set_new(plan, "head", json_text(head));
        json_array_append(planned, json_object_get(plan, "ref"));
    }
    p->out =
        json_pack("{s:o, s:o, s:b, s:o, s:o}", "head", json_text(head), "refs", ref_list(p),
                  "unchanged", (int)!changed, "artifacts", artifact_list(p), "planned", planned);
    BUG_ON(p->out == NULL);
    return 0;
}

static void poll_release(struct poll *p)
{
    repo_close(p->repo);
    json_decref(p->in);
    json_decref(p->out);
    json_decref(p->plans);
    json_decref(p->written);
    vec_release(&p->alias);
    vec_release(&p->onbuild);
    vec_release(&p->watch);
    arena_release(&p->a);
}

static int put_line(const json_t *o)
{
    return json_dumpf(o, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF ? -1 : 0;
}

int cmd_poll(const struct options *o)
{
    struct poll p = {.in = NULL};
    struct err e = ERR_INIT;
    (void)o;
    int status = poll_once(&p, &e) < 0 ? 1 : 0;
    if (status != 0)
        p.out = json_pack("{s:{s:s, s:o}}", "error", "kind", remote_fault_names[p.fault], "message",
                          json_text(e.msg));
    poll_stop_clock();
    if (put_line(p.out) < 0)
        status = 1;
    size_t i;
    json_t *plan;
    json_array_foreach(p.plans, i, plan)
    {
        if (status == 0 && put_line(plan) < 0)
            status = 1;
    }
    poll_release(&p);
    return status;
}
