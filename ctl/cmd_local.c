/* build|test --local DIR, and test REFERENCE: one stage on this host, without a farm.
 *
 * A work order (from bootfarm-planner, or made here) goes to bootfarm-exec in a directory of its
 * own; its log is shown as it comes, then its result. */
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "ctl/ctl.h"
#include "ctl/program.h"
#include "ctl/resolve.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/utsname.h>

#define RESULT_MAX ((size_t)1 << 20)

struct place {
    char *dir;    /* everything below it is ours */
    char *order;  /* the work order */
    char *work;   /* the executor's directory */
    char *config; /* NULL: the one that was given, or the defaults */
};

static int place_make(struct place *p, struct err *e)
{
    const char *tmp = getenv("TMPDIR");

    /* Not /tmp: a disk image may be larger than memory. */
    p->dir = xasprintf("%s/bootfarm-local-XXXXXX", tmp && *tmp == '/' ? tmp : "/var/tmp");
    if (!mkdtemp(p->dir))
        return err_sys(e, "cannot make a directory like %s", p->dir);
    p->order = xasprintf("%s/order.json", p->dir);
    p->work = xasprintf("%s/work", p->dir);
    return dir_make(p->work, 0700, e);
}

static void place_remove(struct place *p)
{
    struct err e = ERR_INIT;

    if (p->dir && dir_remove(p->dir, &e) < 0)
        (void)ctl_fail(&e);
    free(p->dir);
    free(p->order);
    free(p->work);
    free(p->config);
}

/* ---- the result -------------------------------------------------------------------------------
 */

static void tell_tests(const json_t *result, const struct style *style, struct str *out)
{
    static const struct column columns[] = {{"RESULT", "result", CELL_STATE},
                                            {"MS", "ms", CELL_NUMBER},
                                            {"TEST", "name", CELL_TEXT},
                                            {"MESSAGE", "message", CELL_TEXT},
                                            {0}};
    const json_t *tests = json_object_get(json_object_get(result, "detail"), "tests");

    if (json_array_size(tests))
        render_table(tests, columns, style, "", out);
}

static void tell_failure(const json_t *result, struct str *out)
{
    static const char *const members[] = {"class", "code", "step", "message"};

    str_add(out, "failed");
    for (size_t i = 0; i < ARRAY_SIZE(members); i++)
        if (member_text(result, members[i])[0]) {
            str_add(out, i ? ": " : " (");
            text_add_safe(out, member_text(result, members[i]));
            str_add(out, i ? "" : ")");
        }
    str_addch(out, '\n');
}

/* A local build has no digest, but a name in the executor's storage. */
static void tell_success(const json_t *result, struct str *out)
{
    const char *digest = member_text(result, "digest");
    const char *local = member_text(json_object_get(result, "detail"), "local");

    str_add(out, "succeeded");
    if (*digest || *local) {
        str_addch(out, ' ');
        text_add_safe(out, *digest ? digest : local);
    }
    str_addch(out, '\n');
}

static int tell_result(struct ctl *c, const struct place *p, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/result.json", p->work);
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    BF_CLEANUP(json_free) json_t *result = NULL;
    bool passed;

    if (file_read(path, RESULT_MAX, &text, e) < 0)
        return err_wrap(e, "bootfarm-exec left no result");
    if (!(result = json_loadb(text.p, text.len, 0, NULL)))
        return err_set(e, ERR_INPUT, "bootfarm-exec left a result that is not JSON");
    passed = strcmp(member_text(result, "outcome"), "succeeded") == 0;
    if (c->json) {
        str_addmem(&out, text.p, text.len);
    } else {
        tell_tests(result, &c->style, &out);
        if (passed)
            tell_success(result, &out);
        else
            tell_failure(result, &out);
    }
    ctl_put(&out);
    return passed ? EXIT_DONE : EXIT_FAILED;
}

/* ---- the run ----------------------------------------------------------------------------------
 */

static int execute(struct ctl *c, const struct place *p, const char *kind, struct err *e)
{
    const char *config = p->config ? p->config : arg_value(&c->args, "config");
    const char *argv[12] = {"bootfarm-exec", kind, "--order", p->order, "--dir", p->work};
    size_t n = 6;
    int status;

    if (config) {
        argv[n++] = "--config";
        argv[n++] = config;
    }
    if (arg_flag(&c->args, "fake"))
        argv[n++] = "--fake";
    status = program_run(argv, NULL, e);
    if (status < 0)
        return -1;
    if (status > 0)
        return err_set(e, ERR_SYSTEM, "bootfarm-exec %s ended with status %d", kind, status);
    return tell_result(c, p, e);
}

static int write_order(const struct place *p, const char *text, size_t n, struct err *e)
{
    return file_write_atomic(p->order, text, n, 0600, e);
}

/* The planner's own messages are on standard error already. */
static int plan_order(const struct place *p, const char *kind, const char *dir, const char *image,
                      struct err *e)
{
    BF_CLEANUP(str_release) struct str order = STR_INIT;
    const char *const argv[] = {
        "bootfarm-planner", "order", dir, image, "--kind", kind, "--out", p->dir, NULL};
    int status = program_run(argv, &order, e);

    if (status < 0)
        return -1;
    if (status > 0)
        return err_set(e, status == 2 ? ERR_CONFIG : ERR_INPUT, "no work order for %s of %s", image,
                       dir);
    return write_order(p, order.p, order.len, e);
}

int local_image(struct ctl *c, const char *kind, const char *dir, const char *image)
{
    struct place p = {0};
    struct err e = ERR_INIT;
    int status = place_make(&p, &e);

    if (status == 0 && (status = plan_order(&p, kind, dir, image, &e)) == 0)
        status = execute(c, &p, kind, &e);
    place_remove(&p);
    return status < 0 ? ctl_fail(&e) : status;
}

/* ---- any reference ----------------------------------------------------------------------------
 */

static const char *host_arch(void)
{
    static struct utsname u;

    if (uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0)
        return "arm64";
    return "amd64";
}

static int number_option(struct ctl *c, const char *name, int64_t def, int64_t *out)
{
    const char *text = arg_value(&c->args, name);

    *out = def;
    if (text && parse_i64(text, 1, 1024, out) < 0)
        return ctl_usage("--%s '%s': expected a number from 1 to 1024", name, text);
    return EXIT_DONE;
}

struct test_options {
    bf_time timeout;
    uint64_t memory;
    int64_t cpus;
};

static int read_test_options(struct ctl *c, struct test_options *o)
{
    const char *timeout = arg_value(&c->args, "test-timeout"),
               *memory = arg_value(&c->args, "memory");
    const char *boot = arg_value(&c->args, "boot");

    o->timeout = 600 * BF_SEC;
    o->memory = (uint64_t)2 << 30;
    if (timeout && parse_duration(timeout, &o->timeout) < 0)
        return ctl_usage("--test-timeout '%s': expected a duration such as 10m", timeout);
    if (memory && parse_size(memory, &o->memory) < 0)
        return ctl_usage("--memory '%s': expected a size such as 2GiB", memory);
    if (boot && strcmp(boot, "auto") != 0 && strcmp(boot, "yes") != 0 && strcmp(boot, "no") != 0)
        return ctl_usage("--boot '%s': expected auto, yes or no", boot);
    return number_option(c, "cpus", 2, &o->cpus);
}

static json_t *test_member(struct ctl *c, const struct test_options *o)
{
    const char *boot = arg_value(&c->args, "boot"), *ready = arg_value(&c->args, "ready");

    return json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:s}", "boot", boot ? boot : "auto",
                     "container", ctl_words(arg_value(&c->args, "run")), "scripts",
                     ctl_words(arg_value(&c->args, "scripts")), "memory", (json_int_t)o->memory,
                     "cpus", (json_int_t)o->cpus, "timeout_ms", (json_int_t)(o->timeout / BF_MSEC),
                     "ready", ready ? ready : "multi-user.target");
}

static json_t *reference_order(struct ctl *c, const char *reference, const char *source,
                               const struct test_options *o)
{
    BF_CLEANUP(free_ptr) char *job = xasprintf("test:%s:%s", reference, host_arch());
    const char *dir = arg_value(&c->args, "scripts-dir");
    BF_CLEANUP(free_ptr) char *scripts = dir ? realpath(dir, NULL) : NULL;
    char attempt[ID128_TEXT], key[DIGEST_TEXT];
    struct id128 id;
    json_t *order;

    if (getrandom(&id, sizeof id, 0) != sizeof id)
        BUG("no random numbers");
    id128_format(id, attempt);
    digest_format(&(struct sha256){{0}}, key);
    order =
        json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:o}", "v", 1, "kind", "test",
                  "job", job, "attempt", attempt, "image", reference, "arch", host_arch(),
                  "input_key", key, "timeout_ms", (json_int_t)(o->timeout / BF_MSEC), "silence_ms",
                  (json_int_t)(o->timeout / BF_MSEC), "source", source, "test", test_member(c, o));
    if (scripts)
        json_object_set_new(order, "scripts_dir", json_string(scripts));
    return order;
}

/* Without a configuration of its own the executor, too, must know that the registry is insecure. */
static int write_config(struct ctl *c, struct place *p, const char *reference, struct err *e)
{
    BF_CLEANUP(free_ptr) char *text = NULL;

    if (!arg_flag(&c->args, "insecure") || arg_value(&c->args, "config"))
        return 0;
    p->config = xasprintf("%s/exec.conf", p->dir);
    text = xasprintf("insecure_registries = %.*s\n", (int)strcspn(reference, "/"), reference);
    return file_write_atomic(p->config, text, strlen(text), 0600, e);
}

static int test_reference(struct ctl *c, struct place *p, const char *reference,
                          const struct test_options *o, struct err *e)
{
    BF_CLEANUP(str_release) struct str source = STR_INIT;
    BF_CLEANUP(json_free) json_t *order = NULL;
    BF_CLEANUP(free_ptr) char *text = NULL;

    if (reference_resolve(reference, arg_value(&c->args, "config"), arg_flag(&c->args, "insecure"),
                          &source, e) < 0)
        return -1;
    order = reference_order(c, reference, source.p, o);
    text = json_dumps(order, JSON_COMPACT);
    if (place_make(p, e) < 0 || write_config(c, p, reference, e) < 0 ||
        write_order(p, text, strlen(text), e) < 0)
        return -1;
    return execute(c, p, "test", e);
}

int local_reference(struct ctl *c, const char *reference)
{
    struct place p = {0};
    struct err e = ERR_INIT;
    struct test_options o;
    int status = read_test_options(c, &o);

    if (status != EXIT_DONE)
        return status;
    status = test_reference(c, &p, reference, &o, &e);
    place_remove(&p);
    return status < 0 ? ctl_fail(&e) : status;
}
