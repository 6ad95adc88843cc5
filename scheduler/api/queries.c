/* GET of rows: views, one job and why it waits, one setting, health. PostgreSQL makes the JSON. */
#include "common/base/mem.h"
#include "scheduler/api/api.h"
#include "scheduler/api/statements.h"
#include "scheduler/api/views.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static void on_rows(void *arg, PGresult *rows, const struct err *e)
{
    struct request *r = arg;

    if (rows)
        answer_json_cell(r, 200, rows, "it does not exist");
    else
        answer_failure(r, e);
}

static bool param_of(const void *arg, size_t n, const char **name, const char **value)
{
    return request_param(arg, n, name, value);
}

static void no_such_view(struct request *r)
{
    BF_CLEANUP(str_release) struct str names = STR_INIT;

    for (size_t i = 0; view_at(i); i++)
        str_addf(&names, "%s%s", i ? ", " : "", view_at(i)->name);
    request_error(r, 404, "no such list; there are %s", names.p);
}

/* A request that pages through a list that grows, while it is asked how far that can be read. */
struct paging {
    struct api *a;
    struct request *r;
    const struct view *v;
};

static void query_view(struct api *a, struct request *r, const struct view *v, const char *upto);

static void on_settled(void *arg, PGresult *rows, const struct err *e)
{
    BF_CLEANUP(free_ptr) struct paging *p = arg;

    if (rows)
        query_view(p->a, p->r, p->v, PQgetvalue(rows, 0, 0));
    else
        answer_failure(p->r, e);
    PQclear(rows);
}

static void settle(struct api *a, struct request *r, const struct view *v)
{
    struct paging *p = xmalloc(sizeof *p);

    *p = (struct paging){a, r, v};
    pool_query(a->pool, SQL_SETTLED, 1, &v->name, on_settled, p);
}

static void query_view(struct api *a, struct request *r, const struct view *v, const char *upto)
{
    struct view_query q;
    struct err e = ERR_INIT;

    if (view_query_make(v, param_of, r, upto, &q, &e) < 0)
        answer_failure(r, &e);
    else if (q.unsettled)
        settle(a, r, v);
    else
        pool_query(a->pool, q.sql.p, q.n, q.values, on_rows, r);
    view_query_release(&q);
}

void get_view(struct api *a, struct request *r, const char *rest)
{
    const struct view *v = view_find(rest);

    if (v)
        query_view(a, r, v, NULL);
    else
        no_such_view(r);
}

/* A job is named by its number or by its readable id; both are short. */
bool job_key(struct request *r, const char *text, bool *is_number)
{
    int64_t id;

    *is_number = parse_i64(text, 1, INT64_MAX, &id) == 0;
    if (strlen(text) <= VIEW_FILTER_MAX)
        return true;
    request_error(r, 404, "there is no such job");
    return false;
}

void get_job(struct api *a, struct request *r, const char *rest)
{
    bool is_number;

    if (str_ends(rest, "/log")) {
        BF_CLEANUP(free_ptr) char *job = xstrndup(rest, strlen(rest) - strlen("/log"));

        get_log(a, r, job);
    } else if (job_key(r, rest, &is_number)) {
        pool_query(a->pool, is_number ? SQL_JOB_BY_ID : SQL_JOB_BY_NAME, 1, &rest, on_rows, r);
    }
}

void get_why(struct api *a, struct request *r, const char *rest)
{
    bool is_number;

    if (job_key(r, rest, &is_number))
        pool_query(a->pool, is_number ? SQL_WHY_BY_ID : SQL_WHY_BY_NAME, 1, &rest, on_rows, r);
}

void get_setting(struct api *a, struct request *r, const char *rest)
{
    if (strlen(rest) > VIEW_FILTER_MAX)
        request_error(r, 404, "there is no such setting");
    else
        pool_query(a->pool, SQL_SETTING, 1, &rest, on_rows, r);
}

void get_base_cost(struct api *a, struct request *r, const char *rest)
{
    if (strlen(rest) > VIEW_FILTER_MAX)
        request_error(r, 404, "there is no such base");
    else
        pool_query(a->pool, SQL_BASE_COST, 1, &rest, on_rows, r);
}

/* The image is the rest of the path; `since` a parameter. */
void get_explain(struct api *a, struct request *r, const char *rest)
{
    const char *values[] = {rest, ""}, *name, *value;

    for (size_t i = 0; request_param(r, i, &name, &value); i++) {
        if (strcmp(name, "since") != 0) {
            request_error(r, 400, "explain knows no parameter %.64s; it can be since", name);
            return;
        }
        values[1] = value;
    }
    if (strlen(rest) > VIEW_FILTER_MAX || strlen(values[1]) > VIEW_FILTER_MAX)
        request_error(r, 404, "there is no such image or commit");
    else
        pool_query(a->pool, SQL_EXPLAIN, 2, values, on_rows, r);
}

void get_graph(struct api *a, struct request *r, const char *rest)
{
    char most[24];

    (void)rest;
    snprintf(most, sizeof most, "%d", VIEW_ANSWER_MAX);
    pool_query(a->pool, SQL_GRAPH, 1, (const char *[]){most}, on_rows, r);
}

/* ---- health -----------------------------------------------------------------------------------
 */

static void on_health(void *arg, PGresult *rows, const struct err *e)
{
    struct request *r = arg;
    json_t *doc;

    if (rows) {
        answer_json_cell(r, 200, rows, "");
        return;
    }
    doc = json_pack("{s:b, s:s, s:s}", "database", 0, "error", e->msg, "version", BOOTFARM_VERSION);
    request_header(r, "Retry-After", "1");
    request_json(r, 503, json_dumps(doc, JSON_COMPACT));
    json_decref(doc);
}

void get_health(struct api *a, struct request *r, const char *rest)
{
    (void)rest;
    pool_query(a->pool, SQL_HEALTH, 1, (const char *[]){BOOTFARM_VERSION}, on_health, r);
}
