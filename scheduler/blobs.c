#include "scheduler/blobs.h"

#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"

#define MAX_TRIES 5
#define BACKOFF_MS 500

struct upload {
    struct list node; /* waiting, or running */
    struct blobs_batch *batch;
    char *dir, *repository, *tag;
    int tries;
    struct registry_call *call; /* NULL: waits */
    uv_timer_t *timer;          /* backs off; else NULL */
};

struct blobs_batch {
    struct blobs *blobs;
    struct upload *upload;
    size_t n, left;
    blobs_cb *cb;
    void *arg;
};

struct blobs {
    uv_loop_t *loop;
    struct registry *registry;
    unsigned parallel, running;
    struct list waiting;
};

static void start_more(struct blobs *b);

static void upload_stop(struct upload *u)
{
    struct blobs *b = u->batch->blobs;
    list_del(&u->node);
    if (u->call) {
        registry_cancel(u->call);
        b->running--;
    }
    u->call = NULL;
    if (u->timer)
        timer_free(u->timer);
    u->timer = NULL;
}

static void batch_free(struct blobs_batch *batch)
{
    for (size_t i = 0; i < batch->n; i++) {
        struct upload *u = &batch->upload[i];
        upload_stop(u);
        free(u->dir);
        free(u->repository);
        free(u->tag);
    }
    free(batch->upload);
    free(batch);
}

static void batch_end(struct blobs_batch *batch, const char *error)
{
    struct blobs *b = batch->blobs;
    blobs_cb *cb = batch->cb;
    void *arg = batch->arg;
    char *copy = error ? xstrdup(error) : NULL;
    batch_free(batch);
    cb(arg, copy);
    free(copy);
    start_more(b);
}

void blobs_cancel(struct blobs_batch *batch)
{
    struct blobs *b = batch->blobs;
    batch_free(batch);
    start_more(b);
}

static void on_backoff(uv_timer_t *t)
{
    struct upload *u = t->data;
    struct blobs *b = u->batch->blobs;
    timer_free(u->timer);
    u->timer = NULL;
    list_add_tail(&b->waiting, &u->node);
    start_more(b);
}

static void back_off(struct upload *u)
{
    struct blobs *b = u->batch->blobs;
    u->timer = timer_new(b->loop, u);
    uv_timer_start(u->timer, on_backoff, (uint64_t)BACKOFF_MS << (2 * (u->tries - 1)), 0);
}

static void failed(struct upload *u, const char *error)
{
    log_warn("an upload failed", "repository", u->repository, "tag", u->tag, "error", error);
    if (++u->tries < MAX_TRIES) {
        back_off(u);
        return;
    }
    char *text = xasprintf("staging registry %s: %s", u->repository, error);
    batch_end(u->batch, text);
    free(text);
}

static void on_done(void *arg, bool ok, const char *out, size_t n, const char *error)
{
    struct upload *u = arg;
    struct blobs *b = u->batch->blobs;
    (void)out;
    (void)n;
    u->call = NULL;
    b->running--;
    if (!ok)
        failed(u, error);
    else if (--u->batch->left == 0)
        batch_end(u->batch, NULL);
    start_more(b);
}

static void start_more(struct blobs *b)
{
    while (b->running < b->parallel && !list_is_empty(&b->waiting)) {
        struct upload *u = container_of(b->waiting.next, struct upload, node);
        struct err e = ERR_INIT;
        list_del(&u->node);
        if (registry_push(b->registry, u->dir, u->repository, u->tag, on_done, u, &u->call, &e)) {
            u->call = NULL;
            failed(u, e.msg); /* a first failure backs off: blobs_put never calls back */
            return;
        }
        b->running++;
    }
}

struct blobs_batch *blobs_put(struct blobs *b, const struct blob *blob, size_t n, blobs_cb *cb,
                              void *arg)
{
    struct blobs_batch *batch = xcalloc(1, sizeof *batch);
    batch->blobs = b;
    batch->upload = xcalloc(n, sizeof *batch->upload);
    batch->n = batch->left = n;
    batch->cb = cb;
    batch->arg = arg;
    for (size_t i = 0; i < n; i++) {
        struct upload *u = &batch->upload[i];
        u->batch = batch;
        u->dir = xstrdup(blob[i].dir);
        u->repository = xstrdup(blob[i].repository);
        u->tag = xstrdup(blob[i].tag);
        list_init(&u->node);
        list_add_tail(&b->waiting, &u->node);
    }
    start_more(b);
    return batch;
}

struct blobs *blobs_new(uv_loop_t *loop, struct registry *registry, unsigned parallel)
{
    struct blobs *b = xcalloc(1, sizeof *b);
    b->loop = loop;
    b->registry = registry;
    b->parallel = parallel;
    list_init(&b->waiting);
    return b;
}

void blobs_free(struct blobs *b)
{
    free(b);
}
