#include "worker/exec/order.h"

#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/file.h"
#include "worker/core/refname.h"
#include "worker/exec/order_get.h"

#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)
#define TIB (INT64_C(1) << 40)

static const char *const kinds[] = {
    [ORDER_BUILD] = "build",
    [ORDER_TEST] = "test",
    [ORDER_PUBLISH] = "publish",
    [ORDER_MIRROR] = "mirror",
};

const char *order_kind_name(enum order_kind kind)
{
    return kinds[kind];
}

int order_kind_parse(const char *name, enum order_kind *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (strcmp(kinds[i], name) == 0) {
            *out = (enum order_kind)i;
            return 0;
        }
    }
    return -1;
}

/* ---- the checks that getters take ---- */

static bool is_label(const char *s)
{
    return s[0] != '\0' && text_is_plain(s, 1024);
}

static bool is_message(const char *s)
{
    return text_is_plain(s, 4096);
}

static bool is_uuid(const char *s)
{
    struct id128 id;
    return id128_parse(s, &id) == 0 && !id128_is_none(id);
}

static bool is_digest(const char *s)
{
    struct sha256 d;
    return digest_parse(s, &d) == 0;
}

static bool is_source(const char *s)
{
    return ref_is_pinned(s) || ref_is_local(s);
}

static bool is_directory(const char *s)
{
    return s[0] == '/' && text_is_plain(s, PATH_TEXT_MAX);
}

/* A stage's name or number. */
static bool is_target(const char *s)
{
    return s[0] == '\0' || tag_is_valid(s);
}

/* An argument NAME=image is split at the first '='. */
static bool is_written(const char *s)
{
    return is_label(s) && strchr(s, '=') == NULL;
}

static bool is_network(const char *s)
{
    return strcmp(s, "none") == 0 || strcmp(s, "host") == 0;
}

static bool is_boot(const char *s)
{
    return strcmp(s, "auto") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "no") == 0;
}

static bool is_use(const char *s)
{
    return strcmp(s, "from") == 0 || strcmp(s, "needs") == 0;
}

#define CONSOLE "console:"

static bool is_ready(const char *s)
{
    if (str_starts(s, CONSOLE))
        return s[strlen(CONSOLE)] != '\0' && text_is_plain(s, 200);
    static const char unit[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_.@\\-";
    return str_ends(s, ".target") && s[0] != '-' && strlen(s) < 256 && s[strspn(s, unit)] == '\0';
}

static bool is_outcome(const char *s)
{
    return strcmp(s, "succeeded") == 0 || strcmp(s, "failed") == 0;
}

static bool is_arg_name(const char *s)
{
    static const char head[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    return s[0] != '\0' && strlen(s) < 256 && strchr(head, s[0]) != NULL &&
           s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")] == '\0';
}

#define PINNED "HOST/REPO@sha256:HEX"
#define REPO "HOST/REPO"

/* ---- one function per object ---- */

/* The members NAME (an object or null) and NAME_dir of `o`. */
static int read_artifact(const json_t *o, const char *name, const char *dir_name,
                         struct order_artifact *a, struct err *e)
{
    json_t *v = NULL;
    int64_t size = 0;
    if (get_object(o, name, WANT_OPTIONAL, &v, e) < 0 ||
        get_text(o, dir_name, WANT_OPTIONAL, is_directory, "an absolute path", &a->dir, e) < 0)
        return -1;
    if (v == NULL)
        return 0;
    if (get_text(v, "ref", WANT_REQUIRED, ref_is_pinned, PINNED, &a->ref, e) < 0 ||
        get_int(v, "size", WANT_OPTIONAL, 0, TIB, &size, e) < 0)
        return err_wrap(e, "%s", name);
    a->size = (uint64_t)size;
    return 0;
}

static int read_args(json_t *args, struct err *e)
{
    const char *name;
    json_t *value;
    json_object_foreach(
        args, name, value) if (!is_arg_name(name) ||
                               !json_is_string(value)) return err_set(e, ERR_INPUT,
                                                                      "work order: member 'args': "
                                                                      "'%s' is not NAME: \"text\"",
                                                                      name);
    return 0;
}

static int read_contexts(json_t *contexts, struct err *e)
{
    const char *name;
    json_t *path;
    json_object_foreach(contexts, name, path)
    {
        const char *text = json_string_value(path);
        bool whole = text != NULL && strcmp(text, ".") == 0;
        if (!is_written(name) || text == NULL || (!whole && !path_is_inside(text)))
            return err_set(
                e, ERR_INPUT,
                "work order: member 'contexts': '%s' is not NAME: a path inside the context", name);
    }
    return 0;
}

static int read_pin(struct order *o, const json_t *v, struct pin *p, struct err *e)
{
    const char *use = "from";
    if (!json_is_object(v))
        return err_set(e, ERR_INPUT, "work order: expected an object");
    if (get_list(o, v, "written", is_written, "a reference without '='", &p->written, e) < 0 ||
        get_text(v, "ref", WANT_REQUIRED, is_written, "a reference without '='", &p->ref, e) < 0 ||
        get_text(v, "image", WANT_REQUIRED, o->local ? is_source : ref_is_pinned, PINNED, &p->image,
                 e) < 0 ||
        get_text(v, "use", WANT_OPTIONAL, is_use, "from or needs", &use, e) < 0)
        return -1;
    p->use = strcmp(use, "needs") == 0 ? PIN_NEEDS : PIN_FROM;
    return 0;
}

static int read_pins(struct order *o, struct err *e)
{
    json_t *list = NULL, *item;
    size_t i;
    if (get_array(o->doc, "pins", &list, e) < 0)
        return -1;
    o->build.pins = order_alloc(o, json_array_size(list), sizeof *o->build.pins);
    o->build.n_pins = json_array_size(list);
    json_array_foreach(list, i, item) if (read_pin(o, item, &o->build.pins[i], e) <
                                          0) return err_wrap(e, "pins[%zu]", i);
    return 0;
}

static int read_build_limits(struct order *o, struct err *e)
{
    struct build_order *b = &o->build;
    const char *network = "host";
    int64_t memory = 0;
    if (get_text(o->doc, "network", WANT_OPTIONAL, is_network, "none or host", &network, e) < 0 ||
        get_int(o->doc, "memory", WANT_OPTIONAL, 0, TIB, &memory, e) < 0 ||
        get_number(o->doc, "cpus", WANT_OPTIONAL, 0, 1024, &b->cpus, e) < 0 ||
        get_int(o->doc, "timestamp", WANT_OPTIONAL, 0, INT64_C(1) << 40, &b->timestamp, e) < 0)
        return -1;
    b->no_network = strcmp(network, "none") == 0;
    b->memory = (uint64_t)memory;
    return 0;
}

static int read_build_inputs(struct order *o, struct err *e)
{
    struct build_order *b = &o->build;
    const json_t *d = o->doc;
    if (read_artifact(d, "context", "context_dir", &b->context, e) < 0)
        return -1;
    if ((b->context.ref == NULL) == (b->context.dir == NULL))
        return err_set(e, ERR_INPUT, "work order: expected one of 'context' and 'context_dir'");
    o->local = b->context.dir != NULL;
    if (get_text(d, "containerfile", WANT_REQUIRED, path_is_inside, "a path inside the context",
                 &b->containerfile, e) < 0 ||
        get_text(d, "target", WANT_OPTIONAL, is_target, "the name of a stage", &b->target, e) < 0 ||
        get_object(d, "args", WANT_OPTIONAL, &b->args, e) < 0 || read_args(b->args, e) < 0 ||
        get_object(d, "contexts", WANT_OPTIONAL, &b->contexts, e) < 0 ||
        read_contexts(b->contexts, e) < 0)
        return -1;
    if (b->target != NULL && b->target[0] == '\0')
        b->target = NULL;
    return read_pins(o, e);
}

static int read_build(struct order *o, struct err *e)
{
    struct build_order *b = &o->build;
    const json_t *d = o->doc;
    if (read_build_inputs(o, e) < 0 ||
        get_text(d, "push", WANT_OPTIONAL, ref_is_repo, REPO, &b->push, e) < 0 ||
        get_text(d, "cache", WANT_OPTIONAL, ref_is_repo, REPO, &b->cache, e) < 0 ||
        get_list(o, d, "names", ref_is_local, "a reference", &b->names, e) < 0 ||
        get_list(o, d, "secrets", secret_name_is_valid, "the name of a secret", &b->secrets, e) <
            0 ||
        get_bool(d, "no_cache", &b->no_cache, e) < 0)
        return -1;
    return read_build_limits(o, e);
}

static int read_test_object(struct order *o, const json_t *v, struct err *e)
{
    struct test_order *t = &o->test;
    const char *boot = "auto", *ready = "multi-user.target";
    int64_t memory = 0, timeout = 600000;
    double cpus = 1;
    if (get_text(v, "boot", WANT_OPTIONAL, is_boot, "auto, yes or no", &boot, e) < 0 ||
        get_list(o, v, "container", is_message, "a command on one line", &t->container, e) < 0 ||
        get_list(o, v, "scripts", path_is_inside, "a path inside the tests", &t->names, e) < 0 ||
        get_int(v, "memory", WANT_OPTIONAL, 0, TIB, &memory, e) < 0 ||
        get_number(v, "cpus", WANT_OPTIONAL, 0, 255, &cpus, e) < 0 ||
        get_int(v, "timeout_ms", WANT_OPTIONAL, 1000, WEEK_MS, &timeout, e) < 0 ||
        get_text(v, "ready", WANT_OPTIONAL, is_ready, "a systemd target or console:TEXT", &ready,
                 e) < 0)
        return -1;
    t->boot = boot[0] == 'a' ? BOOT_AUTO : boot[0] == 'y' ? BOOT_YES : BOOT_NO;
    t->memory = memory != 0 ? (uint64_t)memory : UINT64_C(1) << 30;
    t->cpus = cpus > 1 ? (unsigned)(cpus + 0.999) : 1;
    t->timeout = timeout * BF_MSEC;
    t->ready = str_starts(ready, CONSOLE) ? NULL : ready;
    t->pattern = t->ready == NULL ? ready + strlen(CONSOLE) : NULL;
    return 0;
}

static int read_test(struct order *o, struct err *e)
{
    struct test_order *t = &o->test;
    json_t *v = NULL;
    if (get_text(o->doc, "source", WANT_REQUIRED, is_source, PINNED " or a local name", &t->source,
                 e) < 0 ||
        read_artifact(o->doc, "scripts", "scripts_dir", &t->scripts, e) < 0 ||
        get_object(o->doc, "test", WANT_REQUIRED, &v, e) < 0)
        return -1;
    t->local = o->local = !ref_is_pinned(t->source);
    if (read_test_object(o, v, e) < 0)
        return err_wrap(e, "test");
    if (t->names[0] != NULL && t->scripts.ref == NULL && t->scripts.dir == NULL)
        return err_set(e, ERR_INPUT,
                       "work order: test.scripts is not empty, so 'scripts' or "
                       "'scripts_dir' must say where they are");
    return 0;
}

static bool has(strings list, const char *s)
{
    for (; *list != NULL; list++)
        if (strcmp(*list, s) == 0)
            return true;
    return false;
}

static int read_publish(struct order *o, struct err *e)
{
    struct publish_order *p = &o->publish;
    const json_t *d = o->doc;
    if (get_text(d, "source", WANT_REQUIRED, ref_is_pinned, PINNED, &p->source, e) < 0 ||
        get_text(d, "digest", WANT_REQUIRED, is_digest, "sha256:HEX", &p->digest, e) < 0 ||
        get_text(d, "dest", WANT_REQUIRED, ref_is_repo, REPO, &p->dest, e) < 0 ||
        get_list(o, d, "tags", tag_is_valid, "a tag", &p->tags, e) < 0 ||
        get_list(o, d, "fixed_tags", tag_is_valid, "a tag", &p->fixed_tags, e) < 0 ||
        get_list(o, d, "parents", ref_is_pinned, PINNED, &p->parents, e) < 0)
        return -1;
    if (strcmp(p->source + ref_repo_len(p->source) + 1, p->digest) != 0)
        return err_set(e, ERR_INPUT, "work order: 'source' and 'digest' name different digests");
    for (strings t = p->fixed_tags; *t != NULL; t++)
        if (!has(p->tags, *t))
            return err_set(e, ERR_INPUT, "work order: fixed tag '%s' is not among 'tags'", *t);
    return 0;
}

static int read_fake(struct order *o, struct err *e)
{
    json_t *v = NULL;
    int64_t sleep = 0;
    const char *outcome = "succeeded";
    struct fake_order *f = &o->fake;
    *f = (struct fake_order){
        .lines = 3, .class = "user", .code = "run-failed", .message = "as ordered"};
    if (get_object(o->doc, "fake", WANT_OPTIONAL, &v, e) < 0)
        return -1;
    if (v != NULL &&
        (get_int(v, "sleep_ms", WANT_OPTIONAL, 0, WEEK_MS, &sleep, e) < 0 ||
         get_int(v, "lines", WANT_OPTIONAL, 0, 1000000, &f->lines, e) < 0 ||
         get_text(v, "outcome", WANT_OPTIONAL, is_outcome, "succeeded or failed", &outcome, e) <
             0 ||
         get_text(v, "class", WANT_OPTIONAL, is_label, "a class", &f->class, e) < 0 ||
         get_text(v, "code", WANT_OPTIONAL, is_label, "a code", &f->code, e) < 0 ||
         get_text(v, "message", WANT_OPTIONAL, is_message, "a line", &f->message, e) < 0))
        return err_wrap(e, "fake");
    f->sleep = sleep * BF_MSEC;
    f->succeeds = strcmp(outcome, "succeeded") == 0;
    return 0;
}

static int read_common(struct order *o, enum order_kind expect, struct err *e)
{
    int64_t v = 0, timeout = 0, silence = 0;
    const char *kind = "";
    const json_t *d = o->doc;
    if (get_int(d, "v", WANT_REQUIRED, 1, 1, &v, e) < 0 ||
        get_text(d, "kind", WANT_REQUIRED, is_label, "a kind", &kind, e) < 0 ||
        get_text(d, "job", WANT_REQUIRED, is_label, "a line", &o->job, e) < 0 ||
        get_text(d, "attempt", WANT_REQUIRED, is_uuid, "a UUID in small letters", &o->attempt, e) <
            0 ||
        get_text(d, "image", WANT_REQUIRED, is_label, "a line", &o->image, e) < 0 ||
        get_text(d, "arch", WANT_REQUIRED, arch_is_valid, "an architecture", &o->arch, e) < 0 ||
        get_text(d, "input_key", WANT_OPTIONAL, is_digest, "sha256:HEX", &o->input_key, e) < 0 ||
        get_int(d, "timeout_ms", WANT_OPTIONAL, 0, WEEK_MS, &timeout, e) < 0 ||
        get_int(d, "silence_ms", WANT_OPTIONAL, 0, WEEK_MS, &silence, e) < 0)
        return -1;
    o->timeout = timeout * BF_MSEC;
    o->silence = silence * BF_MSEC;
    o->kind = expect;
    if (strcmp(kind, order_kind_name(expect)) != 0)
        return err_set(e, ERR_INPUT, "work order: its kind is '%s', the command line says '%s'",
                       kind, order_kind_name(expect));
    return 0;
}

static int read_kind(struct order *o, struct err *e)
{
    switch (o->kind) {
    case ORDER_BUILD:
        return read_build(o, e);
    case ORDER_TEST:
        return read_test(o, e);
    case ORDER_PUBLISH:
    case ORDER_MIRROR:
        return read_publish(o, e);
    }
    BUG("order kind %d", (int)o->kind);
}

int order_read(const char *path, enum order_kind expect, struct order *o, struct err *e)
{
    BF_CLEANUP(str_release) struct str text = STR_INIT;
    json_error_t where;
    *o = (struct order){.kind = expect};
    if (file_read(path, ORDER_MAX_BYTES, &text, e) < 0)
        return err_wrap(e, "work order");
    o->doc = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &where);
    if (o->doc == NULL)
        return err_set(e, ERR_INPUT, "work order %s:%d:%d: %s", path, where.line, where.column,
                       where.text);
    if (!json_is_object(o->doc))
        return err_set(e, ERR_INPUT, "work order %s: expected a JSON object", path);
    if (read_common(o, expect, e) < 0 || read_kind(o, e) < 0 || read_fake(o, e) < 0)
        return -1;
    return 0;
}

void order_release(struct order *o)
{
    json_decref(o->doc);
    for (void *b = o->blocks, *next; b != NULL; b = next) {
        next = *(void **)b;
        free(b);
    }
    *o = (struct order){0};
}
