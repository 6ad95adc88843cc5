/* Rows of jobs, and the one place where a job's state and memberships change. */
#include "scheduler/core/world.h"

_Static_assert(sizeof(struct job) <= 104, "the promise is 128");

/* Of the rows that came a step takes so many; brain_deadline says at once while some are left. */
#define SLICE 1024

struct job *world_job(const struct world *w, int64_t id)
{
    return idmap_get(&w->jobs, id);
}

bool job_timer_less(const struct heap_node *a, const struct heap_node *b)
{
    const struct job *x = heap_item(a, struct job, node), *y = heap_item(b, struct job, node);
    return x->id < y->id;
}

char *job_label(const struct world *w, const struct job *j)
{
    enum job_kind kind = (enum job_kind)j->kind;
    const struct group *g = job_group(j);
    const char *name = g && g->name ? g->name : "?";
    if (job_has_arch(j))
        return xasprintf("%s:%s:%s", job_kind_name(kind), name,
                         j->image->arch ? j->image->arch : "?");
    if (kind == JOB_MIRROR)
        return xasprintf("mirror:%s:%s", name, site_name(w, tag_of(j)->site));
    return xasprintf("publish:%s", name);
}

struct tag_slot *tag_at(const struct group *g, int64_t site)
{
    links_for_each (i, &g->tags) {
        struct tag_slot *t = links_at(&g->tags, i);
        if (t->site == site)
            return t;
    }
    return NULL;
}

bf_time job_hold(const struct job *j)
{
    return job_has_arch(j) ? 0 : tag_of(j)->hold;
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

static void mark_publish(struct world *w, struct group *g)
{
    const struct tag_slot *publish = tag_at(g, 0);
    if (publish)
        mark_dirty(w, slot_newest(&publish->slot));
}

static void mark_mirrors(struct world *w, struct group *g)
{
    links_for_each (i, &g->tags) {
        const struct tag_slot *t = links_at(&g->tags, i);
        if (t->site)
            mark_dirty(w, slot_newest(&t->slot));
    }
}

static void notify(struct world *w, enum job_kind kind, const struct image *im, struct group *g)
{
    switch (kind) {
    case JOB_BUILD:
        mark_dirty(w, slot_newest(&im->test));
        break;
    case JOB_TEST:
        links_for_each (i, &im->children) {
            const struct image *child = links_at(&im->children, i);
            mark_dirty(w, slot_newest(&child->build));
        }
        mark_publish(w, g);
        break;
    case JOB_PUBLISH:
        mark_mirrors(w, g);
        break;
    case JOB_MIRROR:
        break;
    }
}

void notify_successors(struct world *w, struct job *j)
{
    if (j->newest)
        notify(w, (enum job_kind)j->kind, job_has_arch(j) ? j->image : NULL, job_group(j));
}

/* Its row came: what is wanted of it may have changed, or the image is wanted no more. */
void image_changed(struct world *w, struct image *im)
{
    mark_dirty(w, slot_newest(&im->build));
    mark_dirty(w, slot_newest(&im->test));
    mark_publish(w, im->group);
    mark_mirrors(w, im->group);
}

/* ---- states ---------------------------------------------------------------------------------- */

void job_until(struct world *w, struct job *j, bf_time when)
{
    if (j->node.pos)
        heap_del(&w->timers, &j->node);
    j->not_before = when;
    heap_add(&w->timers, &j->node, when);
}

static void leave(struct world *w, struct job *j)
{
    if (j->state == JOB_READY && !j->held)
        queue_del(w, j);
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

void job_said(struct job *j, enum wait_reason reason, int64_t ref)
{
    j->reason = (uint8_t)reason;
    j->wait_ref = ref;
    j->told = true;
}

void job_correct(struct world *w, struct job *j, enum job_state to, enum wait_reason reason)
{
    bool was_live = job_is_live(j->state), was_over = job_is_over(j->state);
    if (!(was_live && job_is_live(to)))
        leave(w, j);
    j->state = (uint8_t)to;
    job_said(j, reason, 0);
    if (!j->newest && was_live && !job_is_live(to)) {
        j->slot->older_live--;
        mark_dirty(w, slot_newest(j->slot));
    }
    if (job_is_over(to))
        over(w, j);
    else if (to == JOB_READY)
        queue_add(w, j);
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
    if (job_has_arch(j))
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
            queue_add(w, j);
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
        idmap_del(&w->jobs, j->id);
        queue_put(w, j->queue);
        if (!job_has_arch(j))
            free(j->archs);
        slab_put(&w->job_slab[j->kind], j);
    }
    w->grave.n = kept;
}

void job_through(struct world *w, struct job *j)
{
    j->slot->last = j->id;
    j->slot->through = true;
    j->newest = false;
    if (!j->grave)
        *vec_push(&w->grave) = j;
    j->grave = true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static struct slot *tag_slot(struct group *g, int64_t site)
{
    struct tag_slot *t = tag_at(g, site);
    if (!t) {
        t = xcalloc(1, sizeof *t);
        t->group = g;
        t->site = site;
        links_add(&g->tags, t);
    }
    return &t->slot;
}

static struct slot *slot_of(struct world *w, const struct job_row *row)
{
    struct group *g = world_group(w, row->image);
    struct image *im = row->kind <= JOB_TEST ? world_image(w, row->image_arch) : NULL;
    if (im && !im->group)
        im->group = g; /* its row tells the rest */
    switch (row->kind) {
    case JOB_BUILD:
        return &im->build;
    case JOB_TEST:
        return &im->test;
    case JOB_PUBLISH:
        return tag_slot(g, 0);
    case JOB_MIRROR:
        return tag_slot(g, row->target_site);
    }
    BUG("job kind %d", (int)row->kind);
}

static struct image_set *image_set(struct world *w, const struct job_row *row)
{
    struct image_set *set = xmalloc(sizeof *set + row->n_image_archs * sizeof set->v[0]);
    set->n = row->n_image_archs;
    for (size_t i = 0; i < row->n_image_archs; i++)
        set->v[i] = world_image(w, row->image_archs[i]);
    return set;
}

static void find_place(struct world *w, struct job *j, const struct job_row *row)
{
    const char *arch = NULL;
    if (job_has_arch(j)) {
        j->image = world_image(w, row->image_arch);
        arch = j->image->arch;
    } else {
        j->archs = image_set(w, row);
    }
    struct repo *repo = job_group(j)->repo;
    j->queue = queue_for(w, row, arch, repo ? repo : world_repo(w, 0));
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

/* The id of the newest that the slot has seen; 0: none. */
static int64_t slot_last(const struct slot *s)
{
    return s->through ? s->last : s->newest ? s->newest->id : 0;
}

static void enlist(struct world *w, struct job *j)
{
    j->newest = slot_last(j->slot) < j->id;
    if (!j->newest) {
        j->slot->older_live += job_is_live(j->state);
        return;
    }
    struct job *old = slot_newest(j->slot);
    j->slot->through = false;
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

static uint16_t small(int n)
{
    return (uint16_t)(n < 0 ? 0 : n > UINT16_MAX ? UINT16_MAX : n);
}

static void take_fields(struct job *j, const struct job_row *row, bf_time now)
{
    j->because_parent = row->because_parent;
    j->rerun = row->rerun;
    j->priority = row->priority;
    j->revision = row->revision_serial;
    j->forced = row->forced;
    j->attempts = small(row->attempts);
    j->losses = small(row->losses);
    j->not_before = row->not_before;
    if (j->queued_at == 0)
        j->queued_at = row->created_at ? row->created_at : row->ready_at;
    if (j->queued_at == 0)
        j->queued_at = now;
    j->reason = (uint8_t)row->reason;
    if (row->state == JOB_READY && row->reason != WAIT_NONE) { /* its bucket's, or soon over */
        bucket_of(j)->shown = true;
        j->reason = WAIT_NONE;
    }
    j->keyed = row->attempts > 0 && row->state == JOB_WAITING && row->reason == WAIT_BACKOFF;
    /* The detail is not loaded: where it may say something else today, it is written again. */
    j->told = row->state != JOB_WAITING || row->reason == WAIT_BACKOFF;
    j->wait_ref = 0;
}

static void new_job(struct world *w, const struct job_row *row, struct slot *slot)
{
    struct job *j = slab_get(&w->job_slab[row->kind]);
    j->id = row->id;
    j->kind = (uint8_t)row->kind;
    j->state = (uint8_t)row->state;
    j->slot = slot;
    find_place(w, j, row);
    take_fields(j, row, w->now);
    idmap_put(&w->jobs, j);
    enlist(w, j);
    if (j->newest)
        made_set(w, &slot->made, &row->digest, NULL);
    take_attempt(w, j, row);
    stage(w, j);
}

/* It needs no record: only what it made counts. */
static void went_through(struct world *w, const struct job_row *row, struct slot *slot)
{
    if (slot_last(slot) >= row->id)
        return;
    struct job *old = slot_newest(slot);
    slot->through = true;
    slot->last = row->id;
    made_set(w, &slot->made, &row->digest, NULL);
    if (row->kind == JOB_TEST)
        world_image(w, row->image_arch)->passing_serial = row->revision_serial;
    if (old)
        demote(w, old);
    struct image *im = row->kind <= JOB_TEST ? world_image(w, row->image_arch) : NULL;
    notify(w, row->kind, im, world_group(w, row->image));
}

/* The row was asked for because the database disagreed with us: it is right. */
static void replace_job(struct world *w, struct job *j, const struct job_row *row)
{
    j->frozen = false;
    if (j->lease)
        emit_orders(w, j->lease->worker);
    job_correct(w, j, row->state, row->reason);
    if (j->state == JOB_READY)
        queue_del(w, j); /* its place depends on fields that follow; unstaging adds it */
    take_fields(j, row, w->now);
    if (j->newest && job_is_through(row->state))
        made_set(w, &j->slot->made, &row->digest, made_repository(j->slot->made));
    take_attempt(w, j, row);
    stage(w, j);
}

/* Of everything else we know more than an older read does. */
static void set_priority(struct world *w, struct job *j, int priority)
{
    if (j->priority == priority)
        return;
    j->priority = priority;
    queue_move(w, j);
}

void take_job(struct world *w, const struct job_row *row)
{
    struct job *j = world_job(w, row->id);
    struct slot *slot = j ? j->slot : slot_of(w, row);
    if (!j && slot->through && slot->last == row->id)
        return; /* an older read of one that has left */
    if (!j && job_is_through(row->state))
        went_through(w, row, slot);
    else if (!j)
        new_job(w, row, slot);
    else if (j->frozen)
        replace_job(w, j, row);
    else
        set_priority(w, j, row->priority);
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
            queue_add(w, j);
        mark_dirty(w, j);
    }
    notify_successors(w, j);
}

void jobs_unstage(struct world *w)
{
    size_t end = w->n_unstaged + SLICE;
    while (w->n_unstaged < w->staged.n && w->n_unstaged < end)
        unstage(w, w->staged.v[w->n_unstaged++]);
    if (w->n_unstaged < w->staged.n)
        return;
    vec_shrink(&w->staged, SLICE);
    w->n_unstaged = 0;
}
