#include "scheduler/api/views.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TEXT(c)        \
    {                  \
        c, FILTER_TEXT \
    }
#define NUMBER(c)        \
    {                    \
        c, FILTER_NUMBER \
    }
#define BOOL(c)        \
    {                  \
        c, FILTER_BOOL \
    }
#define UUID(c)        \
    {                  \
        c, FILTER_UUID \
    }
#define ARRAY(c)        \
    {                   \
        c, FILTER_ARRAY \
    }

static const struct view views[] = {
#include "scheduler/api/views.def"
};

const struct view *view_at(size_t i)
{
    return i < ARRAY_SIZE(views) ? &views[i] : NULL;
}

const struct view *view_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(views); i++)
        if (strcmp(views[i].name, name) == 0)
            return &views[i];
    return NULL;
}

static const struct filter *filter_find(const struct view *v, const char *column)
{
    for (const struct filter *f = v->filter; f->column; f++)
        if (strcmp(f->column, column) == 0)
            return f;
    return NULL;
}

static int unknown_column(const struct view *v, const char *name, struct err *e)
{
    BF_CLEANUP(str_release) struct str known = STR_INIT;

    for (const struct filter *f = v->filter; f->column; f++)
        str_addf(&known, "%s%s", known.len ? ", " : "", f->column);
    return err_set(e, ERR_INPUT,
                   "%s cannot be filtered by '%.64s'; it can be by %s, limit, after, order",
                   v->name, name, known.p);
}

static const char *type_expected(enum filter_type type)
{
    switch (type) {
    case FILTER_TEXT:
    case FILTER_ARRAY:
        return "at most 512 bytes of text";
    case FILTER_NUMBER:
        return "a whole number";
    case FILTER_BOOL:
        return "true or false";
    case FILTER_UUID:
        return "a UUID";
    }
    BUG("filter type %d", (int)type);
}

static bool value_fits(enum filter_type type, const char *value)
{
    int64_t number;
    struct id128 id;

    switch (type) {
    case FILTER_TEXT:
    case FILTER_ARRAY:
        return strlen(value) <= VIEW_FILTER_MAX;
    case FILTER_NUMBER:
        return parse_i64(value, INT64_MIN, INT64_MAX, &number) == 0;
    case FILTER_BOOL:
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
    case FILTER_UUID:
        return id128_parse(value, &id) == 0;
    }
    BUG("filter type %d", (int)type);
}

static void add_condition(struct str *sql, const struct filter *f, size_t n)
{
    switch (f->type) {
    case FILTER_TEXT:
        str_addf(sql, "v.%s = $%zu::text", f->column, n);
        return;
    case FILTER_NUMBER:
        str_addf(sql, "v.%s = $%zu::bigint", f->column, n);
        return;
    case FILTER_BOOL:
        str_addf(sql, "v.%s = $%zu::boolean", f->column, n);
        return;
    case FILTER_UUID:
        str_addf(sql, "v.%s = $%zu::uuid", f->column, n);
        return;
    case FILTER_ARRAY:
        str_addf(sql, "$%zu::text = ANY (v.%s)", n, f->column);
        return;
    }
}

/* What is not a filter. `after` and `order` go together. */
struct paging {
    const char *after;
    bool newest;
};

static int read_paging(const struct view *v, const char *name, const char *value,
                       struct view_query *q, struct paging *p, struct err *e)
{
    int64_t id;

    if (strcmp(name, "limit") == 0) {
        if (parse_i64(value, 1, VIEW_LIMIT_MAX, &q->limit) == 0)
            return 1;
        return err_set(e, ERR_INPUT, "limit: expected a number from 1 to %d", VIEW_LIMIT_MAX);
    }
    if (strcmp(name, "after") != 0 && strcmp(name, "order") != 0)
        return 0;
    if (!v->page)
        return err_set(e, ERR_INPUT, "%s has no id to page by", v->name);
    if (strcmp(name, "after") == 0) {
        p->after = value;
        if (parse_i64(value, INT64_MIN, INT64_MAX, &id) == 0)
            return 1;
        return err_set(e, ERR_INPUT, "after: expected the %s of the last row seen", v->page);
    }
    p->newest = strcmp(value, "newest") == 0;
    if (p->newest || strcmp(value, "oldest") == 0)
        return 1;
    return err_set(e, ERR_INPUT, "order: expected oldest or newest");
}

/* Adds all conditions on one column; several values of it are alternatives. */
static void add_filter(struct view_query *q, const struct filter *f, view_param_fn *param,
                       const void *arg)
{
    const char *name, *value;
    const char *join = " AND (";

    for (size_t i = 0; param(arg, i, &name, &value); i++) {
        if (strcmp(name, f->column) != 0)
            continue;
        q->values[q->n++] = value;
        str_add(&q->sql, join);
        add_condition(&q->sql, f, q->n);
        join = " OR ";
    }
    if (join[1] == 'O')
        str_addch(&q->sql, ')');
}

static int check_params(const struct view *v, view_param_fn *param, const void *arg,
                        struct view_query *q, struct paging *paging, struct err *e)
{
    const char *name, *value;

    for (size_t i = 0; param(arg, i, &name, &value); i++) {
        const struct filter *f = filter_find(v, name);
        int taken = f ? 0 : read_paging(v, name, value, q, paging, e);

        if (taken < 0)
            return -1;
        if (!f && !taken)
            return unknown_column(v, name, e);
        if (f && !value_fits(f->type, value))
            return err_set(e, ERR_INPUT, "%s: expected %s", name, type_expected(f->type));
        if (i + 5 > POOL_PARAMS_MAX)
            return err_set(e, ERR_INPUT, "too many filters");
    }
    return 0;
}

static void add_bound(struct view_query *q, const struct view *v, const char *op, const char *value)
{
    q->values[q->n++] = value;
    str_addf(&q->sql, " AND v.%s %s $%zu::bigint", v->page, op, q->n);
}

static void add_order(struct view_query *q, const struct view *v, const struct paging *p,
                      const char *upto)
{
    if (p->after)
        add_bound(q, v, p->newest ? "<" : ">", p->after);
    if (upto)
        add_bound(q, v, "<=", upto);
    q->unsettled = v->grows && p->after && !p->newest && !upto;
    if (v->page)
        str_addf(&q->sql, " ORDER BY v.%s%s", v->page, p->newest ? " DESC" : "");
    else
        str_addf(&q->sql, " ORDER BY %s", v->order);
    snprintf(q->number, sizeof q->number, "%" PRId64, q->limit);
    q->values[q->n++] = q->number;
    str_addf(&q->sql, " LIMIT $%zu::bigint", q->n);
}

int view_query_make(const struct view *v, view_param_fn *param, const void *arg, const char *upto,
                    struct view_query *q, struct err *e)
{
    struct paging paging = {0};

    *q = (struct view_query){.sql = STR_INIT, .limit = VIEW_LIMIT_DEFAULT};
    if (check_params(v, param, arg, q, &paging, e) < 0)
        return -1;
    str_addf(&q->sql,
             "SELECT CASE WHEN octet_length(j) <= %d THEN j END FROM (SELECT "
             "coalesce(json_agg(t), '[]')::text AS j FROM (SELECT * FROM dashboard.%s v WHERE true",
             VIEW_ANSWER_MAX, v->name);
    for (const struct filter *f = v->filter; f->column; f++)
        add_filter(q, f, param, arg);
    add_order(q, v, &paging, upto);
    str_add(&q->sql, ") t) x");
    return 0;
}

void view_query_release(struct view_query *q)
{
    str_release(&q->sql);
}
