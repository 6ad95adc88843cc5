#include "worker/exec/storage.h"

#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/core/refname.h"
#include "worker/exec/registry.h"
#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>

#define RECORD_MAX (UINT64_C(16) << 20)

int boot_id(char out[static 64], struct err *e)
{
    BF_CLEANUP(str_release) struct str s = STR_INIT;
    if (file_read("/proc/sys/kernel/random/boot_id", 64, &s, e) < 0)
        return -1;
    snprintf(out, 64, "%.36s", s.p);
    return 0;
}

int storage_open(struct exec *x, bool local, struct storage *s, struct err *e)
{
    char boot[64];
    if (boot_id(boot, e) < 0)
        return -1;
    const char *which = local ? "local" : "storage";
    s->root = xasprintf("%s/%s/root", x->config->state_dir, which);
    s->runroot = xasprintf("%s/%s/run-%s", x->config->state_dir, which, boot);
    s->buildah = (struct buildah){.root = s->root,
                                  .runroot = s->runroot,
                                  .settings = x->dir,
                                  .authfile = x->config->authfile,
                                  .certs_dir = x->config->certs_dir};
    return dir_make(s->root, 0700, e) < 0 || dir_make(s->runroot, 0700, e) < 0 ? -1 : 0;
}

void storage_release(struct storage *s)
{
    free(s->root);
    free(s->runroot);
    *s = (struct storage){0};
}

/* The attempt in "/bootfarm-ATTEMPT" or "bootfarm-ATTEMPT…"; "" where there is none. */
static const char *owner_in(const json_t *text)
{
    const char *s = json_string_value(text);
    if (s != NULL && s[0] == '/')
        s++;
    return s != NULL && str_starts(s, BUILDAH_OWNER) ? s + strlen(BUILDAH_OWNER) : "";
}

static void read_owner(const char *record, char out[static ID128_TEXT])
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    out[0] = '\0';
    if (file_read(record, RECORD_MAX, &text, NULL) < 0)
        return;
    json_t *o = json_loadb(text.p, text.len, 0, NULL);
    const char *owner =
        owner_in(json_object_get(json_object_get(o, "CommonBuildOpts"), "CgroupParent"));
    if (owner[0] == '\0')
        owner = owner_in(json_object_get(o, "container-name"));
    snprintf(out, ID128_TEXT, "%s", owner);
    json_decref(o);
}

static int each_in(const char *containers, container_fn *fn, void *arg)
{
    DIR *d = opendir(containers);
    int rc = 0;
    for (struct dirent *ent; d != NULL && rc == 0 && (ent = readdir(d)) != NULL;) {
        char owner[ID128_TEXT];
        if (strlen(ent->d_name) != 64)
            continue;
        BF_CLEANUP(free_ptr)
        char *record = xasprintf("%s/%s/userdata/buildah.json", containers, ent->d_name);
        read_owner(record, owner);
        rc = fn(arg, ent->d_name, owner);
    }
    if (d != NULL)
        closedir(d);
    return rc;
}

int storage_each(const struct storage *s, container_fn *fn, void *arg)
{
    BF_CLEANUP(free_ptr) char *pattern = xasprintf("%s/*-containers", s->root);
    glob_t found;
    int rc = 0;
    if (glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc && rc == 0; i++)
        rc = each_in(found.gl_pathv[i], fn, arg);
    globfree(&found);
    return rc;
}

void storage_remove(struct exec *x, const struct storage *s, const char *id)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    struct err e = ERR_INIT;
    argv_buildah(&a, &s->buildah, "rm");
    argv_add(&a, id);
    struct tool t = {.argv = &a, .cleanup = true};
    if (tool_run(x, &t, &end, &e) < 0)
        exec_say(x, "bootfarm-exec: %s", e.msg);
    else if (!tool_succeeded(&end))
        exec_say(x, "bootfarm-exec: container %s stays: %s", id, tail_reason(&end.tail));
}

struct own {
    struct exec *x;
    const struct storage *s;
};

static int remove_own(void *arg, const char *id, const char *attempt)
{
    struct own *o = arg;
    if (strcmp(attempt, o->x->order->attempt) == 0)
        storage_remove(o->x, o->s, id);
    return 0;
}

void storage_cleanup(struct exec *x, const struct storage *s)
{
    struct own o = {x, s};
    if (s->root != NULL)
        (void)storage_each(s, remove_own, &o);
}

int storage_pull(struct exec *x, struct result *r, const struct storage *s, const char *image,
                 enum blame not_found)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    argv_buildah_pull(&a, &s->buildah, image);
    struct tool t = {.argv = &a};
    if (exec_tool(x, r, &t, &end) < 0)
        return -1;
    if (end.how.end == PROC_TIMEOUT)
        return result_fail(r, BLAME_REGISTRY, "%s: the registry took too long", image);
    if (!tool_succeeded(&end))
        return result_fail(r, blame_registry(tail_reason(&end.tail), not_found), "%s: %s", image,
                           tail_reason(&end.tail));
    return 0;
}

/* 1: there is one, 0: there is none. */
static int has_image(struct exec *x, struct result *r, const struct storage *s, const char *name)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    argv_buildah(&a, &s->buildah, "inspect");
    argv_adds(&a, "--type=image", "--format={{.FromImageID}}", name, NULL);
    struct tool t = {.argv = &a, .silent = true};
    return exec_tool(x, r, &t, &end) < 0 ? -1 : tool_succeeded(&end);
}

int storage_resolve(struct exec *x, struct result *r, const struct storage *s, const char *name,
                    enum blame not_found, char **pinned)
{
    char digest[DIGEST_TEXT];
    *pinned = NULL;
    int there = has_image(x, r, s, name);
    if (there != 0)
        return there < 0 ? -1 : 0;
    if (ref_host_len(name) == strlen(name) || str_starts(name, "localhost/"))
        return result_fail(r, not_found, "%s: no such image in the local storage", name);
    if (registry_digest(x, r, name, not_found, digest) < 0)
        return -1;
    *pinned = xasprintf("%.*s@%s", (int)ref_untagged_len(name), name, digest);
    return 0;
}
