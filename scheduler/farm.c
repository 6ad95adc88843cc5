#include "scheduler/farm_private.h"

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/loop/timer.h"
#include <stdio.h>

#define MAX_REPORTS_PER_TURN 512

/* What a database callback needs to know whether it comes too late. */
struct ticket {
    struct farm *farm;
    uint64_t epoch;
};

bf_time farm_now(const struct farm *f)
{
    return clock_mono() + f->offset;
}

void farm_doubt(struct farm *f, const char *why)
{
    f->cfg.on_doubt(f->cfg.arg, why);
}

void farm_failed(struct farm *f, const struct db_reply *r, const char *what)
{
    if (r->end == DB_REFUSED && strcmp(r->sqlstate, ST_NOT_LEADER) != 0)
        log_error(what, "sqlstate", r->sqlstate, "error", r->message);
    farm_doubt(f, r->end == DB_UNKNOWN ? "the outcome of a commit is unknown" : r->message);
}

/* ---- stepping ---------------------------------------------------------------------------------
 */

/* Ops are encoded at once: pins and cookies are borrowed until the next step. */
void farm_step(struct farm *f, const struct input *in)
{
    size_t before = f->effects.n_ops, after = f->effects.n_after;
    bf_time now = farm_now(f);
    record_input(f->cfg.record, in, now);
    brain_step(f->world, in, now, &f->effects);
    record_output(f->cfg.record, &f->effects, before, after);
    for (size_t i = before; i < f->effects.n_ops; i++) {
        struct op_payload p;
        char *json = farm_op_payload(f, &f->effects.ops[i], &p);
        turn_add(f->turn, &f->effects.ops[i], &p);
        free(json);
    }
}

static void step_command(struct farm *f, const struct command_in *c)
{
    struct input in = {.type = c->type};
    if (c->type == IN_LINK_DOWN) {
        in.worker_id = c->object;
    } else {
        in.command.id = c->id;
        in.command.object = c->object;
        in.command.who = c->who;
    }
    farm_step(f, &in);
}

static void step_commands(struct farm *f)
{
    vec_for_each (i, &f->commands) {
        step_command(f, &f->commands.v[i]);
        free(f->commands.v[i].who);
    }
    vec_clear(&f->commands);
}

static void report_free(struct report_in *r)
{
    wire_release(&r->msg);
    free(r);
}

static void step_reports(struct farm *f)
{
    size_t n = f->waiting.n < MAX_REPORTS_PER_TURN ? f->waiting.n : MAX_REPORTS_PER_TURN;
    for (size_t i = 0; i < n; i++) {
        struct report_in *r = map_del(&f->reports, (uint64_t)f->waiting.v[i]);
        if (!r)
            continue;
        farm_step_report(f, r);
        const wire_report *m = r->msg.report;
        *vec_push(&f->answers) =
            (struct answer){.worker = r->worker, .boot = wire_id(m->boot_id), .seq = m->seq};
        report_free(r);
    }
    f->waiting.n -= n;
    if (f->waiting.n > 0)
        memmove(f->waiting.v, f->waiting.v + n, f->waiting.n * sizeof *f->waiting.v);
}

/* ---- acting -----------------------------------------------------------------------------------
 */

static void perform(struct farm *f, const struct effects *e, answers *a)
{
    vec_for_each (i, a)
        f->cfg.on_answer(f->cfg.arg, a->v[i].worker, a->v[i].boot, a->v[i].seq);
    vec_clear(a);
    for (size_t i = 0; i < e->n_after; i++) {
        const struct effect *x = &e->after[i];
        switch (x->type) {
        case EFF_ORDERS:
            f->cfg.on_orders(f->cfg.arg, x->worker);
            break;
        case EFF_RELOAD_JOB:
            *vec_push(&f->wanted.jobs) = x->job;
            break;
        }
    }
}

struct work *work_put(struct farm *f, int64_t worker, struct id128 attempt, const char *json)
{
    struct work *w = map_get(&f->work, id128_key(attempt));
    if (!w) {
        w = xcalloc(1, sizeof *w);
        map_put(&f->work, id128_key(attempt), w);
    }
    w->worker = worker;
    w->attempt = attempt;
    free(w->json);
    w->json = json ? xstrdup(json) : NULL;
    return w;
}

static void work_del(struct farm *f, struct id128 attempt)
{
    struct work *w = map_del(&f->work, id128_key(attempt));
    if (w)
        free(w->json);
    free(w);
}

void farm_work_seen(struct farm *f, int64_t worker, struct id128 attempt)
{
    const struct work *w = map_get(&f->work, id128_key(attempt));
    if (w && w->worker == worker)
        work_del(f, attempt);
}

/* What goes well is a row in the database; a line for each of thousands in a second would tell
 * nobody more. */
static const char *message_of(const struct op *op, enum op_status st, enum log_level *level)
{
    *level = LOG_LVL_DEBUG;
    if (st == ST_REFUSED) {
        *level = LOG_LVL_ERROR;
        return "PostgreSQL refused a row; see farm.quarantine";
    }
    if (op->type == OP_LOSE) {
        *level = LOG_LVL_WARN;
        return "attempt lost";
    }
    if (st == ST_OK && op->type == OP_CLAIM)
        return "attempt leased";
    if (st == ST_OK && op->type == OP_FINISH) {
        *level = op->next == JOB_SUCCEEDED ? LOG_LVL_DEBUG : LOG_LVL_INFO;
        return "attempt ended";
    }
    return NULL;
}

static void log_op(const struct op *op, enum op_status st)
{
    char job[24], worker[24], attempt[ID128_TEXT];
    enum log_level level;
    const char *message = message_of(op, st, &level);
    if (!message || !log_shows(level))
        return;
    snprintf(job, sizeof job, "%lld", (long long)op->job);
    snprintf(worker, sizeof worker, "%lld", (long long)op->worker);
    id128_format(op->attempt, attempt);
    log_kv(level, message, "job", job, "attempt", attempt, "worker", worker,
           op->type == OP_FINISH ? "next" : NULL, job_state_name(op->next), NULL);
}

/* What a registry has lost is made again: jobs that the brain did not ask for, and images whose
 * passing digest is gone. Rare, so that all images may be read. */
static void take_finish(struct farm *f, const struct op *op, const struct op_answer *a)
{
    size_t before = f->wanted.jobs.n;
    if (pga_read_ids(a->created, &f->wanted.jobs))
        log_error("an answer of finish was not understood", "created", a->created);
    bool made = f->wanted.jobs.n > before;
    if (made)
        f->wanted.kinds |= ROWS_IMAGES;
    bool elsewhere = a->status == ST_OK && a->state && strcmp(a->state, job_state_name(op->next));
    if (op->job && (made || elsewhere))
        *vec_push(&f->wanted.jobs) = op->job;
}

static void take_answer(void *arg, const struct op_answer *a)
{
    struct farm *f = arg;
    const struct op *op = &f->sent_effects.ops[a->index];
    log_op(op, a->status);
    if (op->type == OP_CLAIM && a->status == ST_OK && a->work)
        work_put(f, op->worker, op->attempt, a->work);
    if (op->type == OP_FINISH || op->type == OP_LOSE)
        work_del(f, op->attempt);
    if (op->type == OP_FINISH)
        take_finish(f, op, a);
    if (a->status == ST_OK && sha256_is_none(&a->digest))
        return;
    struct input in = {
        .type = IN_STATUS,
        .status = {
            .op = op, .status = a->status, .digest = a->digest, .repository = a->repository}};
    farm_step(f, &in);
}

/* The brain first hears that the turn is durable, then what was different from what it asked: ops
 * that it makes of the latter belong to the next turn. */
void farm_committed(struct farm *f, const struct db_reply *r)
{
    struct err e = ERR_INIT;
    farm_step(f, &(struct input){.type = IN_COMMITTED});
    if (turn_each(f->sent_turn, r, take_answer, f, &e)) {
        log_error("the schema does not answer as expected", "error", e.msg);
        farm_doubt(f, e.msg);
        return;
    }
    perform(f, &f->sent_effects, &f->sent_answers);
    f->cfg.on_change(f->cfg.arg);
    effects_clear(&f->sent_effects);
    turn_clear(f->sent_turn);
}

static void on_turn(void *arg, const struct db_reply *r)
{
    struct ticket *t = arg;
    struct farm *f = t->farm;
    bool late = t->epoch != f->epoch;
    free(t);
    if (late)
        return;
    f->flying = false;
    if (r->end == DB_DONE) {
        farm_committed(f, r);
        return;
    }
    farm_failed(f, r, "a turn was refused");
}

static struct ticket *ticket(struct farm *f)
{
    struct ticket *t = xmalloc(sizeof *t);
    *t = (struct ticket){.farm = f, .epoch = f->epoch};
    return t;
}

void farm_seal(struct farm *f)
{
    struct effects e = f->sent_effects;
    struct turn *t = f->sent_turn;
    answers a = f->sent_answers;
    f->sent_effects = f->effects;
    f->sent_turn = f->turn;
    f->sent_answers = f->answers;
    f->effects = e;
    f->turn = t;
    f->answers = a;
    f->flying = true;
}

static void close_turn(struct farm *f)
{
    if (!f->effects.n_ops) {
        perform(f, &f->effects, &f->answers);
        effects_clear(&f->effects);
        return;
    }
    farm_seal(f);
    turn_submit(f->sent_turn, f->db, f->claims, f->term, on_turn, ticket(f));
}

/* ---- the turn ---------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *t)
{
    (void)t; /* wakes the loop: the turn follows */
}

static void arm_timer(struct farm *f)
{
    bf_time due = brain_deadline(f->world);
    if (due == INT64_MAX) {
        uv_timer_stop(f->timer);
        return;
    }
    timer_in(f->timer, due - farm_now(f), on_timer);
}

static bool has_input(const struct farm *f)
{
    return f->take.on_end || f->reports.n || f->commands.n || f->effects.n_ops ||
           f->effects.n_after || brain_deadline(f->world) <= farm_now(f);
}

void farm_inputs(struct farm *f)
{
    step_commands(f);
    step_reports(f);
    if (brain_deadline(f->world) <= farm_now(f))
        farm_step(f, &(struct input){.type = IN_TICK});
}

static void turn_once(struct farm *f)
{
    farm_inputs(f);
    close_turn(f);
}

static void on_prepare(uv_prepare_t *p)
{
    struct farm *f = p->data;
    if (f->state != FARM_ON || f->flying)
        return;
    bool rows = farm_wants_rows(f);
    if (!rows && !has_input(f)) {
        arm_timer(f);
        return;
    }
    if (!f->cfg.may_act(f->cfg.arg))
        return; /* on_loss has dropped the world */
    /* Ops that statuses have made wait for their own turn first: a read would overtake them. */
    if (rows && !f->effects.n_ops)
        farm_read_rows(f);
    else if (f->take.on_end)
        farm_take_turn(f);
    else
        turn_once(f);
    if (f->state == FARM_ON && !f->flying)
        arm_timer(f);
}

/* ---- inputs -----------------------------------------------------------------------------------
 */

void farm_report(struct farm *f, int64_t worker, struct wire_msg *msg, bool usable)
{
    if (f->state == FARM_OFF) {
        wire_release(msg);
        return;
    }
    struct report_in *r = xcalloc(1, sizeof *r);
    r->worker = worker;
    r->msg = *msg;
    r->usable = usable;
    *msg = (struct wire_msg){0};
    struct report_in *old = map_put(&f->reports, (uint64_t)worker, r);
    if (old)
        report_free(old);
    else
        *vec_push(&f->waiting) = worker;
}

static void push_command(struct farm *f, enum input_type type, int64_t id, int64_t object,
                         const char *who)
{
    if (f->state == FARM_OFF)
        return;
    *vec_push(&f->commands) = (struct command_in){
        .type = type, .id = id, .object = object, .who = who ? xstrdup(who) : NULL};
}

void farm_link_down(struct farm *f, int64_t worker)
{
    struct report_in *old = map_del(&f->reports, (uint64_t)worker);
    if (old)
        report_free(old);
    push_command(f, IN_LINK_DOWN, 0, worker, NULL);
}

void farm_command(struct farm *f, enum input_type type, int64_t command, int64_t object,
                  const char *who)
{
    push_command(f, type, command, object, who);
}

void farm_take_commands(struct farm *f, struct farm_take *take)
{
    BUG_ON(f->take.on_end);
    if (f->state == FARM_OFF)
        vec_release(&take->elsewhere);
    else
        f->take = *take;
}

bool farm_orders(struct farm *f, int64_t worker, struct orders_view *out)
{
    return f->state == FARM_ON && f->cfg.may_act(f->cfg.arg) && world_orders(f->world, worker, out);
}

const char *farm_work(struct farm *f, int64_t worker, struct id128 attempt)
{
    struct work *w = map_get(&f->work, id128_key(attempt));
    if (w)
        return w->json;
    work_put(f, worker, attempt, NULL);
    *vec_push(&f->wanted.work) = attempt;
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------
 */

struct farm *farm_new(uv_loop_t *loop, struct db *hot, struct db *claims,
                      const struct farm_config *config)
{
    struct farm *f = xcalloc(1, sizeof *f);
    f->loop = loop;
    f->db = hot;
    f->claims = claims;
    f->cfg = *config;
    f->turn = turn_new();
    f->sent_turn = turn_new();
    f->prepare = xcalloc(1, sizeof *f->prepare);
    uv_prepare_init(loop, f->prepare);
    f->prepare->data = f;
    uv_prepare_start(f->prepare, on_prepare);
    f->timer = timer_new(loop, f);
    return f;
}

bool farm_is_on(const struct farm *f)
{
    return f->state == FARM_ON;
}

void farm_lead(struct farm *f, int64_t term)
{
    farm_drop(f);
    struct brain_config b = {.term = term,
                             .lease = f->cfg.lease,
                             .kill_time = f->cfg.kill_time,
                             .backoff_min = f->cfg.backoff_min,
                             .backoff_max = f->cfg.backoff_max,
                             .lost_limit = f->cfg.lost_limit,
                             .max_cpu_psi = f->cfg.max_cpu_psi,
                             .max_io_psi = f->cfg.max_io_psi,
                             .max_memory_psi = f->cfg.max_memory_psi,
                             .disk_floor_mib = f->cfg.disk_floor_mib,
                             .hash = hash_openssl};
    int rc = uv_random(NULL, NULL, &b.seed, sizeof b.seed, 0, NULL);
    if (rc)
        BUG("no random bits: %s", uv_strerror(rc));
    f->term = term;
    f->world = world_new(&b);
    record_world(f->cfg.record, &b);
    f->state = FARM_LOADING;
    farm_load(f);
}

static void drop_inputs(struct farm *f)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    while (map_next(&f->reports, &pos, &key, &v))
        report_free(v);
    map_release(&f->reports);
    f->reports = (struct map){0};
    vec_release(&f->waiting);
    vec_for_each (i, &f->commands)
        free(f->commands.v[i].who);
    vec_release(&f->commands);
    vec_release(&f->answers);
    vec_release(&f->sent_answers);
    wanted_clear(&f->wanted);
    vec_release(&f->take.elsewhere);
    f->take = (struct farm_take){0};
    pos = 0;
    while (map_next(&f->work, &pos, &key, &v)) {
        free(((struct work *)v)->json);
        free(v);
    }
    map_release(&f->work);
    f->work = (struct map){0};
}

void farm_drop(struct farm *f)
{
    f->epoch++;
    f->state = FARM_OFF;
    f->flying = false;
    uv_timer_stop(f->timer);
    drop_inputs(f);
    effects_release(&f->effects);
    effects_release(&f->sent_effects);
    f->effects = f->sent_effects = (struct effects){0};
    turn_clear(f->turn);
    turn_clear(f->sent_turn);
    world_free(f->world);
    f->world = NULL;
}

void farm_free(struct farm *f)
{
    if (!f)
        return;
    farm_drop(f);
    turn_free(f->turn);
    turn_free(f->sent_turn);
    uv_close((uv_handle_t *)f->prepare, (uv_close_cb)free);
    timer_free(f->timer);
    free(f);
}
