/* executor_test.c - does an image do what its definition says: commands in a container, and scripts
 * in the booted system.
 *
 * Happy path: image there by digest → its platform is the job's → each command runs in a container
 * of its own state → kernel, modules and root taken out of the image, container gone → booted →
 * scripts → verdict. The image's own bits are not changed: the root is a throw-away copy, and what
 * the test needs lies in memory. Nothing of it runs on this host but mkfs and QEMU. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "worker/core/refname.h"
#include "worker/exec/artifact.h"
#include "worker/exec/boot.h"
#include "worker/exec/copy.h"
#include "worker/exec/isolation.h"
#include "worker/exec/limits.h"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define PREPARATION (600 * BF_SEC) /* to pull the image and make the disk */

struct test {
    struct exec *x;
    struct result *r;
    const struct test_order *o;
    struct storage storage;
    char *pinned;      /* what a tag of a local run means now; NULL: the source itself */
    const char *image; /* to make containers from */
    char *scripts_dir;
    bool labelled; /* containers.bootc=1 */
    bf_time used;  /* of the test's own time, by the commands */
    bool failed;   /* a command failed; r says which */
};

static int infra(struct test *t, const struct err *e)
{
    return result_err(t->r, BLAME_TOOL_FAILED, e);
}

/* ---- the image ---- */

/* Runs a buildah command and collects its standard output, without the end of line. */
static int ask(struct test *t, struct argv *a, struct str *out)
{
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    struct tool tool = {.argv = a, .out = out, .out_max = 65536, .silent = true};
    int rc = exec_tool(t->x, t->r, &tool, &end);
    if (rc == 0 && !tool_succeeded(&end)) {
        const char *why = tail_reason(&end.tail);
        rc = result_fail(t->r,
                         blame_registry(why, BLAME_DIGEST_GONE) == BLAME_NO_SPACE
                             ? BLAME_NO_SPACE
                             : BLAME_TOOL_FAILED,
                         "buildah: %s", why);
    }
    while (out->len > 0 && out->p[out->len - 1] == '\n')
        out->p[--out->len] = '\0';
    return rc;
}

/* A working container of the image; its name is `bootfarm-ATTEMPT-SUFFIX`. */
static int make_container(struct test *t, const char *suffix, struct str *name)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(free_ptr) char *own = xasprintf("%s-%s", t->x->order->attempt, suffix);
    argv_buildah_from(&a, &t->storage.buildah, t->image, own);
    return ask(t, &a, name);
}

static int check_image(struct test *t, const char *container)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    argv_buildah(&a, &t->storage.buildah, "inspect");
    argv_adds(&a, "--format",
              "{{.OCIv1.Architecture}} {{index .OCIv1.Config.Labels \"containers.bootc\"}}",
              container, NULL);
    if (ask(t, &a, &out) < 0)
        return -1;
    char *label = strchr(out.p, ' ');
    if (label != NULL)
        *label++ = '\0';
    t->labelled = label != NULL && strcmp(label, "1") == 0;
    if (strcmp(out.p, t->x->order->arch) != 0)
        return result_fail(t->r, BLAME_WRONG_ARCH, "%s is for %s, the job is for %s", t->o->source,
                           out.p, t->x->order->arch);
    return 0;
}

static int open_image(struct test *t)
{
    struct err e = ERR_INIT;
    exec_phase(t->x, "pull");
    if (storage_open(t->x, t->x->order->local, &t->storage, &e) < 0)
        return infra(t, &e);
    if (t->o->local &&
        storage_resolve(t->x, t->r, &t->storage, t->o->source, BLAME_DIGEST_GONE, &t->pinned) < 0)
        return -1;
    t->image = t->pinned != NULL ? t->pinned : t->o->source;
    if (ref_is_pinned(t->image)) {
        snprintf(t->r->digest, sizeof t->r->digest, "%s", strchr(t->image, '@') + 1);
        if (storage_pull(t->x, t->r, &t->storage, t->image, BLAME_DIGEST_GONE) < 0)
            return -1;
    }
    if (t->o->names[0] == NULL)
        return 0;
    return artifact_unpack(t->x, t->r, &t->o->scripts, "scripts", &t->scripts_dir);
}

/* ---- results ---- */

static void add_test(struct test *t, const char *name, enum tap_result result, int64_t ms,
                     const char *message)
{
    json_t *o = json_pack("{sssssIss}", "name", name, "result", tap_result_name(result), "ms",
                          (json_int_t)ms, "message", message);
    json_array_append_new(json_object_get(t->r->detail, "tests"), o);
    exec_say(t->x, "%s: %s%s%s (%lld ms)", tap_result_name(result), name,
             message[0] != '\0' ? ": " : "", message, (long long)ms);
}

/* ---- commands in a container ---- */

/* Words, unless something needs a shell: images from scratch have none. */
static void add_command(struct argv *a, const char *command)
{
    if (strpbrk(command, "|&;<>()$`\\\"'*?[]#~=%!{}") != NULL) {
        argv_adds(a, "/bin/sh", "-c", command, NULL);
        return;
    }
    while (*(command += strspn(command, " ")) != '\0') {
        int n = (int)strcspn(command, " ");
        argv_addf(a, "%.*s", n, command);
        command += n;
    }
}

/* Commands, boot and scripts share the test's time; pulling and making the disk do not count. */
static bf_time left(const struct test *t)
{
    bf_time left = t->o->timeout - t->used;
    return left > BF_SEC ? left : BF_SEC;
}

static int run_command(struct test *t, const char *container, const char *isolation,
                       const char *command)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    struct limits none = {0};
    limits_wrap(&none, strcmp(isolation, "chroot") == 0, &a);
    argv_buildah(&a, &t->storage.buildah, "run");
    argv_addf(&a, "--isolation=%s", isolation);
    if (strcmp(isolation, "chroot") != 0)
        argv_add(&a, "--network=none");
    argv_adds(&a, container, "--", NULL);
    add_command(&a, command);
    exec_say(t->x, "$ %s", command);
    bf_time began = clock_mono();
    struct tool tool = {.argv = &a, .timeout = left(t)};
    if (exec_tool(t->x, t->r, &tool, &end) < 0)
        return -1;
    bf_time took = clock_mono() - began;
    t->used += took;
    BF_CLEANUP(free_ptr) char *message = NULL;
    bool timeout = end.how.end == PROC_TIMEOUT;
    bool ok = tool_succeeded(&end);
    if (timeout)
        message = xasprintf("timed out");
    else if (!ok)
        message = xasprintf("exit status %d", end.how.status);
    add_test(t, command,
             ok        ? TAP_OK
             : timeout ? TAP_TIMEOUT
                       : TAP_NOT_OK,
             took / BF_MSEC, message != NULL ? message : "");
    if (!ok && !t->failed) {
        t->failed = true;
        (void)result_fail(t->r, timeout ? BLAME_TEST_TIMEOUT : BLAME_SCRIPT_FAILED, "%s: %s",
                          command, message);
    }
    return timeout ? -1 : 0;
}

static int test_in_container(struct test *t)
{
    BF_CLEANUP(str_release) struct str container = STR_INIT;
    const char *isolation;
    struct err e = ERR_INIT;
    if (t->o->container[0] == NULL)
        return 0;
    exec_phase(t->x, "container");
    if (isolation_choose(t->x, &t->storage, &isolation, &e) < 0)
        return infra(t, &e);
    if (make_container(t, "run", &container) < 0)
        return -1;
    for (strings c = t->o->container; *c != NULL; c++)
        if (run_command(t, container.p, isolation, *c) < 0)
            return -1;
    return t->failed ? -1 : 0;
}

/* ---- the boot ---- */

static int mount_container(struct test *t, const char *container, struct str *path)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    argv_buildah(&a, &t->storage.buildah, "mount");
    argv_add(&a, container);
    return ask(t, &a, path);
}

static void report_boot(struct test *t, const struct boot *b)
{
    const struct tap *tap = &b->vm.tap;
    json_t *d = t->r->detail, *failed = json_array();
    vec_for_each (i, &tap->tests) {
        const struct tap_test *test = &tap->tests.v[i];
        add_test(t, test->name, test->result, test->ms, test->message);
    }
    vec_for_each (i, &tap->failed)
        json_array_append_new(failed, json_string(tap->failed.v[i]));
    json_object_set_new(d, "state", json_string(tap->state));
    json_object_set_new(d, "failed_units", failed);
    if (b->vm.ready_after > 0)
        json_object_set_new(d, "boot_ms", json_integer(b->vm.ready_after / BF_MSEC));
}

static void judge_boot(struct test *t, const struct boot *b)
{
    struct verdict v;
    verdict_of(&b->vm.tap, &b->vm.console, b->vm.end, b->vm.problem, b->time / BF_SEC, &v);
    if (v.blame != BLAME_NONE && disk_is_full(t->x->dir)) {
        /* QEMU holds a guest whose disk cannot grow */
        (void)result_fail(t->r, BLAME_NO_SPACE, "%s is full", t->x->dir);
    } else if (v.blame != BLAME_NONE) {
        json_t *lines = json_array();
        for (size_t i = 0; i < b->vm.tail.n; i++)
            json_array_append_new(lines, json_string(tail_get(&b->vm.tail, i)));
        json_object_set_new(t->r->detail, "tail", lines);
        (void)result_fail(t->r, v.blame, "%s", v.message.p);
    }
    str_release(&v.message);
}

/* true: boot it. The kernel's version is in b->version then. */
static bool wants_boot(struct test *t, struct boot *b)
{
    if (t->o->boot == BOOT_NO)
        return false;
    return t->o->boot == BOOT_YES || t->labelled || b->version != NULL;
}

static void skip_scripts(struct test *t)
{
    for (strings s = t->o->names; *s != NULL; s++)
        add_test(t, *s, TAP_SKIP, 0, "the image does not boot");
}

static int boot_if_wanted(struct test *t, struct boot *b, const char *container)
{
    BF_CLEANUP(str_release) struct str mount = STR_INIT;
    if (mount_container(t, container, &mount) < 0 || boot_look(b, mount.p) < 0)
        return -1;
    bool boot = wants_boot(t, b);
    if (boot && boot_prepare(b, t->scripts_dir) < 0)
        return -1;
    boot_close(b);
    storage_remove(t->x, &t->storage, container); /* nothing is mounted while the guest runs */
    if (!boot) {
        skip_scripts(t);
        return 0;
    }
    if (boot_run(b) < 0)
        return -1;
    report_boot(t, b);
    judge_boot(t, b);
    return 0;
}

static int test_booted(struct test *t, const char *container)
{
    struct boot b = {.x = t->x, .r = t->r, .root = -1, .time = left(t)};
    int rc = boot_if_wanted(t, &b, container);
    boot_release(&b);
    return rc;
}

void executor_test(struct exec *x, struct result *r)
{
    struct test t = {.x = x, .r = r, .o = &x->order->test};
    bf_time whole = clock_mono() + t.o->timeout + PREPARATION;
    BF_CLEANUP(str_release) struct str container = STR_INIT;
    /* An order that allows no more than the test itself must not take pulling for a slow guest. */
    if (x->deadline != 0 && x->deadline < whole)
        x->deadline = whole;
    json_object_set_new(r->detail, "tests", json_array());
    if (open_image(&t) == 0 && make_container(&t, "boot", &container) == 0 &&
        check_image(&t, container.p) == 0 && test_in_container(&t) == 0)
        (void)test_booted(&t, container.p);
    storage_cleanup(x, &t.storage);
    storage_release(&t.storage);
    free(t.pinned);
    free(t.scripts_dir);
}
