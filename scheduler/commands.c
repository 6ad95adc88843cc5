#include "scheduler/commands.h"

#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
#include "common/loop/timer.h"
#include "scheduler/store_pg.h"
#include <jansson.h>
#include <stdio.h>

#define EVERY_MS 5000
#define RETRY_MS 1000

struct command {
    struct commands *owner;
    uint64_t epoch;
    int64_t id;
    char *verb;
};

struct commands {
    struct db *db;
    struct farm *farm;
    struct commands_config cfg;
    int64_t term;
    uint64_t epoch;
    uv_timer_t *timer;
    bool looking;
    bool taking, again; /* the farm's turn is asked for; once more after it */
    struct map open;    /* id → struct command: is applied here */
};

struct look {
    struct commands *owner;
    uint64_t epoch;
    bool by_hand;
};

static void on_timer(uv_timer_t *t);

/* ---- commands of the brain --------------------------------------------------------------------
 */

static const struct brain_verb {
    const char *verb, *object; /* member of args that names it */
    enum input_type input;
} brain_verbs[] = {
    {"job_cancel", "job_id", IN_CANCEL_JOB},
    {"job_retry", "job_id", IN_RETRY_JOB},
    {"worker_drain", "worker_id", IN_DRAIN},
    {"worker_resume", "worker_id", IN_RESUME},
};

static const struct brain_verb *brain_verb(const char *verb)
{
    for (size_t i = 0; i < ARRAY_SIZE(brain_verbs); i++) {
        if (strcmp(brain_verbs[i].verb, verb) == 0)
            return &brain_verbs[i];
    }
    return NULL;
}

static bool give_to_brain(struct commands *c, const struct command_row *row)
{
    const struct brain_verb *v = brain_verb(row->verb);
    if (!v)
        return false;
    json_t *args = json_loads(row->args, 0, NULL);
    int64_t object = json_integer_value(json_object_get(args, v->object));
    json_decref(args);
    char *who = xasprintf("operator:%s", row->who);
    farm_command(c->farm, v->input, row->id, object, who);
    free(who);
    return true;
}

/* ---- the others -------------------------------------------------------------------------------
 */

static struct command *command_new(struct commands *c, int64_t id, const char *verb)
{
    struct command *x = xcalloc(1, sizeof *x);
    x->owner = c;
    x->epoch = c->epoch;
    x->id = id;
    x->verb = xstrdup(verb);
    map_put(&c->open, (uint64_t)id, x);
    return x;
}

/* It may be taken up again, where it is still there. */
static void command_end(struct command *x)
{
    if (x->epoch == x->owner->epoch)
        map_del(&x->owner->open, (uint64_t)x->id);
    free(x->verb);
    free(x);
}

static void on_refused(void *arg, const struct db_reply *r)
{
    struct command *x = arg;
    if (r->end == DB_REFUSED)
        log_error("cannot refuse a command", "verb", x->verb, "error", r->message);
    if (r->end == DB_DONE)
        x->owner->cfg.on_change(x->owner->cfg.arg);
    command_end(x);
}

static void refuse(struct commands *c, struct command *x, const char *message)
{
    struct db_tx *tx = st_write(c->db, c->term);
    st_command_refuse(tx, x->id, message);
    db_submit(tx, on_refused, x);
}

static void on_applied(void *arg, const struct db_reply *r)
{
    struct command *x = arg;
    struct commands *c = x->owner;
    bool late = x->epoch != c->epoch;
    if (!late && r->end == DB_REFUSED && db_is_content_error(r->sqlstate)) {
        /* SQL answers wrong arguments by itself; this is an error of ours, and must not come again
         * for ever. */
        log_error("a command failed", "verb", x->verb, "error", r->message);
        refuse(c, x, r->message);
        return;
    }
    if (!late && r->end == DB_DONE) {
        const char *state, *message;
        pg_ids jobs = {0}, images = {0};
        st_read_applied(r->result[1], &state, &message, &jobs, &images);
        log_info("command", "verb", x->verb, "state", state, "message", message);
        if (strcmp(state, "done") == 0)
            c->cfg.on_applied(c->cfg.arg, x->verb, &jobs, &images);
        c->cfg.on_change(c->cfg.arg);
        vec_release(&jobs);
        vec_release(&images);
    }
    command_end(x);
}

static void apply(struct commands *c, const struct command_row *row)
{
    struct err e = ERR_INIT;
    if (strcmp(row->verb, "debug_record") == 0 && c->cfg.on_record(c->cfg.arg, row->args, &e)) {
        refuse(c, command_new(c, row->id, row->verb), e.msg);
        return;
    }
    struct db_tx *tx = st_write(c->db, c->term);
    struct command *x = command_new(c, row->id, row->verb);
    st_command_apply(tx, row->id);
    db_submit(tx, on_applied, x);
}

/* ---- which are there --------------------------------------------------------------------------
 */

static bool is_open(const struct commands *c, int64_t id)
{
    return map_get(&c->open, (uint64_t)id) != NULL;
}

/* In the farm's open transaction. */
static void on_found(void *arg, const struct command_row *row)
{
    (void)give_to_brain(arg, row);
}

/* After its commit. */
static void on_taken(void *arg, const struct command_row *row)
{
    struct commands *c = arg;
    if (strcmp(row->state, "submitted") != 0)
        log_info("command", "verb", row->verb, "state", row->state, "message", row->message);
    else if (!brain_verb(row->verb))
        apply(c, row);
}

static void take(struct commands *c);
static void look(struct commands *c, bool by_hand);

static void on_take_end(void *arg, const PGresult *found)
{
    struct commands *c = arg;
    c->taking = false;
    if (!found) {
        look(c, true);
        return;
    }
    st_each_command(found, on_taken, c);
    if (c->again || PQntuples(found) == FARM_TAKES_AT_MOST)
        take(c);
}

/* The farm's next turn takes them up, and leaves here what is not for it. */
static void take(struct commands *c)
{
    if (!c->term)
        return;
    c->again = c->taking;
    if (c->taking)
        return;
    struct farm_take t = {.on_found = on_found, .on_end = on_take_end, .arg = c};
    size_t pos = 0;
    uint64_t id;
    void *v;
    while (map_next(&c->open, &pos, &id, &v))
        *vec_push(&t.elsewhere) = (int64_t)id;
    c->taking = true;
    farm_take_commands(c->farm, &t);
}

void commands_kick(struct commands *c)
{
    take(c);
}

/* ---- looking, now and then --------------------------------------------------------------------
 */

struct seen {
    struct commands *owner;
    bool by_hand, found;
};

static void on_row(void *arg, const struct command_row *row)
{
    struct seen *s = arg;
    struct commands *c = s->owner;
    if (is_open(c, row->id))
        return;
    s->found = true;
    if (s->by_hand && !give_to_brain(c, row))
        apply(c, row);
}

static void on_looked(void *arg, const struct db_reply *r)
{
    struct look *k = arg;
    struct seen s = {.owner = k->owner, .by_hand = k->by_hand};
    struct commands *c = s.owner;
    bool late = k->epoch != c->epoch;
    free(k);
    if (late)
        return;
    c->looking = false;
    if (r->end == DB_DONE)
        st_each_command(r->result[0], on_row, &s);
    else if (r->end == DB_REFUSED)
        log_error("cannot read commands", "error", r->message);
    if (s.found && !s.by_hand)
        take(c);
    uv_timer_start(c->timer, on_timer, r->end == DB_DONE ? EVERY_MS : RETRY_MS, 0);
}

/* Nothing is written where nothing is there. `by_hand`: the farm cannot take them up. */
static void look(struct commands *c, bool by_hand)
{
    if (c->looking)
        return;
    struct look *k = xcalloc(1, sizeof *k);
    *k = (struct look){.owner = c, .epoch = c->epoch, .by_hand = by_hand};
    c->looking = true;
    struct db_tx *tx = db_tx_new(c->db, DB_SNAPSHOT);
    st_commands(tx);
    db_submit(tx, on_looked, k);
}

static void on_timer(uv_timer_t *t)
{
    look(t->data, false);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void commands_start(struct commands *c, int64_t term)
{
    commands_stop(c);
    c->term = term;
    uv_timer_start(c->timer, on_timer, EVERY_MS, 0);
    take(c);
}

void commands_stop(struct commands *c)
{
    c->epoch++;
    c->term = 0;
    c->looking = c->taking = c->again = false;
    uv_timer_stop(c->timer);
    map_release(&c->open);
    c->open = (struct map){0};
}

struct commands *commands_new(uv_loop_t *loop, struct db *db, struct farm *farm,
                              const struct commands_config *config)
{
    struct commands *c = xcalloc(1, sizeof *c);
    c->db = db;
    c->farm = farm;
    c->cfg = *config;
    c->timer = timer_new(loop, c);
    return c;
}

void commands_free(struct commands *c)
{
    if (!c)
        return;
    commands_stop(c);
    timer_free(c->timer);
    free(c);
}
