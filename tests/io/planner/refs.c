/* Pull requests, refs that flap, names that pretend, and signed commits. */
#include "common/base/mem.h"
#include "tests/io/planner/site.h"

#include <criterion/criterion.h>
#include <unistd.h>

static json_t *input_for(const struct site *s, json_t *refs, json_t *known)
{
    json_t *in = site_input(s);
    json_object_set_new(in, "refs", refs);
    if (known != NULL)
        json_object_set_new(in, "known_refs", known);
    return in;
}

/* "name name" of the refs of an output, and of its plans. Free it. */
static char *names_of(const json_t *out)
{
    struct str s = STR_INIT;
    size_t i;
    const json_t *o;
    json_array_foreach(json_object_get(out, "refs"), i, o)
        str_addf(&s, "%s%s", i > 0 ? " " : "", text_of(o, "name"));
    str_add(&s, " |");
    json_array_foreach(json_object_get(out, "plans"), i, o) str_addf(&s, " %s", text_of(o, "ref"));
    return str_steal(&s);
}

static void expect_names(const json_t *out, const char *expected)
{
    char *names = names_of(out);
    cr_expect_str_eq(names, expected, "got %s", names);
    free(names);
}

static void commit(const struct site *s, const char *text)
{
    site_write(s, "a/Containerfile", "FROM scratch\nCOPY file /file\n");
    site_write(s, "a/file", text);
    site_git(s, "add", "-A");
    site_git(s, "commit", "-q", "-m", text);
}

Test(refs, pull_requests_are_refs_of_their_own)
{
    struct site s;
    site_open(&s);
    commit(&s, "1");
    site_push(&s);
    commit(&s, "2");
    site_git(&s, "push", "-q", "origin", "HEAD:refs/pull/7/head", "HEAD:refs/pull/8/head",
             "HEAD:refs/pull/8/merge", "HEAD:refs/merge-requests/9/head", "HEAD:refs/other/1/head");
    char *oid = site_head(&s);

    json_t *out = site_poll_with(&s, input_for(&s, json_pack("[s]", "*"), NULL), 0);
    expect_names(out, "main | main");
    json_decref(out);
    out = site_poll_with(&s, input_for(&s, json_pack("[s, s]", "HEAD", "pull/*"), NULL), 0);
    expect_names(out, "main pull/7 pull/8 | main pull/7 pull/8");
    cr_expect_str_eq(text_of(json_array_get(json_object_get(out, "refs"), 1), "oid"), oid);
    json_decref(out);
    out = site_poll_with(&s, input_for(&s, json_pack("[s]", "merge-requests/?"), NULL), 0);
    expect_names(out, "merge-requests/9 | merge-requests/9");
    json_decref(out);

    /* Closed: it is gone, from the mirror too. */
    site_git(&s, "push", "-q", "origin", ":refs/pull/7/head");
    out = site_poll_with(&s,
                         input_for(&s, json_pack("[s]", "pull/*"),
                                   json_pack("{s:s, s:s}", "pull/7", oid, "pull/8",
                                             "0000000000000000000000000000000000000000")),
                         0);
    expect_names(out, "pull/8 | pull/8");
    json_decref(out);
    char *left = site_ask(&s, s.dir, "git", "--git-dir", s.mirror, "for-each-ref",
                          "--format=%(refname)", NULL);
    cr_expect_str_eq(left, "refs/pull/8/head");
    free(left);
    free(oid);
    site_close(&s);
}

/* Who may push branches must not be able to speak for a tag or a pull request, or the other way. */
Test(refs, a_branch_cannot_take_the_name_of_something_else)
{
    struct site s;
    site_open(&s);
    commit(&s, "1");
    site_push(&s);
    site_git(&s, "push", "-q", "origin", "HEAD:refs/heads/pull/7", "HEAD:refs/heads/tags/v1",
             "HEAD:refs/heads/merge-requests/1", "HEAD:refs/heads/pulls/1", "HEAD:refs/tags/v1");
    json_t *out = site_poll_with(
        &s, input_for(&s, json_pack("[s, s, s]", "**", "pull/*", "tags/*"), NULL), 0);
    expect_names(out, "main pulls/1 tags/v1 | main pulls/1 tags/v1");
    json_decref(out);
    site_close(&s);
}

Test(refs, what_flaps_between_two_polls_is_what_it_was)
{
    struct site s;
    site_open(&s);
    commit(&s, "1");
    site_push(&s);
    char *oid = site_head(&s);
    json_t *first = site_poll(&s);
    commit(&s, "2");
    site_git(&s, "push", "-q", "origin", "main");
    site_git(&s, "push", "-q", "--force", "origin", "HEAD~1:main");
    json_t *out = site_poll_with(
        &s, input_for(&s, json_pack("[s]", "HEAD"), json_pack("{s:s}", "main", oid)), 0);
    cr_expect(json_is_true(json_object_get(out, "unchanged")));
    expect_names(out, "main |");
    json_decref(out);

    /* Deleted and made again at the same commit: the same. */
    site_git(&s, "push", "-q", "origin", "HEAD:refs/heads/x");
    site_git(&s, "push", "-q", "origin", ":x");
    out = site_poll_with(&s, input_for(&s, json_pack("[s]", "*"), json_pack("{s:s}", "main", oid)),
                         0);
    expect_names(out, "main |");
    json_decref(out);
    json_decref(first);
    free(oid);
    site_close(&s);
}

/* A commit that touches nothing of an image gives the same plan, and writes nothing. */
Test(refs, commits_that_concern_no_image_cost_nothing)
{
    struct site s;
    site_open(&s);
    commit(&s, "1");
    site_push(&s);
    json_t *first = site_poll(&s);
    const json_t *was = image_named(first, "a");
    site_write(&s, "README.md", "text\n");
    site_push(&s);
    json_t *in = site_input(&s);
    json_object_set_new(in, "known_contexts", json_pack("[s]", text_of(was, "context_key")));
    json_t *second = site_poll_with(&s, in, 0);
    const json_t *is = image_named(second, "a");
    cr_expect_str_eq(text_of(is, "recipe"), text_of(was, "recipe"));
    cr_expect_str_eq(text_of(is, "tests_key"), text_of(was, "tests_key"));
    cr_expect_str_eq(text_of(is, "publish_key"), text_of(was, "publish_key"));
    cr_expect(json_is_null(json_object_get(is, "artifact")));
    json_decref(first);
    json_decref(second);
    site_close(&s);
}

/* ---- signed commits ---- */

/* The code of the only plan's only error, or "". */
static const char *verdict(const json_t *out)
{
    const json_t *plan = json_array_get(json_object_get(out, "plans"), 0);
    const json_t *error = json_array_get(json_object_get(plan, "errors"), 0);
    cr_assert(plan != NULL);
    cr_expect_eq(json_array_size(json_object_get(plan, "images")), error == NULL);
    return error != NULL ? text_of(error, "code") : "";
}

static void expect_verdict(struct site *s, const char *member, const char *file,
                           const char *expected, const char *words)
{
    json_t *in = site_input(s);
    char *path = xasprintf("%s/%s", s->dir, file);
    json_object_set_new(in, "git", json_pack("{s:s}", member, path));
    json_t *out = site_poll_with(s, in, 0);
    cr_expect_str_eq(verdict(out), expected, "%s: got '%s'", file, verdict(out));
    if (words != NULL) {
        char *text = json_dumps(json_object_get(out, "plans"), JSON_COMPACT);
        cr_expect(strstr(text, words) != NULL, "no '%s' in %s", words, text);
        free(text);
    }
    json_decref(out);
    free(path);
}

static void ssh_key(const struct site *s, const char *name)
{
    char *path = xasprintf("%s/%s", s->dir, name), *list = xasprintf("%s.allowed", path);
    site_run(s, s->dir, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path,
             NULL);
    char *script =
        xasprintf("printf '%s@example.org ' >%s && cat %s.pub >>%s", name, list, path, list);
    site_run(s, s->dir, "sh", "-c", script, NULL);
    free(path);
    free(list);
    free(script);
}

Test(refs, ssh_signatures)
{
    struct site s;
    site_open(&s);
    ssh_key(&s, "ann");
    ssh_key(&s, "eve");
    commit(&s, "unsigned");
    site_push(&s);
    expect_verdict(&s, "allowed_signers", "ann.allowed", "unsigned-commit", "is not signed by");

    char *key = xasprintf("user.signingkey=%s/ann", s.dir);
    site_write(&s, "a/file", "signed");
    site_git(&s, "add", "-A");
    site_git(&s, "-c", "gpg.format=ssh", "-c", key, "commit", "-q", "-S", "-m", "signed");
    site_git(&s, "push", "-q", "origin", "main");
    expect_verdict(&s, "allowed_signers", "ann.allowed", "", NULL);
    expect_verdict(&s, "allowed_signers", "eve.allowed", "unsigned-commit", "is not signed by");

    /* Only the commit at the head counts; what is on top of a signed one is unsigned. */
    commit(&s, "on top");
    site_push(&s);
    expect_verdict(&s, "allowed_signers", "ann.allowed", "unsigned-commit", NULL);
    free(key);
    site_close(&s);
}

Test(refs, a_list_of_signers_that_cannot_be_read_trusts_nobody)
{
    struct site s;
    site_open(&s);
    commit(&s, "1");
    site_push(&s);
    json_t *in = site_input(&s);
    json_object_set_new(in, "git", json_pack("{s:s}", "allowed_signers", "/nonexistent/signers"));
    json_t *out = site_poll_with(&s, in, 1);
    const json_t *error = json_object_get(out, "error");
    cr_expect_str_eq(text_of(error, "kind"), "internal");
    cr_expect(strstr(text_of(error, "message"), "/nonexistent/signers") != NULL);
    json_decref(out);
    site_close(&s);
}

static void pgp_key(const struct site *s, const char *name)
{
    char *script = xasprintf("mkdir -m 700 home-%s && export GNUPGHOME=$PWD/home-%s && "
                             "gpg --batch --quiet --passphrase '' --quick-generate-key "
                             "%s@example.org ed25519 sign never "
                             "&& gpg --batch --export >%s.keys && gpgconf --kill gpg-agent",
                             name, name, name, name);
    site_run(s, s->dir, "sh", "-c", script, NULL);
    free(script);
}

Test(refs, openpgp_signatures)
{
    struct site s;
    site_open(&s);
    pgp_key(&s, "ann");
    pgp_key(&s, "eve");
    commit(&s, "unsigned");
    site_push(&s);
    expect_verdict(&s, "keyring", "ann.keys", "unsigned-commit", NULL);
    site_run(
        &s, s.work, "sh", "-c",
        "export GNUPGHOME=$PWD/../home-ann && git -c user.signingkey=ann@example.org commit -q "
        "--allow-empty --amend -S -m signed && gpgconf --kill gpg-agent",
        NULL);
    site_git(&s, "push", "-q", "--force", "origin", "main");
    expect_verdict(&s, "keyring", "ann.keys", "", NULL);
    expect_verdict(&s, "keyring", "eve.keys", "unsigned-commit", "is not signed by");
    expect_verdict(&s, "allowed_signers", "ann.keys", "unsigned-commit", NULL);
    site_close(&s);
}
