/* farm_load.c - rows from PostgreSQL to the brain: all of them after a take-over, and those that
 * somebody else changed later. */
#include "scheduler/farm_private.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include <stdio.h>

/* A million jobs and their images take a minute or two. */
#define LOAD_DEADLINE (600 * BF_SEC)

struct load {
    struct farm *farm;
    uint64_t epoch;
    unsigned kinds;
    size_t jobs; /* rows of them */
    bool first;  /* the one after a take-over: the clock comes before, IN_LOADED after the rows */
};

static void on_site(void *arg, const struct site_row *s)
{
    farm_step(arg, &(struct input){.type = IN_SITE, .site = s});
}

static void on_worker(void *arg, const struct worker_row *w)
{
    farm_step(arg, &(struct input){.type = IN_WORKER, .worker = w});
}

static void on_base(void *arg, const struct base_row *b)
{
    farm_step(arg, &(struct input){.type = IN_BASE, .base = b});
}

static void on_image(void *arg, const struct image_row *m)
{
    farm_step(arg, &(struct input){.type = IN_IMAGE, .image = m});
}

static void on_job(void *arg, const struct job_row *j)
{
    farm_step(arg, &(struct input){.type = IN_JOB, .job = j});
}

static void on_work(void *arg, struct id128 attempt, const char *json)
{
    struct farm *f = arg;
    struct work *w = map_get(&f->work, id128_key(attempt));
    if (!w)
        return;
    int64_t worker = w->worker;
    if (json) {
        work_put(f, worker, attempt, json);
        f->cfg.on_orders(f->cfg.arg, worker);
        return;
    }
    /* It has ended, perhaps without the world's knowledge: to ask again would never end. The brain
     * asks for the job's row, and Orders follow when it is there. */
    farm_work_seen(f, worker, attempt);
    farm_step(f, &(struct input){.type = IN_NO_WORK, .attempt = attempt});
}

static void add_loads(struct db_tx *tx, unsigned kinds, const pg_ids *images, const pg_ids *jobs)
{
    if (kinds & ROWS_SITES)
        st_load_sites(tx);
    if (kinds & ROWS_WORKERS)
        st_load_workers(tx);
    if (kinds & ROWS_BASES)
        st_load_bases(tx);
    if (kinds & ROWS_IMAGES)
        st_load_images(tx, images);
    if (kinds & ROWS_JOBS)
        st_load_jobs(tx, jobs);
}

static void feed_one(struct load *l, unsigned kind, const PGresult *row)
{
    struct farm *f = l->farm;
    switch (kind) {
    case ROWS_SITES:
        st_each_site(row, on_site, f);
        break;
    case ROWS_WORKERS:
        st_each_worker(row, on_worker, f);
        break;
    case ROWS_BASES:
        st_each_base(row, on_base, f);
        break;
    case ROWS_IMAGES:
        st_each_image(row, on_image, f);
        break;
    default:
        st_each_job(row, on_job, f);
        l->jobs += (size_t)PQntuples(row);
    }
}

/* The kind of the statement with that number, in the order in which add_loads asked. */
static unsigned kind_of(unsigned kinds, size_t stmt)
{
    static const unsigned order[] = {ROWS_SITES, ROWS_WORKERS, ROWS_BASES, ROWS_IMAGES, ROWS_JOBS};
    size_t i = 0;
    while (!(kinds & order[i]) || stmt--)
        i++;
    return order[i];
}

static void on_row(void *arg, size_t stmt, const PGresult *row)
{
    struct load *l = arg;
    struct farm *f = l->farm;
    if (l->epoch != f->epoch)
        return;
    if (l->first && stmt == 0) {
        l->jobs = 0; /* it may have been sent again */
        f->offset = st_read_i64(row) - clock_mono();
    } else {
        feed_one(l, kind_of(l->kinds, l->first ? stmt - 1 : stmt), row);
    }
}

static void loaded(const struct load *l)
{
    struct farm *f = l->farm;
    char term[24];
    farm_step(f, &(struct input){.type = IN_LOADED});
    f->state = FARM_ON;
    snprintf(term, sizeof term, "%lld", (long long)f->term);
    char jobs[24];
    snprintf(jobs, sizeof jobs, "%zu", l->jobs);
    log_info("loaded", "term", term, "jobs", jobs);
    f->cfg.on_loaded(f->cfg.arg);
}

/* false: the answer is of no use; what follows from that is under way. */
static bool read_ended(const struct load *l, const struct db_reply *r)
{
    struct farm *f = l->farm;
    if (l->epoch != f->epoch)
        return false;
    f->flying = false;
    if (r->end == DB_DONE)
        return true;
    farm_failed(f, r, "cannot load");
    return false;
}

static void on_all(void *arg, const struct db_reply *r)
{
    struct load l = *(struct load *)arg;
    free(arg);
    if (read_ended(&l, r) && l.first)
        loaded(&l);
}

static struct load *load_new(struct farm *f, unsigned kinds)
{
    struct load *l = xcalloc(1, sizeof *l);
    l->farm = f;
    l->epoch = f->epoch;
    l->kinds = kinds;
    return l;
}

void farm_load(struct farm *f)
{
    const unsigned all = ROWS_SITES | ROWS_WORKERS | ROWS_BASES | ROWS_IMAGES | ROWS_JOBS;
    struct load *l = load_new(f, all);
    struct db_tx *tx = db_tx_new(f->db, DB_SNAPSHOT);
    l->first = true;
    st_patience(tx);
    st_now(tx);
    add_loads(tx, all, NULL, NULL);
    db_tx_deadline(tx, LOAD_DEADLINE);
    f->flying = true;
    db_tx_rows(tx, on_row);
    db_submit(tx, on_all, l);
}

bool farm_wants_rows(const struct farm *f)
{
    const struct wanted_rows *w = &f->wanted;
    return w->kinds || w->jobs.n || w->images.n || w->work.n;
}

void wanted_clear(struct wanted_rows *w)
{
    vec_release(&w->jobs);
    vec_release(&w->images);
    vec_release(&w->work);
    w->kinds = 0;
}

static void on_works(void *arg, const struct db_reply *r)
{
    struct load l = *(struct load *)arg;
    free(arg);
    if (read_ended(&l, r))
        st_each_work(r->result[1], on_work, l.farm); /* behind check_term */
}

/* In a transaction of its own, which writes: an order that cannot be composed ends its job. */
static void read_work(struct farm *f)
{
    struct wanted_rows *w = &f->wanted;
    struct db_tx *tx = st_write(f->db, f->term);
    st_work(tx, w->work.v, w->work.n);
    vec_release(&w->work);
    f->flying = true;
    db_submit(tx, on_works, load_new(f, 0));
}

/* Bases come with images: a new image may stand on a base that the world does not know. */
void farm_read_rows(struct farm *f)
{
    struct wanted_rows *w = &f->wanted;
    if (w->work.n) {
        read_work(f);
        return;
    }
    bool all_images = w->kinds & ROWS_IMAGES, all_jobs = w->kinds & ROWS_JOBS;
    unsigned kinds = w->kinds;
    if (w->images.n || all_images)
        kinds |= ROWS_IMAGES | ROWS_BASES;
    if (w->jobs.n)
        kinds |= ROWS_JOBS;
    struct load *l = load_new(f, kinds);
    struct db_tx *tx = db_tx_new(f->db, DB_SNAPSHOT);
    add_loads(tx, kinds, all_images ? NULL : &w->images, all_jobs ? NULL : &w->jobs);
    wanted_clear(w);
    f->flying = true;
    db_tx_rows(tx, on_row);
    db_submit(tx, on_all, l);
}

void farm_fetch(struct farm *f, unsigned rows)
{
    if (f->state != FARM_OFF)
        f->wanted.kinds |= rows;
}

void farm_fetch_ids(struct farm *f, const pg_ids *jobs, const pg_ids *image_archs)
{
    if (f->state == FARM_OFF)
        return;
    for (size_t i = 0; i < jobs->n; i++)
        *vec_push(&f->wanted.jobs) = jobs->v[i];
    for (size_t i = 0; i < image_archs->n; i++)
        *vec_push(&f->wanted.images) = image_archs->v[i];
}
