#include "worker/result.h"
#include "common/base/mem.h"
#include "common/base/utf8.h"
#include "common/loop/file.h"
#include "proto/wire.h"
#include <jansson.h>
#include <stdarg.h>

/* One line of valid UTF-8 of at most `max` bytes: control characters become blanks, bytes that are
 * no character become '?'. */
static char *clean_line(const char *s, size_t n, size_t max)
{
    struct str out = STR_INIT;
    for (size_t i = 0, len; i < n; i += len) {
        uint32_t cp = 0;
        len = utf8_next(s + i, n - i, &cp);
        if (out.len + len > max)
            break;
        if (cp >= UTF8_BAD)
            str_addch(&out, '?');
        else if (cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            str_addch(&out, ' ');
        else
            str_addmem(&out, s + i, len);
    }
    return str_steal(&out);
}

static void fill(struct result *r, enum result_outcome outcome, enum result_class fail_class,
                 const char *code, const char *message)
{
    *r = (struct result){
        .outcome = outcome,
        .fail_class = fail_class,
        .code = xstrdup(code),
        .step = xstrdup(""),
        .message = clean_line(message, strlen(message), WIRE_MAX_LINE),
        .digest = xstrdup(""),
        .detail = xstrdup(""),
    };
}

void result_infra(struct result *r, const char *code, const char *fmt, ...)
{
    struct str message = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_addv(&message, fmt, ap);
    va_end(ap);
    fill(r, RESULT_FAILED, CLASS_INFRA, code, message.p);
    str_release(&message);
}

void result_cancelled(struct result *r, const char *message)
{
    fill(r, RESULT_CANCELLED, CLASS_NONE, "", message);
}

void result_release(struct result *r)
{
    free(r->code);
    free(r->step);
    free(r->message);
    free(r->digest);
    free(r->detail);
    *r = (struct result){0};
}

size_t result_wire_size(const struct result *r)
{
    return 96 + strlen(r->code) + strlen(r->step) + strlen(r->message) + strlen(r->digest) +
           strlen(r->detail);
}

/* ---- reading the file ------------------------------------------------------------------------ */

static json_t *redacted(const json_t *v, const struct redact *secrets);

static json_t *redacted_string(const json_t *v, const struct redact *secrets)
{
    struct str out = STR_INIT;
    redact_text(secrets, json_string_value(v), json_string_length(v), &out);
    json_t *s = json_stringn(out.p, out.len);
    str_release(&out);
    return s ? s : json_string("");
}

static json_t *redacted_object(const json_t *v, const struct redact *secrets)
{
    json_t *out = json_object(), *member;
    const char *key;
    json_object_foreach((json_t *)(uintptr_t)v, key, member)
    {
        struct str name = STR_INIT;
        redact_text(secrets, key, strlen(key), &name);
        json_object_set_new(out, name.p, redacted(member, secrets));
        str_release(&name);
    }
    return out;
}

static json_t *redacted_array(const json_t *v, const struct redact *secrets)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(v); i++)
        json_array_append_new(out, redacted(json_array_get(v, i), secrets));
    return out;
}

/* A copy without the values of secrets, keys included. Depth is bounded by jansson's parser. */
static json_t *redacted(const json_t *v, const struct redact *secrets)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return redacted_object(v, secrets);
    case JSON_ARRAY:
        return redacted_array(v, secrets);
    case JSON_STRING:
        return redacted_string(v, secrets);
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        return json_deep_copy(v);
    }
    BUG("JSON type %d", (int)json_typeof(v));
}

static char *line_of(const json_t *root, const char *key)
{
    const json_t *v = json_object_get(root, key);
    return json_is_string(v)
               ? clean_line(json_string_value(v), json_string_length(v), WIRE_MAX_LINE)
               : xstrdup("");
}

/* What does not fit loses its tail of log lines first, then everything. */
static char *detail_of(const json_t *root)
{
    json_t *detail = json_object_get(root, "detail");
    if (!json_is_object(detail) || json_object_size(detail) == 0)
        return xstrdup("");
    char *text = json_dumps(detail, JSON_COMPACT);
    if (text != NULL && strlen(text) > WIRE_MAX_DETAIL) {
        free(text);
        json_object_del(detail, "tail");
        text = json_dumps(detail, JSON_COMPACT);
    }
    if (text == NULL || strlen(text) > WIRE_MAX_DETAIL || strstr(text, "\\u0000") != NULL) {
        free(text);
        text = xstrdup("{\"truncated\":true}");
    }
    return text;
}

static int outcome_of(const json_t *root, struct result *r, struct err *e)
{
    static const char *const classes[] = {"none", "user", "infra", "timeout"};
    const char *outcome = json_string_value(json_object_get(root, "outcome"));
    const char *fail_class = json_string_value(json_object_get(root, "class"));
    if (outcome != NULL && strcmp(outcome, "succeeded") == 0) {
        r->outcome = RESULT_SUCCEEDED;
        return 0;
    }
    if (outcome == NULL || strcmp(outcome, "failed") != 0)
        return err_set(e, ERR_INPUT, "outcome: expected \"succeeded\" or \"failed\"");
    r->outcome = RESULT_FAILED;
    for (unsigned i = CLASS_USER; i <= CLASS_TIMEOUT; i++)
        if (fail_class != NULL && strcmp(fail_class, classes[i]) == 0)
            r->fail_class = (enum result_class)i;
    if (r->fail_class == CLASS_NONE)
        return err_set(e, ERR_INPUT, "class: expected \"user\", \"infra\" or \"timeout\"");
    const char *code = json_string_value(json_object_get(root, "code"));
    if (code == NULL || !wire_is_word(code))
        return err_set(e, ERR_INPUT, "code: expected a word");
    r->code = xstrdup(code);
    return 0;
}

static int digest_of(const json_t *root, struct result *r, struct err *e)
{
    const char *digest = json_string_value(json_object_get(root, "digest"));
    struct sha256 ignored;
    if (digest != NULL && digest[0] != '\0' && digest_parse(digest, &ignored))
        return err_set(e, ERR_INPUT, "digest: expected sha256: and 64 hex digits");
    r->digest = xstrdup(digest ? digest : "");
    json_int_t size = json_integer_value(json_object_get(root, "size"));
    r->size = size > 0 && (uint64_t)size <= WIRE_MAX_LOG ? (uint64_t)size : 0;
    return 0;
}

static int take(const json_t *root, struct result *r, struct err *e)
{
    if (!json_is_object(root))
        return err_set(e, ERR_INPUT, "expected an object");
    if (outcome_of(root, r, e) || digest_of(root, r, e))
        return -1;
    r->step = line_of(root, "step");
    r->message = line_of(root, "message");
    r->detail = detail_of(root);
    if (r->code == NULL)
        r->code = xstrdup("");
    return 0;
}

int result_read(const char *path, const struct redact *secrets, struct result *r, struct err *e)
{
    struct str text = STR_INIT;
    *r = (struct result){0};
    if (file_read(path, RESULT_MAX_FILE, &text, e)) {
        str_release(&text);
        return -1;
    }
    json_error_t je;
    json_t *root = json_loadb(text.p, text.len, JSON_REJECT_DUPLICATES, &je);
    int rc = -1;
    if (root == NULL) {
        err_set(e, ERR_INPUT, "%s: not JSON (line %d)", path, je.line);
    } else {
        json_t *clean = redacted(root, secrets);
        rc = take(clean, r, e) ? err_wrap(e, "%s", path) : 0;
        json_decref(clean);
        json_decref(root);
    }
    if (rc)
        result_release(r);
    if (text.cap > 0)
        explicit_bzero(text.p, text.cap);
    str_release(&text);
    return rc;
}
