#include "worker/journal.h"
#include "common/base/mem.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#define LAYOUT 1

enum stmt {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_SET_TERM,
    ST_ABANDON,
    ST_LOAD,
    ST_ACCEPT,
    ST_FINISH,
    ST_ACKED,
    ST_FORGET,
    ST_COUNT
};

static const char *const sql[ST_COUNT] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_SET_TERM] = "UPDATE state SET term = max(term, ?1)",
    [ST_ABANDON] = "UPDATE attempt SET outcome = ?2, class = ?3, code = ?4, step = ?5,"
                   " message = ?6, digest = ?7, size = ?8, detail = ?9, ended = ?10"
                   " WHERE outcome = 0",
    [ST_LOAD] = "SELECT id, job, kind, started, ended, acked, outcome, class, code, step, message,"
                " digest, size, detail FROM attempt ORDER BY n",
    [ST_ACCEPT] = "INSERT INTO attempt (id, job, kind, started) VALUES (?1, ?2, ?3, ?4)",
    [ST_FINISH] = "UPDATE attempt SET outcome = ?2, class = ?3, code = ?4, step = ?5,"
                  " message = ?6, digest = ?7, size = ?8, detail = ?9, ended = ?10,"
                  " started = coalesce(?11, started) WHERE id = ?1",
    [ST_ACKED] = "UPDATE attempt SET acked = ?2 WHERE id = ?1",
    [ST_FORGET] = "DELETE FROM attempt WHERE id = ?1",
};

static const char layout_sql[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE state (one INTEGER PRIMARY KEY CHECK (one = 1), term INTEGER NOT NULL);"
    "INSERT INTO state VALUES (1, 0);"
    "CREATE TABLE attempt (n INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, job TEXT NOT NULL,"
    " kind TEXT NOT NULL, started INTEGER NOT NULL DEFAULT 0, ended INTEGER NOT NULL DEFAULT 0,"
    " acked INTEGER NOT NULL DEFAULT 0, outcome INTEGER NOT NULL DEFAULT 0,"
    " class INTEGER NOT NULL DEFAULT 0, code TEXT NOT NULL DEFAULT '',"
    " step TEXT NOT NULL DEFAULT '', message TEXT NOT NULL DEFAULT '',"
    " digest TEXT NOT NULL DEFAULT '', size INTEGER NOT NULL DEFAULT 0,"
    " detail TEXT NOT NULL DEFAULT '');"
    "PRAGMA user_version = 1;"
    "COMMIT;";

struct journal {
    sqlite3 *db;
    sqlite3_stmt *st[ST_COUNT];
    char *path;
    uint64_t term;
};

static int fail(struct journal *j, const char *what, struct err *e)
{
    int code = sqlite3_errcode(j->db);
    enum err_kind kind = code == SQLITE_FULL || code == SQLITE_BUSY || code == SQLITE_IOERR
                             ? ERR_TEMPORARY
                             : ERR_SYSTEM;
    return err_set(e, kind, "journal %s: %s: %s", j->path, what, sqlite3_errmsg(j->db));
}

static int exec(struct journal *j, const char *text, struct err *e)
{
    return sqlite3_exec(j->db, text, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(j, "open", e);
}

static int read_number(struct journal *j, const char *text, int64_t *out, struct err *e)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(j->db, text, -1, &st, NULL);
    if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
        *out = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        return 0;
    }
    sqlite3_finalize(st);
    return fail(j, "read", e);
}

/* The cache is small on purpose: the table has a few hundred rows, and idle memory counts. */
static int prepare_layout(struct journal *j, struct err *e)
{
    int64_t version = 0, term = 0;
    if (exec(j,
             "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -256;"
             "PRAGMA busy_timeout = 2000; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;",
             e) ||
        read_number(j, "PRAGMA user_version", &version, e))
        return -1;
    if (version > LAYOUT)
        return err_set(e, ERR_CONFIG,
                       "journal %s: written by a newer bootfarm-worker (layout %lld, expected %d)",
                       j->path, (long long)version, LAYOUT);
    if (version == 0 && exec(j, layout_sql, e))
        return -1;
    if (read_number(j, "SELECT term FROM state", &term, e))
        return -1;
    j->term = (uint64_t)term;
    for (int i = 0; i < ST_COUNT; i++)
        if (sqlite3_prepare_v3(j->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &j->st[i], NULL) !=
            SQLITE_OK)
            return fail(j, "prepare", e);
    return 0;
}

int journal_open(const char *path, struct journal **out, struct err *e)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(e, "cannot open the journal %s", path);
    close(fd);
    struct journal *j = xcalloc(1, sizeof *j);
    j->path = xstrdup(path);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &j->db, flags, NULL) != SQLITE_OK)
        fail(j, "open", e);
    else if (prepare_layout(j, e) == 0) {
        *out = j;
        return 0;
    }
    journal_close(j);
    return -1;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    for (int i = 0; i < ST_COUNT; i++)
        sqlite3_finalize(j->st[i]);
    sqlite3_close(j->db);
    free(j->path);
    free(j);
}

/* Runs a statement that returns no rows, and leaves it ready for the next time. */
static int run(struct journal *j, enum stmt s, struct err *e)
{
    int rc = sqlite3_step(j->st[s]);
    int failed = rc == SQLITE_DONE ? 0 : fail(j, sql[s], e);
    sqlite3_reset(j->st[s]);
    sqlite3_clear_bindings(j->st[s]);
    return failed;
}

int journal_begin(struct journal *j, struct err *e)
{
    return run(j, ST_BEGIN, e);
}

int journal_commit(struct journal *j, struct err *e)
{
    if (run(j, ST_COMMIT, e) == 0)
        return 0;
    journal_rollback(j);
    return -1;
}

void journal_rollback(struct journal *j)
{
    if (!sqlite3_get_autocommit(j->db))
        (void)run(j, ST_ROLLBACK, NULL);
}

uint64_t journal_term(const struct journal *j)
{
    return j->term;
}

int journal_set_term(struct journal *j, uint64_t term, struct err *e)
{
    if (term <= j->term)
        return 0;
    if (term > INT64_MAX)
        return err_set(e, ERR_INPUT, "term %llu is out of range", (unsigned long long)term);
    sqlite3_bind_int64(j->st[ST_SET_TERM], 1, (sqlite3_int64)term);
    if (run(j, ST_SET_TERM, e))
        return -1;
    j->term = term;
    return 0;
}

static void bind_id(sqlite3_stmt *st, const struct id128 *id)
{
    sqlite3_bind_blob(st, 1, id->b, sizeof id->b, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *st, int i, const char *s)
{
    sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

static void bind_result(sqlite3_stmt *st, const struct result *r, bf_time now)
{
    sqlite3_bind_int(st, 2, (int)r->outcome);
    sqlite3_bind_int(st, 3, (int)r->fail_class);
    bind_text(st, 4, r->code);
    bind_text(st, 5, r->step);
    bind_text(st, 6, r->message);
    bind_text(st, 7, r->digest);
    sqlite3_bind_int64(st, 8, (sqlite3_int64)r->size);
    bind_text(st, 9, r->detail);
    sqlite3_bind_int64(st, 10, now);
}

int journal_abandon(struct journal *j, const struct result *r, bf_time now, size_t *n,
                    struct err *e)
{
    bind_result(j->st[ST_ABANDON], r, now);
    if (run(j, ST_ABANDON, e))
        return -1;
    *n = (size_t)sqlite3_changes(j->db);
    return 0;
}

static char *column(sqlite3_stmt *st, int i)
{
    const char *s = (const char *)sqlite3_column_text(st, i);
    return xstrdup(s ? s : "");
}

static void load_row(sqlite3_stmt *st, void (*row)(void *, const struct journal_row *), void *arg)
{
    struct result r = {
        .outcome = (enum result_outcome)sqlite3_column_int(st, 6),
        .fail_class = (enum result_class)sqlite3_column_int(st, 7),
        .code = column(st, 8),
        .step = column(st, 9),
        .message = column(st, 10),
        .digest = column(st, 11),
        .size = (uint64_t)sqlite3_column_int64(st, 12),
        .detail = column(st, 13),
    };
    BF_CLEANUP(free_ptr) char *job = column(st, 1);
    BF_CLEANUP(free_ptr) char *kind = column(st, 2);
    struct journal_row out = {
        .job = job,
        .kind = kind,
        .started = sqlite3_column_int64(st, 3),
        .ended = sqlite3_column_int64(st, 4),
        .acked = sqlite3_column_int(st, 5) != 0,
        .result = &r,
    };
    if (sqlite3_column_bytes(st, 0) == sizeof out.id.b) {
        memcpy(out.id.b, sqlite3_column_blob(st, 0), sizeof out.id.b);
        row(arg, &out);
    }
    result_release(&r);
}

int journal_load(struct journal *j, void (*row)(void *arg, const struct journal_row *r), void *arg,
                 struct err *e)
{
    sqlite3_stmt *st = j->st[ST_LOAD];
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW)
        load_row(st, row, arg);
    int failed = rc == SQLITE_DONE ? 0 : fail(j, "load", e);
    sqlite3_reset(st);
    return failed;
}

int journal_accept(struct journal *j, struct id128 id, const char *job, const char *kind,
                   bf_time now, struct err *e)
{
    bind_id(j->st[ST_ACCEPT], &id);
    bind_text(j->st[ST_ACCEPT], 2, job);
    bind_text(j->st[ST_ACCEPT], 3, kind);
    sqlite3_bind_int64(j->st[ST_ACCEPT], 4, now);
    return run(j, ST_ACCEPT, e);
}

int journal_finish(struct journal *j, struct id128 id, const struct result *r, bf_time started,
                   bf_time ended, struct err *e)
{
    bind_id(j->st[ST_FINISH], &id);
    bind_result(j->st[ST_FINISH], r, ended);
    if (started > 0)
        sqlite3_bind_int64(j->st[ST_FINISH], 11, started);
    return run(j, ST_FINISH, e);
}

int journal_set_acked(struct journal *j, struct id128 id, bool acked, struct err *e)
{
    bind_id(j->st[ST_ACKED], &id);
    sqlite3_bind_int(j->st[ST_ACKED], 2, acked);
    return run(j, ST_ACKED, e);
}

int journal_forget(struct journal *j, struct id128 id, struct err *e)
{
    bind_id(j->st[ST_FORGET], &id);
    return run(j, ST_FORGET, e);
}
