/* api.h - what the handlers share. */
#ifndef BF_API_API_H
#define BF_API_API_H

#include "scheduler/api/http.h"
#include "scheduler/api/options.h"
#include "scheduler/api/pool.h"

struct watch;

struct api {
    uv_loop_t *loop;
    struct options options;
    struct pool *pool;
    struct http *http;
    struct watch *watch;
    bool stopping; /* whoever is woken answers now */
};

/* http_handler: finds the route and runs it (routes.c). */
void api_handle(void *api, struct request *r);

/* The handlers. `rest` is what followed the route's prefix in the path. */
typedef void api_route(struct api *a, struct request *r, const char *rest);
api_route get_health, get_view, get_job, get_why, get_setting, get_base_cost, get_explain,
    get_graph, get_changes, get_command, post_command;
void get_log(struct api *a, struct request *r, const char *job); /* logs.c; called by get_job */

/* Is the path's text a job's number or its readable id? false: it can be neither, answered 404. */
bool job_key(struct request *r, const char *text, bool *is_number);

/* Answers a request whose query failed: 400, 503 or 500. */
void answer_failure(struct request *r, const struct err *e);
/* Answers with the text in row 0, column 0; takes `rows`. No row: 404 with `absent`; NULL: 400, too
 * much. */
void answer_json_cell(struct request *r, unsigned status, PGresult *rows, const char *absent);

#endif
