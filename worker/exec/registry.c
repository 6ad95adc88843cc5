#include "worker/exec/registry.h"

#include "common/base/hash.h"
#include "common/base/mem.h"

int exec_tool(struct exec *x, struct result *r, const struct tool *t, struct tool_end *end)
{
    struct err e = ERR_INIT;
    if (tool_run(x, t, end, &e) < 0)
        return result_err(r, BLAME_TOOL_FAILED, &e);
    if (x->cancelled && !t->cleanup)
        return result_fail(r, BLAME_TOOL_FAILED, "stopped by SIGTERM");
    return 0;
}

/* skopeo with the settings of this host, up to and including the command. */
static void skopeo(struct exec *x, struct argv *a, const char *command)
{
    argv_add(a, "skopeo");
    argv_addf(a, "--registries-conf=%s/registries.conf", x->dir);
    argv_addf(a, "--override-arch=%s", x->order->arch);
    argv_add(a, "--override-os=linux");
    argv_addf(a, "--tmpdir=%s/tmp", x->dir);
    argv_add(a, command);
    if (x->config->authfile != NULL)
        argv_addf(a, "--authfile=%s", x->config->authfile);
    argv_add(a, "--retry-times=2");
}

/* Records why skopeo failed; 1 where the thing is not there and the caller wants to know that. */
static int judge(struct result *r, const struct tool_end *end, const char *ref,
                 enum blame not_found)
{
    if (tool_succeeded(end))
        return 0;
    if (end->how.end == PROC_TIMEOUT)
        return result_fail(r, BLAME_REGISTRY, "%s: the registry took too long", ref);
    enum blame b = blame_registry(tail_reason(&end->tail), BLAME_NONE);
    if (b == BLAME_NONE && not_found == BLAME_NONE)
        return 1;
    return result_fail(r, b == BLAME_NONE ? not_found : b, "%s: %s", ref, tail_reason(&end->tail));
}

static int inspect(struct exec *x, struct result *r, const char *ref, const char *what,
                   enum blame not_found, struct str *out)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    skopeo(x, &a, "inspect");
    if (x->config->certs_dir != NULL)
        argv_addf(&a, "--cert-dir=%s", x->config->certs_dir);
    argv_add(&a, "--raw");
    if (what != NULL)
        argv_add(&a, what);
    argv_addf(&a, "docker://%s", ref);
    str_clear(out);
    struct tool t = {.argv = &a, .out = out, .out_max = MANIFEST_MAX, .silent = true};
    if (exec_tool(x, r, &t, &end) < 0)
        return -1;
    return judge(r, &end, ref, not_found);
}

int registry_manifest(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                      struct str *out)
{
    return inspect(x, r, ref, NULL, not_found, out);
}

void digest_text(const void *p, size_t n, char out[static DIGEST_TEXT])
{
    struct sha256 d;
    struct span part = {p, n};
    hash_openssl(&part, 1, &d);
    digest_format(&d, out);
}

int registry_digest(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                    char out[static DIGEST_TEXT])
{
    BF_CLEANUP(str_release) struct str manifest = STR_INIT;
    int rc = registry_manifest(x, r, ref, not_found, &manifest);
    if (rc == 0)
        digest_text(manifest.p, manifest.len, out);
    return rc;
}

int registry_config(struct exec *x, struct result *r, const char *ref, enum blame not_found,
                    json_t **out)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    int rc = inspect(x, r, ref, "--config", not_found, &text);
    if (rc != 0)
        return rc;
    *out = json_loadb(text.p, text.len, 0, NULL);
    if (!json_is_object(*out)) {
        json_decref(*out);
        return result_fail(r, BLAME_REGISTRY, "%s: its configuration is no JSON object", ref);
    }
    return 0;
}

int registry_copy(struct exec *x, struct result *r, const char *from, const char *to,
                  enum blame not_found)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    skopeo(x, &a, "copy");
    if (x->config->certs_dir != NULL) {
        argv_addf(&a, "--src-cert-dir=%s", x->config->certs_dir);
        argv_addf(&a, "--dest-cert-dir=%s", x->config->certs_dir);
    }
    argv_adds(&a, "--preserve-digests", from, to, NULL);
    struct tool t = {.argv = &a};
    if (exec_tool(x, r, &t, &end) < 0)
        return -1;
    return judge(r, &end, from, not_found);
}

int64_t manifest_size(const struct str *manifest)
{
    json_t *m = json_loadb(manifest->p, manifest->len, 0, NULL);
    json_t *layer;
    size_t i;
    int64_t size = json_integer_value(json_object_get(json_object_get(m, "config"), "size"));
    json_array_foreach(json_object_get(m, "layers"), i, layer) size +=
        json_integer_value(json_object_get(layer, "size"));
    json_decref(m);
    return size;
}
