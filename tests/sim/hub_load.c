/* Rows from PostgreSQL to the brain: a snapshot, and a while later its arrival. */
#include "tests/sim/sim.h"

struct rows {
    struct hub *hub;
    uint64_t epoch;
    bool first, taken, failed;
    bool workers;
    struct ids jobs, images; /* asked for */
    VEC(struct job_row) job;
    VEC(struct t_arch) arch;
    VEC(bool) removed;
    VEC(struct base_row) base;
    struct worker_row worker[MAX_NODES + 1];
};

static void rows_free(void *what)
{
    struct rows *r = what;
    vec_release(&r->jobs);
    vec_release(&r->images);
    vec_release(&r->job);
    vec_release(&r->arch);
    vec_release(&r->removed);
    vec_release(&r->base);
    free(r);
}

/* ---- the snapshot ---------------------------------------------------------------------------- */

static bool has_open_job(struct sim *s, int64_t image)
{
    vec_for_each (i, &s->db.jobs) {
        const struct job_row *r = &s->db.jobs.v[i]->row;
        if (r->image == image && r->state <= JOB_RUNNING)
            return true;
    }
    return false;
}

static void read_arch(struct sim *s, struct rows *r, const struct t_arch *a)
{
    *vec_push(&r->arch) = *a;
    *vec_push(&r->removed) = a->removed || db_image(s, a->image)->removed;
}

static void read_all(struct sim *s, struct rows *r)
{
    vec_for_each (i, &s->db.archs) {
        const struct t_arch *a = &s->db.archs.v[i];
        if (!a->removed || has_open_job(s, a->image))
            read_arch(s, r, a);
    }
    vec_for_each (i, &s->db.jobs) {
        struct t_job *j = s->db.jobs.v[i];
        const struct t_image *im = db_image(s, j->row.image);
        bool wanted =
            !im->removed && (!j->row.image_arch || !db_arch(s, j->row.image_arch)->removed);
        if (j->row.state <= JOB_RUNNING ||
            (wanted &&
             j == db_newest(s, j->row.kind, j->row.image, j->row.image_arch, j->row.target_site)))
            *vec_push(&r->job) = db_row(s, j);
    }
}

static void snapshot(struct sim *s, struct rows *r)
{
    for (int i = 1; i <= s->n_nodes; i++)
        r->worker[i] = s->db.workers[i];
    vec_for_each (i, &s->db.bases)
        *vec_push(&r->base) = (struct base_row){.id = s->db.bases.v[i].id,
                                                .reference = s->db.bases.v[i].reference,
                                                .digest = s->db.bases.v[i].digest};
    if (r->first) {
        read_all(s, r);
        return;
    }
    vec_for_each (i, &r->images)
        read_arch(s, r, db_arch(s, r->images.v[i]));
    vec_for_each (i, &r->jobs)
        *vec_push(&r->job) = db_row(s, db_job(s, r->jobs.v[i]));
}

/* ---- the arrival ----------------------------------------------------------------------------- */

static void feed_sites(struct sim *s, struct hub *h)
{
    static const char *const names[] = {"", "hub", "acp-1", "acp-2"};
    for (int64_t i = 1; i <= N_SITES; i++) {
        struct site_row row = {.id = i,
                               .name = names[i],
                               .hub = i == 1,
                               .continue_on_partition = i == 2,
                               .grace = GRACE};
        hub_step(s, h, &(struct input){.type = IN_SITE, .site = &row});
    }
}

static void feed_workers(struct sim *s, struct hub *h, const struct rows *r)
{
    for (int i = 1; i <= s->n_nodes; i++) {
        h->slots_wanted[i] = r->worker[i].slots_wanted;
        hub_step(s, h, &(struct input){.type = IN_WORKER, .worker = &r->worker[i]});
    }
}

static void feed_images(struct sim *s, struct hub *h, const struct rows *r)
{
    vec_for_each (i, &r->arch) {
        const struct t_arch *a = &r->arch.v[i];
        struct image_row row = {
            .id = a->id,
            .image = a->image,
            .name = a->name,
            .repo = 1,
            .arch = a->arch,
            .recipe = a->recipe,
            .tests_key = a->tests_key,
            .passing_digest = a->passing,
            .passing_repository = sha256_is_none(&a->passing) ? NULL : "reg/build",
            .parents = a->parents,
            .n_parents = a->n_parents,
            .bases = &a->base,
            .n_bases = a->base ? 1 : 0,
            .removed = r->removed.v[i],
        };
        hub_step(s, h, &(struct input){.type = IN_IMAGE, .image = &row});
    }
}

static void feed(struct sim *s, struct hub *h, const struct rows *r)
{
    if (r->first)
        feed_sites(s, h);
    if (r->workers)
        feed_workers(s, h, r);
    vec_for_each (i, &r->base)
        hub_step(s, h, &(struct input){.type = IN_BASE, .base = &r->base.v[i]});
    feed_images(s, h, r);
    vec_for_each (i, &r->job) {
        db_job(s, r->job.v[i].id)->fed = true;
        hub_step(s, h, &(struct input){.type = IN_JOB, .job = &r->job.v[i]});
    }
    if (r->first) {
        hub_step(s, h, &(struct input){.type = IN_LOADED});
        h->on = true;
        sim_trace(s, "hub %d: loaded", h->id);
    }
}

static void read_step(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct rows *r = what;
    struct hub *h = r->hub;
    if (r->epoch != h->epoch) {
        rows_free(r);
        return;
    }
    if (h->paused_until > s->now) {
        sim_at_owned(s, h->paused_until, read_step, r, rows_free);
        return;
    }
    if (!r->taken) {
        r->taken = true;
        r->failed = s->db.down_until > s->now;
        if (!r->failed)
            snapshot(s, r);
        sim_at_owned(s, s->now + rnd_time(s, BF_MSEC, 20 * BF_MSEC), read_step, r, rows_free);
        return;
    }
    h->flying = false;
    if (r->failed) {
        hub_drop(s, h);
    } else {
        feed(s, h, r);
        hub_wake(s, h);
    }
    rows_free(r);
}

void hub_read(struct sim *s, struct hub *h, bool first)
{
    struct rows *r = xcalloc(1, sizeof *r);
    r->hub = h;
    r->epoch = h->epoch;
    r->first = first;
    r->jobs = h->want_jobs;
    r->images = h->want_images;
    h->want_jobs = h->want_images = (struct ids){0};
    r->workers = first || h->want_workers;
    h->want_bases = h->want_workers = false;
    h->flying = true;
    sim_at_owned(s, s->now + rnd_time(s, BF_MSEC, 5 * BF_MSEC), read_step, r, rows_free);
}
