#include "scheduler/bases.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"

#define EVERY_MS 30000
#define RETRY_MS 2000
#define MAX_PARALLEL 16
#define MAX_ARCHS 16

/* One look at a registry, for all architectures of a reference that are wanted. */
struct lookup {
    struct bases *bases;
    char *reference; /* NULL: free */
    struct item {
        int64_t id, asked;
        char *arch;
    } item[MAX_ARCHS];
    size_t n;
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
    struct lookup *filling; /* gets the next architecture of its reference */
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
    for (size_t i = 0; i < l->n; i++)
        free(l->item[i].arch);
    free(l->reference);
    *l = (struct lookup){.bases = l->bases};
}

static void on_recorded(void *arg, const struct db_reply *r)
{
    struct bases *b;
    bool changed = false;
    if (take_ticket(arg, &b))
        return;
    if (r->end == DB_REFUSED)
        log_error("cannot record a base", "error", r->message);
    for (size_t i = 1; r->end == DB_DONE && i < r->n; i++)
        changed |= st_read_bool(r->result[i]);
    if (changed)
        b->cfg.on_changed(b->cfg.arg);
    if (b->more)
        ask(b);
}

static void record_one(struct db_tx *tx, const struct lookup *l, const struct item *it,
                       const char *manifest, size_t n, const char *error)
{
    struct sha256 digest;
    struct err e = ERR_INIT;
    char text[DIGEST_TEXT];
    if (!error && manifest_digest(manifest, n, it->arch, &digest, &e))
        error = e.msg;
    if (!error)
        digest_format(&digest, text);
    else
        log_warn("a base was not resolved", "base", l->reference, "arch", it->arch, "error", error);
    st_base_resolved(tx, it->id, error ? NULL : text, error, it->asked);
}

/* In one transaction: whoever sees one architecture's new digest sees the others'. */
static void record(struct lookup *l, const char *manifest, size_t n, const char *error)
{
    struct bases *b = l->bases;
    struct db_tx *tx = st_write(b->db, b->term);
    for (size_t i = 0; i < l->n; i++)
        record_one(tx, l, &l->item[i], manifest, n, error);
    db_submit(tx, on_recorded, ticket(b));
    lookup_end(l);
}

static void on_manifest(void *arg, bool ok, const char *out, size_t n, const char *error)
{
    struct lookup *l = arg;
    l->call = NULL;
    record(l, out, n, ok ? NULL : error);
}

static void lookup_start(struct lookup *l)
{
    struct err e = ERR_INIT;
    if (!l ||
        registry_manifest(l->bases->registry, l->reference, on_manifest, l, &l->call, &e) == 0)
        return;
    l->call = NULL;
    record(l, NULL, 0, e.msg);
}

/* NULL: it is under way, or there is no place; then it is asked for again. */
static struct lookup *lookup_for(struct bases *b, const char *reference)
{
    struct lookup *found = NULL;
    for (unsigned i = 0; i < b->cfg.parallel; i++) {
        struct lookup *l = &b->lookup[i];
        if (l->reference && strcmp(l->reference, reference) == 0) {
            b->more = true;
            return NULL;
        }
        if (!l->reference && !found)
            found = l;
    }
    b->more |= found == NULL;
    if (found)
        found->reference = xstrdup(reference);
    return found;
}

/* Rows of one reference follow each other. */
static void on_due(void *arg, const struct due_base *d)
{
    struct bases *b = arg;
    struct lookup *l = b->filling;
    if (!l || strcmp(l->reference, d->reference) != 0) {
        lookup_start(l);
        l = b->filling = lookup_for(b, d->reference);
    }
    if (!l || l->n == MAX_ARCHS)
        return;
    l->item[l->n++] = (struct item){.id = d->id, .asked = d->asked, .arch = xstrdup(d->arch)};
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
    if (r->end == DB_DONE) {
        st_each_due_base(r->result[0], on_due, b);
        lookup_start(b->filling);
        b->filling = NULL;
    } else if (r->end == DB_REFUSED) {
        log_error("cannot ask which bases are due", "error", r->message);
    }
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
    b->timer = timer_new(loop, b);
    return b;
}

void bases_free(struct bases *b)
{
    if (!b)
        return;
    bases_stop(b);
    timer_free(b->timer);
    free(b);
}
