/* Polls of real repositories: what is planned, what is not, and what is said when nothing can be.
 */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "tests/io/planner/site.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_plant(const struct site *s)
{
    site_write(s, "images/base/Containerfile", "FROM quay.io/org/os:1\nCOPY a /a\n");
    site_write(s, "images/base/a", "1");
    site_write(s, "images/hmi/Containerfile", "FROM localhost/images/base\nCOPY . /srv\n");
    site_write(s, "images/hmi/page", "1");
    site_write(s, "images/hmi/image.yaml", "test: { scripts: [t/*.sh] }\n");
    site_write_exec(s, "images/hmi/t/up.sh", "true\n");
}

/* The refs of an output as {"name": "oid"}. */
static json_t *refs_of(const json_t *out)
{
    json_t *refs = json_object();
    size_t i;
    const json_t *ref;
    json_array_foreach(json_object_get(out, "refs"), i, ref)
        json_object_set_new(refs, text_of(ref, "name"), json_string(text_of(ref, "oid")));
    return refs;
}

/* All keys of contexts and scripts that the output names. */
static json_t *contexts_of(const json_t *out)
{
    json_t *keys = json_array();
    size_t i;
    const json_t *image;
    json_array_foreach(json_object_get(json_array_get(json_object_get(out, "plans"), 0), "images"),
                       i, image)
    {
        json_array_append_new(keys, json_string(text_of(image, "context_key")));
        if (json_is_string(json_object_get(image, "scripts_key")))
            json_array_append_new(keys, json_string(text_of(image, "scripts_key")));
    }
    return keys;
}

/* What the scheduler knows after `out`. */
static json_t *next_input(const struct site *s, const json_t *out)
{
    json_t *in = site_input(s);
    json_object_set_new(in, "known_refs", refs_of(out));
    json_object_set_new(in, "known_contexts", contexts_of(out));
    return in;
}

static size_t plans_of(const json_t *out)
{
    return json_array_size(json_object_get(out, "plans"));
}

Test(poll, plans_once_and_then_only_what_changed)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    char *head = site_head(&s);
    json_t *first = site_poll(&s);
    cr_expect_str_eq(text_of(first, "head"), "main");
    cr_expect(json_is_false(json_object_get(first, "unchanged")));
    cr_assert_eq(plans_of(first), 1);
    const json_t *plan = json_array_get(json_object_get(first, "plans"), 0);
    cr_expect_str_eq(text_of(plan, "oid"), head);
    cr_expect_str_eq(text_of(plan, "ref"), "main");
    const json_t *hmi = image_named(first, "images/hmi");
    cr_expect_str_eq(text_of(json_array_get(json_object_get(hmi, "parents"), 0), "image"),
                     "images/base");
    cr_expect_str_eq(
        text_of(json_array_get(json_object_get(image_named(first, "images/base"), "externals"), 0),
                "ref"),
        "quay.io/org/os:1");
    cr_expect(json_is_object(json_object_get(hmi, "artifact")));
    cr_expect(json_is_object(json_object_get(hmi, "tests_artifact")));

    json_t *again = site_poll_with(&s, next_input(&s, first), 0);
    cr_expect(json_is_true(json_object_get(again, "unchanged")));
    cr_expect_eq(plans_of(again), 0);
    cr_expect_eq(json_array_size(json_object_get(again, "refs")), 1);

    site_write(&s, "images/base/a", "2");
    site_push(&s);
    json_t *third = site_poll_with(&s, next_input(&s, first), 0);
    cr_assert_eq(plans_of(third), 1);
    const json_t *base = image_named(third, "images/base"),
                 *was = image_named(first, "images/base");
    cr_expect_str_neq(text_of(base, "recipe"), text_of(was, "recipe"));
    cr_expect(json_is_object(json_object_get(base, "artifact")));
    /* The child has another recipe, but the same files: nothing is written for it. */
    const json_t *child = image_named(third, "images/hmi");
    cr_expect_str_neq(text_of(child, "recipe"), text_of(hmi, "recipe"));
    cr_expect_str_eq(text_of(child, "context_key"), text_of(hmi, "context_key"));
    cr_expect(json_is_null(json_object_get(child, "artifact")));
    cr_expect(json_is_null(json_object_get(child, "tests_artifact")));
    json_decref(first);
    json_decref(again);
    json_decref(third);
    free(head);
    site_close(&s);
}

Test(poll, a_test_script_changes_the_tests_key_only)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    json_t *first = site_poll(&s);
    site_write_exec(&s, "images/hmi/t/up.sh", "false\n");
    site_push(&s);
    json_t *second = site_poll_with(&s, next_input(&s, first), 0);
    const json_t *a = image_named(first, "images/hmi"), *b = image_named(second, "images/hmi");
    cr_expect_str_eq(text_of(a, "recipe"), text_of(b, "recipe"));
    cr_expect_str_eq(text_of(a, "context_key"), text_of(b, "context_key"));
    cr_expect_str_neq(text_of(a, "tests_key"), text_of(b, "tests_key"));
    cr_expect(json_is_object(json_object_get(b, "tests_artifact")));
    json_decref(first);
    json_decref(second);
    site_close(&s);
}

/* One repository says its triggers, the farm hands them to the poll of another. */
Test(poll, triggers_go_from_one_repository_to_another)
{
    static const char reference[] = "registry.example/os/base:main";
    struct site s, os;
    char *listing[3];
    site_open(&os);
    site_write(&os, "base/Containerfile", "FROM scratch\nONBUILD COPY app /srv\n");
    site_write(&os, "plain/Containerfile", "FROM scratch\n");
    site_push(&os);
    json_t *said = site_poll(&os);
    json_t *triggers = json_object_get(image_named(said, "base"), "onbuild");
    cr_assert_eq(json_array_size(triggers), 1);
    cr_expect_str_eq(json_string_value(json_array_get(triggers, 0)), "COPY app /srv");
    cr_expect_null(json_object_get(image_named(said, "plain"), "onbuild"));

    site_open(&s);
    site_write(&s, "a/Containerfile", "FROM registry.example/os/base:main\nCOPY own /\n");
    site_write(&s, "a/own", "1");
    site_write(&s, "a/app/x", "1");
    site_write(&s, "a/rest", "1");
    site_push(&s);
    json_t *const given[] = {NULL, triggers, json_null()};
    for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
        json_t *in = site_input(&s);
        if (given[i] != NULL)
            json_object_set_new(in, "onbuild", json_pack("{s:O}", reference, given[i]));
        json_t *out = site_poll_with(&s, in, 0);
        listing[i] = artifact_listing(&s, image_named(out, "a"), "artifact");
        json_decref(out);
    }
    cr_expect_null(strstr(listing[0], "app/x"));
    cr_expect_not_null(strstr(listing[1], "app/x"));
    cr_expect_null(strstr(listing[1], "rest"));
    cr_expect_not_null(strstr(listing[2], "rest"), "null: not known, so all travels");
    for (size_t i = 0; i < ARRAY_SIZE(listing); i++)
        free(listing[i]);
    json_decref(said);
    site_close(&s);
    site_close(&os);
}

Test(poll, too_long_triggers_are_null)
{
    struct site s;
    site_open(&s);
    char *file = xasprintf("FROM scratch\nONBUILD RUN %08192d\n", 1);
    site_write(&s, "base/Containerfile", file);
    site_push(&s);
    json_t *out = site_poll(&s);
    cr_expect(json_is_null(json_object_get(image_named(out, "base"), "onbuild")));
    json_decref(out);
    free(file);
    site_close(&s);
}

Test(poll, refs_come_go_and_jump)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    site_git(&s, "checkout", "-q", "-b", "feature/x");
    site_write(&s, "images/hmi/page", "2");
    site_push(&s);
    site_git(&s, "tag", "-a", "-m", "a release", "v1");
    site_git(&s, "tag", "other");
    site_git(&s, "push", "-q", "origin", "v1", "other");
    char *commit = site_head(&s);

    json_t *in = site_input(&s);
    json_object_set_new(in, "refs", json_pack("[s, s, s]", "main", "feature/*", "tags/v*"));
    json_t *first = site_poll_with(&s, in, 0), *refs = refs_of(first);
    cr_assert_eq(json_object_size(refs), 3);
    cr_expect_str_eq(text_of(refs, "feature/x"), commit);
    cr_expect_str_eq(text_of(refs, "tags/v1"), commit);
    cr_expect_eq(plans_of(first), 3);
    size_t i;
    const json_t *plan;
    json_array_foreach(json_object_get(first, "plans"), i, plan)
    {
        const char *ref = text_of(plan, "ref");
        const json_t *image = json_array_get(json_object_get(plan, "images"), 0);
        const char *tag = json_string_value(
            json_array_get(json_object_get(json_object_get(image, "publish"), "tags"), 0));
        cr_expect_str_eq(tag, strcmp(ref, "main") == 0        ? "main"
                              : strcmp(ref, "feature/x") == 0 ? "feature-x"
                                                              : "v1");
    }

    /* Rewritten history, and a branch that is gone. */
    site_git(&s, "push", "-q", "origin", "--delete", "feature/x");
    site_git(&s, "checkout", "-q", "main");
    site_git(&s, "commit", "-q", "--amend", "-m", "rewritten");
    site_git(&s, "push", "-q", "--force", "origin", "main");
    free(commit);
    commit = site_head(&s);
    in = site_input(&s);
    json_object_set_new(in, "refs", json_pack("[s, s]", "main", "feature/*"));
    json_object_set(in, "known_refs", refs);
    json_t *second = site_poll_with(&s, in, 0), *now = refs_of(second);
    cr_assert_eq(json_object_size(now), 1);
    cr_expect_str_eq(text_of(now, "main"), commit);
    cr_expect_eq(plans_of(second), 1);
    char *left = site_ask(&s, s.dir, "git", "--git-dir", s.mirror, "for-each-ref",
                          "--format=%(refname)", NULL);
    cr_expect_str_eq(left, "refs/heads/main");

    /* The branch comes back at another commit. */
    site_git(&s, "checkout", "-q", "-b", "again");
    site_write(&s, "images/hmi/page", "3");
    site_git(&s, "add", "-A");
    site_git(&s, "commit", "-q", "-m", "back");
    site_git(&s, "push", "-q", "origin", "HEAD:feature/x");
    in = site_input(&s);
    json_object_set_new(in, "refs", json_pack("[s, s]", "main", "feature/*"));
    json_object_set(in, "known_refs", now);
    json_t *third = site_poll_with(&s, in, 0);
    cr_assert_eq(plans_of(third), 1);
    cr_expect_str_eq(text_of(json_array_get(json_object_get(third, "plans"), 0), "ref"),
                     "feature/x");
    json_decref(first);
    json_decref(second);
    json_decref(third);
    json_decref(refs);
    json_decref(now);
    free(commit);
    free(left);
    site_close(&s);
}

Test(poll, a_mirror_that_was_lost_is_made_again)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    json_t *first = site_poll(&s);
    site_run(&s, s.dir, "rm", "-rf", s.mirror, NULL);
    site_write(&s, "images/base/a", "2");
    site_push(&s);
    json_t *second = site_poll_with(&s, next_input(&s, first), 0);
    cr_expect_eq(plans_of(second), 1);
    json_decref(first);
    json_decref(second);
    site_close(&s);
}

Test(poll, a_tag_of_something_else_than_a_commit)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    site_git(&s, "tag", "v1", "HEAD:images/base/a");
    site_git(&s, "tag", "v2");
    site_git(&s, "push", "-q", "origin", "v1", "v2");
    json_t *in = site_input(&s);
    json_object_set_new(in, "refs", json_pack("[s]", "tags/*"));
    json_t *out = site_poll_with(&s, in, 0);
    cr_assert_eq(plans_of(out), 2);
    const json_t *bad = json_array_get(json_object_get(out, "plans"), 0);
    const json_t *good = json_array_get(json_object_get(out, "plans"), 1);
    cr_expect_str_eq(text_of(json_array_get(json_object_get(bad, "errors"), 0), "code"),
                     "not-a-commit");
    cr_expect_eq(json_array_size(json_object_get(good, "images")), 2);
    json_decref(out);
    site_close(&s);
}

/* As a poll leaves it that was killed in the middle. */
Test(poll, a_mirror_with_locks_of_the_dead)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    json_t *first = site_poll(&s);
    char *lock = xasprintf("%s/refs/heads/main.lock", s.mirror);
    site_run(&s, s.dir, "touch", lock, NULL);
    site_write(&s, "images/base/a", "2");
    site_push(&s);
    json_t *second = site_poll_with(&s, next_input(&s, first), 0);
    cr_expect_eq(plans_of(second), 1);
    free(lock);
    json_decref(first);
    json_decref(second);
    site_close(&s);
}

Test(poll, a_mirror_that_lost_its_objects_is_made_again)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    json_t *first = site_poll(&s);
    char *objects = xasprintf("%s/objects", s.mirror);
    site_run(&s, s.dir, "rm", "-rf", objects, NULL);
    site_run(&s, s.dir, "mkdir", objects, NULL);
    site_write(&s, "images/base/a", "2");
    site_push(&s);
    json_t *second = site_poll_with(&s, next_input(&s, first), 0);
    cr_expect_eq(plans_of(second), 1);
    /* The same when no new commit comes. */
    site_run(&s, s.dir, "rm", "-rf", objects, NULL);
    site_run(&s, s.dir, "mkdir", objects, NULL);
    json_t *third = site_poll_with(&s, site_input(&s), 0);
    cr_expect_eq(plans_of(third), 1);
    free(objects);
    json_decref(first);
    json_decref(second);
    json_decref(third);
    site_close(&s);
}

Test(poll, an_empty_repository_has_no_refs)
{
    struct site s;
    site_open(&s);
    json_t *out = site_poll(&s);
    cr_expect_eq(json_array_size(json_object_get(out, "refs")), 0);
    cr_expect(json_is_true(json_object_get(out, "unchanged")));
    json_decref(out);
    site_close(&s);
}

Test(poll, broken_definitions_stop_only_their_images)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_write(&s, "images/bad/Containerfile", "FROM ${NOTHING}\n");
    site_write(&s, "images/worse/Containerfile", "FROM scratch\n");
    site_write(&s, "images/worse/image.yaml", "test:\n  tiemout: 5m\n");
    site_push(&s);
    json_t *out = site_poll(&s);
    const json_t *plan = json_array_get(json_object_get(out, "plans"), 0);
    const json_t *errors = json_object_get(plan, "errors");
    cr_expect_eq(json_array_size(json_object_get(plan, "images")), 2);
    cr_assert_eq(json_array_size(errors), 2);
    const json_t *e = json_array_get(errors, 1);
    cr_expect_str_eq(text_of(e, "file"), "images/worse/image.yaml");
    cr_expect_eq(json_integer_value(json_object_get(e, "line")), 2);
    cr_expect_eq(json_integer_value(json_object_get(e, "column")), 3);
    cr_expect_str_eq(text_of(e, "code"), "unknown-key");
    cr_expect_str_eq(text_of(e, "hint"), "did you mean 'timeout'?");
    cr_expect_str_eq(json_string_value(json_array_get(json_object_get(e, "images"), 0)),
                     "images/worse");
    json_decref(out);
    site_close(&s);
}

static void expect_fault(struct site *s, const char *url, const char *kind, int timeout_ms)
{
    json_t *in = site_input(s);
    json_object_set_new(in, "url", json_string(url));
    json_object_set_new(in, "timeout_ms", json_integer(timeout_ms));
    json_t *out = site_poll_with(s, in, 1);
    const json_t *error = json_object_get(out, "error");
    cr_expect_str_eq(text_of(error, "kind"), kind, "%s: %s (%s)", url, text_of(error, "kind"),
                     text_of(error, "message"));
    cr_expect_neq(text_of(error, "message")[0], '\0');
    json_decref(out);
}

Test(poll, faults_of_the_remote_have_a_kind)
{
    struct site s;
    site_open(&s);
    char *nothing = xasprintf("file://%s/nothing.git", s.dir), *marker = xasprintf("%s/ran", s.dir);
    char *program = xasprintf("ext::touch %s", marker);
    expect_fault(&s, nothing, "repository", 60000);
    expect_fault(&s, "git://127.0.0.1:1/x", "unreachable", 60000);
    expect_fault(&s, "https://127.0.0.1:1/x", "unreachable", 60000);
    expect_fault(&s, "http://127.0.0.1:1/x", "repository", 60000); /* not an allowed protocol */
    expect_fault(&s, program, "repository", 60000);
    expect_fault(&s, "--upload-pack=touch /tmp/x", "repository", 60000);
    expect_fault(&s, "", "repository", 60000);
    struct stat st;
    cr_expect_neq(stat(marker, &st), 0, "a program of the URL was run");
    free(nothing);
    free(marker);
    free(program);
    site_close(&s);
}

Test(poll, a_server_that_says_nothing_is_left_at_the_deadline)
{
    struct site s;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    site_open(&s);
    cr_assert_eq(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    cr_assert_eq(listen(fd, 8), 0);
    cr_assert_eq(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    char *url = xasprintf("git://127.0.0.1:%d/x", ntohs(at.sin_port));
    bf_time start = clock_mono();
    expect_fault(&s, url, "unreachable", 1000);
    cr_expect_lt(clock_mono() - start, 20 * BF_SEC);
    close(fd);
    free(url);
    site_close(&s);
}

/* What git itself refuses to make is written as raw objects. */
Test(poll, a_commit_with_a_forbidden_path_is_refused)
{
    struct site s;
    site_open(&s);
    char *script = xasprintf("b=$(echo x | git hash-object -w --stdin) && "
                             "t=$(printf '100644 blob %%s\\t.git\\n' $b | git mktree) && "
                             "git push -q origin $(git commit-tree -m evil $t):refs/heads/main");
    site_run(&s, s.work, "sh", "-c", script, NULL);
    char *url = xasprintf("file://%s", s.remote);
    expect_fault(&s, url, "repository", 60000);
    free(url);
    free(script);
    site_close(&s);
}

Test(poll, a_repository_of_another_user)
{
    struct site s;
    if (geteuid() != 0)
        cr_skip_test("only root can give a repository away");
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    site_run(&s, s.dir, "chown", "-R", "nobody", s.remote, NULL);
    json_t *out = site_poll(&s);
    cr_expect_eq(plans_of(out), 1);
    json_decref(out);
    site_close(&s);
}

Test(poll, a_url_that_holds_credentials_is_not_given_to_git)
{
    struct site s;
    static const char *const urls[] = {
        "https://u:hunter2@127.0.0.1:1/x", "HTTPS://hunter2@127.0.0.1:1/x",
        "ssh://git:hunter2@127.0.0.1:1/x", "git:hunter2@127.0.0.1:x"};
    site_open(&s);
    for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
        json_t *in = site_input(&s);
        json_object_set_new(in, "url", json_string(urls[i]));
        json_t *out = site_poll_with(&s, in, 1);
        const json_t *error = json_object_get(out, "error");
        cr_expect_str_eq(text_of(error, "kind"), "repository");
        cr_expect(strstr(text_of(error, "message"), "--credentials") != NULL);
        cr_expect(strstr(text_of(error, "message"), "hunter2") == NULL);
        json_decref(out);
    }
    expect_fault(&s, "ssh://git@127.0.0.1:1/x", "unreachable", 60000);
    site_close(&s);
}

Test(poll, input_that_is_no_input)
{
    struct site s;
    static const char *const missing[] = {"slug", "url", "mirror", "arch"};
    site_open(&s);
    for (size_t i = 0; i < ARRAY_SIZE(missing); i++) {
        json_t *in = site_input(&s);
        json_object_set_new(in, missing[i], json_integer(1));
        json_t *out = site_poll_with(&s, in, 1);
        const json_t *error = json_object_get(out, "error");
        cr_expect_str_eq(text_of(error, "kind"), "internal");
        cr_expect(strstr(text_of(error, "message"), missing[i]) != NULL);
        json_decref(out);
    }
    site_close(&s);
}
