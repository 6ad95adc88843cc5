/* PostgreSQL, as far as schema/README.md promises it: rows, and what each function does to them. */
#include "tests/sim/sim.h"

struct t_job *db_job(struct sim *s, int64_t id)
{
    return id > 0 && (size_t)id <= s->db.jobs.n ? s->db.jobs.v[id - 1] : NULL;
}

struct t_attempt *db_attempt(struct sim *s, struct id128 id)
{
    size_t i = (size_t)(uintptr_t)map_get(&s->db.attempt_of, id128_key(id));
    return i ? &s->db.attempts.v[i - 1] : NULL;
}

struct t_arch *db_arch(struct sim *s, int64_t id)
{
    return &s->db.archs.v[id - 1];
}

struct t_image *db_image(struct sim *s, int64_t id)
{
    return &s->db.images.v[id - 1];
}

static uint64_t key_of(const struct sha256 *d)
{
    uint64_t k;
    memcpy(&k, d->b, sizeof k);
    return k;
}

const struct origin *db_origin(struct sim *s, const struct sha256 *digest)
{
    size_t i = (size_t)(uintptr_t)map_get(&s->db.origin_of, key_of(digest));
    return i ? &s->db.origins.v[i - 1] : NULL;
}

const struct known *db_result(struct sim *s, const struct sha256 *key)
{
    size_t i = (size_t)(uintptr_t)map_get(&s->db.result_of, key_of(key));
    return i ? &s->db.results.v[i - 1] : NULL;
}

const struct known *db_verdict(struct sim *s, const struct sha256 *key)
{
    size_t i = (size_t)(uintptr_t)map_get(&s->db.verdict_of, key_of(key));
    return i ? &s->db.verdicts.v[i - 1] : NULL;
}

const struct t_release *db_released(struct sim *s, int64_t image)
{
    for (size_t i = s->db.releases.n; i-- > 0;) {
        if (s->db.releases.v[i].image == image && s->db.releases.v[i].released)
            return &s->db.releases.v[i];
    }
    return NULL;
}

static struct t_job *newest(struct sim *s, enum job_kind kind, int64_t image, int64_t arch,
                            int64_t site, bool fed)
{
    for (size_t i = s->db.jobs.n; i-- > 0;) {
        struct job_row *r = &s->db.jobs.v[i]->row;
        if (fed && !s->db.jobs.v[i]->fed)
            continue;
        if (r->kind == kind && r->image == image && r->image_arch == arch && r->target_site == site)
            return s->db.jobs.v[i];
    }
    return NULL;
}

struct t_job *db_newest(struct sim *s, enum job_kind kind, int64_t image, int64_t arch,
                        int64_t site)
{
    return newest(s, kind, image, arch, site, false);
}

struct t_job *db_newest_fed(struct sim *s, enum job_kind kind, int64_t image, int64_t arch,
                            int64_t site)
{
    return newest(s, kind, image, arch, site, true);
}

int64_t db_add_job(struct sim *s, struct job_row row)
{
    struct t_job *j = xcalloc(1, sizeof *j);
    j->row = row;
    j->row.id = (int64_t)s->db.jobs.n + 1;
    j->row.state = JOB_WAITING;
    j->since = s->now;
    j->publish_key = db_image(s, row.image)->publish_key;
    if (row.image_arch) {
        j->recipe = db_arch(s, row.image_arch)->recipe;
        j->tests_key = db_arch(s, row.image_arch)->tests_key;
    }
    *vec_push(&s->db.jobs) = j;
    return j->row.id;
}

/* The trigger on farm.job: each change of a state leaves one event. */
void db_move(struct sim *s, struct t_job *j, enum job_state to, enum wait_reason reason)
{
    sim_trace(s, "db job %lld %s -> %s", (long long)j->row.id, job_state_name(j->row.state),
              job_state_name(to));
    *vec_push(&s->db.events) = (struct t_event){j->row.id, j->row.state, to};
    j->row.state = to;
    j->row.reason = reason;
    j->since = s->now;
    if (to != JOB_LEASED && to != JOB_RUNNING)
        j->row.attempt = (struct id128){{0}};
    if (to == JOB_READY)
        j->row.ready_at = s->now;
    if (to != JOB_WAITING)
        j->row.not_before = 0;
    if (to != JOB_FAILED)
        j->row.fail_class = FAIL_NONE;
}

static bool is_open(const struct t_job *j)
{
    return j->row.state <= JOB_RUNNING;
}

static struct answer retry_ready(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (j->row.state != JOB_WAITING || sha256_is_none(&j->key))
        return (struct answer){.status = ST_STALE};
    db_move(s, j, JOB_READY, WAIT_NONE);
    return (struct answer){.status = ST_OK};
}

static struct answer start(struct sim *s, const struct op *op)
{
    struct t_attempt *a = db_attempt(s, op->attempt);
    if (!a)
        return (struct answer){.status = ST_UNKNOWN};
    struct t_job *j = db_job(s, a->job);
    if (a->ended)
        return (struct answer){.status = ST_FENCED};
    if (j->row.state == JOB_RUNNING)
        return (struct answer){.status = ST_DUPLICATE};
    db_move(s, j, JOB_RUNNING, WAIT_NONE);
    return (struct answer){.status = ST_OK};
}

static enum wait_reason row_reason(const struct sim *s, const struct t_job *j)
{
    if (j->row.reason != WAIT_NONE || j->row.state != JOB_READY)
        return j->row.reason;
    return (enum wait_reason)(uintptr_t)map_get(&s->db.reason_of, (uint64_t)j->bucket);
}

/* As the view farm.job: what waits and has no reason waits for its own chain. */
enum wait_reason db_reason(const struct sim *s, const struct t_job *j)
{
    enum wait_reason reason = row_reason(s, j);
    bool silent = reason == WAIT_NONE && j->row.state == JOB_WAITING && j->row.kind != JOB_BUILD;
    return silent ? WAIT_PARENT : reason;
}

struct job_row db_row(const struct sim *s, const struct t_job *j)
{
    struct job_row row = j->row;
    row.reason = row_reason(s, j);
    return row;
}

static struct answer wait(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (!is_open(j))
        return (struct answer){.status = ST_STALE};
    sim_trace(s, "db job %lld waits: %s: %s", (long long)op->job,
              op->reason ? wait_reason_name(op->reason) : "no more", op->detail ? op->detail : "");
    j->row.reason = op->reason;
    return (struct answer){.status = ST_OK};
}

static struct answer end(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (!is_open(j))
        return (struct answer){.status = ST_STALE};
    struct t_attempt *a = db_attempt(s, j->row.attempt);
    if (a && !a->ended)
        a->ended = s->now;
    vec_for_each (i, &s->db.releases) {
        if (s->db.releases.v[i].job == op->job)
            s->db.releases.v[i].publishing = false;
    }
    db_move(s, j, op->next, WAIT_NONE);
    return (struct answer){.status = ST_OK};
}

static struct answer reopen(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (j->row.state != JOB_FAILED && j->row.state != JOB_CANCELLED)
        return (struct answer){.status = ST_STALE};
    db_move(s, j, JOB_WAITING, WAIT_NONE);
    j->row.losses = 0;
    j->key = j->row.digest = (struct sha256){{0}};
    j->decided = 0;
    return (struct answer){.status = ST_OK};
}

struct answer db_apply(struct sim *s, const struct op *op)
{
    const struct answer ok = {.status = ST_OK};
    switch (op->type) {
    case OP_MAKE_READY:
        return db_make_ready(s, op);
    case OP_RETRY_READY:
        return retry_ready(s, op);
    case OP_CLAIM:
        return db_claim(s, op);
    case OP_START:
        return start(s, op);
    case OP_FINISH:
        return db_finish(s, op);
    case OP_LOSE:
        return db_lose(s, op);
    case OP_WAIT:
        return wait(s, op);
    case OP_EXPLAIN:
        map_put(&s->db.reason_of, (uint64_t)op->bucket, (void *)(uintptr_t)op->reason);
        return ok;
    case OP_END:
        return end(s, op);
    case OP_REOPEN:
        return reopen(s, op);
    case OP_WORKER_SEEN:
        s->db.worker_state[op->worker] = op->worker_state;
        return ok;
    case OP_DRAIN:
        s->db.workers[op->worker].drained = op->drained;
        return ok;
    case OP_COMMAND_DONE:
        s->db.commands.v[op->command - 1].done = true;
        return ok;
    }
    BUG("op %d", (int)op->type);
}

bool db_lead(struct sim *s, int holder, int64_t *term)
{
    struct db *db = &s->db;
    bool free_ = !db->term || db->holder == holder || s->now - db->renewed >= LEADER_STALE;
    if (db->down_until > s->now || !free_)
        return false;
    db->holder = holder;
    int64_t ms = s->now / BF_MSEC;
    *term = db->term = db->term + 1 > ms ? db->term + 1 : ms;
    db->renewed = s->now;
    return true;
}

void db_free(struct sim *s)
{
    struct db *db = &s->db;
    vec_for_each (i, &db->jobs)
        free(db->jobs.v[i]);
    vec_for_each (i, &db->images)
        free(db->images.v[i].name);
    vec_for_each (i, &db->archs)
        free(db->archs.v[i].name);
    vec_for_each (i, &db->bases)
        free(db->bases.v[i].reference);
    vec_release(&db->images);
    vec_release(&db->archs);
    vec_release(&db->bases);
    vec_release(&db->jobs);
    vec_release(&db->attempts);
    vec_release(&db->releases);
    vec_release(&db->events);
    vec_release(&db->commands);
    vec_release(&db->results);
    vec_release(&db->verdicts);
    vec_release(&db->origins);
    map_release(&db->attempt_of);
    map_release(&db->reason_of);
    map_release(&db->result_of);
    map_release(&db->verdict_of);
    map_release(&db->origin_of);
}
