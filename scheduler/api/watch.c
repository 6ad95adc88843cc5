#include "scheduler/api/watch.h"
#include "common/base/clock.h"
#include "common/base/mem.h"

#define TICK_MS 100

struct watch {
    struct list watchers;
    uv_timer_t tick; /* while somebody watches */
    int64_t changes;
};

/* Wakes those that `due` picks. A woken one may remove itself or others, and add new ones: each is
 * first moved to a list of its own. */
static void wake(struct watch *x, bool (*due)(const struct watcher *w, const void *arg),
                 const void *arg)
{
    struct list picked;

    list_init(&picked);
    list_for_each (it, &x->watchers) {
        struct watcher *w = container_of(it, struct watcher, link);

        if (due(w, arg)) {
            list_del(&w->link);
            list_add_tail(&picked, &w->link);
        }
    }
    while (!list_is_empty(&picked)) {
        struct watcher *w = container_of(picked.next, struct watcher, link);

        list_del(&w->link);
        list_add_tail(&x->watchers, &w->link);
        w->next = clock_mono() + w->poll;
        w->wake(w);
    }
}

static bool poll_due(const struct watcher *w, const void *arg)
{
    return w->next <= *(const bf_time *)arg;
}

static void on_tick(uv_timer_t *t)
{
    struct watch *x = t->data;
    bf_time now = clock_mono();

    wake(x, poll_due, &now);
    if (list_is_empty(&x->watchers))
        uv_timer_stop(t);
}

struct watch *watch_new(uv_loop_t *loop)
{
    struct watch *x = xcalloc(1, sizeof *x);

    list_init(&x->watchers);
    x->changes = clock_real();
    uv_timer_init(loop, &x->tick);
    x->tick.data = x;
    return x;
}

struct notice {
    const char *channel, *payload; /* NULL: any */
};

static bool notice_due(const struct watcher *w, const void *arg)
{
    const struct notice *n = arg;

    if (!n->channel)
        return true;
    return strcmp(w->channel, n->channel) == 0 && (!w->key[0] || strcmp(w->key, n->payload) == 0);
}

void watch_notify(void *watch, const char *channel, const char *payload)
{
    struct watch *x = watch;
    const struct notice n = {channel, payload};

    if (!channel || strcmp(channel, CHANNEL_CHANGE) == 0)
        x->changes++;
    wake(x, notice_due, &n);
}

void watch_add(struct watch *x, struct watcher *w)
{
    w->next = clock_mono() + w->poll;
    list_add_tail(&x->watchers, &w->link);
    if (!uv_is_active((uv_handle_t *)&x->tick))
        uv_timer_start(&x->tick, on_tick, TICK_MS, TICK_MS);
}

void watch_del(struct watcher *w)
{
    list_del(&w->link);
}

int64_t watch_changes(const struct watch *x)
{
    return x->changes;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

void watch_close(struct watch *x)
{
    watch_notify(x, NULL, NULL);
    uv_close((uv_handle_t *)&x->tick, on_closed);
}
