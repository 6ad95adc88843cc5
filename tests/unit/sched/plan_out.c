/* What the planner prints is checked before a word of it reaches a command line. */
#include "scheduler/plan_out.h"

#include <criterion/criterion.h>

#define K(c) "sha256:" c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int artifacts(const char *image, plan_artifacts *out)
{
    struct err e = ERR_INIT;
    char *text = xasprintf("{\"refs\": [], \"plans\": [{\"images\": [%s, %s]}]}", image, image);
    json_t *doc = planner_output(text, strlen(text), true, &e);
    cr_assert_not_null(doc, "%s", e.msg);
    int rc = planner_artifacts(doc, out, &e);
    json_decref(doc); /* what `out` borrows is gone: only counted here */
    free(text);
    return rc;
}

static int with_path(const char *path, plan_artifacts *out)
{
    char *image = xasprintf("{\"context_key\": \"" K("0a") "\", \"artifact\": {\"digest\": \"" K(
                                "0b") "\", \"size\": 1, \"path\": \"%s\"}, \"scripts_key\": null}",
                            path);
    int rc = artifacts(image, out);
    free(image);
    return rc;
}

Test(plan_out, each_key_is_uploaded_once)
{
    plan_artifacts out = {0};
    cr_assert_eq(with_path("contexts/" HEX, &out), 0);
    cr_assert_eq(out.n, 1);
    vec_release(&out);
}

Test(plan_out, paths_stay_in_their_folder)
{
    const char *const bad[] = {"contexts/../../etc/passwd", "/contexts/" HEX, "contexts/" HEX "/..",
                               "contexts/" HEX ":x",        "contexts/",      ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        plan_artifacts out = {0};
        cr_assert_eq(with_path(bad[i], &out), -1, "%s", bad[i]);
        vec_release(&out);
    }
}

Test(plan_out, errors_are_the_planners_own)
{
    const char *text = "{\"error\": {\"kind\": \"auth\", \"message\": \"key refused\"}}";
    struct err e = ERR_INIT;
    cr_assert_null(planner_output(text, strlen(text), false, &e));
    cr_assert_str_eq(e.msg, "key refused");
    cr_assert_null(planner_output("", 0, false, &e));
    cr_assert_str_eq(e.msg, "the planner failed: it printed nothing");
    cr_assert_null(planner_output("{}", 2, true, &e));
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
