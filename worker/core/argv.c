#include "worker/core/argv.h"

#include "common/base/str.h"

void argv_add(struct argv *a, const char *arg)
{
    *vec_push(&a->list) = xstrdup(arg);
}

void argv_addf(struct argv *a, const char *fmt, ...)
{
    struct str s = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_addv(&s, fmt, ap);
    va_end(ap);
    *vec_push(&a->list) = str_steal(&s);
}

void argv_adds(struct argv *a, ...)
{
    va_list ap;
    va_start(ap, a);
    for (const char *arg; (arg = va_arg(ap, const char *)) != NULL;)
        argv_add(a, arg);
    va_end(ap);
}

const char *const *argv_get(struct argv *a)
{
    vec_reserve(&a->list, a->list.n + 1);
    a->list.v[a->list.n] = NULL;
    return (const char *const *)a->list.v;
}

void argv_release(struct argv *a)
{
    vec_for_each (i, &a->list)
        free(a->list.v[i]);
    vec_release(&a->list);
}
