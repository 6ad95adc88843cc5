/* views.h: what becomes SQL, and what never does. tests/io/api compares the table with the schema.
 */
#include "scheduler/api/views.h"
#include <criterion/criterion.h>
#include <ctype.h>

struct pair {
    const char *name, *value;
};

static bool pair_at(const void *arg, size_t n, const char **name, const char **value)
{
    const struct pair *p = (const struct pair *)arg + n;

    *name = p->name;
    *value = p->value;
    return p->name != NULL;
}

static struct view_query q;
static struct err why;

static int make_upto(const char *view, const struct pair *pairs, const char *upto)
{
    view_query_release(&q);
    why = (struct err){0};
    return view_query_make(view_find(view), pair_at, pairs, upto, &q, &why);
}

static int make(const char *view, const struct pair *pairs)
{
    return make_upto(view, pairs, NULL);
}

#define MAKE(view, ...) make(view, (const struct pair[]){__VA_ARGS__ __VA_OPT__(, ){0}})

static void done(void)
{
    view_query_release(&q);
}

TestSuite(views, .fini = done);

Test(views, plain)
{
    cr_assert(MAKE("jobs") == 0);
    cr_expect(strstr(q.sql.p, "FROM dashboard.jobs v WHERE true ORDER BY v.id LIMIT $1::bigint"));
    cr_expect_eq(q.n, 1);
    cr_expect_str_eq(q.values[0], "1000");
}

Test(views, filters_are_parameters)
{
    cr_assert(MAKE("jobs", {"state", "failed'; DROP TABLE x; --"}, {"id", "7"}) == 0);
    cr_expect(strstr(q.sql.p, "v.state = $"));
    cr_expect(strstr(q.sql.p, "v.id = $"));
    cr_expect(!strstr(q.sql.p, "DROP"));
    cr_expect_eq(q.n, 3);
}

Test(views, a_column_twice_is_either)
{
    cr_assert(MAKE("jobs", {"state", "failed"}, {"kind", "test"}, {"state", "running"}) == 0);
    cr_expect(strstr(q.sql.p, "(v.state = $2::text OR v.state = $3::text)") ||
                  strstr(q.sql.p, "(v.state = $1::text OR v.state = $2::text)"),
              "%s", q.sql.p);
    cr_expect_eq(q.n, 4);
}

Test(views, paging)
{
    cr_assert(MAKE("jobs", {"after", "100"}, {"order", "newest"}, {"limit", "5"}) == 0);
    cr_expect(strstr(q.sql.p, "v.id < $1::bigint ORDER BY v.id DESC LIMIT $2::bigint"), "%s",
              q.sql.p);
    cr_assert(MAKE("jobs", {"after", "-1"}) == 0);
    cr_expect(strstr(q.sql.p, "v.id > $1::bigint ORDER BY v.id LIMIT"));
}

Test(views, mistakes_name_the_parameter)
{
    static const struct {
        struct pair pair;
        const char *says;
    } bad[] = {
        {{"colour", "red"}, "cannot be filtered by 'colour'; it can be by id"},
        {{"id", "seven"}, "id: expected a whole number"},
        {{"id", "99999999999999999999"}, "id: expected a whole number"},
        {{"limit", "0"}, "limit: expected a number from 1 to 10000"},
        {{"limit", "10001"}, "limit: expected"},
        {{"after", "x"}, "after: expected the id"},
        {{"order", "random"}, "order: expected oldest or newest"},
        {{"state; --", "x"}, "cannot be filtered"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        cr_expect(MAKE("jobs", bad[i].pair) == -1, "%s", bad[i].says);
        cr_expect(why.kind == ERR_INPUT);
        cr_expect(strstr(why.msg, bad[i].says), "'%s' lacks '%s'", why.msg, bad[i].says);
    }
}

Test(views, long_values_are_refused)
{
    static char text[VIEW_FILTER_MAX + 2];

    memset(text, 'x', VIEW_FILTER_MAX);
    cr_expect(MAKE("jobs", {"state", text}) == 0);
    text[VIEW_FILTER_MAX] = 'x';
    cr_expect(MAKE("jobs", {"state", text}) == -1);
}

Test(views, more_filters_than_parameters_are_refused)
{
    struct pair many[POOL_PARAMS_MAX + 2] = {0};

    for (size_t i = 0; i <= POOL_PARAMS_MAX; i++)
        many[i] = (struct pair){"id", "1"};
    cr_expect(make("jobs", many) == -1);
    cr_expect(strstr(why.msg, "too many filters"));
}

Test(views, reading_on_in_what_grows_needs_a_bound)
{
    const struct pair after[] = {{"after", "7"}, {0}};

    cr_assert(make("events", after) == 0);
    cr_expect(q.unsettled);
    cr_assert(make_upto("events", after, "12") == 0);
    cr_expect_not(q.unsettled);
    cr_expect(strstr(q.sql.p, "v.id > $1::bigint AND v.id <= $2::bigint ORDER BY v.id LIMIT $3"));
    cr_expect_str_eq(q.values[1], "12");
    cr_assert(MAKE("events", {"after", "7"}, {"order", "newest"}) == 0);
    cr_expect_not(q.unsettled);
    cr_assert(MAKE("events", {"limit", "7"}) == 0);
    cr_expect_not(q.unsettled);
    cr_assert(make("images", after) == 0);
    cr_expect_not(q.unsettled);
}

/* The table is the only source of SQL text. */
Test(views, names_are_identifiers)
{
    for (size_t i = 0; view_at(i); i++) {
        const struct view *v = view_at(i);

        for (const char *p = v->name; *p; p++)
            cr_expect(islower((unsigned char)*p) || *p == '_', "%s", v->name);
        for (const struct filter *f = v->filter; f->column; f++)
            for (const char *p = f->column; *p; p++)
                cr_expect(islower((unsigned char)*p) || *p == '_', "%s", f->column);
        cr_expect((v->page != NULL) != (v->order != NULL), "%s needs one order", v->name);
        cr_expect(!v->grows || v->page, "%s grows without a number", v->name);
        cr_expect_eq(view_find(v->name), v);
    }
    cr_expect_null(view_find("pg_roles"));
    cr_expect_null(view_find(""));
}
