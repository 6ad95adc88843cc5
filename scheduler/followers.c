#include "scheduler/followers.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "scheduler/store_pg.h"

#define BELIEVED (30 * BF_SEC)

struct followed {
    struct id128 attempt;
    bf_time until;
    bool has_more; /* and they were not told */
};

struct followers {
    struct db *db;
    bool busy;
    size_t n;
    struct followed followed[FOLLOWED_MAX];
};

static struct followed *find(struct followers *f, struct id128 attempt)
{
    for (size_t i = 0; i < f->n; i++)
        if (id128_eq(f->followed[i].attempt, attempt))
            return &f->followed[i];
    return NULL;
}

/* A place for one more, that of somebody who was not named for a while; NULL: there is none. */
static struct followed *new_place(struct followers *f, bf_time now)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->followed[i].until <= now)
            return &f->followed[i];
    return f->n < FOLLOWED_MAX ? &f->followed[f->n++] : NULL;
}

void followers_add(struct followers *f, const char *attempt)
{
    bf_time now = clock_mono();
    struct id128 id;
    if (id128_parse(attempt, &id))
        return;
    struct followed *x = find(f, id);
    if (!x && (x = new_place(f, now)))
        *x = (struct followed){.attempt = id};
    if (x)
        x->until = now + BELIEVED;
}

bool followers_has(struct followers *f, struct id128 attempt)
{
    const struct followed *x = find(f, attempt);
    return x && x->until > clock_mono();
}

static void tell_now(struct followers *f);

static void on_told(void *arg, const struct db_reply *r)
{
    struct followers *f = arg;
    f->busy = false;
    if (r->end == DB_DONE)
        tell_now(f);
}

static void tell_now(struct followers *f)
{
    struct id128 attempt[FOLLOWED_MAX];
    size_t n = 0;
    for (size_t i = 0; i < f->n && !f->busy; i++) {
        if (f->followed[i].has_more)
            attempt[n++] = f->followed[i].attempt;
        f->followed[i].has_more = false;
    }
    if (n == 0)
        return;
    struct db_tx *tx = db_tx_new(f->db, DB_WRITE);
    st_log_tell(tx, attempt, n);
    f->busy = true;
    db_submit(tx, on_told, f);
}

void followers_tell(struct followers *f, struct id128 attempt)
{
    struct followed *x = find(f, attempt);
    if (!x || x->until <= clock_mono())
        return;
    x->has_more = true;
    tell_now(f);
}

struct followers *followers_new(struct db *db)
{
    struct followers *f = xcalloc(1, sizeof *f);
    f->db = db;
    return f;
}

void followers_free(struct followers *f)
{
    free(f);
}
