/* plan, lint and order on repositories, working trees and folders of this host. */
#include "common/base/mem.h"
#include "tests/io/planner/site.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

static void write_plant(const struct site *s)
{
    site_write(s, "base/Containerfile", "FROM quay.io/org/os:1\nCOPY a /a\n");
    site_write(s, "base/a", "1");
    site_write(s, "hmi/Containerfile", "ARG V=1\nFROM localhost/base\nCOPY . /srv\n");
    site_write(s, "hmi/page", "1");
}

/* "ID REASON BECAUSE" lines. */
static char *jobs_text(const json_t *plan)
{
    struct str s = STR_INIT;
    size_t i;
    const json_t *job;
    json_array_foreach(json_object_get(plan, "jobs"), i, job) str_addf(
        &s, "%s %s %s\n", text_of(job, "id"), text_of(job, "reason"), text_of(job, "because"));
    return str_steal(&s);
}

static const char *page_key(const json_t *plan)
{
    const json_t *images = json_object_get(plan, "images");
    return text_of(json_array_get(images, json_array_size(images) - 1), "recipe");
}

Test(offline, the_public_plan)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    char *head = site_head(&s);
    json_t *bare = plan_json(&s, 0, "plant.git", NULL), *tree = plan_json(&s, 0, "work", NULL);
    cr_expect_str_eq(text_of(bare, "rev"), head);
    cr_assert_eq(json_array_size(json_object_get(bare, "images")), 2);
    cr_expect(json_equal(json_object_get(bare, "jobs"), json_object_get(tree, "jobs")));
    const json_t *hmi = json_array_get(json_object_get(bare, "images"), 1);
    cr_expect_str_eq(text_of(hmi, "name"), "hmi");
    cr_expect_str_eq(text_of(hmi, "file"), "hmi/Containerfile");
    cr_expect_str_eq(text_of(hmi, "context"), "hmi");
    cr_expect_eq(json_integer_value(json_object_get(hmi, "wave")), 1);
    const json_t *parent = json_array_get(json_object_get(hmi, "parents"), 0);
    cr_expect_str_eq(text_of(parent, "image"), "base");
    cr_expect_str_eq(text_of(parent, "ref"), "localhost/base:latest");
    json_t *again = plan_json(&s, 0, "plant.git", NULL);
    cr_expect(json_equal(bare, again));
    json_decref(bare);
    json_decref(tree);
    json_decref(again);
    free(head);
    site_close(&s);
}

Test(offline, since_an_earlier_revision)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_push(&s);
    site_git(&s, "tag", "before");
    site_write(&s, "README", "nothing that matters\n");
    site_push(&s);
    json_t *none = plan_json(&s, 0, "work", "--since=before");
    cr_expect_eq(json_array_size(json_object_get(none, "jobs")), 0);
    site_write(&s, "hmi/page", "2");
    site_push(&s);
    json_t *hmi = plan_json(&s, 0, "work", "--since=before");
    char *text = jobs_text(hmi);
    cr_expect_str_eq(text,
                     "build:hmi:amd64 context hmi/page\ntest:hmi:amd64 context hmi/page\n"
                     "publish:hmi context hmi/page\n",
                     "%s", text);
    free(text);
    site_write(&s, "base/Containerfile", "FROM quay.io/org/os:2\nCOPY a /a\n");
    site_push(&s);
    json_t *both = plan_json(&s, 0, "work", "--since=HEAD~1");
    text = jobs_text(both);
    cr_expect_str_eq(text,
                     "build:base:amd64 definition base/Containerfile\n"
                     "test:base:amd64 definition base/Containerfile\n"
                     "publish:base definition base/Containerfile\n"
                     "build:hmi:amd64 parent base\n"
                     "test:hmi:amd64 parent base\n"
                     "publish:hmi parent base\n",
                     "%s", text);
    free(text);
    /* Back to earlier content is what it was. */
    site_git(&s, "checkout", "-q", "before", "--", "base", "hmi");
    site_push(&s);
    json_t *back = plan_json(&s, 0, "work", "--since=before");
    cr_expect_eq(json_array_size(json_object_get(back, "jobs")), 0);
    json_decref(none);
    json_decref(hmi);
    json_decref(both);
    json_decref(back);
    site_close(&s);
}

Test(offline, commit_disk_and_folder_give_the_same_keys)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_write(&s, ".gitignore", "*.tmp\nout/\n");
    site_link(&s, "hmi/link", "page");
    site_push(&s);
    json_t *commit = plan_json(&s, 0, "work", NULL);
    /* Ignored files are not there; uncommitted ones are, on the disk only. */
    site_write(&s, "hmi/junk.tmp", "x");
    site_write(&s, "hmi/out/junk", "x");
    json_t *disk = plan_json(&s, 0, "work", "--disk");
    cr_expect_str_eq(page_key(commit), page_key(disk));
    cr_expect(json_is_null(json_object_get(disk, "rev")));
    site_write(&s, "hmi/page", "uncommitted");
    json_t *still = plan_json(&s, 0, "work", NULL), *changed = plan_json(&s, 0, "work", "--disk");
    cr_expect_str_eq(page_key(commit), page_key(still));
    cr_expect_str_neq(page_key(commit), page_key(changed));
    /* What is tracked is not ignored. */
    site_git(&s, "add", "-f", "hmi/junk.tmp");
    json_t *tracked = plan_json(&s, 0, "work", "--disk");
    cr_expect_str_neq(page_key(changed), page_key(tracked));
    site_git(&s, "rm", "-q", "--cached", "hmi/junk.tmp");
    /* The same files in a folder that Git does not know. */
    site_run(&s, s.dir, "git", "-C", s.work, "checkout", "-q", "hmi/page", NULL);
    site_run(&s, s.dir, "git", "clone", "-q", s.work, "folder", NULL);
    site_run(&s, s.dir, "rm", "-rf", "folder/.git", NULL);
    json_t *folder = plan_json(&s, 0, "folder", NULL);
    cr_expect_str_eq(page_key(commit), page_key(folder));
    json_decref(commit);
    json_decref(disk);
    json_decref(still);
    json_decref(changed);
    json_decref(tracked);
    json_decref(folder);
    site_close(&s);
}

Test(offline, a_working_tree_without_a_commit_is_read_from_the_disk)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    json_t *plan = plan_json(&s, 0, "work", NULL);
    cr_expect_eq(json_array_size(json_object_get(plan, "images")), 2);
    json_decref(plan);
    site_close(&s);
}

Test(offline, lint_speaks_as_compilers_do)
{
    struct site s;
    struct outcome o;
    site_open(&s);
    write_plant(&s);
    site_planner(&s, &o, "lint", "work", NULL);
    cr_expect_eq(o.status, 0);
    cr_expect_str_eq(o.out.p, "");
    outcome_release(&o);
    site_write(&s, "base/image.yaml", "bulid:\n  network: none\n");
    site_write(&s, "hmi/Dockerfile", "FROM x\n");
    site_planner(&s, &o, "lint", "work", NULL);
    cr_expect_eq(o.status, 1);
    cr_expect_str_eq(
        o.out.p,
        "base/image.yaml:1:1: error: there is no key 'bulid' here [unknown-key]\n"
        "  hint: did you mean 'build'?\n"
        "hmi/Containerfile:2:6: error: hmi is built from base, whose definition has "
        "errors [broken-parent]\n"
        "hmi/Dockerfile:1:1: warning: the Containerfile in this folder is used instead "
        "[shadowed]\n"
        "  hint: remove one of them, or name both in bootfarm.yaml\n",
        "%s", o.out.p);
    outcome_release(&o);
    site_planner(&s, &o, "lint", "work", "--json", NULL);
    json_t *json = json_loads(o.out.p, 0, NULL);
    cr_expect_eq(json_array_size(json_object_get(json, "errors")), 2);
    cr_expect_eq(json_array_size(json_object_get(json, "warnings")), 1);
    json_decref(json);
    outcome_release(&o);
    json = plan_json(&s, 1, "work", NULL);
    cr_expect_eq(json_array_size(json_object_get(json, "errors")), 2);
    json_decref(json);
    site_close(&s);
}

/* No byte of `text` that a terminal would obey, and nothing but UTF-8. */
static bool is_harmless(const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (((unsigned char)*p < 0x20 && *p != '\n') || *p == 0x7f)
            return false;
    }
    return utf8_valid(text, strlen(text)) && strstr(text, "\xc2\x9b") == NULL;
}

Test(offline, text_of_a_repository_does_not_steer_the_terminal)
{
    struct site s;
    struct outcome o;
    site_open(&s);
    site_write(&s, "a\033[2J/Containerfile", "FROM scratch\n");
    site_write(&s, "b/Containerfile", "FROM scratch\n\033]0;PWN\007\033[31mFOO\xff\xc2\x9b bar\n");
    site_write(&s, "c/Containerfile", "FROM scratch\n");
    site_write(&s, "c/image.yaml", "\"\\eb\\nx\\u009b\": 1\n");
    site_planner(&s, &o, "lint", "work", NULL);
    cr_expect_eq(o.status, 1);
    cr_expect(strstr(o.out.p, "PWN") != NULL, "%s", o.out.p);
    cr_expect(is_harmless(o.out.p), "%s", o.out.p);
    outcome_release(&o);
    site_planner(&s, &o, "plan", "work", NULL);
    cr_expect_eq(o.status, 1);
    cr_expect(strstr(o.err.p, "PWN") != NULL, "%s", o.err.p);
    cr_expect(is_harmless(o.out.p) && is_harmless(o.err.p), "%s%s", o.out.p, o.err.p);
    outcome_release(&o);
    site_close(&s);
}

Test(offline, configuration_from_elsewhere)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_write(&s, "../other.yaml",
               "bootfarm: 1\nimages: [{ files: [base/Containerfile], name: os }]\n");
    json_t *plan = plan_json(&s, 0, "work", "--config=other.yaml");
    const json_t *images = json_object_get(plan, "images");
    cr_assert_eq(json_array_size(images), 1);
    cr_expect_str_eq(text_of(json_array_get(images, 0), "name"), "os");
    json_decref(plan);
    site_close(&s);
}

static const struct {
    const char *argument[4];
    int status;
    const char *says;
} usages[] = {
    {{"plan", "--nonsense"}, 2, "--nonsense"},
    {{"plan", "a", "b"}, 2, "too many"},
    {{"nonsense"}, 2, "nonsense"},
    {{"lint", "--since=x"}, 2, "--since"},
    {{"order", "work"}, 2, "missing"},
    {{"order", "work", "hmi"}, 2, "--out"},
    {{"order", "work", "hmi", "--kind=fly"}, 2, "fly"},
    {{"plan", "--alias=x"}, 2, "x"},
    {{"plan", "nowhere"}, 1, "nowhere"},
    {{"plan", "plain", "--rev=HEAD"}, 2, "not a Git repository"},
    {{"plan", "work", "--rev=nothing"}, 1, "nothing"},
    {{"plan", "plant.git"}, 1, "HEAD"},
    {{"plan", "work", "--config=none.yaml"}, 1, "none.yaml"},
    {{"order", "work", "nothing", "--out=."}, 1, "nothing"},
    {{"--version"}, 0, "bootfarm-planner"},
    {{"--help"}, 0, "usage"},
    {{"plan", "--help"}, 0, "usage"},
};

Test(offline, exit_statuses)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_run(&s, s.dir, "mkdir", "plain", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(usages); i++) {
        const char *const *a = usages[i].argument;
        struct outcome o;
        site_planner(&s, &o, a[0], a[1], a[2], a[3], NULL);
        cr_expect_eq(o.status, usages[i].status, "%s %s: %d %s", a[0], a[1], o.status, o.err.p);
        cr_expect(strstr(usages[i].status == 0 ? o.out.p : o.err.p, usages[i].says) != NULL,
                  "%s %s says: %s", a[0], a[1], o.err.p);
        outcome_release(&o);
    }
    site_close(&s);
}

/* Whether lint and plan say that they did not look at what is not committed. */
static bool tells(struct site *s, const char *path, const char *option)
{
    struct outcome lint, plan;
    site_planner(s, &lint, "lint", path, option, NULL);
    site_planner(s, &plan, "plan", path, option, NULL);
    bool told = strstr(lint.err.p, "uncommitted") != NULL && strstr(lint.err.p, "--disk") != NULL;
    cr_expect_eq(lint.status, 0);
    cr_expect_str_eq(lint.err.p, plan.err.p);
    cr_expect_str_eq(lint.out.p, "");
    cr_expect(told || lint.err.len == 0, "%s", lint.err.p);
    outcome_release(&lint);
    outcome_release(&plan);
    return told;
}

Test(offline, who_reads_head_is_told_of_uncommitted_changes)
{
    struct site s;
    site_open(&s);
    write_plant(&s);
    site_write(&s, ".gitignore", "*.tmp\n");
    cr_expect(!tells(&s, "work", NULL), "without a commit the files are read");
    site_push(&s);
    site_write(&s, "hmi/ignored.tmp", "1");
    cr_expect(!tells(&s, "work", NULL));
    site_write(&s, "late/Containerfile", "FROM scratch\n");
    cr_expect(tells(&s, "work", NULL), "a new folder");
    site_push(&s);
    cr_expect(!tells(&s, "work", NULL));
    site_write(&s, "late/Containerfile", "FROM scratch\nNONSENSE\n");
    cr_expect(tells(&s, "work", NULL), "another content");
    cr_expect(!tells(&s, "work", "--rev=HEAD"), "a revision was asked for");
    cr_expect(!tells(&s, "plant.git", NULL), "there are no other files");
    site_git(&s, "add", "-A");
    cr_expect(tells(&s, "work", NULL), "in the index only");
    site_git(&s, "rm", "-qrf", "late");
    cr_expect(tells(&s, "work", NULL), "a removed file");
    cr_expect(!tells(&s, "work", "--disk"));
    site_close(&s);
}

Test(offline, plan_tells_errors_and_warnings_as_lint_does)
{
    struct site s;
    struct outcome lint, plan;
    site_open(&s);
    write_plant(&s);
    site_write(&s, "base/image.yaml", "bulid:\n  network: none\n");
    site_write(&s, "hmi/Dockerfile", "FROM x\n");
    site_planner(&s, &lint, "lint", "work", NULL);
    site_planner(&s, &plan, "plan", "work", NULL);
    cr_expect(strstr(lint.out.p, "warning: ") != NULL, "%s", lint.out.p);
    cr_expect_str_eq(plan.err.p, lint.out.p);
    outcome_release(&lint);
    outcome_release(&plan);
    site_close(&s);
}

Test(offline, orders_of_what_is_on_the_disk)
{
    struct site s;
    struct outcome o;
    struct stat st;
    site_open(&s);
    write_plant(&s);
    site_write(&s, "hmi/image.yaml", "args: { V: 2 }\ntest: { scripts: [t/*.sh], timeout: 90s }\n");
    site_write_exec(&s, "hmi/t/up.sh", "true\n");
    site_push(&s);
    site_write(&s, "hmi/uncommitted", "1");
    site_run(&s, s.dir, "mkdir", "b", "t", NULL);
    site_planner(&s, &o, "order", "work", "hmi", "--out=b", NULL);
    cr_assert_eq(o.status, 0, "%s", o.err.p);
    json_t *order = json_loads(o.out.p, 0, NULL);
    outcome_release(&o);
    cr_expect_str_eq(text_of(order, "kind"), "build");
    cr_expect_str_eq(text_of(order, "image"), "work:hmi@main");
    cr_expect_eq(strlen(text_of(order, "attempt")), 36);
    cr_expect_str_eq(text_of(json_object_get(order, "args"), "V"), "2");
    char *file = xasprintf("%s/uncommitted", text_of(order, "context_dir"));
    cr_expect_eq(stat(file, &st), 0);
    free(file);
    file = xasprintf("%s/%s", text_of(order, "context_dir"), text_of(order, "containerfile"));
    cr_expect_eq(stat(file, &st), 0);
    free(file);
    const json_t *pin = json_array_get(json_object_get(order, "pins"), 0);
    cr_expect_str_eq(text_of(pin, "image"), "localhost/base:latest");
    cr_expect(json_is_null(json_object_get(order, "push")));
    json_decref(order);
    site_planner(&s, &o, "order", "work", "hmi", "--kind=test", "--out=t", NULL);
    cr_assert_eq(o.status, 0, "%s", o.err.p);
    order = json_loads(o.out.p, 0, NULL);
    outcome_release(&o);
    cr_expect_eq(json_integer_value(json_object_get(order, "timeout_ms")), 90000);
    cr_expect_str_eq(text_of(order, "source"), "localhost/hmi:latest");
    file = xasprintf("%s/t/up.sh", text_of(order, "scripts_dir"));
    cr_assert_eq(stat(file, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0755);
    free(file);
    json_decref(order);
    site_close(&s);
}
