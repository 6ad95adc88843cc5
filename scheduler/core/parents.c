/* What a job waits for, and, when that is there, what it is made from.
 *
 * Each waiting job is looked at again whenever something that it named as its hurdle may have
 * changed, never more often; a change is passed on through a queue, so that a chain of 2,000
 * images needs no stack. */
#include "scheduler/core/world.h"

#define SLICE 512 /* jobs that a step looks at; brain_deadline says at once while some are left */

/* The first thing in a job's way; WAIT_NONE: nothing. */
struct hurdle {
    enum wait_reason reason;
    int64_t ref; /* a job's id, or minus that of an image or base */
    const struct image *image;
    const struct base *base;
};

static const struct hurdle clear;

static struct hurdle behind(enum wait_reason reason, const struct job *j)
{
    return (struct hurdle){.reason = reason, .ref = j->id};
}

static bool is_blocked(const struct job *j)
{
    return j->state == JOB_WAITING && j->reason == WAIT_BLOCKED;
}

/* What `j`, which must be through before something else, means for that. */
static struct hurdle look_at(const struct job *j)
{
    switch ((enum job_state)j->state) {
    case JOB_SUCCEEDED:
    case JOB_SKIPPED:
        return j->settling ? behind(WAIT_PARENT, j) : clear;
    case JOB_FAILED:
    case JOB_CANCELLED:
        return behind(WAIT_BLOCKED, j);
    case JOB_WAITING:
        if (is_blocked(j)) /* the job at the root of it is what people must look at */
            return (struct hurdle){.reason = WAIT_BLOCKED, .ref = j->wait_ref};
        return behind(WAIT_PARENT, j);
    case JOB_READY:
    case JOB_LEASED:
    case JOB_RUNNING:
    case JOB_SUPERSEDED:
        return behind(WAIT_PARENT, j);
    }
    BUG("job state %d", j->state);
}

static struct hurdle never_passed(const struct image *im)
{
    return (struct hurdle){.reason = WAIT_PARENT, .ref = -im->id, .image = im};
}

static const char *image_name(const struct image *im)
{
    return im->group ? im->group->name : NULL;
}

/* Revisions are counted for each ref; between two refs their numbers say nothing. Names are
 * repo:name@ref. */
static bool same_ref(const struct image *a, const struct image *b)
{
    if (!image_name(a) || !image_name(b))
        return false; /* not known yet */
    size_t slug = strcspn(image_name(a), ":");
    const char *of_a = strchr(image_name(a), '@'), *of_b = strchr(image_name(b), '@');
    return strncmp(image_name(a), image_name(b), slug + 1) == 0 && of_a && of_b &&
           strcmp(of_a, of_b) == 0;
}

static bool same_revision(const struct job *a, const struct job *b)
{
    return a->revision == b->revision && same_ref(a->image, b->image);
}

static struct hurdle look_at_parent(const struct job *child, const struct image *parent)
{
    const struct job *t = slot_newest(&parent->test);
    bool passing = parent->passing != NULL;
    struct hurdle h = t && t->state != JOB_SUPERSEDED ? look_at(t) : clear;
    if (h.reason == WAIT_NONE && !passing)
        return never_passed(parent);
    /* A fix elsewhere goes on with what passed last. */
    if (h.reason == WAIT_BLOCKED && !child->because_parent && !same_revision(t, child) && passing)
        return clear;
    return h;
}

static struct hurdle build_hurdle(const struct job *j)
{
    struct hurdle first = clear;
    links_for_each (i, &j->image->parents) {
        struct hurdle h = look_at_parent(j, links_at(&j->image->parents, i));
        if (h.reason == WAIT_BLOCKED)
            return h;
        if (first.reason == WAIT_NONE)
            first = h;
    }
    if (first.reason != WAIT_NONE)
        return first;
    links_for_each (i, &j->image->bases) {
        const struct base *b = links_at(&j->image->bases, i);
        if (sha256_is_none(&b->digest))
            return (struct hurdle){.reason = WAIT_BASE, .ref = -b->id, .base = b};
    }
    return clear;
}

/* What `im` has in `s`, which must be through; without any job what passed last counts. */
static struct hurdle look_at_slot(const struct image *im, const struct slot *s)
{
    const struct job *newest = slot_newest(s);
    if (newest)
        return look_at(newest);
    return s->through || im->passing ? clear : never_passed(im);
}

static struct hurdle publish_hurdle(const struct job *j)
{
    struct hurdle first = clear;
    for (size_t i = 0; i < j->archs->n; i++) {
        const struct image *im = j->archs->v[i];
        struct hurdle h = look_at_slot(im, &im->test);
        if (h.reason == WAIT_BLOCKED)
            return h;
        if (first.reason == WAIT_NONE)
            first = h;
    }
    return first;
}

/* One publish per image and one mirror per image and site at a time: tags must not move back. */
static struct hurdle older_hurdle(const struct world *w, const struct job *j)
{
    if (j->slot->older_live == 0 && job_hold(j) <= w->now)
        return clear;
    return (struct hurdle){.reason = WAIT_PARENT, .ref = -job_group(j)->id};
}

static struct hurdle mirror_hurdle(const struct job *j)
{
    const struct tag_slot *publish = tag_at(job_group(j), 0);
    const struct job *newest = publish ? slot_newest(&publish->slot) : NULL;
    if (newest)
        return look_at(newest);
    return publish && publish->slot.through
               ? clear
               : (struct hurdle){.reason = WAIT_PARENT, .ref = -job_group(j)->id};
}

static struct hurdle hurdle_of(const struct world *w, const struct job *j)
{
    struct hurdle h = clear;
    switch ((enum job_kind)j->kind) {
    case JOB_BUILD:
        return j->image->known ? build_hurdle(j) : never_passed(j->image);
    case JOB_TEST:
        return look_at_slot(j->image, &j->image->build);
    case JOB_PUBLISH:
        h = publish_hurdle(j);
        return h.reason == WAIT_NONE ? older_hurdle(w, j) : h;
    case JOB_MIRROR:
        h = mirror_hurdle(j);
        return h.reason == WAIT_NONE ? older_hurdle(w, j) : h;
    }
    BUG("job kind %d", j->kind);
}

/* ---- words ----------------------------------------------------------------------------------- */

static char *describe_job(const struct world *w, const struct job *j, bool blocked)
{
    char *label = job_label(w, j);
    char *text = blocked ? xasprintf("%s %s (job %lld)", label,
                                     j->state == JOB_CANCELLED ? "was cancelled" : "failed",
                                     (long long)j->id)
                         : xasprintf("%s (job %lld)", label, (long long)j->id);
    free(label);
    return text;
}

static char *describe(const struct world *w, const struct job *j, const struct hurdle *h)
{
    if (h->base)
        return xasprintf("%s: %s", h->base->reference ? h->base->reference : "a base",
                         h->base->error ? h->base->error : "not resolved yet");
    if (h->image)
        return xasprintf("%s:%s has not passed yet",
                         image_name(h->image) ? image_name(h->image) : "an image",
                         h->image->arch ? h->image->arch : "?");
    const struct job *of = h->ref > 0 ? world_job(w, h->ref) : NULL;
    if (of)
        return describe_job(w, of, h->reason == WAIT_BLOCKED);
    if (h->ref > 0)
        return xasprintf("job %lld", (long long)h->ref);
    if (j->slot->older_live == 0 && job_hold(j) <= w->now)
        return xstrdup("nothing of the image was released yet");
    return xasprintf("an earlier %s of the image", job_kind_name((enum job_kind)j->kind));
}

/* ---- from waiting to ready ------------------------------------------------------------------- */

/* Where the digest lies is not in the rows of jobs; after a take-over it is known of what passed.
 */
static const char *repository_of(const struct image *im, const struct made *m)
{
    if (made_repository(m))
        return made_repository(m);
    return sha256_eq(made_digest(m), made_digest(im->passing)) ? made_repository(im->passing)
                                                               : NULL;
}

static struct pin image_pin(const struct image *im, const struct made *m)
{
    return (struct pin){
        .id = im->id, .digest = *made_digest(m), .repository = repository_of(im, m)};
}

/* What the newest test has passed; where there is none, what passed last. */
static struct pin tested_pin(const struct image *im)
{
    return image_pin(im, im->test.through && im->test.made ? im->test.made : im->passing);
}

static void ready_build(struct world *w, struct job *j, struct op *op)
{
    const struct image *im = j->image;
    size_t n = 0;
    struct pin *pins = xcalloc(links_n(&im->parents) + links_n(&im->bases) + 1, sizeof *pins);
    links_for_each (i, &im->parents) {
        const struct image *p = links_at(&im->parents, i);
        pins[n++] = image_pin(p, p->passing);
    }
    links_for_each (i, &im->bases) {
        const struct base *b = links_at(&im->bases, i);
        pins[n++] = (struct pin){.base = true, .id = b->id, .digest = b->digest};
    }
    key_build(w, j, pins, n, &op->key);
    op_set_pins(op, pins, n);
    free(pins);
}

static void ready_test(struct world *w, struct job *j, struct op *op)
{
    const struct image *im = j->image;
    struct pin pin = image_pin(im, im->build.through ? im->build.made : im->passing);
    made_set(w, &j->slot->made, &pin.digest, pin.repository);
    key_test(w, j, &pin.digest, &op->key);
    op_set_pins(op, &pin, 1);
}

static void ready_publish(struct world *w, struct job *j, struct op *op)
{
    struct pin *pins = xcalloc(j->archs->n + 1, sizeof *pins);
    for (size_t i = 0; i < j->archs->n; i++)
        pins[i] = tested_pin(j->archs->v[i]);
    key_publish(w, pins, j->archs->n, &op->key);
    op_set_pins(op, pins, j->archs->n);
    free(pins);
}

static void make_ready(struct world *w, struct job *j)
{
    if (j->keyed) {
        emit(w, OP_RETRY_READY, j->id);
    } else {
        struct op *op = emit(w, OP_MAKE_READY, j->id);
        op->bucket = bucket_of(j)->id;
        switch ((enum job_kind)j->kind) {
        case JOB_BUILD:
            ready_build(w, j, op);
            break;
        case JOB_TEST:
            ready_test(w, j, op);
            break;
        case JOB_PUBLISH:
            ready_publish(w, j, op);
            break;
        case JOB_MIRROR:
            key_mirror(w, made_digest(tag_at(job_group(j), 0)->slot.made), &op->key);
            break;
        }
    }
    j->not_before = 0;
    job_enter(w, j, JOB_READY, WAIT_NONE);
}

/* A row that says nothing is read as waiting for the step before it in its own chain (farm.job):
 * most jobs wait for nothing else, and none of them is written for that. */
static bool goes_without_saying(const struct world *w, const struct job *j, const struct hurdle *h)
{
    if (j->told || j->reason != WAIT_NONE || h->reason != WAIT_PARENT || h->ref <= 0)
        return false;
    const struct job *of = world_job(w, h->ref);
    return of && j->kind == of->kind + 1; /* kinds stand in the order of the chain */
}

static void evaluate(struct world *w, struct job *j)
{
    if (j->frozen || (j->state != JOB_WAITING && j->state != JOB_READY))
        return;
    if (job_is_unwanted(j)) {
        job_supersede(w, j);
        return;
    }
    if (j->state == JOB_READY || j->refused)
        return;
    if (j->reason == WAIT_BACKOFF && j->not_before > w->now) {
        job_until(w, j, j->not_before);
        return;
    }
    struct hurdle h = j->keyed ? clear : hurdle_of(w, j);
    if (h.reason == WAIT_NONE) {
        make_ready(w, j);
        return;
    }
    bool was_blocked = is_blocked(j);
    int64_t was_ref = j->wait_ref;
    if (goes_without_saying(w, j, &h))
        job_said(j, h.reason, h.ref);
    else if (!j->told || j->reason != h.reason || j->wait_ref != h.ref)
        emit_wait(w, j, h.reason, h.ref, describe(w, j, &h));
    if (job_hold(j) > w->now)
        job_until(w, j, job_hold(j));
    if (was_blocked != is_blocked(j) || (was_blocked && was_ref != j->wait_ref))
        notify_successors(w, j);
}

void evaluate_dirty(struct world *w)
{
    size_t end = w->n_evaluated + SLICE;
    while (w->n_evaluated < w->dirty.n && w->n_evaluated < end) {
        struct job *j = w->dirty.v[w->n_evaluated++];
        j->dirty = false;
        evaluate(w, j);
    }
    if (w->n_evaluated < w->dirty.n)
        return;
    vec_shrink(&w->dirty, SLICE);
    w->n_evaluated = 0;
}
