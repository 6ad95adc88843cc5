#include "scheduler/core/world.h"

struct op *emit(struct world *w, enum op_type type, int64_t job)
{
    struct effects *e = w->out;
    if (e->n_ops == e->cap_ops)
        e->ops = vec_grow_(e->ops, &e->cap_ops, e->n_ops + 1, sizeof *e->ops);
    struct op *op = &e->ops[e->n_ops++];
    *op = (struct op){.type = type, .job = job};
    return op;
}

static void emit_after(struct world *w, struct effect effect)
{
    struct effects *e = w->out;
    if (e->n_after == e->cap_after)
        e->after = vec_grow_(e->after, &e->cap_after, e->n_after + 1, sizeof *e->after);
    e->after[e->n_after++] = effect;
}

/* Once per step and worker is enough: the shell asks world_orders when it sends. */
void emit_orders(struct world *w, struct worker *k)
{
    if (k->orders_step == w->step || !k->reported)
        return;
    k->orders_step = w->step;
    emit_after(w, (struct effect){.type = EFF_ORDERS, .worker = k->id});
}

void emit_reload(struct world *w, struct job *j)
{
    j->frozen = true;
    emit_after(w, (struct effect){.type = EFF_RELOAD_JOB, .job = j->id});
}

/* Takes `detail`. Nothing is written that the database shows already. */
void emit_wait(struct world *w, struct job *j, enum wait_reason reason, int64_t ref, char *detail)
{
    if (j->told && j->reason == reason && j->wait_ref == ref) {
        free(detail);
        return;
    }
    job_said(j, reason, ref);
    struct op *op = emit(w, OP_WAIT, j->id);
    op->reason = reason;
    op->detail = detail;
}

void op_set_pins(struct op *op, const struct pin *pins, size_t n)
{
    if (n == 0)
        return;
    size_t bytes = n * sizeof *pins;
    for (size_t i = 0; i < n; i++)
        bytes += pins[i].repository ? strlen(pins[i].repository) + 1 : 0;
    struct pin *copy = xmalloc(bytes);
    char *text = (char *)(copy + n);
    for (size_t i = 0; i < n; i++) {
        copy[i] = pins[i];
        if (pins[i].repository) {
            size_t len = strlen(pins[i].repository) + 1;
            copy[i].repository = memcpy(text, pins[i].repository, len);
            text += len;
        }
    }
    op->pins = copy;
    op->n_pins = n;
}

void effects_clear(struct effects *e)
{
    for (size_t i = 0; i < e->n_ops; i++) {
        struct op *op = &e->ops[i];
        union {
            const struct pin *in;
            struct pin *out;
        } pins = {.in = op->pins};
        free(pins.out);
        free(op->detail);
        free(op->who);
    }
    e->n_ops = 0;
    e->n_after = 0;
}

void effects_release(struct effects *e)
{
    effects_clear(e);
    free(e->ops);
    free(e->after);
    *e = (struct effects){0};
}
