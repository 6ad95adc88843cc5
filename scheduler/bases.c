#include "scheduler/bases.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "scheduler/store_pg.h"

#define EVERY_MS 30000
#define RETRY_MS 2000
#define MAX_PARALLEL 16

struct lookup {
    struct bases *bases;
    int64_t id; /* 0: free */
    char *reference, *arch;
    struct registry_call *call;
};

struct bases {
    struct db *db;
    struct registry *registry;
    struct bases_config cfg;
    int64_t term;
    uint64_t epoch;
    uv_timer_t *timer;
    bool asking, again, more;
    struct lookup lookup[MAX_PARALLEL];
};

struct ask {
    struct bases *bases;
    uint64_t epoch;
};

static void ask(struct bases *b);

static struct ask *ticket(struct bases *b)
{
    struct ask *a = xmalloc(sizeof *a);
    *a = (struct ask){.bases = b, .epoch = b->epoch};
    return a;
}

/* True: the callback comes too late. */
static bool take_ticket(struct ask *a, struct bases **b)
{
    *b = a->bases;
    bool late = a->epoch != a->bases->epoch;
    free(a);
    return late;
}

static void on_timer(uv_timer_t *t)
{
    ask(t->data);
}

/* ---- one lookup -------------------------------------------------------------------------------
 */

static void lookup_end(struct lookup *l)
{
    free(l->reference);
    free(l->arch);
    *l = (struct lookup){.bases = l->bases};
}

static void on_recorded(void *arg, const struct db_reply *r)
{
    struct bases *b;
    if (take_ticket(arg, &b))
        return;
    if (r->end == DB_REFUSED)
        log_error("cannot record a base", "error", r->message);
    else if (r->end == DB_DONE && st_read_bool(r->result[1]))
        b->cfg.on_changed(b->cfg.arg);
}

static void record(struct bases *b, const struct lookup *l, const struct sha256 *digest,
                   const char *error)
{
    char text[DIGEST_TEXT];
    if (digest)
        digest_format(digest, text);
    else
        log_warn("a base was not resolved", "base", l->reference, "arch", l->arch, "error", error);
    struct db_tx *tx = st_write(b->db, b->term);
    st_base_resolved(tx, l->id, digest ? text : NULL, error);
    db_submit(tx, on_recorded, ticket(b));
}

static void on_manifest(void *arg, bool ok, const char *out, size_t n, const char *error)
{
    struct lookup *l = arg;
    struct bases *b = l->bases;
    struct sha256 digest;
    struct err e = ERR_INIT;
    l->call = NULL;
    if (!ok)
        record(b, l, NULL, error);
    else if (manifest_digest(out, n, l->arch, &digest, &e))
        record(b, l, NULL, e.msg);
    else
        record(b, l, &digest, NULL);
    lookup_end(l);
    if (b->more)
        ask(b);
}

static struct lookup *free_lookup(struct bases *b, int64_t id)
{
    struct lookup *found = NULL;
    for (unsigned i = 0; i < b->cfg.parallel; i++) {
        if (b->lookup[i].id == id)
            return NULL; /* under way */
        if (b->lookup[i].id == 0 && !found)
            found = &b->lookup[i];
    }
    b->more |= found == NULL;
    return found;
}

static void on_due(void *arg, const struct due_base *d)
{
    struct bases *b = arg;
    struct err e = ERR_INIT;
    struct lookup *l = free_lookup(b, d->id);
    if (!l)
        return;
    l->id = d->id;
    l->reference = xstrdup(d->reference);
    l->arch = xstrdup(d->arch);
    if (registry_manifest(b->registry, l->reference, on_manifest, l, &l->call, &e)) {
        l->call = NULL;
        record(b, l, NULL, e.msg);
        lookup_end(l);
    }
}

/* ---- which are due ----------------------------------------------------------------------------
 */

static void on_asked(void *arg, const struct db_reply *r)
{
    struct bases *b;
    if (take_ticket(arg, &b))
        return;
    b->asking = false;
    b->more = false;
    if (r->end == DB_DONE)
        st_each_due_base(r->result[0], on_due, b);
    else if (r->end == DB_REFUSED)
        log_error("cannot ask which bases are due", "error", r->message);
    if (b->again)
        ask(b);
    else
        uv_timer_start(b->timer, on_timer, r->end == DB_DONE ? EVERY_MS : RETRY_MS, 0);
}

static void ask(struct bases *b)
{
    if (!b->term)
        return;
    b->again = b->asking;
    if (b->asking)
        return;
    b->asking = true;
    struct db_tx *tx = db_tx_new(b->db, DB_SNAPSHOT);
    st_bases_due(tx, b->cfg.max_age);
    db_submit(tx, on_asked, ticket(b));
}

void bases_kick(struct bases *b)
{
    ask(b);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void bases_start(struct bases *b, int64_t term)
{
    bases_stop(b);
    b->term = term;
    ask(b);
}

void bases_stop(struct bases *b)
{
    b->epoch++;
    b->term = 0;
    b->asking = b->again = b->more = false;
    uv_timer_stop(b->timer);
    for (unsigned i = 0; i < MAX_PARALLEL; i++) {
        if (b->lookup[i].call)
            registry_cancel(b->lookup[i].call);
        lookup_end(&b->lookup[i]);
    }
}

struct bases *bases_new(uv_loop_t *loop, struct db *db, struct registry *registry,
                        const struct bases_config *config)
{
    struct bases *b = xcalloc(1, sizeof *b);
    b->db = db;
    b->registry = registry;
    b->cfg = *config;
    if (b->cfg.parallel > MAX_PARALLEL)
        b->cfg.parallel = MAX_PARALLEL;
    for (unsigned i = 0; i < MAX_PARALLEL; i++)
        b->lookup[i].bases = b;
    b->timer = xcalloc(1, sizeof *b->timer);
    uv_timer_init(loop, b->timer);
    b->timer->data = b;
    return b;
}

void bases_free(struct bases *b)
{
    if (!b)
        return;
    bases_stop(b);
    uv_close((uv_handle_t *)b->timer, (uv_close_cb)free);
    free(b);
}
