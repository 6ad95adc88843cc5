#include "worker/exec/result.h"

#include "common/base/mem.h"
#include "common/loop/file.h"

#define MESSAGE_MAX 4096

void result_init(struct result *r)
{
    *r = (struct result){.step = STR_INIT, .message = STR_INIT, .detail = json_object()};
}

void result_release(struct result *r)
{
    str_release(&r->step);
    str_release(&r->message);
    json_decref(r->detail);
    r->detail = NULL;
}

int result_fail(struct result *r, enum blame blame, const char *fmt, ...)
{
    va_list ap;
    if (r->blame != BLAME_NONE)
        return -1;
    r->blame = blame;
    va_start(ap, fmt);
    str_clear(&r->message);
    str_addv(&r->message, fmt, ap);
    va_end(ap);
    return -1;
}

int result_err(struct result *r, enum blame blame, const struct err *e)
{
    return result_fail(r, blame, "%s", e->msg);
}

/* What tools print need not be UTF-8, JSON must be: other bytes become '?'. */
static json_t *text_value(const struct str *s)
{
    size_t n = s->len < MESSAGE_MAX ? s->len : MESSAGE_MAX;
    json_t *v = json_stringn(s->p, n);
    if (v != NULL)
        return v;
    BF_CLEANUP(free_ptr) char *ascii = xmemdup(s->p, n);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)ascii[i] >= 0x80 || ascii[i] == '\0')
            ascii[i] = '?';
    return json_stringn(ascii, n);
}

static json_t *result_json(const struct result *r)
{
    json_t *o = json_object();
    bool ok = r->blame == BLAME_NONE;
    json_object_set_new(o, "outcome", json_string(ok ? "succeeded" : "failed"));
    if (!ok) {
        json_object_set_new(o, "class",
                            json_string(r->fake_class ? r->fake_class : blame_class(r->blame)));
        json_object_set_new(o, "code",
                            json_string(r->fake_code ? r->fake_code : blame_code(r->blame)));
        if (r->step.len > 0)
            json_object_set_new(o, "step", text_value(&r->step));
        json_object_set_new(o, "message", text_value(&r->message));
    }
    if (r->digest[0] != '\0')
        json_object_set_new(o, "digest", json_string(r->digest));
    if (r->size > 0)
        json_object_set_new(o, "size", json_integer(r->size));
    json_object_set(o, "detail", r->detail);
    return o;
}

int result_write(const struct result *r, const char *dir, struct err *e)
{
    BF_CLEANUP(free_ptr) char *path = xasprintf("%s/result.json", dir);
    json_t *o = result_json(r);
    BF_CLEANUP(free_ptr) char *text = json_dumps(o, JSON_INDENT(1));
    json_decref(o);
    if (text == NULL)
        BUG("result of %s is no JSON", dir);
    return file_write_atomic(path, text, strlen(text), 0644, e);
}
