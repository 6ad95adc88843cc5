/* What a job waits for, and, when that is there, what it is made from.
 *
 * Each waiting job is looked at again whenever something that it named as its hurdle may have
 * changed, never more often; a change is passed on through a queue, so that a chain of 2,000
 * images needs no stack. */
#include "scheduler/core/world.h"

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

/* Revisions are counted for each ref; between two refs their numbers say nothing. Names are
 * repo:name@ref. */
static bool same_ref(const struct image *a, const struct image *b)
{
    if (!a->name || !b->name)
        return false; /* not known yet */
    size_t slug = strcspn(a->name, ":");
    const char *of_a = strchr(a->name, '@'), *of_b = strchr(b->name, '@');
    return strncmp(a->name, b->name, slug + 1) == 0 && of_a && of_b && strcmp(of_a, of_b) == 0;
}

static bool same_revision(const struct job *a, const struct job *b)
{
    return a->revision == b->revision && same_ref(a->image, b->image);
}

static struct hurdle look_at_parent(const struct job *child, const struct image *parent)
{
    const struct job *t = parent->test.newest;
    bool passing = !sha256_is_none(&parent->passing);
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
    vec_for_each (i, &j->image->parents) {
        struct hurdle h = look_at_parent(j, j->image->parents.v[i]);
        if (h.reason == WAIT_BLOCKED)
            return h;
        if (first.reason == WAIT_NONE)
            first = h;
    }
    if (first.reason != WAIT_NONE)
        return first;
    vec_for_each (i, &j->image->bases) {
        const struct base *b = j->image->bases.v[i];
        if (sha256_is_none(&b->digest))
            return (struct hurdle){.reason = WAIT_BASE, .ref = -b->id, .base = b};
    }
    return clear;
}

static struct hurdle test_hurdle(const struct job *j)
{
    const struct image *im = j->image;
    if (im->build.newest)
        return look_at(im->build.newest);
    return sha256_is_none(&im->passing) ? never_passed(im) : clear;
}

static struct hurdle publish_hurdle(const struct job *j)
{
    struct hurdle first = clear;
    for (size_t i = 0; i < j->archs->n; i++) {
        const struct image *im = j->archs->v[i];
        struct hurdle h = im->test.newest                ? look_at(im->test.newest)
                          : sha256_is_none(&im->passing) ? never_passed(im)
                                                         : clear;
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
    if (j->slot->older_live == 0 && j->slot->hold <= w->now)
        return clear;
    return (struct hurdle){.reason = WAIT_PARENT, .ref = -j->group->id};
}

static struct hurdle hurdle_of(const struct world *w, const struct job *j)
{
    struct hurdle h = clear;
    switch ((enum job_kind)j->kind) {
    case JOB_BUILD:
        return j->image->known ? build_hurdle(j) : never_passed(j->image);
    case JOB_TEST:
        return test_hurdle(j);
    case JOB_PUBLISH:
        h = publish_hurdle(j);
        return h.reason == WAIT_NONE ? older_hurdle(w, j) : h;
    case JOB_MIRROR:
        if (!j->group->publish.newest)
            return (struct hurdle){.reason = WAIT_PARENT, .ref = -j->group->id};
        h = look_at(j->group->publish.newest);
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
        return xasprintf("%s:%s has not passed yet", h->image->name ? h->image->name : "an image",
                         h->image->arch ? h->image->arch : "?");
    const struct job *of = h->ref > 0 ? world_job(w, h->ref) : NULL;
    if (of)
        return describe_job(w, of, h->reason == WAIT_BLOCKED);
    if (h->ref > 0)
        return xasprintf("job %lld", (long long)h->ref);
    if (j->slot->older_live == 0 && j->slot->hold <= w->now)
        return xstrdup("nothing of the image was released yet");
    return xasprintf("an earlier %s of the image", job_kind_name((enum job_kind)j->kind));
}

/* ---- from waiting to ready ------------------------------------------------------------------- */

/* Where the digest lies is not in the rows of jobs; after a take-over it is known of what passed.
 */
static const char *repository_of(const struct image *im, const struct sha256 *digest,
                                 const char *repository)
{
    if (repository)
        return repository;
    return sha256_eq(digest, &im->passing) ? im->passing_repository : NULL;
}

static struct pin image_pin(const struct image *im, const struct sha256 *digest,
                            const char *repository)
{
    return (struct pin){
        .id = im->id, .digest = *digest, .repository = repository_of(im, digest, repository)};
}

/* What the newest test has passed; where there is none, what passed last. */
static struct pin tested_pin(const struct image *im)
{
    const struct slot *t = &im->test;
    if (t->newest && job_is_through(t->newest->state) && !sha256_is_none(&t->digest))
        return image_pin(im, &t->digest, t->repository);
    return image_pin(im, &im->passing, im->passing_repository);
}

static void ready_build(struct world *w, struct job *j, struct op *op)
{
    size_t n = 0;
    struct pin *pins = xcalloc(j->image->parents.n + j->image->bases.n + 1, sizeof *pins);
    vec_for_each (i, &j->image->parents) {
        const struct image *p = j->image->parents.v[i];
        pins[n++] = image_pin(p, &p->passing, p->passing_repository);
    }
    vec_for_each (i, &j->image->bases)
        pins[n++] = (struct pin){
            .base = true, .id = j->image->bases.v[i]->id, .digest = j->image->bases.v[i]->digest};
    key_build(w, j, pins, n, &op->key);
    op_set_pins(op, pins, n);
    free(pins);
}

static void ready_test(struct world *w, struct job *j, struct op *op)
{
    const struct image *im = j->image;
    struct pin pin = im->build.newest ? image_pin(im, &im->build.digest, im->build.repository)
                                      : image_pin(im, &im->passing, im->passing_repository);
    slot_set(j->slot, &pin.digest, pin.repository);
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
            key_mirror(w, &j->group->publish.digest, &op->key);
            break;
        }
    }
    j->not_before = 0;
    j->order = order_of(w->now, j->priority);
    job_enter(w, j, JOB_READY, WAIT_NONE);
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
    if (!j->told || j->reason != h.reason || j->wait_ref != h.ref)
        emit_wait(w, j, h.reason, h.ref, describe(w, j, &h));
    if (j->slot->hold > w->now)
        job_until(w, j, j->slot->hold);
    if (was_blocked != is_blocked(j) || (was_blocked && was_ref != j->wait_ref))
        notify_successors(w, j);
}

void evaluate_dirty(struct world *w)
{
    for (size_t i = 0; i < w->dirty.n; i++) {
        struct job *j = w->dirty.v[i];
        j->dirty = false;
        evaluate(w, j);
    }
    vec_clear(&w->dirty);
}
