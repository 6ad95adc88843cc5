/* store_pg.c - the calls. Decoding stands in store_rows.c, the hot turn in store_turn.c. */
#include "scheduler/store_pg.h"

#include <stdio.h>

#define I64_TEXT 24

static struct db_param text_param(const char *v)
{
    return (struct db_param){.p = v};
}

static struct db_param i64_param(char buf[static I64_TEXT], int64_t v)
{
    snprintf(buf, I64_TEXT, "%lld", (long long)v);
    return (struct db_param){.p = buf};
}

static void call_i64(struct db_tx *tx, const char *sql, int64_t v)
{
    char buf[I64_TEXT];
    struct db_param p = i64_param(buf, v);
    db_add(tx, sql, &p, 1);
}

static void call_text(struct db_tx *tx, const char *sql, const char *v)
{
    struct db_param p = text_param(v);
    db_add(tx, sql, &p, 1);
}

struct db_tx *st_write(struct db *db, int64_t term)
{
    struct db_tx *tx = db_tx_new(db, DB_WRITE);
    call_i64(tx, "select farm.check_term($1::bigint)", term);
    return tx;
}

void st_few_rows(struct db_tx *tx, bool few)
{
    db_do(tx, few ? "set local plan_cache_mode = force_generic_plan"
                  : "set local plan_cache_mode = auto");
}

void st_patience(struct db_tx *tx)
{
    db_do(tx, "set local statement_timeout = 0");
}

void st_lead(struct db_tx *tx, const char *holder)
{
    call_text(tx, "select farm.evict($1::text)", holder);
    call_text(tx, "select * from farm.lead($1::text)", holder);
}

void st_renew(struct db_tx *tx, int64_t term)
{
    call_i64(tx, "select farm.renew($1::bigint)", term);
}

void st_now(struct db_tx *tx)
{
    db_add(tx, "select farm.now_us()", NULL, 0);
}

void st_load_sites(struct db_tx *tx)
{
    db_add(tx, "select * from farm.load_sites()", NULL, 0);
}

void st_load_workers(struct db_tx *tx)
{
    db_add(tx, "select * from farm.load_workers()", NULL, 0);
}

void st_workers_mark(struct db_tx *tx)
{
    db_add(tx, "select farm.workers_mark()", NULL, 0);
}

void st_load_bases(struct db_tx *tx)
{
    db_add(tx, "select * from farm.load_bases()", NULL, 0);
}

static void call_ids(struct db_tx *tx, const char *sql, const pg_ids *ids)
{
    struct str list = STR_INIT;
    call_text(tx, sql, ids ? pga_ids(&list, ids->v, ids->n) : NULL);
    str_release(&list);
}

void st_load_images(struct db_tx *tx, const pg_ids *ids)
{
    call_ids(tx, "select * from farm.load_images($1::bigint[])", ids);
}

void st_load_jobs(struct db_tx *tx, const pg_ids *ids)
{
    call_ids(tx, "select * from farm.load_jobs($1::bigint[])", ids);
}

void st_work(struct db_tx *tx, const struct id128 *attempts, size_t n)
{
    struct str list = STR_INIT;
    for (size_t i = 0; i < n; i++)
        pga_id(&list, attempts[i]);
    call_text(tx, "select * from farm.work($1::uuid[])", pga_end(&list));
    str_release(&list);
}

void st_tell_change(struct db_tx *tx)
{
    db_do(tx, "set local synchronous_commit = off"); /* it changes nothing that could be lost */
    db_add(tx, "select pg_notify('farm_change', 'jobs')", NULL, 0);
}

void st_phases(struct db_tx *tx, const char *workers, const char *attempts, const char *phases)
{
    struct db_param p[] = {text_param(workers), text_param(attempts), text_param(phases)};
    db_add(tx, "select farm.phases($1::bigint[], $2::uuid[], $3::text[])", p, ARRAY_SIZE(p));
}

void st_commands(struct db_tx *tx)
{
    db_add(tx, "select * from farm.commands()", NULL, 0);
}

void st_command_take(struct db_tx *tx, const pg_ids *elsewhere, int most)
{
    struct str list = STR_INIT;
    char buf[I64_TEXT];
    struct db_param p[] = {text_param(pga_ids(&list, elsewhere->v, elsewhere->n)),
                           i64_param(buf, most)};
    db_add(tx, "select * from farm.command_take($1::bigint[], $2::int)", p, ARRAY_SIZE(p));
    db_add(tx, "select * from farm.load_taken()", NULL, 0);
    str_release(&list);
}

void st_command_apply(struct db_tx *tx, int64_t id)
{
    call_i64(tx, "select * from farm.command_apply($1::bigint)", id);
}

void st_command_refuse(struct db_tx *tx, int64_t id, const char *message)
{
    char buf[I64_TEXT];
    struct db_param p[] = {i64_param(buf, id), text_param(message)};
    db_add(tx,
           "select * from farm.command_done(array[$1::bigint], array['refused'], "
           "array[null::jsonb], array[$2::text])",
           p, ARRAY_SIZE(p));
}

void st_announce(struct db_tx *tx, const char *curve_public, const char *arch)
{
    struct db_param p[] = {text_param(curve_public), text_param(arch)};
    db_add(tx, "select farm.announce($1::text, $2::text)", p, ARRAY_SIZE(p));
}

void st_poll_settings(struct db_tx *tx)
{
    db_add(tx, "select * from farm.poll_settings()", NULL, 0);
}

void st_triggers_across(struct db_tx *tx)
{
    db_add(tx, "select farm.triggers_across() as onbuild", NULL, 0);
}

void st_due_repos(struct db_tx *tx, double jitter)
{
    char buf[32];
    snprintf(buf, sizeof buf, "%.6f", jitter);
    call_text(tx, "select * from farm.due_repos($1::float8)", buf);
}

void st_known_contexts(struct db_tx *tx, int64_t repo)
{
    call_i64(tx, "select * from farm.known_contexts($1::bigint)", repo);
}

void st_add_artifact(struct db_tx *tx, const char *key, const char *digest, const char *repository,
                     int64_t size)
{
    char buf[I64_TEXT];
    struct db_param p[] = {text_param(key), text_param(digest), text_param(repository),
                           i64_param(buf, size)};
    db_add(tx, "select farm.add_artifact($1::text, $2::text, $3::text, $4::bigint)", p,
           ARRAY_SIZE(p));
}

void st_plan_commit(struct db_tx *tx, int64_t repo, const char *plan)
{
    char buf[I64_TEXT];
    struct db_param p[] = {i64_param(buf, repo), text_param(plan)};
    db_add(tx, "select * from farm.plan_commit($1::bigint, $2::jsonb)", p, ARRAY_SIZE(p));
}

void st_repo_polled(struct db_tx *tx, int64_t repo, int64_t sync, const char *head,
                    const char *refs, const char *error)
{
    char b1[I64_TEXT], b2[I64_TEXT];
    struct db_param p[] = {i64_param(b1, repo), i64_param(b2, sync), text_param(head),
                           text_param(refs), text_param(error)};
    db_add(tx, "select farm.repo_polled($1::bigint, $2::bigint, $3::text, $4::jsonb, $5::text)", p,
           ARRAY_SIZE(p));
}

static void call_interval(struct db_tx *tx, const char *sql, bf_time v)
{
    char buf[48];
    snprintf(buf, sizeof buf, "%lld microseconds", (long long)v);
    call_text(tx, sql, buf);
}

void st_bases_due(struct db_tx *tx, bf_time max_age)
{
    call_interval(tx, "select * from farm.bases_due($1::interval)", max_age);
}

void st_base_resolved(struct db_tx *tx, int64_t base, const char *digest, const char *error,
                      int64_t asked)
{
    char b1[I64_TEXT], b2[I64_TEXT];
    struct db_param p[] = {i64_param(b1, base), text_param(digest), text_param(error),
                           i64_param(b2, asked)};
    db_add(tx, "select farm.base_resolved($1::bigint, $2::text, $3::text, $4::bigint)", p,
           ARRAY_SIZE(p));
}

void st_rebuilds_due(struct db_tx *tx, bf_time window)
{
    call_interval(tx, "select farm.rebuilds_due($1::interval)", window);
}

void st_log_put(struct db_tx *tx, const struct st_log_chunk *chunk, size_t n)
{
    enum { ATTEMPT, WORKER, OFFSET, RAW, GAP, DATA, PARAMS };
    struct str a[PARAMS];
    struct db_param p[PARAMS];
    for (int k = 0; k < PARAMS; k++)
        str_init(&a[k]);
    pgb_begin(&a[DATA], n);
    for (size_t i = 0; i < n; i++) {
        const struct st_log_chunk *c = &chunk[i];
        pga_id(&a[ATTEMPT], c->attempt);
        pga_i64(&a[WORKER], c->worker);
        pga_i64(&a[OFFSET], (int64_t)c->offset);
        pga_i64(&a[RAW], (int64_t)c->raw);
        pga_i64(&a[GAP], (int64_t)c->gap);
        pgb_bytes(&a[DATA], c->data, c->n);
    }
    for (int k = 0; k < PARAMS; k++)
        p[k] = k == DATA ? (struct db_param){.p = a[k].p, .n = a[k].len, .binary = true}
                         : text_param(pga_end(&a[k]));
    db_add(tx,
           "select * from farm.log_put($1::uuid[], $2::bigint[], $3::bigint[], $4::int[], "
           "$5::bigint[], $6::bytea[])",
           p, ARRAY_SIZE(p));
    for (int k = 0; k < PARAMS; k++)
        str_release(&a[k]);
}

void st_log_tell(struct db_tx *tx, const struct id128 *attempt, size_t n)
{
    struct str a = STR_INIT;
    for (size_t i = 0; i < n; i++)
        pga_id(&a, attempt[i]);
    call_text(tx, "select farm.log_tell($1::uuid[])", pga_end(&a));
    str_release(&a);
}

void st_log_days(struct db_tx *tx)
{
    db_add(tx, "select farm.keep_days()", NULL, 0);
}

void st_log_seal(struct db_tx *tx, struct id128 attempt, int64_t worker, uint64_t length,
                 uint64_t stored, const void *sha256, size_t n)
{
    char id[ID128_TEXT], b0[I64_TEXT], b1[I64_TEXT], b2[I64_TEXT];
    id128_format(attempt, id);
    struct db_param p[] = {text_param(id),
                           i64_param(b0, worker),
                           i64_param(b1, (int64_t)length),
                           i64_param(b2, (int64_t)stored),
                           {.p = sha256, .n = n, .binary = true}};
    db_add(tx,
           "select * from farm.log_close($1::uuid, $2::bigint, $3::bigint, $4::bigint, $5::bytea)",
           p, ARRAY_SIZE(p));
}
