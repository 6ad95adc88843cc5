#include "scheduler/commands.h"

#include "common/base/list.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/mem.h"
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
    bool asking, again;
    struct map open; /* id → any: handed on, not ended yet */
};

static void ask(struct commands *c);

static void on_timer(uv_timer_t *t)
{
    ask(t->data);
}

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

static bool give_to_brain(struct commands *c, const struct command_row *row)
{
    for (size_t i = 0; i < ARRAY_SIZE(brain_verbs); i++) {
        const struct brain_verb *v = &brain_verbs[i];
        if (strcmp(v->verb, row->verb) != 0)
            continue;
        json_t *args = json_loads(row->args, 0, NULL);
        int64_t object = json_integer_value(json_object_get(args, v->object));
        json_decref(args);
        char *who = xasprintf("operator:%s", row->who);
        farm_command(c->farm, v->input, row->id, object, who);
        free(who);
        return true;
    }
    return false;
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
    return x;
}

static void command_free(struct command *x)
{
    free(x->verb);
    free(x);
}

static void on_refused(void *arg, const struct db_reply *r)
{
    struct command *x = arg;
    if (r->end == DB_REFUSED)
        log_error("cannot refuse a command", "verb", x->verb, "error", r->message);
    command_free(x);
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
        vec_release(&jobs);
        vec_release(&images);
    } else if (!late) {
        map_del(&c->open, (uint64_t)x->id); /* the next look takes it up again */
    }
    command_free(x);
}

static void apply(struct commands *c, const struct command_row *row)
{
    struct err e = ERR_INIT;
    if (strcmp(row->verb, "debug_record") == 0 && c->cfg.on_record(c->cfg.arg, row->args, &e)) {
        refuse(c, command_new(c, row->id, row->verb), e.msg);
        return;
    }
    struct db_tx *tx = st_write(c->db, c->term);
    st_command_apply(tx, row->id);
    db_submit(tx, on_applied, command_new(c, row->id, row->verb));
}

/* ---- which are there --------------------------------------------------------------------------
 */

struct seen {
    struct commands *owner;
    struct map now;
};

static void on_row(void *arg, const struct command_row *row)
{
    struct seen *s = arg;
    struct commands *c = s->owner;
    bool known = map_get(&c->open, (uint64_t)row->id) != NULL;
    map_put(&s->now, (uint64_t)row->id, c);
    if (!known && !give_to_brain(c, row))
        apply(c, row);
}

static void on_asked(void *arg, const struct db_reply *r)
{
    struct command *x = arg;
    struct commands *c = x->owner;
    bool late = x->epoch != c->epoch;
    command_free(x);
    if (late)
        return;
    c->asking = false;
    if (r->end == DB_DONE) {
        struct seen s = {.owner = c};
        st_each_command(r->result[0], on_row, &s);
        map_release(&c->open); /* what is not listed any more has ended */
        c->open = s.now;
    } else if (r->end == DB_REFUSED) {
        log_error("cannot read commands", "error", r->message);
    }
    if (c->again)
        ask(c);
    else
        uv_timer_start(c->timer, on_timer, r->end == DB_DONE ? EVERY_MS : RETRY_MS, 0);
}

static void ask(struct commands *c)
{
    if (!c->term)
        return;
    c->again = c->asking;
    if (c->asking)
        return;
    c->asking = true;
    struct db_tx *tx = db_tx_new(c->db, DB_SNAPSHOT);
    st_commands(tx);
    db_submit(tx, on_asked, command_new(c, 0, ""));
}

void commands_kick(struct commands *c)
{
    ask(c);
}

/* ---- life -------------------------------------------------------------------------------------
 */

void commands_start(struct commands *c, int64_t term)
{
    commands_stop(c);
    c->term = term;
    ask(c);
}

void commands_stop(struct commands *c)
{
    c->epoch++;
    c->term = 0;
    c->asking = c->again = false;
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
    c->timer = xcalloc(1, sizeof *c->timer);
    uv_timer_init(loop, c->timer);
    c->timer->data = c;
    return c;
}

void commands_free(struct commands *c)
{
    if (!c)
        return;
    commands_stop(c);
    uv_close((uv_handle_t *)c->timer, (uv_close_cb)free);
    free(c);
}
