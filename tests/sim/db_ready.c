/* make_ready and claim: the two functions that decide something. */
#include "tests/sim/sim.h"

static struct answer plain(enum op_status status)
{
    return (struct answer){.status = status};
}

static const struct pin *pin_of(const struct op *op, bool base, int64_t id)
{
    for (size_t i = 0; i < op->n_pins; i++) {
        if (op->pins[i].base == base && op->pins[i].id == id)
            return &op->pins[i];
    }
    return NULL;
}

/* ---- are the pins what the rules say? -------------------------------------------------------- */

static bool is_stuck(const struct t_job *j)
{
    return j->row.state == JOB_FAILED || j->row.state == JOB_CANCELLED ||
           (j->row.state == JOB_WAITING && j->row.reason == WAIT_BLOCKED);
}

/* The parent's newest verdict, or the rule for a fix elsewhere. */
static void check_parent(struct sim *s, struct t_job *j, const struct t_arch *p,
                         const struct pin *pin)
{
    const struct t_job *t = db_newest_fed(s, JOB_TEST, p->image, p->id, 0);
    if (!pin || sha256_is_none(&pin->digest)) {
        sim_fail(s, "build %lld has no digest of its parent %s", (long long)j->row.id, p->name);
    } else if (t && job_is_through(t->row.state)) {
        if (!sha256_eq(&pin->digest, &p->passing))
            sim_fail(s, "build %lld: %s is pinned to something else than what passed",
                     (long long)j->row.id, p->name);
    } else if (t && is_stuck(t) && !j->row.because_parent &&
               t->row.revision_serial != j->row.revision_serial) {
        j->stale_parent = true;
    } else if (t) {
        sim_fail(s, "build %lld is ready before its parent %s (job %lld: %s)", (long long)j->row.id,
                 p->name, (long long)t->row.id, job_state_name(t->row.state));
    }
}

static void check_build(struct sim *s, struct t_job *j, const struct op *op)
{
    const struct t_arch *a = db_arch(s, j->row.image_arch);
    j->stale_parent = false;
    for (size_t i = 0; i < a->n_parents; i++)
        check_parent(s, j, db_arch(s, a->parents[i]), pin_of(op, false, a->parents[i]));
    if (a->base) {
        const struct pin *pin = pin_of(op, true, a->base);
        if (!pin || !sha256_eq(&pin->digest, &s->db.bases.v[a->base - 1].digest))
            sim_fail(s, "build %lld: wrong digest of its base", (long long)j->row.id);
    }
}

static void check_test(struct sim *s, const struct t_job *j, const struct op *op)
{
    const struct t_job *b = db_newest_fed(s, JOB_BUILD, j->row.image, j->row.image_arch, 0);
    const struct pin *pin = pin_of(op, false, j->row.image_arch);
    if (!b || !job_is_through(b->row.state) || !pin || !sha256_eq(&pin->digest, &b->row.digest))
        sim_fail(s, "test %lld is not of the newest build", (long long)j->row.id);
}

static void check_publish(struct sim *s, const struct t_job *j, const struct op *op)
{
    for (size_t i = 0; i < j->row.n_image_archs; i++) {
        int64_t arch = j->row.image_archs[i];
        const struct t_job *t = db_newest_fed(s, JOB_TEST, j->row.image, arch, 0);
        const struct pin *pin = pin_of(op, false, arch);
        if (!t || !job_is_through(t->row.state) || !pin || !sha256_eq(&pin->digest, &t->row.digest))
            sim_fail(s, "publish %lld is not of the newest tests", (long long)j->row.id);
    }
}

static void check_pins(struct sim *s, struct t_job *j, const struct op *op)
{
    switch (j->row.kind) {
    case JOB_BUILD:
        check_build(s, j, op);
        break;
    case JOB_TEST:
        check_test(s, j, op);
        break;
    case JOB_PUBLISH:
        check_publish(s, j, op);
        break;
    case JOB_MIRROR:
        if (!db_released(s, j->row.image))
            sim_fail(s, "mirror %lld before a release", (long long)j->row.id);
        break;
    }
}

/* ---- make_ready ------------------------------------------------------------------------------ */

/* One architecture: its digest; several: that of the index. */
static struct sha256 release_digest(const struct t_job *j)
{
    if (j->n_pins == 1)
        return j->pins[0].digest;
    struct sha256 both[MAX_ARCHS] = {0};
    for (size_t i = 0; i < j->n_pins && i < MAX_ARCHS; i++)
        both[i] = j->pins[i].digest;
    return sim_hash(both, sizeof both);
}

static const struct t_release *last_release(struct sim *s, int64_t image)
{
    for (size_t i = s->db.releases.n; i-- > 0;) {
        const struct t_release *r = &s->db.releases.v[i];
        if (r->image == image)
            return r; /* also an abandoned one: its attempt may have moved the tags */
    }
    return NULL;
}

/* The digest by which the job is satisfied already; none: it must run. */
static struct sha256 satisfied(struct sim *s, const struct t_job *j)
{
    const struct sha256 none = {{0}};
    const struct known *k;
    const struct t_release *r;
    if (j->row.forced)
        return none;
    switch (j->row.kind) {
    case JOB_BUILD:
        k = db_result(s, &j->key);
        return k ? k->digest : none;
    case JOB_TEST:
        k = db_verdict(s, &j->key);
        return k && k->passed ? k->digest : none;
    case JOB_PUBLISH:
        r = last_release(s, j->row.image);
        struct sha256 wanted = release_digest(j);
        return r && r->released && sha256_eq(&r->publish_key, &j->publish_key) &&
                       sha256_eq(&r->digest, &wanted)
                   ? r->digest
                   : none;
    case JOB_MIRROR:
        r = db_released(s, j->row.image);
        return !s->db.uncertain[j->row.target_site][j->row.image] &&
                       sha256_eq(&r->digest, &s->db.presence[j->row.target_site][j->row.image])
                   ? r->digest
                   : none;
    }
    BUG("job kind %d", (int)j->row.kind);
}

static void skip(struct sim *s, struct t_job *j, const struct sha256 *digest)
{
    j->row.digest = *digest;
    db_move(s, j, JOB_SKIPPED, WAIT_NONE);
    if (j->row.kind != JOB_TEST)
        return;
    struct t_arch *a = db_arch(s, j->row.image_arch);
    if (j->row.revision_serial >= a->passing_serial) {
        a->passing = *digest;
        a->passing_serial = j->row.revision_serial;
    }
}

/* A plan has moved on since: the brain may have formed the key from the new recipe. */
static bool outlived(struct sim *s, const struct t_job *j)
{
    if (!j->row.image_arch)
        return false;
    const struct t_arch *a = db_arch(s, j->row.image_arch);
    return j->row.kind == JOB_BUILD ? !sha256_eq(&a->recipe, &j->recipe)
                                    : !sha256_eq(&a->tests_key, &j->tests_key);
}

struct answer db_make_ready(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (j->row.state != JOB_WAITING || outlived(s, j))
        return plain(ST_STALE);
    check_pins(s, j, op);
    j->key = op->key;
    j->bucket = op->bucket;
    j->n_pins = op->n_pins < ARRAY_SIZE(j->pins) ? op->n_pins : ARRAY_SIZE(j->pins);
    for (size_t i = 0; i < j->n_pins; i++)
        j->pins[i] = op->pins[i];
    if (s->failure)
        return plain(ST_STALE);
    struct sha256 digest = satisfied(s, j);
    if (sha256_is_none(&digest)) {
        db_move(s, j, JOB_READY, WAIT_NONE);
        return plain(ST_OK);
    }
    skip(s, j, &digest);
    return (struct answer){.status = ST_SKIPPED, .digest = digest, .located = true};
}

/* ---- claim ----------------------------------------------------------------------------------- */

static enum op_status open_release(struct sim *s, const struct t_job *j)
{
    int64_t serial = 1;
    vec_for_each (i, &s->db.releases) {
        const struct t_release *r = &s->db.releases.v[i];
        if (r->image != j->row.image)
            continue;
        serial = r->serial + 1;
        if ((r->publishing || r->released) && r->revision > j->row.revision_serial)
            return ST_OUTDATED;
        if (r->publishing)
            return r->job == j->row.id ? ST_OK : ST_BUSY;
    }
    *vec_push(&s->db.releases) = (struct t_release){.image = j->row.image,
                                                    .serial = serial,
                                                    .revision = j->row.revision_serial,
                                                    .job = j->row.id,
                                                    .digest = release_digest(j),
                                                    .publish_key = j->publish_key,
                                                    .publishing = true};
    return ST_OK;
}

struct answer db_claim(struct sim *s, const struct op *op)
{
    struct t_job *j = db_job(s, op->job);
    if (j->row.state != JOB_READY)
        return plain(ST_STALE);
    if (j->row.kind == JOB_PUBLISH) {
        enum op_status st = open_release(s, j);
        if (st != ST_OK)
            return plain(st);
    }
    if (j->row.kind == JOB_MIRROR)
        s->db.uncertain[j->row.target_site][j->row.image] = true;
    *vec_push(&s->db.attempts) = (struct t_attempt){.id = op->attempt,
                                                    .boot = op->boot,
                                                    .job = op->job,
                                                    .worker = op->worker,
                                                    .leased = s->now};
    map_put(&s->db.attempt_of, id128_key(op->attempt), (void *)(uintptr_t)s->db.attempts.n);
    db_move(s, j, JOB_LEASED, WAIT_NONE);
    j->row.attempt = op->attempt;
    j->row.worker = op->worker;
    j->row.boot = op->boot;
    j->row.attempts++;
    s->attempts++;
    return plain(ST_OK);
}
