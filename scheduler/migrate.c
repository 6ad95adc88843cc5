/* migrate.c - connect, lock, compare, then one transaction for each migration that is missing. */
#include "scheduler/migrate.h"
#include "common/base/log.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#define LOCK_KEY "4774451407312" /* any number that nobody else uses */

static void conn_done(PGconn **c)
{
    PQfinish(*c);
}

static void result_done(PGresult **r)
{
    PQclear(*r);
}

#define CONN BF_CLEANUP(conn_done) PGconn *
#define RESULT BF_CLEANUP(result_done) PGresult *

int migrate_version_cmp(const char *a, const char *b)
{
    for (int part = 0; part < 3; part++) {
        char *end_a, *end_b;
        long x = strtol(a, &end_a, 10), y = strtol(b, &end_b, 10);
        if (x != y)
            return x < y ? -1 : 1;
        a = *end_a == '.' ? end_a + 1 : end_a;
        b = *end_b == '.' ? end_b + 1 : end_b;
    }
    return 0;
}

/* libpq's messages end with a newline and may have several lines; an err is one line. */
static void one_line(const char *text, char *out, size_t size)
{
    size_t n = 0;
    for (; *text != '\0' && n + 1 < size; text++)
        out[n++] = *text == '\n' ? ' ' : *text;
    while (n > 0 && out[n - 1] == ' ')
        n--;
    out[n] = '\0';
}

static int fail(PGconn *c, enum err_kind kind, struct err *e)
{
    char msg[768];
    one_line(PQerrorMessage(c), msg, sizeof msg);
    return err_set(e, kind, "PostgreSQL: %s", msg);
}

static int run(PGconn *c, const char *sql, struct err *e)
{
    RESULT r = PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK)
        return 0;
    return fail(c, PQstatus(c) == CONNECTION_OK ? ERR_INPUT : ERR_TEMPORARY, e);
}

static PGconn *open_database(const char *conninfo, struct err *e)
{
    PGconn *c = PQconnectdb(conninfo);
    if (PQstatus(c) != CONNECTION_OK) {
        fail(c, ERR_TEMPORARY, e);
    } else if (PQserverVersion(c) < 150000) {
        err_set(e, ERR_CONFIG, "PostgreSQL %d is too old: bootfarm needs 15",
                PQserverVersion(c) / 10000);
    } else if (run(c, "SET client_min_messages = warning", e) == 0) {
        return c;
    }
    PQfinish(c);
    return NULL;
}

static int names_match(int version, const char *name, struct err *e)
{
    const struct migration *m = &migrations[version - 1];
    if (strcmp(m->name, name) == 0)
        return 0;
    return err_set(
        e, ERR_CONFIG,
        "migration %d of this database is %s, of this binary (%s) it is %s: they are not "
        "of one line of versions",
        version, name, BOOTFARM_VERSION, m->name);
}

static int newer_schema(int version, const char *oldest, struct err *e)
{
    if (migrate_version_cmp(BOOTFARM_VERSION, oldest) >= 0)
        return 0;
    return err_set(
        e, ERR_CONFIG,
        "the database has schema version %d, which needs bootfarm %s or newer; this is %s "
        "and knows version %zu: upgrade this program",
        version, oldest, BOOTFARM_VERSION, n_migrations);
}

/* The schema's version (0: an empty database), or -1 when this binary must not use it. */
static int schema_version(PGconn *c, struct err *e)
{
    RESULT there = PQexec(c, "SELECT to_regclass('farm.migration') IS NOT NULL");
    if (PQresultStatus(there) != PGRES_TUPLES_OK)
        return fail(c, ERR_TEMPORARY, e);
    if (*PQgetvalue(there, 0, 0) == 'f')
        return 0;
    RESULT r =
        PQexec(c, "SELECT version, name, oldest_binary FROM farm.migration ORDER BY version");
    if (PQresultStatus(r) != PGRES_TUPLES_OK)
        return fail(c, ERR_CONFIG, e);
    int n = PQntuples(r);
    for (int i = 0; i < n; i++) {
        int version = (int)strtol(PQgetvalue(r, i, 0), NULL, 10);
        if (version != i + 1)
            return err_set(e, ERR_CONFIG, "farm.migration has no row %d: the schema is damaged",
                           i + 1);
        if ((size_t)version <= n_migrations && names_match(version, PQgetvalue(r, i, 1), e) < 0)
            return -1;
    }
    if ((size_t)n > n_migrations && newer_schema(n, PQgetvalue(r, n - 1, 2), e) < 0)
        return -1;
    return n;
}

/* The line of a failed migration, from PostgreSQL's character position in the text that was sent.
 */
static int line_of(const char *sql, const PGresult *r)
{
    const char *position = PQresultErrorField(r, PG_DIAG_STATEMENT_POSITION);
    int line = 1;
    for (int left = position != NULL ? (int)strtol(position, NULL, 10) - 1 : 0;
         left > 0 && *sql != '\0'; sql++) {
        line += *sql == '\n';
        left -= ((unsigned char)*sql & 0xC0) != 0x80;
    }
    return line;
}

static int exec_migration(PGconn *c, const struct migration *m, struct err *e)
{
    RESULT r = PQexec(c, m->sql);
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_COMMAND_OK || s == PGRES_TUPLES_OK)
        return 0;
    fail(c, PQstatus(c) == CONNECTION_OK ? ERR_INPUT : ERR_TEMPORARY, e);
    return err_wrap(e, "%s.sql:%d", m->name, line_of(m->sql, r));
}

static int record(PGconn *c, const struct migration *m, struct err *e)
{
    char version[16];
    snprintf(version, sizeof version, "%d", m->version);
    const char *values[] = {version, m->name, m->oldest_binary};
    RESULT r = PQexecParams(c,
                            "INSERT INTO farm.migration (version, name, oldest_binary) "
                            "VALUES ($1::int, $2, $3)",
                            3, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(r) == PGRES_COMMAND_OK)
        return 0;
    return fail(c, ERR_INPUT, e);
}

static int apply(PGconn *c, const struct migration *m, struct err *e)
{
    if (run(c, "BEGIN; SET LOCAL ROLE bootfarm_migrator", e) < 0)
        return err_wrap(e, "before %s", m->name);
    if (exec_migration(c, m, e) < 0 || record(c, m, e) < 0)
        return -1;
    RESULT r = PQexec(c, "COMMIT");
    if (PQresultStatus(r) != PGRES_COMMAND_OK || strcmp(PQcmdStatus(r), "COMMIT") != 0)
        return fail(c, ERR_TEMPORARY, e);
    log_info("migration applied", "name", m->name);
    return 0;
}

static int make_roles(PGconn *c, struct err *e)
{
    if (run(c, migrate_roles_sql, e) == 0)
        return 0;
    e->kind = e->kind == ERR_INPUT ? ERR_CONFIG : e->kind;
    return err_wrap(e, "cannot make the roles; let a superuser run schema/roles.sql once");
}

int migrate_run(const char *conninfo, struct err *e)
{
    struct err local = ERR_INIT;
    e = e != NULL ? e : &local;
    CONN c = open_database(conninfo, e);
    if (c == NULL || run(c, "SELECT pg_advisory_lock(" LOCK_KEY ")", e) < 0)
        return -1;
    int have = schema_version(c, e);
    if (have < 0)
        return -1;
    if ((size_t)have < n_migrations && make_roles(c, e) < 0)
        return -1;
    for (size_t i = (size_t)have; i < n_migrations; i++)
        if (apply(c, &migrations[i], e) < 0)
            return -1;
    return 0;
}

int migrate_check(const char *conninfo, struct err *e)
{
    CONN c = open_database(conninfo, e);
    if (c == NULL)
        return -1;
    int have = schema_version(c, e);
    if (have < 0)
        return -1;
    if ((size_t)have >= n_migrations)
        return 0;
    return err_set(e, ERR_CONFIG,
                   "the database has schema version %d, this binary needs %zu: run "
                   "`bootfarm-scheduler migrate`",
                   have, n_migrations);
}
