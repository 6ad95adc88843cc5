/* What the planner prints is checked before a word of it reaches a command line. */
#include "scheduler/plan_out.h"

#include <criterion/criterion.h>

#define K(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int read_output(const char *text, size_t *artifacts, size_t *plans, struct err *e)
{
    struct planner_output out;
    int rc = planner_output(&out, text, strlen(text), true, e);
    *artifacts = out.artifacts.n;
    *plans = out.plans.n;
    planner_output_release(&out);
    return rc;
}

static int with_path(const char *path, size_t *artifacts)
{
    struct err e = ERR_INIT;
    size_t plans;
    char *text =
        xasprintf("{\"refs\": [], \"planned\": [], \"artifacts\": {\"" K(
                      "0a") "\": {\"digest\": \"" K("0b") "\", \"size\": 1, \"path\": \"%s\"}}}\n",
                  path);
    int rc = read_output(text, artifacts, &plans, &e);
    free(text);
    return rc;
}

Test(plan_out, artifacts_are_to_be_uploaded)
{
    size_t n;
    cr_assert_eq(with_path("contexts/" HEX, &n), 0);
    cr_assert_eq(n, 1);
}

Test(plan_out, paths_stay_in_their_folder)
{
    const char *const bad[] = {"contexts/../../etc/passwd", "/contexts/" HEX, "contexts/" HEX "/..",
                               "contexts/" HEX ":x",        "contexts/",      ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        size_t n;
        cr_assert_eq(with_path(bad[i], &n), -1, "%s", bad[i]);
    }
}

Test(plan_out, each_plan_is_a_line)
{
    const char *const head = "{\"refs\": [], \"artifacts\": {}, \"planned\": [\"a\", \"b\"]}\n";
    const char *const wrong[] = {"", "{}\n", "{}", "{}\n{}\n{}\n"};
    struct err e = ERR_INIT;
    size_t artifacts, plans;
    char *text = xasprintf("%s{\"ref\": \"a\"}\n{\"ref\": \"b\"}\n", head);
    struct planner_output out;
    cr_assert_eq(planner_output(&out, text, strlen(text), true, &e), 0, "%s", e.msg);
    cr_assert_eq(out.plans.n, 2);
    cr_assert_str_eq(out.plans.v[1], "{\"ref\": \"b\"}");
    planner_output_release(&out);
    free(text);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        text = xasprintf("%s%s", head, wrong[i]);
        cr_assert_eq(read_output(text, &artifacts, &plans, &e), -1, "%s", wrong[i]);
        cr_assert(strstr(e.msg, "2 plans were announced"), "%s", e.msg);
        free(text);
    }
}

Test(plan_out, errors_are_the_planners_own)
{
    const char *text = "{\"error\": {\"kind\": \"auth\", \"message\": \"key refused\"}}";
    struct err e = ERR_INIT;
    struct planner_output out;
    cr_assert_eq(planner_output(&out, text, strlen(text), false, &e), -1);
    cr_assert_str_eq(e.msg, "key refused");
    planner_output_release(&out);
    cr_assert_eq(planner_output(&out, "", 0, false, &e), -1);
    cr_assert_str_eq(e.msg, "the planner failed: it printed nothing");
    planner_output_release(&out);
    cr_assert_eq(planner_output(&out, "{}", 2, true, &e), -1);
    planner_output_release(&out);
    text = "{\"refs\": [], \"plans\": [{}]}"; /* as it was before plans were lines */
    cr_assert_eq(planner_output(&out, text, strlen(text), true, &e), -1);
    cr_assert(strstr(e.msg, "version"), "%s", e.msg);
    planner_output_release(&out);
}

Test(plan_out, the_input_holds_the_row)
{
    const char *const refs[] = {"HEAD", "release/*"};
    struct repo_row repo = {.id = 1,
                            .slug = "plant",
                            .url = "file:///x",
                            .refs = refs,
                            .n_refs = 2,
                            .git = "{\"ssh_key\": \"/k\"}",
                            .known_refs = "{\"main\": \"ab\"}"};
    struct planner_paths paths = {.mirror = "/m",
                                  .out = "/o",
                                  .registry = "r:1",
                                  .arch = "amd64",
                                  .timeout = 2 * BF_SEC,
                                  .onbuild = "{\"r:1/os/a:m\": [\"USER x\"]}"};
    char *text = planner_input(&repo, NULL, &paths);
    json_t *doc = json_loads(text, 0, NULL);
    cr_assert_str_eq(json_string_value(json_array_get(json_object_get(doc, "refs"), 1)),
                     "release/*");
    cr_assert_str_eq(json_string_value(json_object_get(json_object_get(doc, "git"), "ssh_key")),
                     "/k");
    cr_assert_eq(json_integer_value(json_object_get(doc, "timeout_ms")), 2000);
    cr_assert(json_is_array(json_object_get(doc, "known_contexts")));
    cr_assert_eq(json_array_size(json_object_get(json_object_get(doc, "onbuild"), "r:1/os/a:m")),
                 1);
    json_decref(doc);
    free(text);
}
