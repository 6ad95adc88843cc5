#include "worker/exec/isolation.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include <stdio.h>
#include <unistd.h>

#define PROBE_TIME (30 * BF_SEC)
#define BUSYBOX "/bin/busybox"

/* One buildah command of the probe; *ok: it exited with 0. */
static int try(struct exec *x, struct argv *a, bool *ok, struct err *e)
{
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    struct tool t = {.argv = a, .timeout = PROBE_TIME, .silent = true};
    int rc = tool_run(x, &t, &end, e);
    *ok = rc == 0 && tool_succeeded(&end);
    argv_release(a);
    return rc;
}

static int try_run(struct exec *x, const struct storage *s, const char *container,
                   const char *isolation, bool *ok, struct err *e)
{
    struct argv a = {0};
    argv_buildah(&a, &s->buildah, "run");
    argv_addf(&a, "--isolation=%s", isolation);
    argv_adds(&a, container, "--", BUSYBOX, "true", NULL);
    return try(x, &a, ok, e);
}

/* A container from nothing with one static program in it. */
static int make_container(struct exec *x, const struct storage *s, const char *container, bool *ok,
                          struct err *e)
{
    struct argv from = {0}, copy = {0};
    argv_buildah(&from, &s->buildah, "from");
    argv_addf(&from, "--name=%s", container);
    argv_add(&from, "scratch");
    if (try(x, &from, ok, e) < 0 || !*ok)
        return *ok ? -1 : 0;
    argv_buildah(&copy, &s->buildah, "copy");
    argv_adds(&copy, container, BUSYBOX, BUSYBOX, NULL);
    return try(x, &copy, ok, e);
}

int isolation_probe(struct exec *x, const struct storage *s, struct isolations *out, struct err *e)
{
    BF_CLEANUP(free_ptr) char *container = xasprintf(BUILDAH_OWNER "%s-probe", x->order->attempt);
    bool made = false;
    *out = (struct isolations){0};
    int rc = make_container(x, s, container, &made, e);
    if (rc == 0 && made)
        rc = try_run(x, s, container, "oci", &out->oci, e) < 0 ||
                     try_run(x, s, container, "chroot", &out->chroot, e) < 0
                 ? -1
                 : 0;
    storage_remove(x, s, container);
    return rc;
}

/* STATE/isolation: "BOOT-ID WORD". */
static bool recall(const char *path, const char *boot, bool *oci)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    if (file_read(path, 128, &s, NULL) < 0 || !str_starts(s.p, boot))
        return false;
    *oci = strcmp(s.p + strlen(boot), " oci\n") == 0;
    return true;
}

static int probe_and_remember(struct exec *x, const struct storage *s, const char *path,
                              const char *boot, bool *oci, struct err *e)
{
    struct isolations found;
    if (isolation_probe(x, s, &found, e) < 0)
        return -1;
    BF_CLEANUP(free_ptr) char *text = xasprintf("%s %s\n", boot, found.oci ? "oci" : "chroot");
    *oci = found.oci;
    return file_write_atomic(path, text, strlen(text), 0600, e);
}

int isolation_choose(struct exec *x, const struct storage *s, const char **out, struct err *e)
{
    bool oci = x->config->isolation == ISOLATION_OCI;
    if (x->config->isolation == ISOLATION_AUTO) {
        BF_CLEANUP(free_ptr) char *path = xasprintf("%s/isolation", x->config->state_dir);
        char boot[64];
        if (boot_id(boot, e) < 0 ||
            (!recall(path, boot, &oci) && probe_and_remember(x, s, path, boot, &oci, e) < 0))
            return -1;
    }
    *out = oci ? "oci" : "chroot";
    return 0;
}
