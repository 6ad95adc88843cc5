#include "scheduler/plan_out.h"

#include "common/base/map.h"

static json_t *json_of(const char *text, json_t *otherwise)
{
    json_t *j = text ? json_loads(text, 0, NULL) : NULL;
    if (!j)
        return otherwise;
    json_decref(otherwise);
    return j;
}

static json_t *texts(const char *const *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(v[i]));
    return list;
}

static json_t *column(const PGresult *r)
{
    json_t *list = json_array();
    for (int i = 0; r && i < PQntuples(r); i++)
        json_array_append_new(list, json_string(PQgetvalue(r, i, 0)));
    return list;
}

char *planner_input(const struct repo_row *repo, const PGresult *contexts,
                    const struct planner_paths *paths)
{
    json_t *doc = json_pack(
        "{ss ss ss ss so so so ss ss so so sI}", "slug", repo->slug, "url", repo->url, "mirror",
        paths->mirror, "out", paths->out, "refs", texts(repo->refs, repo->n_refs), "known_refs",
        json_of(repo->known_refs, json_object()), "known_contexts", column(contexts), "registry",
        paths->registry, "arch", paths->arch, "git", json_of(repo->git, json_object()), "onbuild",
        json_of(paths->onbuild, json_object()), "timeout_ms",
        (json_int_t)(paths->timeout / BF_MSEC));
    BUG_ON(!doc); /* rows are UTF-8 */
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}

/* ---- output -----------------------------------------------------------------------------------
 */

static int planner_error(const json_t *doc, struct err *e)
{
    const json_t *error = json_object_get(doc, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    return err_set(e, ERR_TEMPORARY, "%s",
                   message ? message : "the planner failed without a reason");
}

json_t *planner_output(const char *text, size_t n, bool exited_well, struct err *e)
{
    json_error_t why;
    json_t *doc = json_loadb(text, n, 0, &why);
    if (!doc) {
        err_set(e, ERR_INPUT, exited_well ? "the planner's output: %s" : "the planner failed: %s",
                n ? why.text : "it printed nothing");
        return NULL;
    }
    bool shape = json_is_object(doc) && json_is_array(json_object_get(doc, "refs"));
    if (exited_well && shape)
        return doc;
    if (exited_well)
        err_set(e, ERR_INPUT, "the planner's output has no refs");
    else
        planner_error(doc, e);
    json_decref(doc);
    return NULL;
}

/* "contexts/" and hex digits: nothing that leaves the folder. */
static bool path_ok(const char *path)
{
    static const char folder[] = "contexts/";
    if (strncmp(path, folder, sizeof folder - 1) != 0)
        return false;
    const char *hex = path + sizeof folder - 1;
    size_t n = strspn(hex, "0123456789abcdef");
    return n == 64 && hex[n] == '\0';
}

static int add_artifact(const json_t *image, const char *key_name, const char *member,
                        struct smap *seen, plan_artifacts *out, struct err *e)
{
    const json_t *a = json_object_get(image, member);
    if (!a || json_is_null(a))
        return 0;
    struct plan_artifact x = {
        .key = json_string_value(json_object_get(image, key_name)),
        .digest = json_string_value(json_object_get(a, "digest")),
        .path = json_string_value(json_object_get(a, "path")),
        .size = json_integer_value(json_object_get(a, "size")),
    };
    struct sha256 d;
    if (!x.key || digest_parse(x.key, &d) || !x.digest || digest_parse(x.digest, &d) || !x.path ||
        !path_ok(x.path) || x.size < 0)
        return err_set(e, ERR_INPUT, "the planner's output: a bad %s", member);
    if (smap_get(seen, x.key))
        return 0;
    smap_put(seen, x.key, seen);
    *vec_push(out) = x;
    return 0;
}

static int plan_artifacts_of(const json_t *plan, struct smap *seen, plan_artifacts *out,
                             struct err *e)
{
    const json_t *images = json_object_get(plan, "images");
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        if (add_artifact(image, "context_key", "artifact", seen, out, e) ||
            add_artifact(image, "scripts_key", "tests_artifact", seen, out, e))
            return -1;
    }
    return 0;
}

int planner_artifacts(const json_t *doc, plan_artifacts *out, struct err *e)
{
    const json_t *plans = json_object_get(doc, "plans");
    struct smap seen = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < json_array_size(plans); i++)
        rc = plan_artifacts_of(json_array_get(plans, i), &seen, out, e);
    smap_release(&seen);
    return rc;
}
