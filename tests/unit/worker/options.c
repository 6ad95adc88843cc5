#include "worker/options.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "tests/unit/worker/tmp.h"
#include "worker/core/blame.h"
#include "worker/host.h"
#include "worker/order.h"
#include "worker/secrets.h"
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

static struct err e;

#define GOOD                                                         \
    "name = w1\nschedulers = tcp://127.0.0.1:1, tcp://127.0.0.1:2\n" \
    "log_endpoints = tcp://127.0.0.1:3,tcp://127.0.0.1:4\n"          \
    "server_key = 0123456789012345678901234567890123456789\nkey_file = /k\n"

static int load(struct tmp *t, const char *text, struct options *o)
{
    char arg[128];
    int rest;
    tmp_write(t, "worker.conf", text, strlen(text));
    snprintf(arg, sizeof arg, "--config=%s", tmp_path(t, "worker.conf"));
    char *argv[] = {"bootfarm-worker", arg, NULL};
    return options_load(2, argv, o, &rest, &e);
}

Test(options, lists_are_checked_together)
{
    static const struct {
        const char *text, *expect; /* in the message; NULL: fine */
    } rows[] = {
        {GOOD, NULL},
        {GOOD "roles = build,dance\n", "roles: expected build, test, publish or mirror"},
        {GOOD "roles =\n", "roles"},
        {GOOD "capabilities = kvm, secret:x\n", "capabilities"},
        {GOOD "capabilities = kvm,a;b\n", "\"a;b\""},
        {GOOD "arch = AMD64\n", "arch"},
        {GOOD "slots = 1000\n", "slots"},
        {GOOD "slotz = 1\n", "did you mean slots?"},
        {"name = w1\n", "schedulers is missing"},
        {"name = w\nschedulers = tcp://a:1\nlog_endpoints = tcp://a:2,tcp://a:3\n"
         "server_key = 0123456789012345678901234567890123456789\nkey_file = /k\n",
         "one for each of schedulers"},
        {"name = w\nschedulers = ipc://a\nlog_endpoints = tcp://a:2\n"
         "server_key = 0123456789012345678901234567890123456789\nkey_file = /k\n",
         "schedulers: expected tcp://HOST:PORT"},
        {"name = w\nschedulers = tcp://a:1\nlog_endpoints = tcp://a:2\nserver_key = x\n"
         "key_file = /k\n",
         "server_key"},
    };
    struct tmp t;
    tmp_make(&t);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct options o;
        int rc = load(&t, rows[i].text, &o);
        cr_expect_eq(rc, rows[i].expect ? -1 : 0, "row %zu: %s", i, e.msg);
        if (rows[i].expect != NULL) {
            cr_expect_eq(e.kind, ERR_CONFIG);
            cr_expect(strstr(e.msg, rows[i].expect) != NULL, "row %zu: %s", i, e.msg);
        } else {
            options_release(&o);
        }
    }
    tmp_remove(&t);
}

Test(options, reload_takes_what_is_reloadable_or_nothing)
{
    struct tmp t;
    struct options o;
    tmp_make(&t);
    cr_assert_eq(load(&t, GOOD "slots = 2\nroles = build\n", &o), 0, "%s", e.msg);
    char arg[128];
    snprintf(arg, sizeof arg, "--config=%s", tmp_path(&t, "worker.conf"));
    char *argv[] = {"bootfarm-worker", arg, NULL};

    tmp_write(&t, "worker.conf", GOOD "slots = 5\nroles = test\ncapabilities = kvm\n",
              strlen(GOOD "slots = 5\nroles = test\ncapabilities = kvm\n"));
    cr_assert_eq(options_reload(2, argv, &o, &e), 0, "%s", e.msg);
    cr_expect_eq(o.slots, 5);
    cr_expect_str_eq(o.capabilities, "kvm");
    cr_expect_str_eq(o.roles, "build", "not reloadable");

    tmp_write(&t, "worker.conf", "slots = x\n", 10);
    cr_expect_eq(options_reload(2, argv, &o, &e), -1);
    cr_expect_eq(o.slots, 5);
    options_release(&o);
    tmp_remove(&t);
}

static char *read_doc(const char *path)
{
    struct str s = STR_INIT;
    cr_assert_eq(file_read(path, 1u << 20, &s, &e), 0, "%s", e.msg);
    return str_steal(&s);
}

/* The reference of README.md and the table in options.c say the same. */
Test(options, the_readme_has_every_option_as_it_is)
{
    char *doc = read_doc(TEST_README);
    for (const struct conf_option *o = worker_conf.options; o->name != NULL; o++) {
        struct str row = STR_INIT;
        const char *reload = o->reloadable ? "yes" : "";
        if (strcmp(o->name, "arch") == 0)
            str_addf(&row, "| `arch` | this machine's | %s | %s |\n", reload, o->help);
        else if (o->required || o->def == NULL || o->def[0] == '\0')
            str_addf(&row, "| `%s` | %s | %s | %s |\n", o->name,
                     o->required ? "required"
                     : o->def    ? "empty"
                                 : "none",
                     reload, o->help);
        else
            str_addf(&row, "| `%s` | `%s` | %s | %s |\n", o->name, o->def, reload, o->help);
        cr_expect_not_null(strstr(doc, row.p), "README.md lacks: %s", row.p);
        str_release(&row);
    }
    free(doc);
}

Test(options, every_code_of_blame_stands_in_the_readme)
{
    char *doc = read_doc(TEST_README);
    const char *table = strstr(doc, "## Who is to blame");
    cr_assert_not_null(table);
    for (int b = BLAME_NONE + 1; b < BLAME_COUNT; b++) {
        char code[80];
        snprintf(code, sizeof code, "`%s`", blame_code((enum blame)b));
        const char *row = strstr(table, code);
        cr_expect_not_null(row, "README.md lacks %s", code);
        if (row == NULL)
            continue;
        size_t n = strcspn(row, "\n");
        char *line = xstrndup(row, n), class[20];
        snprintf(class, sizeof class, "| %s |", blame_class((enum blame)b));
        cr_expect_not_null(strstr(line, class), "%s is %s", code, class);
        free(line);
    }
    free(doc);
}

/* The table of messages in proto/README.md has the numbers of messages.def. */
Test(options, every_message_stands_in_the_protocol)
{
    char *doc = read_doc(TEST_PROTO);
#define MESSAGE(num, Name, prefix, socket, sender, max) \
    cr_expect_not_null(strstr(doc, "| " #num " | " #Name " |"), "%s", #Name);
#include "proto/messages.def"
#undef MESSAGE
    free(doc);
}

Test(options, lists)
{
    size_t n;
    char **w = list_split(" a, b,,c ", 8, &n);
    cr_expect_eq(n, 3);
    cr_expect_str_eq(w[0], "a");
    cr_expect_str_eq(w[2], "c");
    cr_expect_null(w[3]);
    free(w);
    w = list_split(NULL, 8, &n);
    cr_expect_eq(n, 0);
    free(w);
    w = list_split("a,b,c", 2, &n);
    cr_expect_eq(n, 2);
    free(w);
    cr_expect(list_has("build, test", "test"));
    cr_expect(!list_has("build, test", "tes"));
    cr_expect(!list_has("", ""));
}

Test(order, what_the_daemon_reads_of_it)
{
    struct order o;
    const char good[] = "{\"v\": 1, \"kind\": \"build\", \"job\": \"build:a:amd64\","
                        "\"timeout_ms\": 60000, \"secrets\": [\"key\", \"to.ken\"]}";
    cr_assert_eq(order_parse(good, sizeof good - 1, &o, &e), 0, "%s", e.msg);
    cr_expect_str_eq(o.kind, "build");
    cr_expect_eq(o.timeout, 60 * BF_SEC);
    cr_expect_str_eq(o.secrets[1], "to.ken");
    cr_expect_null(o.secrets[2]);
    order_release(&o);
    static const char *const bad[] = {
        "",
        "{}",
        "{\"kind\": \"build\", \"job\": \"a\"}",
        "{\"kind\": \"--help\", \"job\": \"a\", \"timeout_ms\": 1}",
        "{\"kind\": \"build\", \"job\": \"a\\nb\", \"timeout_ms\": 1}",
        "{\"kind\": \"build\", \"job\": \"a\", \"timeout_ms\": 0}",
        "{\"kind\": \"build\", \"job\": \"a\", \"timeout_ms\": 99999999999999}",
        "{\"kind\": \"build\", \"job\": \"a\", \"timeout_ms\": 1, \"secrets\": \"x\"}",
        "{\"kind\": \"build\", \"job\": \"a\", \"timeout_ms\": 1, \"secrets\": [\"../x\"]}",
        "{\"kind\": \"build\", \"job\": \"a\", \"timeout_ms\": 1, \"secrets\": [\".x\"]}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_eq(order_parse(bad[i], strlen(bad[i]), &o, &e), -1, "%s", bad[i]);
}

static void count(void *arg, const char *name)
{
    cr_expect_str_eq(name, "key");
    ++*(int *)arg;
}

Test(secrets, files_and_redactor)
{
    struct tmp t;
    struct redact *r = NULL;
    int n = 0;
    tmp_make(&t);
    tmp_write(&t, "key", "value-of-key\n", 13);
    tmp_write(&t, ".hidden", "x", 1);
    tmp_write(&t, "bad name", "x", 1);
    secrets_list(t.dir, count, &n);
    cr_expect_eq(n, 1);
    secrets_list(NULL, count, &n);
    cr_expect_eq(n, 1);

    char *names[] = {"key", "absent", NULL};
    cr_assert_eq(secrets_redactor(t.dir, names, &r, &e), 0, "%s", e.msg);
    struct str out = STR_INIT;
    redact_text(r, "a value-of-key b", 16, &out);
    cr_expect_str_eq(out.p, "a ****** b");
    str_release(&out);
    secrets_forget(r);
    secrets_forget(NULL);

    char *dir[] = {".", NULL}; /* exists and cannot be read: nothing may run with it */
    cr_expect_eq(secrets_redactor(t.dir, dir, &r, &e), -1);
    tmp_remove(&t);
}

Test(host, what_a_probe_may_answer)
{
    const char good[] =
        "{\"arch\": \"amd64\", \"capabilities\": [\"kvm\", \"a b\", 1, \"heredoc\"]}";
    char *list = host_read_probe(good, sizeof good - 1);
    cr_expect_str_eq(list, "kvm,heredoc");
    free(list);
    list = host_read_probe("{\"capabilities\": []}", 20);
    cr_expect_str_eq(list, "");
    free(list);
    static const char *const bad[] = {"", "[]", "{}", "{\"capabilities\": \"kvm\"}", "kvm"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        cr_expect_null(host_read_probe(bad[i], strlen(bad[i])), "%s", bad[i]);
}
