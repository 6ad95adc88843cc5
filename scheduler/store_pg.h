/* store_pg.h - one wrapper for each SQL function (schema/README.md is their manual): st_NAME() adds
 * the call to a transaction, st_each_NAME() decodes the rows of its answer. No other file names an
 * SQL function but store_turn.c.
 *
 * Rows are decoded into scheduler/core/model.h; what they point at is valid during the callback. A
 * row that this binary does not understand is left out and logged: it must not stop the farm. */
#ifndef BF_STORE_PG_H
#define BF_STORE_PG_H

#include "scheduler/core/brain.h"
#include "scheduler/db.h"
#include "scheduler/pgtext.h"

/* A writing transaction of the leader of this term: begins with check_term, whose answer is
 * result[0], so what the caller adds first is result[1]. */
struct db_tx *st_write(struct db *db, int64_t term);
/* For the calls that follow in this transaction. Left alone, PostgreSQL plans each statement with
 * arrays anew for their lengths, which pays for long ones; for `few` elements it takes longer than
 * to run it, and a plan that the session has kept does. */
void st_few_rows(struct db_tx *tx, bool few);
/* No time-out for its statements: the deadline of `tx` counts. */
void st_patience(struct db_tx *tx);
#define ST_NOT_LEADER "BF001" /* SQLSTATE of a transaction whose term is over */

/* ---- leadership ------------------------------------------------------------------------------ */
void st_lead(struct db_tx *tx, const char *holder); /* two results; st_read_lead: of the second */
void st_renew(struct db_tx *tx, int64_t term);
/* *term 0: somebody else leads for *ms_left more. */
int st_read_lead(const PGresult *r, int64_t *term, int64_t *ms_left) BF_MUST_CHECK;
bool st_read_bool(const PGresult *r);
int64_t st_read_i64(const PGresult *r); /* first column of the first row; 0 where there is none */
const char *st_read_text(const PGresult *r); /* the same; NULL */

/* ---- loading --------------------------------------------------------------------------------- */
void st_now(struct db_tx *tx);
void st_load_sites(struct db_tx *tx);
void st_load_workers(struct db_tx *tx);
void st_workers_mark(struct db_tx *tx); /* st_read_i64: another number after each change */
void st_load_bases(struct db_tx *tx);
void st_load_images(struct db_tx *tx, const pg_ids *ids); /* NULL: all */
void st_load_jobs(struct db_tx *tx, const pg_ids *ids);   /* NULL: all */

struct worker_key {
    int64_t id;
    const char *name, *public_key;
    bool revoked;
};
void st_each_site(const PGresult *r, void (*fn)(void *arg, const struct site_row *), void *arg);
void st_each_worker(const PGresult *r, void (*fn)(void *arg, const struct worker_row *), void *arg);
void st_each_key(const PGresult *r, void (*fn)(void *arg, const struct worker_key *), void *arg);
void st_each_base(const PGresult *r, void (*fn)(void *arg, const struct base_row *), void *arg);
void st_each_image(const PGresult *r, void (*fn)(void *arg, const struct image_row *), void *arg);
void st_each_job(const PGresult *r, void (*fn)(void *arg, const struct job_row *), void *arg);

void st_work(struct db_tx *tx, const struct id128 *attempts, size_t n);
void st_each_work(const PGresult *r, void (*fn)(void *arg, struct id128 attempt, const char *work),
                  void *arg);
/* Array literals. */
void st_phases(struct db_tx *tx, const char *workers, const char *attempts, const char *phases);
/* NOTIFY farm_change; no term is asked for. */
void st_tell_change(struct db_tx *tx);

/* ---- commands and settings ------------------------------------------------------------------- */
struct command_row {
    int64_t id;
    const char *verb, *args /* JSON */, *who;
    const char *state, *message; /* of st_command_take only */
};
void st_commands(struct db_tx *tx);
void st_each_command(const PGresult *r, void (*fn)(void *arg, const struct command_row *),
                     void *arg);
/* Two results: rows of commands (those whose state is `submitted` are not carried out), and of the
 * jobs that were made, for st_each_job. */
void st_command_take(struct db_tx *tx, const pg_ids *elsewhere, int most);
void st_command_apply(struct db_tx *tx, int64_t id);
/* What command_apply answered; the ids are appended. */
void st_read_applied(const PGresult *r, const char **state, const char **message, pg_ids *jobs,
                     pg_ids *image_archs);
void st_command_refuse(struct db_tx *tx, int64_t id, const char *message);
/* The settings that a leader knows itself; `arch` only where none is set. */
void st_announce(struct db_tx *tx, const char *curve_public, const char *arch);
/* What a poll needs; NULL where it is not set. Borrowed from the answer. */
struct poll_settings {
    const char *staging, *release, *arch;
    const char *onbuild; /* JSON: the answer to st_triggers_across */
};
void st_poll_settings(struct db_tx *tx);
void st_triggers_across(struct db_tx *tx);
void st_read_poll_settings(const PGresult *r, const PGresult *triggers, struct poll_settings *out);

/* ---- repositories and bases ------------------------------------------------------------------ */
struct repo_row {
    int64_t id;
    const char *slug, *url, *head; /* head may be NULL */
    const char *const *refs;
    size_t n_refs;
    const char *git, *known_refs; /* JSON */
    int64_t sync_wanted;
    bf_time next; /* on the database's clock */
};
void st_due_repos(struct db_tx *tx, double jitter);
void st_each_repo(const PGresult *r, void (*fn)(void *arg, const struct repo_row *), void *arg);
void st_known_contexts(struct db_tx *tx, int64_t repo);
void st_add_artifact(struct db_tx *tx, const char *key, const char *digest, const char *repository,
                     int64_t size);
void st_plan_commit(struct db_tx *tx, int64_t repo, const char *plan);
void st_read_planned(const PGresult *r, pg_ids *jobs, pg_ids *image_archs);
/* refs NULL: the poll failed, with `error`. Answers the image_archs that are wanted no more. */
void st_repo_polled(struct db_tx *tx, int64_t repo, int64_t sync, const char *head,
                    const char *refs, const char *error);

void st_read_ids(const PGresult *r, pg_ids *out); /* one array */

struct due_base {
    int64_t id;
    const char *reference, *arch; /* rows of one reference follow each other */
    int64_t asked;                /* for st_base_resolved */
};
void st_bases_due(struct db_tx *tx, bf_time max_age);
void st_each_due_base(const PGresult *r, void (*fn)(void *arg, const struct due_base *), void *arg);
void st_base_resolved(struct db_tx *tx, int64_t base, const char *digest, const char *error,
                      int64_t asked);
/* Makes the jobs of automatic rebuilds; answers their ids (st_read_ids). */
void st_rebuilds_due(struct db_tx *tx, bf_time window);

/* ---- logs ------------------------------------------------------------------------------------ */

struct st_log_chunk {
    struct id128 attempt;
    int64_t worker; /* must be the one that the attempt belongs to */
    uint64_t offset;
    uint32_t raw;
    uint64_t gap;
    const void *data;
    size_t n;
};
/* Chunks of many logs, those of one log in order. Answers a row for each attempt
 * (st_read_log_row). */
void st_log_put(struct db_tx *tx, const struct st_log_chunk *chunk, size_t n);
/* To those who read these logs. Needs no term: nothing is written. */
void st_log_tell(struct db_tx *tx, const struct id128 *attempt, size_t n);
void st_log_seal(struct db_tx *tx, struct id128 attempt, int64_t worker, uint64_t length,
                 uint64_t stored, const void *sha256, size_t n);
struct st_log_state {
    bool known; /* there is such an attempt of this worker */
    bool sealed;
    uint64_t stored; /* everything before this offset */
};
/* False: it was not understood. */
bool st_read_log_row(const PGresult *r, int row, struct id128 *attempt, struct st_log_state *out);
/* Makes partitions and drops one; answers whether that is all (st_read_bool). */
void st_log_days(struct db_tx *tx);
void st_read_log(const PGresult *r, struct st_log_state *out);

#endif
