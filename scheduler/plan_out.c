#include "scheduler/plan_out.h"

#include <string.h>

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

/* The lines of `text` after the first, one for each of `planned`. Who stores them reads them. */
static int take_plans(struct planner_output *out, const char *text, const char *end, struct err *e)
{
    size_t planned = json_array_size(json_object_get(out->doc, "planned"));
    while (text < end && out->plans.n < planned) {
        const char *nl = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((nl ? nl : end) - text);
        *vec_push(&out->plans) = xstrndup(text, n);
        text += nl ? n + 1 : n;
    }
    if (out->plans.n < planned || text < end)
        return err_set(e, ERR_INPUT, "the planner's output: %zu plans were announced, %s came",
                       planned, text < end ? "more" : "fewer");
    return 0;
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

static int take_artifacts(struct planner_output *out, struct err *e)
{
    const char *key;
    json_t *a;
    json_object_foreach(json_object_get(out->doc, "artifacts"), key, a)
    {
        struct plan_artifact x = {
            .key = key,
            .digest = json_string_value(json_object_get(a, "digest")),
            .path = json_string_value(json_object_get(a, "path")),
            .size = json_integer_value(json_object_get(a, "size")),
        };
        struct sha256 d;
        if (digest_parse(x.key, &d) || !x.digest || digest_parse(x.digest, &d) || !x.path ||
            !path_ok(x.path) || x.size < 0)
            return err_set(e, ERR_INPUT, "the planner's output: a bad artifact");
        *vec_push(&out->artifacts) = x;
    }
    return 0;
}

int planner_output(struct planner_output *out, const char *text, size_t n, bool exited_well,
                   struct err *e)
{
    const char *nl = n ? memchr(text, '\n', n) : NULL;
    size_t first = nl ? (size_t)(nl - text) : n;
    json_error_t why;
    *out = (struct planner_output){.doc = json_loadb(text, first, 0, &why)};
    if (!out->doc)
        return err_set(e, ERR_INPUT,
                       exited_well ? "the planner's output: %s" : "the planner failed: %s",
                       n ? why.text : "it printed nothing");
    if (!exited_well)
        return planner_error(out->doc, e);
    if (!json_is_array(json_object_get(out->doc, "refs")) ||
        !json_is_array(json_object_get(out->doc, "planned")) ||
        !json_is_object(json_object_get(out->doc, "artifacts")))
        return err_set(e, ERR_INPUT,
                       "the planner's output lacks refs, artifacts or planned: is "
                       "bootfarm-planner of this scheduler's version?");
    if (take_artifacts(out, e))
        return -1;
    return nl ? take_plans(out, nl + 1, text + n, e) : take_plans(out, text, text, e);
}

void planner_output_release(struct planner_output *out)
{
    json_decref(out->doc);
    vec_release(&out->artifacts);
    vec_for_each (i, &out->plans)
        free(out->plans.v[i]);
    vec_release(&out->plans);
    *out = (struct planner_output){0};
}
