/* watch.h - waits for notifications of PostgreSQL, with a poll behind them.
 *
 * A watcher is called when one comes on its channel (and, where it has a key, with this payload),
 * when some may have been missed, and at the latest every `poll`. */
#ifndef BF_API_WATCH_H
#define BF_API_WATCH_H

#include "common/base/list.h"
#include <uv.h>

#define CHANNEL_LOG "farm_log"       /* payload: attempt */
#define CHANNEL_CHANGE "farm_change" /* payload: kind of view */

struct watch;

struct watcher {
    struct list link;
    const char *channel;
    char key[64]; /* "": any payload */
    void (*wake)(struct watcher *w);
    bf_time poll, next; /* next: monotonic */
};

struct watch *watch_new(uv_loop_t *loop);
/* For pool_config.on_notify. */
void watch_notify(void *watch, const char *channel, const char *payload);
/* The owner keeps the memory; set channel, key, wake and poll first. */
void watch_add(struct watch *x, struct watcher *w);
void watch_del(struct watcher *w); /* accepts one that was not added, but list_init()ed */
/* Number of notifications on CHANNEL_CHANGE so far, from an arbitrary start. */
int64_t watch_changes(const struct watch *x);
/* Wakes everybody once more and goes, with the last close callback of the loop. */
void watch_close(struct watch *x);

#endif
