/* executor_build.c - a context and its pins become an image, by digest, in the staging registry.
 *
 * Happy path: context fetched and unpacked → every pin pulled by digest → embedded images laid
 * ready → buildah build, which may pull nothing → pushed under the attempt's id → digest read back
 * from the registry. Whatever ends it early, this attempt's containers are removed; those of other
 * attempts in the same storage are not touched. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/loop/file.h"
#include "worker/core/refname.h"
#include "worker/exec/artifact.h"
#include "worker/exec/copy.h"
#include "worker/exec/isolation.h"
#include "worker/exec/limits.h"
#include "worker/exec/secrets.h"
#include "worker/exec/storage.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

struct build {
    struct exec *x;
    struct result *r;
    const struct build_order *o;
    struct storage storage;
    struct limits limits;
    struct secrets secrets;
    const char *isolation;
    char *context;   /* directory */
    char *needs_dir; /* NULL: none */
    char *tag;       /* local name of the result */
    VEC(struct pair) pins, args, contexts;
    struct argv owned; /* strings that the pairs point to */
};

static int infra(struct build *b, const struct err *e)
{
    return result_err(b->r, e->sys_errno == ENOSPC ? BLAME_NO_SPACE : BLAME_TOOL_FAILED, e);
}

/* ---- before the build ---- */

static int copy_file(const char *from, const char *to, struct err *e)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    int rc = 0;
    if (in < 0 || out < 0 || copy_fd(in, out) < 0)
        rc = err_sys(e, "copy %s to %s", from, to);
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return rc;
}

/* NAME.oci.tar in the named context needs_images; NAME is the last part of the reference. */
static int lay_ready(struct build *b, const char *ref, const char *image)
{
    BF_CLEANUP(free_ptr) char *cached = NULL;
    struct err e = ERR_INIT;
    size_t n;
    const char *name = ref_base_name(ref, &n);
    if (b->needs_dir == NULL) {
        b->needs_dir = xasprintf("%s/needs_images", b->x->dir);
        if (dir_make(b->needs_dir, 0755, &e) < 0)
            return infra(b, &e);
    }
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/%.*s.oci.tar", b->needs_dir, (int)n, name);
    if (access(path, F_OK) == 0)
        return result_fail(b->r, BLAME_CONTAINERFILE, "two of needs_images are called %.*s.oci.tar",
                           (int)n, name);
    if (artifact_image(b->x, b->r, &b->storage, image, &cached) < 0)
        return -1;
    if (link(cached, path) < 0 && copy_file(cached, path, &e) < 0)
        return infra(b, &e);
    return 0;
}

static void add_pin(struct build *b, const char *text, const char *image)
{
    vec_for_each (i, &b->pins)
        if (strcmp(b->pins.v[i].name, text) == 0)
            return;
    *vec_push(&b->pins) = (struct pair){text, image};
}

/* In a local run a pin may still be a tag: then what it means now is taken. *image is borrowed. */
static int fix_image(struct build *b, const struct pin *pin, const char **image, bool *here)
{
    BF_CLEANUP(free_ptr) char *pinned = NULL;
    *image = pin->image;
    *here = false;
    if (ref_is_pinned(pin->image))
        return 0;
    if (storage_resolve(b->x, b->r, &b->storage, pin->image, BLAME_BASE_NOT_FOUND, &pinned) < 0)
        return -1;
    *here = pinned == NULL;
    if (pinned != NULL) {
        argv_add(&b->owned, pinned);
        *image = b->owned.list.v[b->owned.list.n - 1];
    }
    return 0;
}

/* buildah 1.28 compares with the text before expansion, later ones with the expanded one. */
static int bring_pin(struct build *b, const struct pin *pin)
{
    const char *image;
    bool here;
    if (fix_image(b, pin, &image, &here) < 0)
        return -1;
    if (pin->use == PIN_NEEDS)
        return lay_ready(b, pin->ref, image);
    for (strings text = pin->written; *text != NULL; text++)
        add_pin(b, *text, image);
    add_pin(b, pin->ref, image);
    return here ? 0 : storage_pull(b->x, b->r, &b->storage, image, BLAME_BASE_NOT_FOUND);
}

static int prepare(struct build *b)
{
    struct err e = ERR_INIT;
    exec_phase(b->x, "context");
    if (secrets_load(b->x, b->r, &b->secrets) < 0 ||
        artifact_unpack(b->x, b->r, &b->o->context, "context", &b->context) < 0)
        return -1;
    if (storage_open(b->x, b->x->order->local, &b->storage, &e) < 0 ||
        isolation_choose(b->x, &b->storage, &b->isolation, &e) < 0)
        return infra(b, &e);
    exec_phase(b->x, "pull");
    for (size_t i = 0; i < b->o->n_pins; i++)
        if (bring_pin(b, &b->o->pins[i]) < 0)
            return -1;
    return 0;
}

/* ---- the build ---- */

static void add_tail(json_t *detail, const struct tail *t)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < t->n; i++)
        json_array_append_new(lines, json_string(tail_get(t, i)));
    json_object_set_new(detail, "tail", lines);
}

static int judge(struct build *b, const struct tool_end *end)
{
    struct result *r = b->r;
    char how[64];
    if (tool_succeeded(end))
        return 0;
    add_tail(r->detail, &end->tail);
    if (end->tail.step != NULL)
        str_add(&r->step, end->tail.step);
    if (end->how.end == PROC_TIMEOUT)
        return result_fail(r, BLAME_BUILD_TIMEOUT, "the build overran its %lld s",
                           (long long)(b->x->order->timeout / BF_SEC));
    if (end->how.end == PROC_SILENCE)
        return result_fail(r, BLAME_BUILD_SILENT, "no output for %lld s",
                           (long long)(b->x->order->silence / BF_SEC));
    bool out_of_memory = limits_oom_kills(&b->limits) > 0;
    if (end->how.end != PROC_EXITED && out_of_memory)
        return result_fail(r, BLAME_RUN_FAILED, "the build ran out of the memory it may use");
    if (end->how.end != PROC_EXITED)
        return result_fail(r, BLAME_TOOL_FAILED, "buildah: %s", tool_how(end, how));
    const char *error = end->tail.error != NULL ? end->tail.error : "";
    enum blame blame = blame_build(end->how.status, error, b->o->no_network);
    /* A RUN that found the worker's disk full is not to blame. */
    if (blame == BLAME_RUN_FAILED && disk_is_full(b->storage.root))
        return result_fail(r, BLAME_NO_SPACE, "%s is full", b->storage.root);
    if (blame == BLAME_RUN_FAILED)
        return result_fail(r, blame, "exit status %d%s", end->how.status,
                           out_of_memory ? " (out of the memory it may use)" : "");
    return result_fail(r, blame, "%s", tail_reason(&end->tail));
}

static bool is_chroot(const struct build *b)
{
    return strcmp(b->isolation, "chroot") == 0;
}

/* The key of a cached layer does not hold the timestamp, so the repository's name does. A build
 * without network cannot reach it from inside its network namespace. */
static char *cache_name(struct build *b)
{
    if (b->o->cache == NULL)
        return NULL;
    if (b->o->no_network && is_chroot(b)) {
        exec_say(b->x, "no remote cache: network is none, and isolation is chroot");
        return NULL;
    }
    return xasprintf("%s/t%lld", b->o->cache, (long long)b->o->timestamp);
}

static void collect_args(struct build *b)
{
    for (void *it = json_object_iter(b->o->args); it != NULL;
         it = json_object_iter_next(b->o->args, it)) {
        const char *value = json_string_value(json_object_iter_value(it));
        *vec_push(&b->args) = (struct pair){json_object_iter_key(it), value};
    }
}

/* Named contexts are folders of the context. */
static void collect_contexts(struct build *b)
{
    for (void *it = json_object_iter(b->o->contexts); it != NULL;
         it = json_object_iter_next(b->o->contexts, it)) {
        argv_addf(&b->owned, "%s/%s", b->context, json_string_value(json_object_iter_value(it)));
        const char *dir = b->owned.list.v[b->owned.list.n - 1];
        *vec_push(&b->contexts) = (struct pair){json_object_iter_key(it), dir};
    }
}

static void make_command(struct build *b, struct argv *a, const char *cache)
{
    BF_CLEANUP(free_ptr) char *file = xasprintf("%s/%s", b->context, b->o->containerfile);
    bool inside = !is_chroot(b);
    struct buildah_build w = {
        .attempt = b->x->order->attempt,
        .context = b->context,
        .containerfile = file,
        .target = b->o->target,
        .isolation = b->isolation,
        .tag = b->tag,
        .cache = cache,
        .args = b->args.v,
        .n_args = b->args.n,
        .pins = b->pins.v,
        .n_pins = b->pins.n,
        .contexts = b->contexts.v,
        .n_contexts = b->contexts.n,
        .secrets = b->secrets.list.v,
        .n_secrets = b->secrets.list.n,
        .needs_dir = b->needs_dir,
        .timestamp = b->o->timestamp,
        .no_cache = b->o->no_cache,
        .no_network = inside && b->o->no_network,
        .memory = inside ? b->o->memory : 0,
        .cpus = inside ? b->o->cpus : 0,
    };
    limits_wrap(&b->limits, !inside && b->o->no_network, a);
    argv_buildah_build(a, &b->storage.buildah, &w);
}

static int build(struct build *b)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    BF_CLEANUP(free_ptr) char *cache = cache_name(b);
    exec_phase(b->x, "build");
    collect_args(b);
    collect_contexts(b);
    limits_make(b->x, &b->limits, b->o->memory, b->o->cpus);
    make_command(b, &a, cache);
    struct tool t = {.argv = &a, .silence = b->x->order->silence};
    if (exec_tool(b->x, b->r, &t, &end) < 0)
        return -1;
    return judge(b, &end);
}

/* ---- after the build ---- */

static int read_digest_file(const char *path, char out[static DIGEST_TEXT], struct err *e)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    struct sha256 d;
    if (file_read(path, DIGEST_TEXT, &text, e) < 0)
        return -1;
    if (digest_parse(text.p, &d) < 0)
        return err_set(e, ERR_INPUT, "%s: no digest: '%s'", path, text.p);
    snprintf(out, DIGEST_TEXT, "%s", text.p);
    return 0;
}

static int run_push(struct build *b, char digest[static DIGEST_TEXT])
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    BF_CLEANUP(free_ptr) char *to = xasprintf("%s:%s", b->o->push, b->x->order->attempt);
    BF_CLEANUP(free_ptr) char *file = xasprintf("%s/digest", b->x->dir);
    struct err e = ERR_INIT;
    argv_buildah_push(&a, &b->storage.buildah, b->tag, to, file);
    struct tool t = {.argv = &a};
    if (exec_tool(b->x, b->r, &t, &end) < 0)
        return -1;
    if (end.how.end == PROC_TIMEOUT)
        return result_fail(b->r, BLAME_REGISTRY, "%s: the registry took too long", to);
    if (!tool_succeeded(&end))
        return result_fail(b->r, blame_registry(tail_reason(&end.tail), BLAME_REGISTRY), "%s: %s",
                           to, tail_reason(&end.tail));
    return read_digest_file(file, digest, &e) < 0 ? infra(b, &e) : 0;
}

/* What the registry has is what counts. */
static int verify(struct build *b, const char *digest)
{
    BF_CLEANUP(str_release) struct str manifest = STR_INIT;
    BF_CLEANUP(free_ptr) char *ref = xasprintf("%s@%s", b->o->push, digest);
    char found[DIGEST_TEXT];
    if (registry_manifest(b->x, b->r, ref, BLAME_REGISTRY, &manifest) < 0)
        return -1;
    digest_text(manifest.p, manifest.len, found);
    if (strcmp(found, digest) != 0)
        return result_fail(b->r, BLAME_REGISTRY, "%s: the registry answers with %s", ref, found);
    snprintf(b->r->digest, sizeof b->r->digest, "%s", digest);
    b->r->size = manifest_size(&manifest);
    return 0;
}

/* The local image takes the name that a test or a child's build on this worker asks for, so that
 * neither pulls it again. Failing costs only that. */
static void rename_local(struct build *b, const char *digest)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    BF_CLEANUP(free_ptr) char *ref = xasprintf("%s@%s", b->o->push, digest);
    BF_CLEANUP(result_release) struct result ignored = {0};
    struct err e = ERR_INIT;
    result_init(&ignored);
    if (storage_pull(b->x, &ignored, &b->storage, ref, BLAME_REGISTRY) < 0)
        return;
    argv_buildah(&a, &b->storage.buildah, "rmi");
    argv_add(&a, b->tag);
    struct tool t = {.argv = &a, .silent = true};
    if (tool_run(b->x, &t, &end, &e) < 0)
        exec_say(b->x, "bootfarm-exec: %s", e.msg);
}

/* A local run's result under the names that other local runs ask for. */
static int name_local(struct build *b)
{
    BF_CLEANUP(argv_release) struct argv a = {0};
    BF_CLEANUP(tool_end_release) struct tool_end end = {0};
    argv_buildah(&a, &b->storage.buildah, "tag");
    argv_add(&a, b->tag);
    for (strings name = b->o->names; *name != NULL; name++)
        argv_add(&a, *name);
    struct tool t = {.argv = &a};
    if (b->o->names[0] == NULL)
        return 0;
    if (exec_tool(b->x, b->r, &t, &end) < 0)
        return -1;
    if (!tool_succeeded(&end))
        return result_fail(b->r, BLAME_TOOL_FAILED, "buildah tag: %s", tail_reason(&end.tail));
    return 0;
}

static int push(struct build *b)
{
    char digest[DIGEST_TEXT];
    if (b->o->push == NULL) {
        json_object_set_new(b->r->detail, "local", json_string(b->tag));
        return name_local(b);
    }
    exec_phase(b->x, "push");
    if (run_push(b, digest) < 0 || verify(b, digest) < 0)
        return -1;
    rename_local(b, digest);
    return 0;
}

static void build_release(struct build *b)
{
    storage_cleanup(b->x, &b->storage);
    limits_release(&b->limits);
    secrets_release(&b->secrets);
    storage_release(&b->storage);
    vec_release(&b->pins);
    vec_release(&b->args);
    vec_release(&b->contexts);
    argv_release(&b->owned);
    free(b->context);
    free(b->needs_dir);
    free(b->tag);
}

void executor_build(struct exec *x, struct result *r)
{
    struct build b = {.x = x, .r = r, .o = &x->order->build};
    bf_time began = clock_mono();
    b.tag = xasprintf("localhost/bootfarm/build:%s", x->order->attempt);
    if (prepare(&b) == 0 && build(&b) == 0) {
        json_object_set_new(r->detail, "isolation", json_string(b.isolation));
        json_object_set_new(r->detail, "build_ms", json_integer((clock_mono() - began) / BF_MSEC));
        if (push(&b) == 0)
            exec_say(x, "built %s", r->digest[0] != '\0' ? r->digest : b.tag);
    }
    build_release(&b);
}
