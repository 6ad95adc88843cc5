#include "scheduler/planner/json.h"

#include "common/base/str.h"

json_t *json_text(const char *s)
{
    if (s == NULL)
        return json_null();
    size_t n = strlen(s);
    if (utf8_valid(s, n))
        return json_stringn(s, n);
    struct str out = STR_INIT;
    for (size_t i = 0; i < n;) {
        size_t len = 1;
        while (len < 4 && i + len < n && !utf8_valid(s + i, len))
            len++;
        if (utf8_valid(s + i, len)) {
            str_addmem(&out, s + i, len);
            i += len;
        } else {
            str_add(&out, "\xef\xbf\xbd");
            i++;
        }
    }
    json_t *text = json_stringn(out.p, out.len);
    str_release(&out);
    return text;
}

json_t *json_digest(const struct sha256 *d)
{
    char text[DIGEST_TEXT];
    digest_format(d, text);
    return json_string(text);
}

static void set(json_t *object, const char *key, json_t *value)
{
    BUG_ON(json_object_set_new(object, key, value) != 0);
}

static void add(json_t *array, json_t *value)
{
    BUG_ON(json_array_append_new(array, value) != 0);
}

static json_t *strings(const char *const *v, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        add(list, json_text(v[i]));
    return list;
}

static json_t *texts(const struct texts *t)
{
    json_t *list = json_array();
    for (size_t i = 0; i < t->n; i++)
        add(list, json_text(t->v[i].text));
    return list;
}

static json_t *named(const struct named_list *l)
{
    json_t *map = json_object();
    for (size_t i = 0; i < l->n; i++)
        set(map, l->v[i].name, json_text(l->v[i].value.text));
    return map;
}

json_t *json_diags(const struct diags *d)
{
    json_t *list = json_array();
    vec_for_each (i, &d->list) {
        const struct diag *g = d->list.v[i];
        json_t *o = json_object();
        set(o, "file", json_text(g->at.file));
        set(o, "line", json_integer(g->at.line));
        set(o, "column", json_integer(g->at.column));
        set(o, "code", json_string(g->code));
        set(o, "message", json_text(g->message));
        set(o, "hint", json_text(g->hint));
        set(o, "images", strings(g->image, g->images));
        add(list, o);
    }
    return list;
}

/* ---- images ---- */

static json_t *parents(const struct plan *p, const struct image *image)
{
    json_t *list = json_array();
    for (size_t i = 0; i < image->needs; i++) {
        const struct need *n = &image->need[i];
        if (n->parent == PLAN_EXTERNAL)
            continue;
        json_t *o = json_object();
        set(o, "ref", json_text(n->ref));
        set(o, "image", json_text(p->image[n->parent].name));
        add(list, o);
    }
    return list;
}

static json_t *externals(const struct image *image)
{
    json_t *list = json_array();
    for (size_t i = 0; i < image->needs; i++) {
        if (image->need[i].parent == PLAN_EXTERNAL)
            add(list, json_text(image->need[i].ref));
    }
    return list;
}

json_t *json_image(const struct plan *p, const struct image *image)
{
    json_t *o = json_object();
    set(o, "name", json_text(image->name));
    set(o, "arch", json_text(image->arch));
    set(o, "file", json_text(image->file));
    set(o, "context", json_text(*image->context != '\0' ? image->context : "."));
    set(o, "matrix", named(&image->matrix));
    set(o, "provides", strings(image->provides, image->n_provides));
    set(o, "parents", parents(p, image));
    set(o, "external", externals(image));
    set(o, "recipe", json_digest(&image->recipe_key));
    set(o, "wave", json_integer((json_int_t)image->wave));
    return o;
}

/* Everything that must be pinned: farm images of this repository and ref, or others. */
static json_t *needs(const struct plan *p, const struct image *image, bool external)
{
    json_t *list = json_array();
    for (size_t i = 0; i < image->needs; i++) {
        const struct need *n = &image->need[i];
        if ((n->parent == PLAN_EXTERNAL) != external)
            continue;
        json_t *o = json_object();
        set(o, "ref", json_text(n->ref));
        set(o, "written", strings(n->written, n->n_written));
        if (!external)
            set(o, "image", json_text(p->image[n->parent].name));
        set(o, "use", json_string(need_use_names[n->use]));
        set(o, "arch", json_text(n->arch));
        if (n->final)
            set(o, "final", json_true());
        add(list, o);
    }
    return list;
}

static json_t *milliseconds(bf_time t)
{
    return json_integer(t / BF_MSEC);
}

json_t *json_build(const struct image *image)
{
    const struct settings *s = &image->s;
    json_t *o = json_object(), *args = json_object();
    for (size_t i = 0; i < image->args; i++)
        set(args, image->arg[i].name, json_text(image->arg[i].value));
    set(o, "target", json_text(s->target.text != NULL ? s->target.text : ""));
    set(o, "args", args);
    set(o, "network", json_string(net_policy_names[s->build.network]));
    set(o, "memory", json_integer(s->build.memory));
    set(o, "cpus", json_integer(s->build.cpus));
    set(o, "timeout_ms", milliseconds(s->build.timeout));
    set(o, "silence_ms", milliseconds(s->build.silence));
    set(o, "secrets", texts(&s->build.secrets));
    set(o, "cache", json_boolean(s->build.cache));
    set(o, "timestamp", json_integer(BUILD_TIMESTAMP));
    set(o, "contexts", named(&image->folders));
    return o;
}

json_t *json_test(const struct image *image)
{
    const struct settings *s = &image->s;
    json_t *o = json_object(), *scripts = json_array();
    for (size_t i = 0; i < image->scripts.n; i++)
        add(scripts, json_text(image->scripts.v[i].path));
    set(o, "boot", json_string(boot_policy_names[s->test.boot]));
    set(o, "container", texts(&s->test.container));
    set(o, "scripts", scripts);
    set(o, "memory", json_integer(s->test.memory));
    set(o, "cpus", json_integer(s->test.cpus));
    set(o, "timeout_ms", milliseconds(s->test.timeout));
    set(o, "ready", json_text(s->test.ready.text));
    return o;
}

static json_t *publish(const struct image *image)
{
    json_t *o = json_object();
    set(o, "tags", strings(image->tag, image->tags));
    set(o, "when", json_string(publish_when_names[image->s.publish.when]));
    set(o, "partial", json_boolean(image->s.publish.partial));
    return o;
}

static json_t *place(const struct image *image)
{
    json_t *o = json_object();
    set(o, "site", json_text(image->s.place_site.text));
    set(o, "needs", texts(&image->s.place_needs));
    return o;
}

/* Capabilities that buildah has from some version on (README.md, `requires`). */
static json_t *requires(const struct image *image)
{
    json_t *list = json_array();
    if (image->heredoc)
        add(list, json_string("heredoc"));
    if (image->from_after)
        add(list, json_string("from-after"));
    if (image->stage_args)
        add(list, json_string("stage-args"));
    if (image->stage_own_args)
        add(list, json_string("stage-own-args"));
    return list;
}

static json_t *rebuild(const struct image *image)
{
    json_t *o = json_object();
    set(o, "every_ms", milliseconds(image->s.rebuild.every));
    set(o, "max_age_ms", milliseconds(image->s.rebuild.max_age));
    return o;
}

/* More would make every poll's input long: null says that there are some. */
#define ONBUILD_MAX_BYTES 8192

static json_t *onbuild(const struct image *image)
{
    size_t bytes = 0;
    for (size_t i = 0; i < image->onbuilds; i++)
        bytes += strlen(image->onbuild[i]) + 1;
    return bytes <= ONBUILD_MAX_BYTES ? strings(image->onbuild, image->onbuilds) : json_null();
}

void json_image_details(const struct plan *p, const struct image *image, json_t *out)
{
    json_t *mirror = json_object();
    set(mirror, "sites", texts(&image->s.mirror_sites));
    set(out, "parents", needs(p, image, false));
    set(out, "externals", needs(p, image, true));
    set(out, "context_key", json_digest(&image->context_files.key));
    set(out, "scripts_key", image->scripts.n > 0 ? json_digest(&image->scripts.key) : json_null());
    set(out, "tests_key", json_digest(&image->tests_key));
    set(out, "publish_key", json_digest(&image->publish_key));
    set(out, "containerfile", json_text(image->containerfile));
    set(out, "build", json_build(image));
    set(out, "test", json_test(image));
    set(out, "publish", publish(image));
    set(out, "mirror", mirror);
    set(out, "place", place(image));
    set(out, "requires", requires(image));
    if (image->onbuilds > 0)
        set(out, "onbuild", onbuild(image));
    set(out, "rebuild", rebuild(image));
    set(out, "version", json_text(image->s.version.text));
    set(out, "priority", json_integer(image->s.priority));
}

json_t *json_jobs(const struct plan_jobs *jobs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < jobs->n; i++) {
        const struct plan_job *j = &jobs->v[i];
        json_t *o = json_object();
        set(o, "id", json_text(j->id));
        set(o, "kind", json_string(plan_job_kind_names[j->kind]));
        set(o, "image", json_text(j->image->name));
        set(o, "arch", json_text(j->arch));
        if (j->site != NULL)
            set(o, "site", json_text(j->site));
        set(o, "reason", json_string(plan_reason_names[j->reason]));
        set(o, "because", json_text(j->because));
        set(o, "after", strings(j->after, j->n_after));
        add(list, o);
    }
    return list;
}
