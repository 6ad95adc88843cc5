#include "worker/exec/probe.h"

#include "common/base/mem.h"
#include "worker/core/refname.h"
#include "worker/exec/isolation.h"
#include "worker/exec/kvm.h"
#include <dirent.h>
#include <sys/utsname.h>
#include <unistd.h>

/* "1.28.2" of the first thing that looks like a version in a tool's answer; NULL: not installed. */
static char *version_of(struct exec *x, const char *program)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    BF_CLEANUP(str_release) struct str out = STR_INIT;
    struct err e = ERR_INIT;
    argv_adds(&a, program, "--version", NULL);
    struct tool t = {
        .argv = &a, .timeout = 10 * BF_SEC, .out = &out, .out_max = 4096, .silent = true};
    if (tool_run(x, &t, &end, &e) < 0 || !tool_succeeded(&end))
        return NULL;
    const char *p = out.p + strcspn(out.p, "0123456789");
    return xstrndup(p, strspn(p, "0123456789."));
}

static bool at_least(const char *version, int64_t major, int64_t minor)
{
    char *end;
    int64_t a = strtoll(version, &end, 10);
    int64_t b = *end == '.' ? strtoll(end + 1, NULL, 10) : 0;
    return a > major || (a == major && b >= minor);
}

/* What a definition may need of buildah, by the version that brought it. */
static const struct {
    const char *name;
    int64_t major, minor;
} features[] = {
    {"build-context", 1, 27},  {"skip-unused-stages", 1, 28}, {"build-arg-file", 1, 30},
    {"heredoc", 1, 33},        {"stage-args", 1, 37},         {"from-after", 1, 44},
    {"stage-own-args", 1, 44},
};

static void add_features(json_t *capabilities, const char *buildah)
{
    for (size_t i = 0; buildah != NULL && i < ARRAY_SIZE(features); i++)
        if (at_least(buildah, features[i].major, features[i].minor))
            json_array_append_new(capabilities, json_string(features[i].name));
}

static void add_secrets(struct exec *x, json_t *out, json_t *capabilities)
{
    json_t *names = json_array();
    DIR *d = x->config->secrets_dir != NULL ? opendir(x->config->secrets_dir) : NULL;
    for (struct dirent *ent; d != NULL && (ent = readdir(d)) != NULL;) {
        if (!secret_name_is_valid(ent->d_name) || ent->d_name[0] == '.')
            continue;
        BF_CLEANUP(free_ptr) char *capability = xasprintf("secret:%s", ent->d_name);
        json_array_append_new(names, json_string(ent->d_name));
        json_array_append_new(capabilities, json_string(capability));
    }
    if (d != NULL)
        closedir(d);
    json_object_set_new(out, "secrets", names);
}

/* The name that OCI uses. */
static const char *host_arch(const struct utsname *u)
{
    if (strcmp(u->machine, "x86_64") == 0)
        return "amd64";
    return strcmp(u->machine, "aarch64") == 0 ? "arm64" : u->machine;
}

/* Storage needs root; a worker that only publishes or mirrors has none. */
static int add_isolation(struct exec *x, json_t *out, struct err *e)
{
    struct storage s = {0};
    struct isolations found = {0};
    json_t *list = json_array();
    int rc = 0;
    if (geteuid() == 0)
        rc = storage_open(x, false, &s, e) < 0 || isolation_probe(x, &s, &found, e) < 0 ? -1 : 0;
    if (found.oci)
        json_array_append_new(list, json_string("oci"));
    if (found.chroot)
        json_array_append_new(list, json_string("chroot"));
    json_object_set_new(out, "isolation", list);
    storage_release(&s);
    return rc;
}

static int fill(struct exec *x, json_t *out, struct err *e)
{
    struct utsname u;
    bool kvm = false;
    BF_CLEANUP(free_ptr) char *buildah = version_of(x, "buildah");
    BF_CLEANUP(free_ptr) char *skopeo = version_of(x, "skopeo");
    BF_CLEANUP(free_ptr) char *qemu = version_of(x, "qemu-system-x86_64");
    json_t *capabilities = json_array();
    uname(&u);
    json_object_set_new(out, "arch", json_string(host_arch(&u)));
    json_object_set_new(out, "buildah", buildah != NULL ? json_string(buildah) : json_null());
    json_object_set_new(out, "skopeo", skopeo != NULL ? json_string(skopeo) : json_null());
    json_object_set_new(out, "qemu", qemu != NULL ? json_string(qemu) : json_null());
    json_object_set_new(out, "capabilities", capabilities);
    add_features(capabilities, buildah);
    add_secrets(x, out, capabilities);
    if (qemu != NULL && kvm_is_likely(x, &kvm, e) < 0)
        return -1;
    if (kvm)
        json_array_append_new(capabilities, json_string("kvm"));
    json_object_set_new(out, "kvm", json_boolean(kvm));
    if (buildah != NULL)
        return add_isolation(x, out, e);
    json_object_set_new(out, "isolation", json_array());
    return 0;
}

int probe(struct exec *x, json_t **out, struct err *e)
{
    *out = json_object();
    if (fill(x, *out, e) == 0)
        return 0;
    json_decref(*out);
    *out = NULL;
    return -1;
}
