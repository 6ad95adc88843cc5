#include "worker/order.h"
#include "common/base/mem.h"
#include "proto/wire.h"
#include <jansson.h>

bool secret_name_ok(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > WIRE_MAX_WORD - strlen("secret:") || name[0] == '.' || name[0] == '-')
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.") == n;
}

static int take_secrets(const json_t *list, struct order *o, struct err *e)
{
    size_t n = json_array_size(list);
    if (list != NULL && !json_is_array(list))
        return err_set(e, ERR_INPUT, "order: secrets: expected a list");
    if (n > ORDER_MAX_SECRETS)
        return err_set(e, ERR_INPUT, "order: secrets: expected at most %d", ORDER_MAX_SECRETS);
    o->secrets = xcalloc(n + 1, sizeof *o->secrets);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (name == NULL || !secret_name_ok(name))
            return err_set(e, ERR_INPUT, "order: secrets[%zu]: expected a name", i);
        o->secrets[i] = xstrdup(name);
    }
    return 0;
}

static int take(const json_t *root, struct order *o, struct err *e)
{
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *job = json_string_value(json_object_get(root, "job"));
    json_int_t timeout = json_integer_value(json_object_get(root, "timeout_ms"));
    if (kind == NULL || !wire_is_word(kind))
        return err_set(e, ERR_INPUT, "order: kind: expected build, test, publish or mirror");
    if (job == NULL || !wire_is_line(job) || job[0] == '\0')
        return err_set(e, ERR_INPUT, "order: job: expected a line of text");
    if (timeout < 1 || timeout > (json_int_t)30 * 86400 * 1000)
        return err_set(e, ERR_INPUT, "order: timeout_ms: expected 1 ms to 30 days");
    o->kind = xstrdup(kind);
    o->job = xstrdup(job);
    o->timeout = timeout * BF_MSEC;
    return take_secrets(json_object_get(root, "secrets"), o, e);
}

int order_parse(const void *json, size_t n, struct order *o, struct err *e)
{
    *o = (struct order){0};
    json_error_t je;
    json_t *root = json_loadb(json, n, JSON_REJECT_DUPLICATES, &je);
    int rc = -1;
    if (json_is_object(root))
        rc = take(root, o, e);
    else
        err_set(e, ERR_INPUT, "order: expected a JSON object");
    json_decref(root);
    if (rc)
        order_release(o);
    return rc;
}

void order_release(struct order *o)
{
    free(o->kind);
    free(o->job);
    for (size_t i = 0; o->secrets != NULL && o->secrets[i] != NULL; i++)
        free(o->secrets[i]);
    free(o->secrets);
    *o = (struct order){0};
}
