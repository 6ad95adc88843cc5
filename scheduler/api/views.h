/* views.h - which views of `dashboard` can be read, and by what they can be filtered: one table.
 *
 * The SQL is made from this table alone; a client's text only ever becomes a parameter. A test
 * compares the table with the schema. */
#ifndef BF_API_VIEWS_H
#define BF_API_VIEWS_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "scheduler/api/pool.h"

#define VIEW_LIMIT_DEFAULT 1000
#define VIEW_LIMIT_MAX 10000
#define VIEW_ANSWER_MAX (16 << 20) /* bytes of one JSON answer */
#define VIEW_FILTER_MAX 512        /* bytes of one filter value */

enum filter_type {
    FILTER_TEXT,
    FILTER_NUMBER,
    FILTER_BOOL,
    FILTER_UUID,
    FILTER_ARRAY /* of text: rows whose array holds the value */
};

struct filter {
    const char *column; /* NULL: end of the list */
    enum filter_type type;
};

struct view {
    const char *name;
    const char *order; /* columns that order it, each without direction */
    const char *page;  /* bigint column for ?after, NULL: none */
    bool grows;        /* rows with rising numbers are added, by transactions that may be slow */
    struct filter filter[16];
};

const struct view *view_find(const char *name);
const struct view *view_at(size_t i); /* NULL behind the last */

/* One name and value of the query string at a time; false behind the last. */
typedef bool view_param_fn(const void *arg, size_t n, const char **name, const char **value);

struct view_query {
    struct str sql;
    const char *values[POOL_PARAMS_MAX]; /* point into the parameters and `number` */
    size_t n;
    int64_t limit;
    char number[24];
    bool unsettled; /* pages through what grows, without a bound: see `upto` */
};

/* Makes the statement that answers a request: one row with one column, the JSON array (NULL: it
 * would be larger than VIEW_ANSWER_MAX). A column given twice means either value. `upto`: the last
 * number that is shown, borrowed, or NULL; what pages through a list that grows passes over rows
 * that commit late unless it is what dashboard.settled() said. -1 with ERR_INPUT: unknown column,
 * value of the wrong type, and so on. */
int view_query_make(const struct view *v, view_param_fn *param, const void *arg, const char *upto,
                    struct view_query *q, struct err *e) BF_MUST_CHECK;
void view_query_release(struct view_query *q);

#endif
