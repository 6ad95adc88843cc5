#include "tests/sim/replay.h"

#include "tests/sim/hash.h"

struct run {
    struct replay *r;
    struct trace_reader reader;
    struct trace_record now;
    struct world *world;
    struct effects effects;
    struct str *said;
    struct str text; /* the last input */
    size_t at;       /* where it stands */
    bf_time begin, time;
    bool open; /* its decisions have not come yet */
};

static enum replay_end broken(struct run *x, const char *why)
{
    str_addf(x->said, "at byte %zu: %s", x->now.at, why);
    return REPLAY_BROKEN;
}

/* ---- words ----------------------------------------------------------------------------------- */

static void tell(struct run *x, const char *indent, const char *text)
{
    if (!x->r->line)
        return;
    char *line = xasprintf("%s%s", indent, text);
    x->r->line(x->r->arg, line);
    free(line);
}

static void describe(struct run *x, const struct input *in)
{
    str_clear(&x->text);
    str_addf(&x->text, "%zu %+.6f ", x->r->inputs, (double)(x->time - x->begin) / (double)BF_SEC);
    trace_input_text(&x->text, in);
}

static void tell_effects(struct run *x)
{
    struct str s = STR_INIT;
    for (size_t i = 0; x->r->line && i < x->effects.n_ops; i++) {
        str_clear(&s);
        trace_op_text(&s, &x->effects.ops[i]);
        tell(x, "    ", s.p);
    }
    for (size_t i = 0; x->r->line && i < x->effects.n_after; i++) {
        str_clear(&s);
        trace_effect_text(&s, &x->effects.after[i]);
        tell(x, "    ", s.p);
    }
    str_release(&s);
}

static void add_recorded(struct run *x, size_t i)
{
    if (i < x->now.n_ops)
        str_addf(x->said, "%s about %lld", op_type_name(x->now.ops[i].type),
                 (long long)x->now.ops[i].about);
    else
        str_add(x->said, "nothing more");
}

static void add_decided(struct run *x, size_t i)
{
    if (i < x->effects.n_ops)
        trace_op_text(x->said, &x->effects.ops[i]);
    else
        str_add(x->said, "nothing more");
}

/* ---- comparing ------------------------------------------------------------------------------- */

/* This brain's decisions as a record, and what that record says. */
static size_t first_other_op(const struct trace_record *now, const struct str *mine)
{
    struct trace_reader r = {
        .whole = {(const uint8_t *)mine->p, (const uint8_t *)mine->p + mine->len}};
    struct trace_record rec;
    r.rest = r.whole;
    if (trace_next(&r, &rec, NULL) != 1)
        BUG("a record of our own cannot be read");
    size_t i = 0;
    while (i < now->n_ops && i < rec.n_ops && now->ops[i].type == rec.ops[i].type &&
           now->ops[i].about == rec.ops[i].about && now->ops[i].hash == rec.ops[i].hash)
        i++;
    size_t other = i == now->n_ops && i == rec.n_ops ? SIZE_MAX : i;
    trace_close(&r);
    return other;
}

static enum replay_end differs(struct run *x, const struct str *mine)
{
    size_t i = first_other_op(&x->now, mine);
    str_addf(x->said, "input %s\n(at byte %zu) is decided in another way.\n", x->text.p, x->at);
    if (i == SIZE_MAX) {
        str_add(x->said,
                "The ops are the same; who gets Orders, or which row is read again, is not.");
        return REPLAY_DIFFERS;
    }
    str_addf(x->said, "op %zu, recorded: ", i + 1);
    add_recorded(x, i);
    str_addf(x->said, "\nop %zu, now: ", i + 1);
    add_decided(x, i);
    return REPLAY_DIFFERS;
}

static enum replay_end take_output(struct run *x)
{
    struct str mine = STR_INIT;
    if (!x->open)
        return broken(x, "decisions without an input");
    x->open = false;
    trace_output(&mine, &x->effects, 0, 0);
    size_t n = (size_t)(x->now.body.end - x->now.body.p);
    bool same = mine.len >= n && memcmp(mine.p + mine.len - n, x->now.body.p, n) == 0;
    enum replay_end end = same ? REPLAY_SAME : differs(x, &mine);
    str_release(&mine);
    return end;
}

/* ---- feeding --------------------------------------------------------------------------------- */

static enum replay_end take_world(struct run *x)
{
    hash_fn *const known[] = {hash_openssl, sim_hash_fn};
    struct brain_config c = x->now.config;
    struct str text = STR_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(known) && !c.hash; i++) {
        if (trace_is_hash(&x->now, known[i]))
            c.hash = known[i];
    }
    if (!c.hash)
        return broken(x, "keys were made with a hash function that is not known here");
    if (x->r->configure)
        x->r->configure(x->r->arg, &c);
    world_free(x->world);
    x->world = world_new(&c);
    x->r->worlds++;
    x->begin = 0;
    x->open = false;
    str_add(&text, "world");
    fields_text(&text, &fields_config, &c);
    tell(x, "", text.p);
    str_release(&text);
    return REPLAY_SAME;
}

static enum replay_end take_input(struct run *x)
{
    if (!x->world)
        return broken(x, "an input before any world");
    if (x->open)
        return broken(x, "an input before the decisions of the one before it");
    x->time = x->now.now;
    x->begin = x->begin ? x->begin : x->time;
    x->at = x->now.at;
    x->r->inputs++;
    if (x->r->before)
        x->r->before(x->r->arg, x->r->inputs);
    describe(x, &x->now.input);
    tell(x, "", x->text.p);
    effects_clear(&x->effects);
    brain_step(x->world, &x->now.input, x->time, &x->effects);
    x->r->ops += x->effects.n_ops;
    x->open = true;
    tell_effects(x);
    return REPLAY_SAME;
}

static enum replay_end take(struct run *x)
{
    if (x->r->ended)
        return broken(x, "something follows the end");
    switch (x->now.kind) {
    case TRACE_WORLD:
        return take_world(x);
    case TRACE_INPUT:
        return take_input(x);
    case TRACE_OUTPUT:
        return take_output(x);
    case TRACE_END:
        x->r->ended = true;
        x->r->why = x->now.why;
        return REPLAY_SAME;
    }
    BUG("record %d", (int)x->now.kind);
}

static enum replay_end run(struct run *x)
{
    struct err e = ERR_INIT;
    enum replay_end end = REPLAY_SAME;
    int rc;
    while (end == REPLAY_SAME && (rc = trace_next(&x->reader, &x->now, &e)) == 1)
        end = take(x);
    if (end == REPLAY_SAME && rc < 0) {
        str_add(x->said, e.msg);
        return REPLAY_BROKEN;
    }
    return end;
}

enum replay_end replay_run(struct replay *r, const void *p, size_t n, struct str *said)
{
    struct run x = {.r = r, .said = said, .text = STR_INIT};
    struct err e = ERR_INIT;
    enum replay_end end = REPLAY_BROKEN;
    r->worlds = r->inputs = r->ops = 0;
    r->ended = false;
    if (trace_open(&x.reader, p, n, &e))
        str_add(said, e.msg);
    else
        end = run(&x);
    trace_close(&x.reader);
    world_free(x.world);
    effects_release(&x.effects);
    str_release(&x.text);
    return end;
}
