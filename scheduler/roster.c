#include "scheduler/roster.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"
#include <stdio.h>

#define EVERY_MS 5000

struct member {
    int64_t id;
    bool revoked;
    char key[41];
    char user_id[64];
    char name[64];
};

struct members {
    struct map by_id;
    struct smap by_key;
};

struct roster {
    struct db *db;
    uv_timer_t *timer;
    struct members now;
    int64_t mark;     /* of what was loaded last */
    unsigned version; /* how often that was */
    void (*ready)(void *arg);
    void *arg;
    bool loaded, loading, again;
    bf_time complained; /* strangers must not fill our log */
};

static void members_clear(struct members *m)
{
    size_t pos = 0;
    uint64_t id;
    void *member;
    while (map_next(&m->by_id, &pos, &id, &member))
        free(member);
    map_release(&m->by_id);
    smap_release(&m->by_key);
    *m = (struct members){0};
}

static void take_key(void *arg, const struct worker_key *k)
{
    struct members *m = arg;
    if (strlen(k->public_key) != 40 || strlen(k->name) >= 64)
        return;
    struct member *w = xcalloc(1, sizeof *w);
    w->id = k->id;
    w->revoked = k->revoked;
    snprintf(w->key, sizeof w->key, "%s", k->public_key);
    snprintf(w->name, sizeof w->name, "%s", k->name);
    snprintf(w->user_id, sizeof w->user_id, "%lld %s", (long long)k->id, k->public_key);
    map_put(&m->by_id, (uint64_t)w->id, w);
    smap_put(&m->by_key, w->key, w);
}

static void on_loaded(void *arg, const struct db_reply *reply)
{
    struct roster *r = arg;
    r->loading = false;
    if (reply->end == DB_DONE) {
        members_clear(&r->now);
        r->loaded = true;
        r->version++;
        r->mark = st_read_i64(reply->result[0]);
        st_each_key(reply->result[1], take_key, &r->now);
        r->ready(r->arg);
    } else if (reply->end == DB_REFUSED) {
        log_error("cannot load the workers' keys", "error", reply->message);
    }
    if (r->again && db_is_up(r->db))
        roster_refresh(r);
}

static void on_mark(void *arg, const struct db_reply *reply)
{
    struct roster *r = arg;
    bool same = reply->end == DB_DONE && st_read_i64(reply->result[0]) == r->mark;
    r->loading = false;
    if (r->again || !same)
        roster_refresh(r);
}

/* A request during a load may come from a change that the load did not see: load again. */
static void ask(struct roster *r, bool rows)
{
    r->again = r->loading;
    if (r->loading || !db_is_up(r->db))
        return;
    r->loading = true;
    struct db_tx *tx = db_tx_new(r->db, DB_SNAPSHOT);
    st_workers_mark(tx);
    if (rows)
        st_load_workers(tx);
    db_submit(tx, rows ? on_loaded : on_mark, r);
}

void roster_refresh(struct roster *r)
{
    ask(r, true);
}

/* Thousands of rows that say what they said five seconds ago are not read. */
static void on_timer(uv_timer_t *t)
{
    struct roster *r = t->data;
    ask(r, !r->loaded);
}

void roster_db_up(struct roster *r, bool up)
{
    if (up)
        roster_refresh(r);
}

const char *roster_zap(void *roster, const char *public_key, const char *address)
{
    struct roster *r = roster;
    const struct member *m = smap_get(&r->now.by_key, public_key);
    if (m && !m->revoked)
        return m->user_id;
    if (clock_mono() - r->complained < BF_SEC)
        return NULL;
    r->complained = clock_mono();
    log_warn("a key was refused", "key", public_key, "address", address, "why",
             m ? "revoked" : "not enrolled");
    return NULL;
}

int64_t roster_check(const struct roster *r, const char *user_id)
{
    char *end;
    if (!user_id)
        return 0;
    long long id = strtoll(user_id, &end, 10);
    const struct member *m = map_get(&r->now.by_id, (uint64_t)id);
    return m && !m->revoked && strcmp(m->user_id, user_id) == 0 ? m->id : 0;
}

unsigned roster_version(const struct roster *r)
{
    return r->version;
}

const char *roster_name(const struct roster *r, int64_t worker)
{
    const struct member *m = map_get(&r->now.by_id, (uint64_t)worker);
    return m ? m->name : "?";
}

struct roster *roster_new(uv_loop_t *loop, struct db *db, void (*ready)(void *arg), void *arg)
{
    struct roster *r = xcalloc(1, sizeof *r);
    r->db = db;
    r->ready = ready;
    r->arg = arg;
    r->timer = timer_new(loop, r);
    uv_timer_start(r->timer, on_timer, EVERY_MS, EVERY_MS);
    return r;
}

void roster_free(struct roster *r)
{
    if (!r)
        return;
    timer_free(r->timer);
    members_clear(&r->now);
    free(r);
}
