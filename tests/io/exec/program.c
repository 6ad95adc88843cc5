/* bootfarm-exec as its caller sees it: results, phases, signals, exit statuses. No tool is needed.
 */
#include "common/base/clock.h"
#include "common/loop/proc.h"
#include "tests/io/exec/temp.h"
#include <jansson.h>
#include <signal.h>
#include <unistd.h>

#define KEY "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OF_KEY "sha256:4744ff346783300ce8e770abf8fe424315d3226e9226bf01bb588e6f43a6742a"

struct call {
    char *dir;
    uv_loop_t loop;
    struct proc *proc;
    struct str out;
    struct proc_exit how;
    const char *kill_at; /* SIGTERM when the output holds it */
};

static void on_out(void *arg, const char *p, size_t n)
{
    struct call *c = arg;
    str_addmem(&c->out, p, n);
    if (c->kill_at != NULL && strstr(c->out.p, c->kill_at) != NULL)
        cr_assert(kill(proc_pid(c->proc), SIGTERM) == 0);
}

static void on_exit_cb(void *arg, struct proc_exit how)
{
    ((struct call *)arg)->how = how;
}

static void run(struct call *c, const char *kind, const char *more)
{
    c->dir = temp_dir();
    str_init(&c->out);
    BF_CLEANUP(free_ptr) char *work = xasprintf("%s/work", c->dir);
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/order", c->dir);
    BF_CLEANUP(free_ptr) char *config = xasprintf("%s/conf", c->dir);
    BF_CLEANUP(free_ptr) char *state = xasprintf("state_dir = %s/state\n", c->dir);
    BF_CLEANUP(free_ptr)
    char *order =
        xasprintf("{\"v\":1,\"kind\":\"%s\",\"job\":\"j\",\"attempt\":\"0b1c2d3e-0000-4000-8000-"
                  "000000000001\","
                  "\"image\":\"p:x@main\",\"arch\":\"amd64\",\"input_key\":\"" KEY "\",%s}",
                  kind, more);
    const char *argv[] = {BOOTFARM_EXEC, kind,       "--order", path,     "--dir",
                          work,          "--config", config,    "--fake", NULL};
    struct proc_spec spec = {.argv = argv,
                             .timeout = 60 * BF_SEC,
                             .merge_err = true,
                             .on_out = on_out,
                             .on_exit = on_exit_cb,
                             .arg = c};
    struct err e = ERR_INIT;
    cr_assert(dir_make(work, 0700, &e) == 0);
    temp_write(c->dir, "order", order);
    temp_write(c->dir, "conf", state);
    uv_loop_init(&c->loop);
    cr_assert(proc_spawn(&c->loop, &spec, &c->proc, &e) == 0, "%s", e.msg);
    uv_run(&c->loop, UV_RUN_DEFAULT);
    cr_assert(uv_loop_close(&c->loop) == 0);
}

static json_t *result_of(const struct call *c)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/work/result.json", c->dir);
    return json_load_file(path, 0, NULL);
}

static const char *text(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));
    return s != NULL ? s : "";
}

static void release(struct call *c)
{
    BF_CLEANUP(free_ptr)
    char *attempt = xasprintf("%s/state/attempts/0b1c2d3e-0000-4000-8000-000000000001", c->dir);
    cr_expect(access(attempt, F_OK) != 0, "the attempt's lock is left");
    str_release(&c->out);
    temp_remove(c->dir);
}

#define BUILD "\"context_dir\":\"/\",\"containerfile\":\"C\""
#define DIGEST "h/a@" KEY

Test(program, a_fake_build)
{
    struct call c = {0};
    run(&c, "build", BUILD ",\"fake\":{\"lines\":2}");
    cr_assert(c.how.end == PROC_EXITED && c.how.status == 0, "%s", c.out.p);
    json_t *r = result_of(&c);
    cr_expect_str_eq(text(r, "outcome"), "succeeded");
    cr_expect_str_eq(text(r, "digest"), OF_KEY);
    cr_expect(strstr(c.out.p, "fake build line 2\n") != NULL && strstr(c.out.p, "line 3") == NULL);
    json_decref(r);
    release(&c);
}

Test(program, a_fake_failure)
{
    struct call c = {0};
    run(&c, "build",
        BUILD ",\"fake\":{\"outcome\":\"failed\",\"class\":\"infra\",\"code\":\"registry\","
              "\"message\":\"down\"}");
    json_t *r = result_of(&c);
    cr_expect(c.how.status == 0);
    cr_expect_str_eq(text(r, "outcome"), "failed");
    cr_expect_str_eq(text(r, "class"), "infra");
    cr_expect_str_eq(text(r, "code"), "registry");
    cr_expect_str_eq(text(r, "message"), "down");
    json_decref(r);
    release(&c);
}

Test(program, the_other_fakes_report_the_digest_they_were_given)
{
    static const char *const kinds[] = {"publish", "mirror", "test"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct call c = {0};
        run(&c, kinds[i],
            "\"source\":\"" DIGEST "\",\"digest\":\"" KEY "\",\"dest\":\"h/b\",\"test\":{}");
        json_t *r = result_of(&c);
        cr_expect_str_eq(text(r, "outcome"), "succeeded", "%s: %s", kinds[i], c.out.p);
        cr_expect_str_eq(text(r, "digest"), KEY);
        json_decref(r);
        release(&c);
    }
}

Test(program, sigterm_leaves_no_result)
{
    struct call c = {.kill_at = "line 3\n"};
    bf_time began = clock_mono();
    run(&c, "build", BUILD ",\"fake\":{\"sleep_ms\":50000}");
    cr_expect(c.how.end == PROC_EXITED && c.how.status == 1, "%d", c.how.status);
    cr_expect(clock_mono() - began < 30 * BF_SEC);
    cr_expect_null(result_of(&c));
    release(&c);
}

Test(program, a_bad_order_is_a_result)
{
    struct call c = {0};
    run(&c, "build", "\"context_dir\":\"/\",\"containerfile\":\"/etc/passwd\"");
    json_t *r = result_of(&c);
    cr_expect_str_eq(text(r, "code"), "bad-order");
    cr_expect_str_eq(text(r, "class"), "infra");
    cr_expect(strstr(text(r, "message"), "'containerfile'") != NULL);
    json_decref(r);
    release(&c);
}

static int status_of(const char *const *argv, struct str *err_out)
{
    struct proc_spec spec = {.argv = argv, .timeout = 30 * BF_SEC};
    struct proc_exit how;
    struct err e = ERR_INIT;
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    cr_assert(proc_run(&spec, &out, err_out, 65536, &how, &e) == 0, "%s", e.msg);
    cr_assert(how.end == PROC_EXITED);
    return how.status;
}

Test(program, wrong_usage_and_configuration)
{
    char *dir = temp_dir();
    BF_CLEANUP(free_ptr) char *config = xasprintf("%s/wrong.conf", dir);
    BF_CLEANUP(str_release) struct str err = STR_INIT;
    temp_write(dir, "wrong.conf", "state_dir = /tmp\nisolaton = chroot\n");
    const char *const no_order[] = {BOOTFARM_EXEC, "build", NULL};
    const char *const unknown[] = {BOOTFARM_EXEC, "fly", NULL};
    const char *const option[] = {BOOTFARM_EXEC, "sweep", "--what", NULL};
    const char *const wrong[] = {BOOTFARM_EXEC, "sweep", "--config", config, NULL};
    const char *const version[] = {BOOTFARM_EXEC, "--version", NULL};
    cr_expect(status_of(no_order, &err) == 2 && status_of(unknown, &err) == 2 &&
              status_of(option, &err) == 2);
    str_clear(&err);
    cr_expect(status_of(wrong, &err) == 2);
    cr_expect(strstr(err.p, "wrong.conf:2") != NULL && strstr(err.p, "isolaton") != NULL, "%s",
              err.p);
    cr_expect(status_of(version, &err) == 0);
    temp_remove(dir);
}
