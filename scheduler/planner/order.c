/* order: the work order of one image as it is on the disk, for a run without a farm. */
#include "common/loop/file.h"
#include "scheduler/planner/commands.h"
#include "scheduler/planner/context.h"
#include "scheduler/planner/json.h"

#include <errno.h>
#include <limits.h>
#include <sys/random.h>
#include <sys/stat.h>

static json_t *digest_of(const struct sha256 *d)
{
    return json_digest(d);
}

static json_t *attempt_id(void)
{
    struct id128 id;
    char text[ID128_TEXT];
    if (getrandom(id.b, sizeof id.b, 0) != sizeof id.b)
        BUG("getrandom: %s", strerror(errno));
    id128_format(id, text);
    return json_string(text);
}

static json_t *strings(const char *const *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_text(v[i]));
    return list;
}

/* Nothing is pinned: the image is whatever the reference means on this host. */
static json_t *pins(const struct image *image)
{
    json_t *list = json_array();
    for (size_t i = 0; i < image->needs; i++) {
        const struct need *n = &image->need[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o, s:s}", "written",
                                        strings(n->written, n->n_written), "ref", json_text(n->ref),
                                        "image", json_text(n->ref), "use", need_use_names[n->use]));
    }
    return list;
}

static void add_common(const struct offline *f, const struct image *image, const char *kind,
                       json_t *o)
{
    bool build = strcmp(kind, "build") == 0;
    const struct settings *s = &image->s;
    struct arena a = ARENA_INIT;
    json_object_set_new(o, "v", json_integer(1));
    json_object_set_new(o, "kind", json_string(kind));
    json_object_set_new(o, "job",
                        json_text(arena_fmt(&a, "%s:%s:%s", kind, image->name, image->arch)));
    json_object_set_new(o, "attempt", attempt_id());
    json_object_set_new(o, "image",
                        json_text(arena_fmt(&a, "%s:%s@%s", f->slug, image->name, f->ref)));
    json_object_set_new(o, "arch", json_text(image->arch));
    json_object_set_new(o, "input_key", digest_of(build ? &image->recipe_key : &image->tests_key));
    json_object_set_new(o, "timeout_ms",
                        json_integer((build ? s->build.timeout : s->test.timeout) / BF_MSEC));
    json_object_set_new(o, "silence_ms",
                        json_integer((build ? s->build.silence : s->test.timeout) / BF_MSEC));
    arena_release(&a);
}

static int unpack(const struct offline *f, const struct ship_list *list, const char *out,
                  const char *name, char **path, struct err *e)
{
    char real[PATH_MAX];
    if (realpath(out, real) == NULL)
        return err_sys(e, "%s", out);
    *path = xasprintf("%s/%s", real, name);
    if (mkdir(*path, 0755) < 0)
        return err_sys(e, "%s", *path);
    return context_unpack(&f->files.tree, list, *path, e);
}

static int add_build(const struct offline *f, const struct image *image, const char *out, json_t *o,
                     struct err *e)
{
    char *path = NULL;
    json_t *build = json_build(image);
    int rc = unpack(f, &image->context_files, out, "context", &path, e);
    json_object_set_new(o, "context_dir", json_text(path));
    json_object_set_new(o, "containerfile", json_text(image->containerfile));
    json_object_set_new(o, "pins", pins(image));
    json_object_set_new(o, "names", strings(image->provides, image->n_provides));
    json_object_set_new(o, "push", json_null());
    json_object_set_new(o, "cache", json_null());
    json_object_set_new(o, "no_cache", json_boolean(!image->s.build.cache));
    static const char *const copied[] = {"target", "args",    "network",   "memory",
                                         "cpus",   "secrets", "timestamp", "contexts"};
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++)
        json_object_set(o, copied[i], json_object_get(build, copied[i]));
    json_decref(build);
    free(path);
    return rc;
}

static int add_test(const struct offline *f, const struct image *image, const char *out, json_t *o,
                    struct err *e)
{
    char *path = NULL;
    int rc = 0;
    if (image->scripts.n > 0)
        rc = unpack(f, &image->scripts, out, "scripts", &path, e);
    json_object_set_new(o, "source",
                        image->n_provides > 0 ? json_text(image->provides[0]) : json_null());
    json_object_set_new(o, "scripts_dir", json_text(path));
    json_object_set_new(o, "test", json_test(image));
    free(path);
    return rc;
}

/* The image with this host's architecture, or else its first. */
static const struct image *find_image(const struct options *o, const struct offline *f,
                                      struct err *e)
{
    const char *name = o->arg[1];
    const struct image *image = plan_find(&f->plan, name, o->arch != NULL ? o->arch : host_arch());
    if (image == NULL && o->arch == NULL)
        image = plan_find(&f->plan, name, NULL);
    if (image != NULL)
        return image;
    print_diags(&f->plan.errors, "error", stderr);
    err_set(e, ERR_INPUT, "there is no image '%s' here%s", name,
            f->plan.errors.list.n > 0 ? ", or its definition has errors" : "");
    return NULL;
}

int cmd_order(const struct options *o)
{
    struct offline f = {.repo = NULL};
    struct err e = ERR_INIT;
    const char *kind = o->kind != NULL ? o->kind : "build";
    const struct image *image = NULL;
    json_t *order = json_object();
    int status = 0;
    str_init(&f.config);
    if (o->out == NULL) {
        err_set(&e, ERR_CONFIG, "order needs --out=DIR");
        status = complain(&e, 2);
    } else if (offline_plan(o, o->arg[0], NULL, true, NULL, &f, &e) < 0 ||
               (image = find_image(o, &f, &e)) == NULL) {
        status = complain(&e, 1);
    } else {
        add_common(&f, image, kind, order);
        int rc = strcmp(kind, "build") == 0 ? add_build(&f, image, o->out, order, &e)
                                            : add_test(&f, image, o->out, order, &e);
        status = rc < 0 ? complain(&e, 1) : 0;
    }
    if (status == 0) {
        json_dumpf(order, stdout, JSON_INDENT(1));
        putchar('\n');
    }
    json_decref(order);
    offline_close(&f);
    return status;
}
