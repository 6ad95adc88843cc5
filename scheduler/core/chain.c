/* How long things take, and how much follows from them.
 *
 * Each success of a build or test moves the mean of its image, its repository and the farm a
 * quarter of the way; what has never run is expected to take what others of its repository took.
 *
 *     length(image) = build + test + the greatest length of its children
 *
 * A length is passed on to the parents when it has changed by more than an eighth, through a stack
 * of which a step takes a bounded part: rows of a plan come parents first, so the last one that
 * came is the end of a chain, and each image is looked at about once. A child that grew raises its
 * parents; only where the longest child shrank, all children are looked at again. */
#include "scheduler/core/world.h"

#define SLICE 2048
#define LENGTH_MAX (24u * 3600 * 1000)
#define SLACK 1000u /* ms */

/* Before anything has run. */
static const struct took guess = {.build = 300 * 1000, .test = 120 * 1000};
#define TAG_MS 10000u

static uint32_t first_of(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    return a ? a : b ? b : c ? c : d;
}

static struct took expected(const struct world *w, const struct image *im)
{
    static const struct took none;
    const struct repo *repo = im->group ? im->group->repo : NULL;
    const struct took *r = repo ? &repo->took : &none;
    return (struct took){
        .build = first_of(im->took.build, r->build, w->took.build, guess.build),
        .test = first_of(im->took.test, r->test, w->took.test, guess.test),
    };
}

static uint32_t capped(uint64_t ms)
{
    return ms < LENGTH_MAX ? (uint32_t)ms : LENGTH_MAX;
}

static uint32_t own(const struct world *w, const struct image *im)
{
    struct took t = expected(w, im);
    return capped((uint64_t)t.build + t.test);
}

bf_time job_expected(const struct world *w, const struct job *j)
{
    if (!job_has_arch(j))
        return TAG_MS * BF_MSEC;
    struct took t = expected(w, j->image);
    return (j->kind == JOB_BUILD ? t.build : t.test) * BF_MSEC;
}

bf_time job_remaining(const struct world *w, const struct job *j)
{
    if (!job_has_arch(j))
        return TAG_MS * BF_MSEC;
    struct took t = expected(w, j->image);
    if (j->kind == JOB_BUILD)
        return j->image->length * BF_MSEC;
    uint32_t rest = j->image->length > t.build ? j->image->length - t.build : 0;
    return (rest > t.test ? rest : t.test) * BF_MSEC;
}

/* ---- lengths ---------------------------------------------------------------------------------
 */

static void push(struct world *w, struct image *im)
{
    if (!im->pending)
        *vec_push(&w->chains) = im;
    im->pending = true;
}

static uint32_t slack(uint32_t length)
{
    return length / 8 + SLACK;
}

/* It is built from `im`, which therefore is at least so long. */
static void raise(struct world *w, struct image *im, uint32_t of_child)
{
    uint32_t length = capped((uint64_t)own(w, im) + of_child);
    if (length <= im->length || (im->length && length - im->length <= slack(im->length)))
        return;
    im->length = length;
    push(w, im);
}

static uint32_t longest_child(const struct image *im)
{
    uint32_t longest = 0;
    links_for_each (i, &im->children) {
        const struct image *child = links_at(&im->children, i);
        longest = child->length > longest ? child->length : longest;
    }
    return longest;
}

/* Where a child of length `was` may have been the longest. */
static void doubt_parents(struct world *w, const struct image *im, uint32_t was)
{
    links_for_each (i, &im->parents) {
        struct image *p = links_at(&im->parents, i);
        if ((uint64_t)was + own(w, p) + slack(p->length) < p->length)
            continue;
        p->rescan = true;
        push(w, p);
    }
}

static void rescan(struct world *w, struct image *im)
{
    uint32_t was = im->length, now = capped((uint64_t)own(w, im) + longest_child(im));
    im->rescan = false;
    if (now < was && was - now <= slack(was))
        return;
    im->length = now;
    if (now < was)
        doubt_parents(w, im, was);
}

static void settle_one(struct world *w, struct image *im)
{
    im->pending = false;
    if (im->rescan)
        rescan(w, im);
    links_for_each (i, &im->parents)
        raise(w, links_at(&im->parents, i), im->length);
    queue_move(w, slot_newest(&im->build));
    queue_move(w, slot_newest(&im->test));
}

void chains_settle(struct world *w)
{
    for (size_t i = 0; i < SLICE && w->chains.n; i++)
        settle_one(w, vec_pop(&w->chains));
}

/* ---- what changes them -----------------------------------------------------------------------
 */

static void renew(struct world *w, struct image *im)
{
    im->rescan = true;
    push(w, im);
}

struct repo *world_repo(struct world *w, int64_t id)
{
    struct repo *r = idmap_get(&w->repos, id);
    if (!r) {
        r = xcalloc(1, sizeof *r);
        r->id = id;
        r->weight = 1;
        idmap_put(&w->repos, r);
    }
    return r;
}

void chain_edges(struct world *w, struct image *im)
{
    doubt_parents(w, im, im->length);
}

static void mean(uint32_t *m, uint32_t x)
{
    int64_t step = ((int64_t)x - *m) / 4;
    *m = *m ? (uint32_t)(*m + step) : x;
}

void chain_row(struct world *w, struct image *im, const struct took *row)
{
    /* Later the world knows better. */
    if (im->took.build == 0 && im->took.test == 0) {
        im->took = *row;
        if (row->build)
            mean(&im->group->repo->took.build, row->build);
        if (row->test)
            mean(&im->group->repo->took.test, row->test);
    }
    if (im->length == 0 || row->build || row->test)
        renew(w, im);
}

static void learn(struct took *t, enum job_kind kind, uint32_t ms)
{
    mean(kind == JOB_BUILD ? &t->build : &t->test, ms ? ms : 1);
}

void chain_learn(struct world *w, const struct job *j, bf_time took)
{
    if (took <= 0 || !job_has_arch(j))
        return;
    enum job_kind kind = (enum job_kind)j->kind;
    uint32_t ms = capped((uint64_t)(took / BF_MSEC));
    learn(&j->image->took, kind, ms);
    learn(&w->took, kind, ms);
    if (j->image->group->repo)
        learn(&j->image->group->repo->took, kind, ms);
    renew(w, j->image);
}

/* ---- where it lies ---------------------------------------------------------------------------
 */

void image_seen_at(struct image *im, const struct worker *k)
{
    uint16_t nr = short_nr(k->nr);
    if (!nr || im->has[0] == nr)
        return;
    im->has[1] = im->has[0];
    im->has[0] = nr;
}
