/* The migrations as the binary applies them, each test on a database of its own in a private
 * cluster (tests/lib/pg.sh through with_pg). */
#include "scheduler/migrate.h"
#include <criterion/criterion.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char *env_or_die(const char *name)
{
    char *v = getenv(name);
    cr_assert_not_null(v, "%s is not set: run through tests/schema/with_pg", name);
    return v;
}

/* A new database; its connection string in a static buffer. */
static const char *fresh(const char *user)
{
    static char info[256];
    static int n;
    char sql[128];
    snprintf(info, sizeof info, "host=%s port=%s user=postgres dbname=postgres",
             env_or_die("PGHOST"), env_or_die("PGPORT"));
    PGconn *c = PQconnectdb(info);
    cr_assert_eq(PQstatus(c), CONNECTION_OK, "%s", PQerrorMessage(c));
    char name[64];
    snprintf(name, sizeof name, "m_%d_%d", (int)getpid(), n++);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    PGresult *r = PQexec(c, sql);
    cr_assert_eq(PQresultStatus(r), PGRES_COMMAND_OK, "%s", PQerrorMessage(c));
    PQclear(r);
    PQfinish(c);
    snprintf(info, sizeof info, "host=%s port=%s user=%s dbname=%s", env_or_die("PGHOST"),
             env_or_die("PGPORT"), user, name);
    return info;
}

/* The first column of the first row, or "" for a command. */
static const char *ask(const char *info, const char *sql)
{
    static char answer[256];
    PGconn *c = PQconnectdb(info);
    PGresult *r = PQexec(c, sql);
    ExecStatusType s = PQresultStatus(r);
    cr_assert(s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK, "%s: %s", sql, PQerrorMessage(c));
    snprintf(answer, sizeof answer, "%s", s == PGRES_TUPLES_OK ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(c);
    return answer;
}

static void run_ok(const char *info)
{
    struct err e = ERR_INIT;
    cr_assert_eq(migrate_run(info, &e), 0, "%s", e.msg);
}

Test(migrate, applies_all_and_records_them)
{
    const char *info = fresh("postgres");
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_check(info, &e), -1);
    cr_expect_eq(e.kind, ERR_CONFIG);
    cr_expect(strstr(e.msg, "bootfarm-scheduler migrate") != NULL, "%s", e.msg);
    run_ok(info);
    cr_expect_eq(strtoul(ask(info, "SELECT count(*) FROM farm.migration"), NULL, 10), n_migrations);
    cr_expect_eq(migrate_check(info, &e), 0, "%s", e.msg);
    cr_expect_str_eq(
        ask(info,
            "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'farm.job'::regclass"),
        "bootfarm_migrator");
}

Test(migrate, again_changes_nothing)
{
    const char *info = fresh("postgres");
    run_ok(info);
    char before[256];
    snprintf(before, sizeof before, "%s", ask(info, "SELECT max(applied_at) FROM farm.migration"));
    run_ok(info);
    cr_expect_str_eq(ask(info, "SELECT max(applied_at) FROM farm.migration"), before);
}

/* The first migration that makes a view is stopped in its middle. */
Test(migrate, goes_on_after_one_that_was_cut_short)
{
    const char *info = fresh("postgres");
    ask(info, "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS "
              "'BEGIN RAISE EXCEPTION ''stopped''; END'");
    ask(info, "CREATE EVENT TRIGGER stop ON ddl_command_start WHEN TAG IN ('CREATE VIEW') "
              "EXECUTE FUNCTION public.stop()");
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_run(info, &e), -1);
    cr_expect_eq(e.kind, ERR_INPUT, "%s", e.msg);
    size_t done = strtoul(ask(info, "SELECT count(*) FROM farm.migration"), NULL, 10);
    cr_assert(done > 0 && done < n_migrations, "%zu", done);
    cr_expect(strstr(e.msg, migrations[done].name) != NULL, "names the one that failed: %s", e.msg);
    cr_expect(strstr(e.msg, "stopped") != NULL, "%s", e.msg);
    ask(info, "DROP EVENT TRIGGER stop");
    run_ok(info);
    cr_expect_eq(strtoul(ask(info, "SELECT count(*) FROM farm.migration"), NULL, 10), n_migrations);
}

Test(migrate, refuses_a_schema_that_it_does_not_know)
{
    const char *info = fresh("postgres");
    run_ok(info);
    ask(info, "INSERT INTO farm.migration SELECT max(version) + 1, 'later', '99.0.0' FROM "
              "farm.migration");
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_run(info, &e), -1);
    cr_expect_eq(e.kind, ERR_CONFIG);
    cr_expect(strstr(e.msg, "99.0.0") != NULL, "%s", e.msg);
    cr_expect_eq(migrate_check(info, &e), -1);
}

Test(migrate, uses_a_newer_schema_that_allows_it)
{
    const char *info = fresh("postgres");
    run_ok(info);
    ask(info, "INSERT INTO farm.migration SELECT max(version) + 1, 'later', '" BOOTFARM_VERSION
              "' FROM farm.migration");
    run_ok(info);
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_check(info, &e), 0, "%s", e.msg);
}

Test(migrate, refuses_a_schema_of_another_line)
{
    const char *info = fresh("postgres");
    run_ok(info);
    ask(info, "UPDATE farm.migration SET name = '0002_other' WHERE version = 2");
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_run(info, &e), -1);
    cr_expect(strstr(e.msg, "0002_other") != NULL, "%s", e.msg);
}

Test(migrate, two_at_once_take_turns)
{
    const char *info = fresh("postgres");
    pid_t child = fork();
    if (child == 0)
        _exit(migrate_run(info, NULL) == 0 ? 0 : 1);
    run_ok(info);
    int status = -1;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect_eq(status, 0);
    cr_expect_eq(strtoul(ask(info, "SELECT count(*) FROM farm.migration"), NULL, 10), n_migrations);
}

Test(migrate, says_when_nobody_answers)
{
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_run("host=/nonexistent dbname=x", &e), -1);
    cr_expect_eq(e.kind, ERR_TEMPORARY);
    cr_expect(strchr(e.msg, '\n') == NULL, "one line: %s", e.msg);
}

Test(migrate, a_stranger_is_told_what_he_lacks)
{
    ask(fresh("postgres"), "SELECT 1");
    const char *info = fresh("postgres");
    ask(info, "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stranger') THEN "
              "CREATE ROLE "
              "stranger LOGIN; END IF; END $$");
    char as_stranger[256];
    const char *db = strstr(info, "dbname=");
    snprintf(as_stranger, sizeof as_stranger, "host=%s port=%s user=stranger %s",
             env_or_die("PGHOST"), env_or_die("PGPORT"), db);
    struct err e = ERR_INIT;
    cr_expect_eq(migrate_run(as_stranger, &e), -1);
    cr_expect_eq(e.kind, ERR_CONFIG, "%s", e.msg);
    cr_expect(strstr(e.msg, "roles.sql") != NULL, "%s", e.msg);
}

Test(migrate, versions_compare_by_number)
{
    cr_expect_eq(migrate_version_cmp("0.1.0", "0.1.0"), 0);
    cr_expect_lt(migrate_version_cmp("0.9.0", "0.10.0"), 0);
    cr_expect_gt(migrate_version_cmp("1.0", "0.99.9"), 0);
    cr_expect_eq(migrate_version_cmp("1", "1.0.0"), 0);
}
