/* Rows of jobs, and the one place where a job's state and memberships change. */
#include "scheduler/core/world.h"

_Static_assert(sizeof(struct job) <= 128, "a million ready jobs must fit into a small process");

struct job *world_job(const struct world *w, int64_t id)
{
    return map_get(&w->jobs, (uint64_t)id);
}

bool job_timer_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct job *x = heap_item(a, struct job, node), *y = heap_item(b, struct job, node);
    return x->not_before != y->not_before ? x->not_before < y->not_before : x->id < y->id;
}

char *job_label(const struct world *w, const struct job *j)
{
    enum job_kind kind = (enum job_kind)j->kind;
    if (j->image)
        return xasprintf("%s:%s:%s", job_kind_name(kind), j->image->name ? j->image->name : "?",
                         j->image->arch ? j->image->arch : "?");
    const char *name = j->group->archs.n ? j->group->archs.v[0]->name : "?";
    if (kind == JOB_MIRROR)
        return xasprintf("mirror:%s:%s", name, site_name(w, j->slot->site));
    return xasprintf("publish:%s", name);
}

void slot_set(struct slot *s, const struct sha256 *digest, const char *repository)
{
    s->digest = *digest;
    if (repository != s->repository)
        set_text(&s->repository, repository);
}

void mark_dirty(struct world *w, struct job *j)
{
    if (!j || j->dirty || j->staged)
        return;
    if (j->state != JOB_WAITING && j->state != JOB_READY)
        return;
    j->dirty = true;
    *vec_push(&w->dirty) = j;
}

void notify_successors(struct world *w, struct job *j)
{
    if (!j->newest)
        return;
    switch ((enum job_kind)j->kind) {
    case JOB_BUILD:
        mark_dirty(w, j->image->test.newest);
        break;
    case JOB_TEST:
        vec_for_each (i, &j->image->children)
            mark_dirty(w, j->image->children.v[i]->build.newest);
        mark_dirty(w, j->group->publish.newest);
        break;
    case JOB_PUBLISH:
        vec_for_each (i, &j->group->mirrors)
            mark_dirty(w, j->group->mirrors.v[i]->newest);
        break;
    case JOB_MIRROR:
        break;
    }
}

/* Its row came: what is wanted of it may have changed, or the image is wanted no more. */
void image_changed(struct world *w, struct image *im)
{
    mark_dirty(w, im->build.newest);
    mark_dirty(w, im->test.newest);
    mark_dirty(w, im->group->publish.newest);
    vec_for_each (i, &im->group->mirrors)
        mark_dirty(w, im->group->mirrors.v[i]->newest);
}

/* ---- states ---------------------------------------------------------------------------------- */

void job_until(struct world *w, struct job *j, bf_time when)
{
    if (j->node.pos)
        heap_del(&w->timers, &j->node);
    j->not_before = when;
    heap_add(&w->timers, &j->node);
}

static void leave(struct world *w, struct job *j)
{
    if (j->state == JOB_READY && !j->held)
        bucket_del(w, j);
    else if (j->node.pos)
        heap_del(&w->timers, &j->node);
    j->held = false;
    lease_end(w, j);
}

static void over(struct world *w, struct job *j)
{
    if (!j->newest && !j->grave) {
        *vec_push(&w->grave) = j;
        j->grave = true;
    }
    if (!j->settling)
        *vec_push(&w->settling) = j;
    j->settling = true;
}

void job_correct(struct world *w, struct job *j, enum job_state to, enum wait_reason reason)
{
    bool was_live = job_is_live(j->state), was_over = job_is_over(j->state);
    if (!(was_live && job_is_live(to)))
        leave(w, j);
    j->state = (uint8_t)to;
    j->reason = (uint8_t)reason;
    j->wait_ref = 0;
    j->told = true;
    if (!j->newest && was_live && !job_is_live(to)) {
        j->slot->older_live--;
        mark_dirty(w, j->slot->newest);
    }
    if (job_is_over(to))
        over(w, j);
    else if (to == JOB_READY)
        bucket_add(w, j);
    else if (to == JOB_WAITING)
        mark_dirty(w, j);
    if (to == JOB_READY && job_is_unwanted(j))
        mark_dirty(w, j);
    if (was_over && !job_is_over(to))
        notify_successors(w, j);
}

void job_enter(struct world *w, struct job *j, enum job_state to, enum wait_reason reason)
{
    if (!job_may((enum job_state)j->state, to))
        BUG("job %lld: %s -> %s", (long long)j->id, job_state_name((enum job_state)j->state),
            job_state_name(to));
    job_correct(w, j, to, reason);
}

bool job_is_unwanted(const struct job *j)
{
    if (!j->newest)
        return true;
    if (j->image)
        return j->image->removed;
    size_t removed = 0, barred = 0;
    for (size_t i = 0; i < j->archs->n; i++) {
        removed += j->archs->v[i]->removed;
        barred += j->archs->v[i]->barred;
    }
    if (barred > 0)
        return true;
    return removed > 0 && (j->kind == JOB_PUBLISH || removed == j->archs->n);
}

void job_supersede(struct world *w, struct job *j)
{
    struct op *op = emit(w, OP_END, j->id);
    op->next = JOB_SUPERSEDED;
    job_enter(w, j, JOB_SUPERSEDED, WAIT_NONE);
}

void jobs_due(struct world *w)
{
    for (struct heap_node *n; (n = heap_top(&w->timers)) != NULL;) {
        struct job *j = container_of(n, struct job, node);
        if (j->not_before > w->now)
            break;
        heap_del(&w->timers, n);
        if (j->held) {
            j->held = false;
            bucket_add(w, j);
        } else {
            mark_dirty(w, j);
        }
    }
}

void jobs_bury(struct world *w)
{
    size_t kept = 0;
    vec_for_each (i, &w->grave) {
        struct job *j = w->grave.v[i];
        if (j->staged || j->dirty || j->settling) {
            w->grave.v[kept++] = j;
            continue;
        }
        map_del(&w->jobs, (uint64_t)j->id);
        bucket_put(w, j->bucket);
        free(j->archs);
        free(j);
    }
    w->grave.n = kept;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct slot *mirror_slot(struct group *g, int64_t site)
{
    vec_for_each (i, &g->mirrors) {
        if (g->mirrors.v[i]->site == site)
            return g->mirrors.v[i];
    }
    struct slot *s = xcalloc(1, sizeof *s);
    s->site = site;
    *vec_push(&g->mirrors) = s;
    return s;
}

static void find_place(struct world *w, struct job *j, const struct job_row *row)
{
    j->group = world_group(w, row->image);
    switch (row->kind) {
    case JOB_BUILD:
    case JOB_TEST:
        j->image = world_image(w, row->image_arch);
        j->slot = row->kind == JOB_BUILD ? &j->image->build : &j->image->test;
        break;
    case JOB_PUBLISH:
    case JOB_MIRROR:
        j->slot =
            row->kind == JOB_PUBLISH ? &j->group->publish : mirror_slot(j->group, row->target_site);
        j->archs = xmalloc(sizeof *j->archs + row->n_image_archs * sizeof j->archs->v[0]);
        j->archs->n = row->n_image_archs;
        for (size_t i = 0; i < row->n_image_archs; i++)
            j->archs->v[i] = world_image(w, row->image_archs[i]);
        break;
    }
    j->bucket = bucket_for(w, row->kind, row->run_site, j->image ? j->image->arch : NULL,
                           row->needs, row->n_needs);
}

static void stage(struct world *w, struct job *j)
{
    if (!j->staged)
        *vec_push(&w->staged) = j;
    j->staged = true;
}

/* A newer job has come: this one is history, or runs to its end. */
static void demote(struct world *w, struct job *j)
{
    j->newest = false;
    if (job_is_live(j->state))
        j->slot->older_live++;
    else if (job_is_over(j->state))
        over(w, j);
    else
        stage(w, j);
}

static void enlist(struct world *w, struct job *j)
{
    struct job *old = j->slot->newest;
    j->newest = !old || old->id < j->id;
    if (!j->newest) {
        j->slot->older_live += job_is_live(j->state);
        return;
    }
    j->slot->newest = j;
    if (old)
        demote(w, old);
}

static void take_attempt(struct world *w, struct job *j, const struct job_row *row)
{
    if (!job_is_live(row->state) || (j->lease && id128_eq(j->lease->attempt, row->attempt)))
        return;
    lease_end(w, j);
    struct worker *k = world_worker(w, row->worker);
    struct lease *l = lease_new(w, j, k, row->attempt, row->boot);
    l->durable = true;
    l->disconnected = row->reason == WAIT_DISCONNECTED;
    emit_orders(w, k);
}

static void take_fields(struct job *j, const struct job_row *row)
{
    j->because_parent = row->because_parent;
    j->rerun = row->rerun;
    j->priority = row->priority;
    j->revision = row->revision_serial;
    j->forced = row->forced;
    j->attempts = row->attempts;
    j->losses = row->losses;
    j->not_before = row->not_before;
    j->order = order_of(row->ready_at, row->priority);
    j->reason = (uint8_t)row->reason;
    j->keyed = row->attempts > 0 && row->state == JOB_WAITING && row->reason == WAIT_BACKOFF;
    /* The detail is not loaded: where it may say something else today, it is written again. */
    j->told = row->state != JOB_WAITING || row->reason == WAIT_BACKOFF;
    j->wait_ref = 0;
}

static void new_job(struct world *w, const struct job_row *row)
{
    struct job *j = xcalloc(1, sizeof *j);
    j->id = row->id;
    j->kind = (uint8_t)row->kind;
    j->state = (uint8_t)row->state;
    find_place(w, j, row);
    take_fields(j, row);
    map_put(&w->jobs, (uint64_t)j->id, j);
    enlist(w, j);
    if (j->newest)
        slot_set(j->slot, &row->digest, NULL);
    if (j->newest && row->kind == JOB_TEST && job_is_through(row->state))
        j->image->passing_serial = row->revision_serial;
    take_attempt(w, j, row);
    stage(w, j);
}

/* The row was asked for because the database disagreed with us: it is right. */
static void replace_job(struct world *w, struct job *j, const struct job_row *row)
{
    j->frozen = false;
    if (j->lease)
        emit_orders(w, j->lease->worker);
    job_correct(w, j, row->state, row->reason);
    if (j->state == JOB_READY)
        bucket_del(w, j); /* its place depends on fields that follow; unstaging adds it */
    take_fields(j, row);
    if (j->newest && job_is_through(row->state))
        slot_set(j->slot, &row->digest, j->slot->repository);
    take_attempt(w, j, row);
    stage(w, j);
}

void take_job(struct world *w, const struct job_row *row)
{
    struct job *j = world_job(w, row->id);
    if (!j)
        new_job(w, row);
    else if (j->frozen)
        replace_job(w, j, row);
    else
        j->priority = row->priority; /* of everything else we know more than an older read does */
}

static void unstage(struct world *w, struct job *j)
{
    j->staged = false;
    if (job_is_over(j->state)) {
        if (!j->newest)
            over(w, j);
    } else if (!job_is_live(j->state)) {
        if (job_is_unwanted(j)) {
            job_supersede(w, j);
            return;
        }
        if (j->state == JOB_READY && j->node.pos == 0)
            bucket_add(w, j);
        mark_dirty(w, j);
    }
    notify_successors(w, j);
}

void jobs_unstage(struct world *w)
{
    for (size_t i = 0; i < w->staged.n; i++)
        unstage(w, w->staged.v[i]);
    vec_clear(&w->staged);
}
