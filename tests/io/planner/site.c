#include "tests/io/planner/site.h"

#include "common/base/mem.h"
#include "common/base/vec.h"
#include "common/loop/file.h"
#include "common/loop/proc.h"
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const git_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
                                      "HOME=/nonexistent",
                                      "LC_ALL=C.UTF-8",
                                      "TZ=UTC",
                                      "GIT_CONFIG_GLOBAL=/dev/null",
                                      "GIT_CONFIG_SYSTEM=/dev/null",
                                      "GIT_AUTHOR_NAME=tester",
                                      "GIT_AUTHOR_EMAIL=tester@example.org",
                                      "GIT_COMMITTER_NAME=tester",
                                      "GIT_COMMITTER_EMAIL=tester@example.org",
                                      "ASAN_OPTIONS=abort_on_error=1:detect_leaks=1",
                                      NULL};

static void run(const struct proc_spec *spec, struct outcome *o)
{
    struct err e = ERR_INIT;
    struct proc_exit how;
    str_init(&o->out);
    str_init(&o->err);
    cr_assert_eq(proc_run(spec, &o->out, &o->err, 64 << 20, &how, &e), 0, "%s", e.msg);
    cr_assert_eq(how.end, PROC_EXITED, "%s ended with signal %d: %s", spec->argv[0], how.status,
                 o->err.p);
    o->status = how.status;
}

void outcome_release(struct outcome *o)
{
    str_release(&o->out);
    str_release(&o->err);
}

#define ARGS_MAX 24

static void collect(const char **argv, const char *first, va_list ap)
{
    size_t n = 0;
    for (const char *arg = first; arg != NULL; arg = va_arg(ap, const char *)) {
        cr_assert_lt(n, ARGS_MAX);
        argv[n++] = arg;
    }
    argv[n] = NULL;
}

static void run_in(const char *cwd, const char *const *argv, struct outcome *o)
{
    struct proc_spec spec = {.argv = argv, .env = git_env, .cwd = cwd, .timeout = 60 * BF_SEC};
    run(&spec, o);
    cr_assert_eq(o->status, 0, "%s %s: %s", argv[0], argv[1], o->err.p);
}

void site_run(const struct site *s, const char *cwd, const char *program, ...)
{
    const char *argv[ARGS_MAX + 1];
    struct outcome o;
    va_list ap;
    (void)s;
    va_start(ap, program);
    collect(argv, program, ap);
    va_end(ap);
    run_in(cwd, argv, &o);
    outcome_release(&o);
}

char *site_ask(const struct site *s, const char *cwd, const char *program, ...)
{
    const char *argv[ARGS_MAX + 1];
    struct outcome o;
    va_list ap;
    (void)s;
    va_start(ap, program);
    collect(argv, program, ap);
    va_end(ap);
    run_in(cwd, argv, &o);
    char *line = xstrndup(o.out.p, strcspn(o.out.p, "\n"));
    outcome_release(&o);
    return line;
}

void site_open(struct site *s)
{
    *s = (struct site){.dir = "/tmp/planner-test-XXXXXX"};
    cr_assert(mkdtemp(s->dir) != NULL);
    s->remote = xasprintf("%s/plant.git", s->dir);
    s->work = xasprintf("%s/work", s->dir);
    s->mirror = xasprintf("%s/mirrors/1.git", s->dir);
    site_run(s, s->dir, "git", "init", "-q", "--bare", "-b", "main", s->remote, NULL);
    site_run(s, s->dir, "git", "init", "-q", "-b", "main", s->work, NULL);
    site_git(s, "remote", "add", "origin", s->remote);
}

void site_close(struct site *s)
{
    struct err e = ERR_INIT;
    cr_expect_eq(dir_remove(s->dir, &e), 0, "%s", e.msg);
    free(s->remote);
    free(s->work);
    free(s->mirror);
    free(s->out);
}

static void write_mode(const struct site *s, const char *path, const char *text, unsigned mode)
{
    struct err e = ERR_INIT;
    char *full = xasprintf("%s/%s", s->work, path), *slash = strrchr(full, '/');
    *slash = '\0';
    cr_assert_eq(dir_make(full, 0755, &e), 0, "%s", e.msg);
    *slash = '/';
    cr_assert_eq(file_write_atomic(full, text, strlen(text), mode, &e), 0, "%s", e.msg);
    free(full);
}

void site_write(const struct site *s, const char *path, const char *text)
{
    write_mode(s, path, text, 0644);
}

void site_write_exec(const struct site *s, const char *path, const char *text)
{
    write_mode(s, path, text, 0755);
}

void site_link(const struct site *s, const char *path, const char *target)
{
    write_mode(s, path, "", 0644);
    char *full = xasprintf("%s/%s", s->work, path);
    cr_assert_eq(unlink(full), 0);
    cr_assert_eq(symlink(target, full), 0);
    free(full);
}

void site_push(const struct site *s)
{
    site_git(s, "add", "-A");
    site_git(s, "commit", "-q", "--allow-empty", "-m", "a commit");
    site_git(s, "push", "-q", "--force", "origin", "HEAD");
}

char *site_head(const struct site *s)
{
    return site_ask(s, s->work, "git", "rev-parse", "HEAD", NULL);
}

json_t *site_input(const struct site *s)
{
    char *url = xasprintf("file://%s", s->remote);
    json_t *in =
        json_pack("{s:s, s:s, s:s, s:[s], s:{}, s:[], s:s, s:s, s:{}, s:i}", "slug", "plant", "url",
                  url, "mirror", s->mirror, "refs", "HEAD", "known_refs", "known_contexts",
                  "registry", "registry.example", "arch", "amd64", "git", "timeout_ms", 60000);
    cr_assert(in != NULL);
    free(url);
    return in;
}

json_t *site_poll_with(struct site *s, json_t *input, int status)
{
    static const char *const argv[] = {TEST_PLANNER, "poll", NULL};
    struct outcome o;
    json_error_t e;
    free(s->out);
    s->out = xasprintf("%s/out-%d", s->dir, s->runs++);
    cr_assert_eq(mkdir(s->out, 0755), 0);
    json_object_set_new(input, "out", json_string(s->out));
    char *text = json_dumps(input, 0);
    json_decref(input);
    struct proc_spec spec = {
        .argv = argv, .env = git_env, .in = text, .in_len = strlen(text), .timeout = 60 * BF_SEC};
    run(&spec, &o);
    cr_assert_eq(o.status, status, "exit status %d\n%s%s", o.status, o.out.p, o.err.p);
    json_t *out = json_loads(o.out.p, JSON_DISABLE_EOF_CHECK, &e), *plans = json_array();
    cr_assert(out != NULL, "%s\n%s", e.text, o.out.p);
    for (const char *at = strchr(o.out.p, '\n'); at && at[1]; at = strchr(at + 1, '\n')) {
        json_t *plan = json_loads(at + 1, JSON_DISABLE_EOF_CHECK, &e);
        cr_assert(plan != NULL, "%s\n%s", e.text, at);
        json_array_append_new(plans, plan);
    }
    json_object_set_new(out, "plans", plans); /* as one document, for whoever looks into it */
    outcome_release(&o);
    free(text);
    return out;
}

json_t *site_poll(struct site *s)
{
    return site_poll_with(s, site_input(s), 0);
}

void site_planner(const struct site *s, struct outcome *o, ...)
{
    const char *argv[ARGS_MAX + 1] = {TEST_PLANNER};
    va_list ap;
    va_start(ap, o);
    collect(argv + 1, va_arg(ap, const char *), ap);
    va_end(ap);
    struct proc_spec spec = {.argv = argv, .env = git_env, .cwd = s->dir, .timeout = 60 * BF_SEC};
    run(&spec, o);
}

const json_t *image_named(const json_t *output, const char *name)
{
    const json_t *images =
        json_object_get(json_array_get(json_object_get(output, "plans"), 0), "images");
    for (size_t i = 0; i < json_array_size(images); i++) {
        const json_t *image = json_array_get(images, i);
        if (strcmp(text_of(image, "name"), name) == 0)
            return image;
    }
    cr_assert_fail("there is no image %s", name);
    return NULL;
}

const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    cr_assert(text != NULL, "there is no text '%s'", key);
    return text;
}

/* Path of a blob of the layout. */
static char *blob_path(const char *layout, const char *digest)
{
    cr_assert(str_starts(digest, "sha256:"));
    return xasprintf("%s/blobs/sha256/%s", layout, digest + strlen("sha256:"));
}

char *artifact_listing(const struct site *s, const json_t *image, const char *member)
{
    const json_t *artifact = json_object_get(image, member);
    cr_assert(json_is_object(artifact));
    char *layout = xasprintf("%s/%s", s->out, text_of(artifact, "path"));
    char *path = blob_path(layout, text_of(artifact, "digest"));
    json_t *manifest = json_load_file(path, 0, NULL);
    cr_assert(manifest != NULL, "%s", path);
    const json_t *layer = json_array_get(json_object_get(manifest, "layers"), 0);
    char *tar = blob_path(layout, text_of(layer, "digest"));
    cr_expect_eq(json_integer_value(json_object_get(layer, "size")),
                 json_integer_value(json_object_get(artifact, "size")));
    const char *const argv[] = {"tar", "--numeric-owner", "--full-time", "-tvf", tar, NULL};
    struct outcome o;
    run_in(s->dir, argv, &o);
    char *text = str_steal(&o.out);
    outcome_release(&o);
    free(tar);
    free(path);
    free(layout);
    json_decref(manifest);
    return text;
}

json_t *plan_json(struct site *s, int status, const char *path, const char *option)
{
    struct outcome o;
    json_error_t e;
    site_planner(s, &o, "plan", path, "--json", "--arch=amd64", option, NULL);
    cr_assert_eq(o.status, status, "%s%s", o.out.p, o.err.p);
    json_t *out = json_loads(o.out.p, 0, &e);
    cr_assert(out != NULL, "%s: %s", e.text, o.out.p);
    outcome_release(&o);
    return out;
}
