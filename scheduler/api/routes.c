/* Which request goes where, and the answers that several of them share. */
#include "scheduler/api/api.h"
#include "scheduler/api/views.h"

struct route {
    const char *method, *path;
    bool prefix; /* the path goes on behind it */
    api_route *run;
};

/* The first one that fits. */
static const struct route routes[] = {
    {"GET", "/v1/health", false, get_health},
    {"GET", "/v1/changes", false, get_changes},
    {"GET", "/v1/setting/", true, get_setting},
    {"GET", "/v1/base_cost/", true, get_base_cost},
    {"GET", "/v1/explain/", true, get_explain},
    {"GET", "/v1/graph", false, get_graph},
    {"GET", "/v1/jobs/", true, get_job},
    {"GET", "/v1/why/", true, get_why},
    {"GET", "/v1/commands/", true, get_command},
    {"POST", "/v1/commands", false, post_command},
    {"GET", "/v1/", true, get_view},
};

static bool fits(const struct route *t, const char *path)
{
    return t->prefix ? str_starts(path, t->path) && path[strlen(t->path)]
                     : strcmp(path, t->path) == 0;
}

void api_handle(void *arg, struct request *r)
{
    struct api *a = arg;
    const char *path = request_path(r);
    bool known = false;

    if (a->stopping) {
        request_error(r, 503, "bootfarm-api is stopping");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
        if (!fits(&routes[i], path))
            continue;
        if (strcmp(routes[i].method, request_method(r)) == 0) {
            routes[i].run(a, r, path + strlen(routes[i].path));
            return;
        }
        known = true;
    }
    if (known)
        request_error(r, 405, "%.16s is not possible here", request_method(r));
    else
        request_error(r, 404,
                      "nothing stands at this path; scheduler/api/README.md lists what does");
}

void answer_failure(struct request *r, const struct err *e)
{
    switch (e->kind) {
    case ERR_INPUT:
    case ERR_CONFIG:
        request_error(r, 400, "%s", e->msg);
        return;
    case ERR_TEMPORARY:
        request_error(r, 503, "%s", e->msg);
        return;
    case ERR_NONE:
    case ERR_SYSTEM:
        request_error(r, 500, "PostgreSQL refused the query; the log of bootfarm-api says why");
        return;
    }
}

static void clear_rows(void *rows)
{
    PQclear(rows);
}

void answer_json_cell(struct request *r, unsigned status, PGresult *rows, const char *absent)
{
    if (PQntuples(rows) == 1 && !PQgetisnull(rows, 0, 0)) {
        request_take(r, status, "application/json", PQgetvalue(rows, 0, 0),
                     (size_t)PQgetlength(rows, 0, 0), clear_rows, rows);
        return;
    }
    if (PQntuples(rows) == 0)
        request_error(r, 404, "%s", absent);
    else
        request_error(r, 400, "the answer would be larger than %d MiB; use limit and after",
                      VIEW_ANSWER_MAX >> 20);
    PQclear(rows);
}
