#include "worker/exec/order_get.h"

#include "common/base/mem.h"
#include "common/base/str.h"
#include <math.h>

static int wrong(const char *name, const char *expected, struct err *e)
{
    return err_set(e, ERR_INPUT, "work order: member '%s': expected %s", name, expected);
}

/* 1: present, 0: absent and allowed to be, -1: absent and required. */
static int find(const json_t *o, const char *name, enum want want, json_t **out, struct err *e)
{
    *out = json_object_get(o, name);
    if (*out != NULL && !json_is_null(*out))
        return 1;
    if (want == WANT_REQUIRED)
        return err_set(e, ERR_INPUT, "work order: member '%s' is missing", name);
    return 0;
}

int get_text(const json_t *o, const char *name, enum want want, text_check *check,
             const char *expected, const char **out, struct err *e)
{
    json_t *v;
    int there = find(o, name, want, &v, e);
    if (there <= 0)
        return there;
    /* jansson refuses NUL in strings unless asked, so the C string is the whole of it */
    if (!json_is_string(v) || !check(json_string_value(v)))
        return wrong(name, expected, e);
    *out = json_string_value(v);
    return 0;
}

int get_int(const json_t *o, const char *name, enum want want, int64_t min, int64_t max,
            int64_t *out, struct err *e)
{
    json_t *v;
    int there = find(o, name, want, &v, e);
    if (there <= 0)
        return there;
    if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
        return err_set(e, ERR_INPUT,
                       "work order: member '%s': expected an integer from %lld to %lld", name,
                       (long long)min, (long long)max);
    *out = json_integer_value(v);
    return 0;
}

int get_number(const json_t *o, const char *name, enum want want, double min, double max,
               double *out, struct err *e)
{
    json_t *v;
    int there = find(o, name, want, &v, e);
    if (there <= 0)
        return there;
    double n = json_number_value(v);
    if (!json_is_number(v) || !isfinite(n) || n < min || n > max)
        return err_set(e, ERR_INPUT, "work order: member '%s': expected a number from %g to %g",
                       name, min, max);
    *out = n;
    return 0;
}

int get_bool(const json_t *o, const char *name, bool *out, struct err *e)
{
    json_t *v;
    int there = find(o, name, WANT_OPTIONAL, &v, e);
    if (there <= 0)
        return there;
    if (!json_is_boolean(v))
        return wrong(name, "true or false", e);
    *out = json_is_true(v);
    return 0;
}

int get_list(struct order *order, const json_t *o, const char *name, text_check *check,
             const char *expected, strings *out, struct err *e)
{
    json_t *v = NULL, *item;
    size_t i;
    if (get_array(o, name, &v, e) < 0)
        return -1;
    const char **list = order_alloc(order, json_array_size(v) + 1, sizeof *list);
    json_array_foreach(v, i, item)
    {
        if (!json_is_string(item) || !check(json_string_value(item)))
            return err_set(e, ERR_INPUT, "work order: member '%s[%zu]': expected %s", name, i,
                           expected);
        list[i] = json_string_value(item);
    }
    *out = list;
    return 0;
}

int get_object(const json_t *o, const char *name, enum want want, json_t **out, struct err *e)
{
    json_t *v;
    int there = find(o, name, want, &v, e);
    if (there <= 0)
        return there;
    if (!json_is_object(v) || json_object_size(v) > ORDER_MAX_ITEMS)
        return wrong(name, "an object of at most 1024 members", e);
    *out = v;
    return 0;
}

int get_array(const json_t *o, const char *name, json_t **out, struct err *e)
{
    json_t *v;
    int there = find(o, name, WANT_OPTIONAL, &v, e);
    if (there <= 0)
        return there;
    if (!json_is_array(v) || json_array_size(v) > ORDER_MAX_ITEMS)
        return wrong(name, "a list of at most 1024 items", e);
    *out = v;
    return 0;
}

void *order_alloc(struct order *o, size_t n, size_t size)
{
    struct block {
        struct block *next;
        max_align_t data[];
    };
    if (size != 0 && n > (SIZE_MAX - sizeof(struct block)) / size)
        BUG("order_alloc(%zu, %zu)", n, size);
    struct block *b = xcalloc(1, sizeof *b + n * size);
    b->next = o->blocks;
    o->blocks = b;
    return b->data;
}
