/* Every key of a definition: what it takes, and what is said about anything else. */
#include "scheduler/plan/settings.h"
#include "tests/unit/plan/fixture.h"

#include <criterion/criterion.h>

static bool decode(struct arena *a, const char *text, struct diags *d, struct settings *s)
{
    const struct ynode *root = yaml_parse(a, "f", text, strlen(text), d);
    cr_assert(root != NULL, "%s", text);
    return settings_decode(a, root, SETTINGS_RULE, d, s);
}

static const struct {
    const char *text, *error, *hint; /* hint NULL: not looked at */
} bad[] = {
    {"nmae: x\n", "f:1:1 unknown-key", "did you mean 'name'?"},
    {"zzzzzz: x\n", "f:1:1 unknown-key", ""},
    {"test:\n  bot: auto\n", "f:2:3 unknown-key", "did you mean 'boot'?"},
    {"build: { netwrok: none }\n", "f:1:10 unknown-key", "did you mean 'network'?"},
    {"name: [x]\n", "f:1:7 bad-type", NULL},
    {"name: {x: y}\n", "f:1:7 bad-type", NULL},
    {"test:\n  boot:\n", "f:2:3 bad-type", "leave the key out, or give it a value"},
    {"context: [a]\n", "f:1:10 bad-type", NULL},
    {"args: [a]\n", "f:1:7 bad-type", NULL},
    {"args: { A: [x] }\n", "f:1:12 bad-type", NULL},
    {"args_files: {a: b}\n", "f:1:13 bad-type", NULL},
    {"inputs: ['a{b']\n", "f:1:10 bad-glob", NULL},
    {"files: ['']\n", "f:1:9 bad-glob", NULL},
    {"test: { scripts: ['[a'] }\n", "f:1:19 bad-glob", NULL},
    {"arch: [x86_64]\n", "f:1:8 bad-value", "did you mean 'amd64'?"},
    {"arch: arm65\n", "f:1:7 bad-value", "did you mean 'arm64'?"},
    {"matrix: [a]\n", "f:1:9 bad-type", NULL},
    {"matrix: { site: a }\n", "f:1:17 bad-type", NULL},
    {"matrix: { site: [] }\n", "f:1:17 bad-type", NULL},
    {"matrix: { 'a b': [x] }\n", "f:1:11 bad-value", NULL},
    {"matrix: { site: [[a]] }\n", "f:1:18 bad-type", NULL},
    {"matrix: { include: a }\n", "f:1:20 bad-type", NULL},
    {"matrix: { include: [a] }\n", "f:1:21 bad-type", NULL},
    {"rebuild: { every: 5m }\n", "f:1:19 bad-value", "from 1h to 3650d"},
    {"rebuild: { every: soon }\n", "f:1:19 bad-value", ""},
    {"build: none\n", "f:1:8 bad-type", NULL},
    {"build: { network: bridge }\n", "f:1:19 bad-value", NULL},
    {"build: { memory: 4 potatoes }\n", "f:1:18 bad-value", NULL},
    {"build: { memory: 1KiB }\n", "f:1:18 bad-value", "from 64MiB to 1024GiB"},
    {"build: { cpus: 0 }\n", "f:1:16 bad-value", NULL},
    {"build: { timeout: 0 }\n", "f:1:19 bad-value", NULL},
    {"build: { silence: 100d }\n", "f:1:19 bad-value", NULL},
    {"build: { secrets: ['a/b'] }\n", "f:1:20 bad-value", NULL},
    {"build: { cache: perhaps }\n", "f:1:17 bad-value", NULL},
    {"test: { boot: nope }\n", "f:1:15 bad-value", "did you mean 'no'?"},
    {"test: { cpus: 1000 }\n", "f:1:15 bad-value", NULL},
    {"publish: { when: testde }\n", "f:1:18 bad-value", "did you mean 'tested'?"},
    {"publish: { partial: 2 }\n", "f:1:21 bad-value", NULL},
    {"place: { needs: ['-x'] }\n", "f:1:18 bad-value", NULL},
    {"priority: 5000\n", "f:1:11 bad-value", NULL},
    {"priority: high\n", "f:1:11 bad-value", NULL},
    {"- a\n", "f:1:1 bad-type", NULL},
};

Test(settings, errors_say_where_and_what)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct arena a = ARENA_INIT;
        struct diags d = {.a = &a};
        struct settings s;
        cr_expect(!decode(&a, bad[i].text, &d, &s), "%s", bad[i].text);
        char *text = errors_text(&d);
        cr_expect_str_eq(text, bad[i].error, "%s: got %s", bad[i].text, text);
        if (d.list.n == 1 && bad[i].hint != NULL)
            cr_expect_str_eq(d.list.v[0]->hint != NULL ? d.list.v[0]->hint : "", bad[i].hint, "%s",
                             bad[i].text);
        free(text);
        diags_release(&d);
        arena_release(&a);
    }
}

static const char full[] =
    "files: ['images/**/Containerfile', \"*.x\"]\n"
    "exclude: '**/vendor/**'\n"
    "name: '{dir}'\n"
    "context: /\n"
    "provides: ['localhost/{name}:latest']\n"
    "args: { VERSION: '2.0', N: 1 }\n"
    "args_files: [a.conf]\n"
    "contexts: { common: /common, tools: 'image:tools/alpine' }\n"
    "inputs: ['t/**']\n"
    "needs_images: ['registry.example/app:1']\n"
    "target: runtime\n"
    "matrix: { site: [a, b], role: [x], include: [{site: c, role: y}] }\n"
    "arch: [amd64, arm64]\n"
    "version: 2.0.0\n"
    "rebuild: { every: 7d, max_age: 30d }\n"
    "build: { network: none, memory: 4GiB, cpus: 3, timeout: 60m, silence: 15m,\n"
    "  secrets: [activation-key], cache: false }\n"
    "test: { boot: no, container: ['/usr/bin/app --version'], scripts: ['t/*.sh'],\n"
    "  memory: 1GiB, cpus: 1, timeout: 90s, ready: graphical.target }\n"
    "publish: { tags: ['{ref}'], when: manual, partial: yes }\n"
    "mirror: { sites: ['acp-*'] }\n"
    "place: { site: hub, needs: [kvm] }\n"
    "priority: -10\n";

Test(settings, every_key)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct settings s;
    cr_assert(decode(&a, full, &d, &s));
    cr_expect_eq(s.files.n, 2);
    cr_expect_eq(s.exclude.n, 1);
    cr_expect_str_eq(s.name.text, "{dir}");
    cr_expect_eq(s.name.at.line, 3);
    cr_expect_eq(s.name.at.column, 7);
    cr_expect_str_eq(s.args.v[1].value.text, "1");
    cr_expect_str_eq(s.contexts.v[1].value.text, "image:tools/alpine");
    cr_expect_eq(s.matrix.axes, 2);
    cr_expect_eq(s.matrix.includes, 1);
    cr_expect_eq(s.arch.n, 2);
    cr_expect_eq(s.rebuild.max_age, 30 * 24 * 3600 * BF_SEC);
    cr_expect_eq(s.build.network, NET_NONE);
    cr_expect_eq(s.build.memory, INT64_C(4) << 30);
    cr_expect_eq(s.build.silence, 900 * BF_SEC);
    cr_expect(!s.build.cache);
    cr_expect_eq(s.test.boot, BOOT_NO);
    cr_expect_eq(s.test.timeout, 90 * BF_SEC);
    cr_expect_eq(s.publish.when, WHEN_MANUAL);
    cr_expect(s.publish.partial);
    cr_expect_str_eq(s.mirror_sites.v[0].text, "acp-*");
    cr_expect_str_eq(s.place_site.text, "hub");
    cr_expect_eq(s.priority, -10);
    diags_release(&d);
    arena_release(&a);
}

Test(settings, rules_have_keys_that_files_have_not)
{
    static const char text[] = "files: [a]\n";
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct settings s;
    const struct ynode *root = yaml_parse(&a, "f", text, strlen(text), &d);
    cr_expect(!settings_decode(&a, root, SETTINGS_FILE, &d, &s));
    cr_expect_str_eq(d.list.v[0]->code, "unknown-key");
    diags_release(&d);
    arena_release(&a);
}

Test(settings, what_is_good_beside_an_error_is_kept)
{
    struct arena a = ARENA_INIT;
    struct diags d = {.a = &a};
    struct settings s;
    cr_expect(!decode(&a, "name: x\ntest: { timeout: never, boot: yes }\n", &d, &s));
    cr_expect_str_eq(s.name.text, "x");
    cr_expect_eq(s.test.boot, BOOT_YES);
    cr_expect_eq(s.test.timeout, 600 * BF_SEC);
    diags_release(&d);
    arena_release(&a);
}
