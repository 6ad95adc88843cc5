/* What must be true when everything has healed and nothing is left to do. */
#include "tests/sim/sim.h"

/* Is it the definition's own fault that this job fails? */
static bool is_bad(const struct t_job *j)
{
    return (j->row.kind == JOB_BUILD && recipe_is_bad(&j->recipe)) ||
           (j->row.kind == JOB_TEST && tests_are_bad(&j->recipe, &j->tests_key));
}

static bool is_newest(struct sim *s, const struct t_job *j)
{
    return j == db_newest(s, j->row.kind, j->row.image, j->row.image_arch, j->row.target_site);
}

bool is_settled(struct sim *s)
{
    if (!sim_leader(s) || git_is_pushed(s) || s->hubs[0].planning || s->hubs[1].planning)
        return false;
    vec_for_each (i, &s->db.jobs) {
        const struct job_row *r = &s->db.jobs.v[i]->row;
        if (r->state == JOB_READY || job_is_live(r->state) ||
            (r->state == JOB_WAITING && r->reason != WAIT_BLOCKED))
            return false;
    }
    return true;
}

void retry_what_failed(struct sim *s)
{
    vec_for_each (i, &s->db.jobs) {
        const struct t_job *j = s->db.jobs.v[i];
        bool ended = j->row.state == JOB_FAILED || j->row.state == JOB_CANCELLED;
        if (ended && !is_bad(j) && is_newest(s, j))
            operator_asks(s, IN_RETRY_JOB, j->row.id);
    }
}

/* ---- what each image must have come to --------------------------------------------------------
 */

/* It and all that it stands on can be built and pass. */
static bool can_pass(struct sim *s, const struct t_arch *a)
{
    if (recipe_is_bad(&a->recipe) || tests_are_bad(&a->recipe, &a->tests_key))
        return false;
    for (size_t i = 0; i < a->n_parents; i++) {
        if (!can_pass(s, db_arch(s, a->parents[i])))
            return false;
    }
    return true;
}

/* A fix that was built while its parent was broken stands on what the parent passed before; it, and
 * what stands on it, may have an older parent in it. */
static bool stands_on_old(struct sim *s, const struct t_arch *a)
{
    const struct t_job *b = db_newest(s, JOB_BUILD, a->image, a->id, 0);
    if (b && b->stale_parent)
        return true;
    for (size_t i = 0; i < a->n_parents; i++) {
        if (stands_on_old(s, db_arch(s, a->parents[i])))
            return true;
    }
    return false;
}

static void check_content(struct sim *s, const struct t_arch *a, const struct sha256 *digest)
{
    const struct origin *o = db_origin(s, digest);
    if (!o || !sha256_eq(&o->recipe, &a->recipe)) {
        sim_fail(s, "%s:%s: what was released is not what Git wants", a->name, a->arch);
        return;
    }
    if (stands_on_old(s, a))
        return;
    for (size_t i = 0; i < a->n_parents; i++) {
        const struct t_arch *p = db_arch(s, a->parents[i]);
        const struct origin *po = i < o->n_parents ? db_origin(s, &o->parents[i]) : NULL;
        if (!po || !sha256_eq(&po->recipe, &p->recipe))
            sim_fail(s, "%s:%s stands on another %s than Git wants", a->name, a->arch, p->name);
    }
}

static void check_image(struct sim *s, const struct t_image *im)
{
    for (size_t i = 0; i < im->n_archs; i++) {
        const struct t_arch *a = db_arch(s, im->archs[i]);
        if (!a->removed && !can_pass(s, a))
            return;
    }
    const struct t_release *r = db_released(s, im->id);
    if (!r || !sha256_eq(&r->publish_key, &im->publish_key)) {
        sim_fail(s, "%s was not released as Git wants it", im->name);
        return;
    }
    const struct t_job *j = db_job(s, r->job);
    for (size_t i = 0; i < j->row.n_image_archs && i < j->n_pins; i++) {
        /* Pins come in the order of image_archs; a release without an arch was made for fewer. */
        check_content(s, db_arch(s, j->row.image_archs[i]), &j->pins[i].digest);
    }
    if (!sha256_eq(&s->tag[im->id].digest, &r->digest) || s->tag[im->id].serial != r->serial)
        sim_fail(s, "I4: the tag of %s is not what was released last", im->name);
    for (int64_t site = 2; site <= N_SITES; site++) {
        if (!(im->mirrors & (1u << site)))
            continue;
        if (!sha256_eq(&s->site_tag[site][im->id].digest, &r->digest) ||
            !sha256_eq(&s->db.presence[site][im->id], &r->digest))
            sim_fail(s, "%s is not present at site %d", im->name, (int)site);
    }
}

static void check_blocked(struct sim *s)
{
    vec_for_each (i, &s->db.jobs) {
        const struct t_job *j = s->db.jobs.v[i];
        if (j->row.state != JOB_WAITING)
            continue;
        bool reason = false;
        if (j->row.image_arch) {
            reason = !can_pass(s, db_arch(s, j->row.image_arch));
        } else {
            const struct t_image *im = db_image(s, j->row.image);
            for (size_t k = 0; k < im->n_archs; k++)
                reason |= !can_pass(s, db_arch(s, im->archs[k]));
        }
        if (!reason)
            sim_fail(s, "I2: job %zu is blocked by nothing that is broken", i + 1);
    }
}

static void check_clean(struct sim *s)
{
    for (int i = 1; i <= s->n_nodes; i++) {
        vec_for_each (e, &s->nodes[i].journal) {
            if (!s->nodes[i].journal.v[e].acked)
                sim_fail(s, "worker %d still has something of job %lld", i,
                         (long long)s->nodes[i].journal.v[e].work.job);
        }
    }
}

void check_end(struct sim *s)
{
    if (!is_settled(s)) {
        vec_for_each (i, &s->db.jobs) {
            const struct job_row *r = &s->db.jobs.v[i]->row;
            if (r->state <= JOB_RUNNING && !(r->state == JOB_WAITING && r->reason == WAIT_BLOCKED))
                sim_fail(s, "I2: job %lld (%s) never ends: %s %s", (long long)r->id,
                         job_kind_name(r->kind), job_state_name(r->state),
                         r->reason ? wait_reason_name(r->reason) : "");
        }
        sim_fail(s, "I2: the farm does not settle");
        return;
    }
    check_blocked(s);
    check_clean(s);
    vec_for_each (i, &s->db.images) {
        if (!s->db.images.v[i].removed)
            check_image(s, &s->db.images.v[i]);
    }
}
