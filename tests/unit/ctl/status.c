/* status.h: what is concluded from the rows. */
#include "ctl/status.h"
#include <criterion/criterion.h>

static struct status s;
static const struct style plain = {.now = 1700000000};

static json_t *rows(const char *text)
{
    json_error_t why;
    json_t *j = json_loads(text, 0, &why);

    cr_assert(j, "%s in %s", why.text, text);
    return j;
}

/* A farm where everything is well: one image, released and at its one site. */
static void setup(void)
{
    s.health = rows("{\"leader\": \"hub:1\"}");
    s.commands = rows("[]");
    s.repositories = rows("[{\"name\": \"plant\", \"polled_at\": \"2023-11-14T22:13:20Z\", "
                          "\"sync_pending\": false, \"error\": null}]");
    s.images = rows("[{\"name\": \"plant:hmi@main\", \"arch\": \"amd64\", \"state\": \"Synced\", "
                    "\"sites_wanted\": 1, \"sites_present\": 1, \"reason\": null}]");
    s.presence = rows("[{\"site\": \"acp-1\", \"name\": \"plant:hmi@main\", \"state\": "
                      "\"Present\", \"reason\": null}]");
    s.errors = rows("[]");
    s.workers = rows("[{\"name\": \"w\", \"state\": \"connected\"}]");
    s.quarantine = rows("[]");
    s.failures = json_object();
}

static void teardown(void)
{
    status_release(&s);
}

TestSuite(status, .init = setup, .fini = teardown);

static void set(json_t *list, const char *key, const char *value)
{
    json_object_set_new(json_array_get(list, 0), key, json_string(value));
}

static void replace(json_t **list, const char *text)
{
    json_decref(*list);
    *list = rows(text);
}

static const char *problems(void)
{
    static struct str out = STR_INIT;

    str_clear(&out);
    status_add_problems(&s, &plain, &out);
    return out.p;
}

Test(status, all_well)
{
    BF_CLEANUP(str_release) struct str out = STR_INIT;

    cr_expect_eq(status_progress(&s), PROGRESS_REACHED);
    cr_expect_str_eq(problems(), "");
    status_add_images(&s, &plain, &out);
    cr_expect(strstr(out.p, "plant:hmi@main  amd64  Synced            1/1"), "%s", out.p);
    cr_expect(strstr(out.p, "1 image: 1 Synced\n"));
}

Test(status, not_reached_while_anything_moves)
{
    set(s.images, "state", "Progressing");
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
    set(s.images, "state", "Synced");
    set(s.presence, "state", "Mirroring");
    set(s.presence, "reason", "mirror-running");
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
    set(s.presence, "state", "Present");
    json_object_set_new(json_array_get(s.repositories, 0), "sync_pending", json_true());
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
    json_object_set_new(json_array_get(s.repositories, 0), "sync_pending", json_false());
    replace(&s.commands, "[{\"id\": 1, \"verb\": \"repo_sync\"}]");
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
    replace(&s.commands, "[]");
    cr_expect_eq(status_progress(&s), PROGRESS_REACHED);
}

Test(status, a_repository_that_was_never_read_is_waited_for)
{
    replace(&s.images, "[]");
    replace(&s.presence, "[]");
    json_object_set_new(json_array_get(s.repositories, 0), "polled_at", json_null());
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
}

Test(status, stuck)
{
    set(s.images, "state", "Degraded");
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
    set(s.images, "state", "OutOfSync");
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
    set(s.images, "state", "Synced");
    replace(&s.errors, "[{\"severity\": \"warning\", \"message\": \"m\"}]");
    cr_expect_eq(status_progress(&s), PROGRESS_REACHED);
    replace(&s.errors, "[{\"severity\": \"error\", \"message\": \"m\"}]");
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
    replace(&s.errors, "[]");
    set(s.presence, "state", "Absent");
    set(s.presence, "reason", "mirror-failed");
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
    set(s.presence, "reason", "mirror-waiting");
    cr_expect_eq(status_progress(&s), PROGRESS_MOVING);
    set(s.images, "state", "Degraded"); /* that is what the mirror waits for */
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
    replace(&s.images, "[]");
    replace(&s.presence, "[]");
    cr_expect_eq(status_progress(&s), PROGRESS_STUCK);
}

Test(status, definition_errors_read_as_compilers_write_them)
{
    replace(&s.errors, "[{\"repository\": \"plant\", \"ref\": \"main\", \"severity\": \"error\", "
                       "\"file\": \"a/Containerfile\", \"line\": 3, \"column\": 8, \"message\": "
                       "\"V is\\u001b[2J not set\", \"hint\": \"set it\"}]");
    cr_expect_str_eq(problems(), "\nProblems\n* plant@main: a/Containerfile:3:8: error: "
                                 "V is?[2J not set (set it)\n");
}

Test(status, a_failure_shows_step_tests_and_tail)
{
    set(s.images, "state", "Degraded");
    set(s.images, "reason", "test-failed");
    set(s.images, "job_kind", "test");
    set(s.images, "failing_step", "tests/a.sh");
    set(s.images, "failing_message", "exit status 7");
    set(s.images, "log_attempt", "A");
    json_object_set_new(json_array_get(s.images, 0), "job", json_integer(12));
    replace(
        &s.failures,
        "{\"A\": {\"detail\": {\"tail\": [\"one\", \"two\\n\"], \"tests\": [{\"name\": \"ok\", "
        "\"result\": \"ok\"}, {\"name\": \"a\", \"result\": \"not ok\", \"message\": \"7\"}]}}}");
    cr_expect_str_eq(problems(),
                     "\nProblems\n* plant:hmi@main: test failed: tests/a.sh: exit status 7; "
                     "bootfarm job logs 12\n    not ok a: 7\n    | one\n    | two \n");
}

Test(status, what_stands_still_says_why)
{
    set(s.images, "reason", "backoff");
    set(s.images, "job_kind", "build");
    set(s.images, "detail", "registry: connection refused");
    set(s.presence, "state", "Absent");
    set(s.presence, "reason", "worker");
    set(s.repositories, "error", "cannot resolve host");
    set(s.repositories, "error_since", "2023-11-14T22:12:20Z");
    json_object_set_new(json_array_get(s.repositories, 0), "failures", json_integer(3));
    set(s.workers, "state", "disconnected");
    set(s.workers, "since", "2023-11-14T22:13:10Z");
    replace(&s.quarantine, "[{\"what\": \"finish\", \"object\": \"job 7\", \"error\": \"bad\"}]");
    replace(&s.health, "{\"leader\": null}");
    cr_expect_str_eq(problems(),
                     "\nProblems\n* no scheduler leads; start bootfarm-scheduler\n"
                     "* repository plant: cannot resolve host (3 tries for 60s)\n"
                     "* plant:hmi@main: build waits: backoff: registry: connection refused\n"
                     "* site acp-1: lacks plant:hmi@main: worker\n"
                     "* worker w: disconnected for 10s\n"
                     "* refused by PostgreSQL: finish: job 7: bad\n");
}

/* Where the only worker is gone, a farm of hundreds of images has one problem. */
Test(status, what_waits_for_the_same_is_one_line)
{
    replace(
        &s.images,
        "[{\"name\": \"a\", \"reason\": \"worker\", \"job_kind\": \"test\", \"detail\": \"none\"},"
        " {\"name\": \"b\", \"reason\": \"worker\", \"job_kind\": \"build\", \"detail\": \"none\"},"
        " {\"name\": \"c\", \"reason\": \"worker\", \"job_kind\": \"test\", \"detail\": \"none\"},"
        " {\"name\": \"d\", \"reason\": \"worker\", \"job_kind\": \"test\", \"detail\": "
        "\"none\"}]");
    cr_expect_str_eq(problems(), "\nProblems\n* a and 2 more: test waits: worker: none\n"
                                 "* b: build waits: worker: none\n");
}
