/* finish and lose: how attempts end, and what that proves. */
#include "tests/sim/sim.h"

static struct answer plain(enum op_status status)
{
    return (struct answer){.status = status};
}

static void remember(struct map *index, size_t at, const struct sha256 *key)
{
    uint64_t k;
    memcpy(&k, key->b, sizeof k);
    map_put(index, k, (void *)(uintptr_t)(at + 1));
}

static void record_build(struct sim *s, struct t_job *j, const struct sha256 *digest)
{
    struct db *db = &s->db;
    *vec_push(&db->results) = (struct known){.key = j->key, .digest = *digest};
    remember(&db->result_of, db->results.n - 1, &j->key);
    struct origin o = {.digest = *digest, .recipe = j->recipe};
    for (size_t i = 0; i < j->n_pins; i++) {
        if (!j->pins[i].base && o.n_parents < MAX_PARENTS)
            o.parents[o.n_parents++] = j->pins[i].digest;
    }
    *vec_push(&db->origins) = o;
    remember(&db->origin_of, db->origins.n - 1, digest);
}

static void record_verdict(struct sim *s, struct t_job *j, bool passed)
{
    struct db *db = &s->db;
    *vec_push(&db->verdicts) =
        (struct known){.key = j->key, .digest = j->pins[0].digest, .passed = passed};
    remember(&db->verdict_of, db->verdicts.n - 1, &j->key);
    struct t_arch *a = db_arch(s, j->row.image_arch);
    if (passed && j->row.revision_serial >= a->passing_serial) {
        a->passing = j->pins[0].digest;
        a->passing_serial = j->row.revision_serial;
    }
}

static struct t_release *release_of(struct sim *s, int64_t job)
{
    vec_for_each (i, &s->db.releases) {
        if (s->db.releases.v[i].job == job && s->db.releases.v[i].publishing)
            return &s->db.releases.v[i];
    }
    return NULL;
}

/* Returns what the job made. */
static struct sha256 record_success(struct sim *s, struct t_job *j, const struct wire_result *r)
{
    struct t_release *release;
    switch (j->row.kind) {
    case JOB_BUILD:
        record_build(s, j, &r->digest);
        return r->digest;
    case JOB_TEST:
        record_verdict(s, j, true);
        return j->pins[0].digest;
    case JOB_PUBLISH:
        release = release_of(s, j->row.id);
        if (!release) {
            sim_fail(s, "publish %lld succeeded without a release row", (long long)j->row.id);
            return r->digest;
        }
        release->publishing = false;
        release->released = true;
        return release->digest;
    case JOB_MIRROR:
        s->db.presence[j->row.target_site][j->row.image] = r->digest;
        s->db.uncertain[j->row.target_site][j->row.image] = false;
        return r->digest;
    }
    BUG("job kind %d", (int)j->row.kind);
}

/* `class_` as reported; a verdict is only what the image is to blame for. */
static void record_failure(struct sim *s, struct t_job *j, const struct op *op,
                           const struct wire_result *r)
{
    if (op->next != JOB_FAILED)
        return;
    j->row.fail_class = r->fail_class == FAIL_NONE ? FAIL_INFRA : r->fail_class;
    if (j->row.kind == JOB_TEST && r->fail_class != FAIL_INFRA)
        record_verdict(s, j, false);
    struct t_release *release = release_of(s, j->row.id);
    if (release)
        release->publishing = false;
}

struct answer db_finish(struct sim *s, const struct op *op)
{
    const struct wire_result *r = op->cookie;
    struct t_attempt *a = db_attempt(s, op->attempt);
    if (!a)
        return plain(ST_UNKNOWN);
    if (a->worker != op->worker)
        return plain(ST_FENCED);
    bool again = s->mutation == MUT_DOUBLE_RESULT && a->finished && chance(s, 20);
    if (a->ended && !again)
        return plain(a->finished ? ST_DUPLICATE : ST_FENCED);
    struct t_job *j = db_job(s, a->job);
    bool won = op->next == JOB_SUCCEEDED;
    enum fail_class class_ = FAIL_NONE;
    a->ended = s->now;
    a->finished = true;
    a->accepted++;
    if (op->job == 0 && !again)
        sim_fail(s, "the brain did not know the live attempt of job %lld", (long long)a->job);
    struct sha256 digest = won ? record_success(s, j, r) : (struct sha256){{0}};
    if (!won) {
        record_failure(s, j, op, r);
        class_ = j->row.fail_class;
    }
    db_move(s, j, op->next, op->reason);
    j->row.fail_class = class_;
    j->row.digest = digest;
    j->row.not_before = op->next == JOB_WAITING ? op->not_before : 0;
    j->row.rerun |= op->next == JOB_READY && j->row.kind == JOB_TEST;
    j->decided += op->next == JOB_SUCCEEDED || op->next == JOB_FAILED;
    return (struct answer){.status = ST_OK, .digest = digest, .located = won};
}

struct answer db_lose(struct sim *s, const struct op *op)
{
    struct t_attempt *a = db_attempt(s, op->attempt);
    if (!a)
        return plain(ST_UNKNOWN);
    if (a->ended)
        return plain(a->lost ? ST_DUPLICATE : ST_FENCED);
    struct t_job *j = db_job(s, a->job);
    if (s->mutation != MUT_SLOT_LEAK)
        a->ended = s->now;
    a->lost = id128_eq(a->boot, s->nodes[a->worker].boot) ? 1 : 2;
    db_move(s, j, op->next, op->reason);
    if (op->next == JOB_FAILED) {
        j->row.fail_class = FAIL_INFRA;
        struct t_release *release = release_of(s, j->row.id);
        if (release)
            release->publishing = false;
    }
    j->row.losses++;
    s->losses++;
    return plain(ST_OK);
}
