#include "scheduler/core/trace.h"

#include "common/base/siphash.h"

static const char magic[] = "bf-trace 1\n";
#define MAGIC_LEN (sizeof magic - 1)
#define HEAD_LEN (MAGIC_LEN + sizeof(uint64_t))

static const uint64_t hash_key[2] = {UINT64_C(0x626f6f746661726d), UINT64_C(0x7472616365000001)};

static uint64_t hash_of(const void *p, size_t n)
{
    return siphash13(hash_key, p, n);
}

static void put_hash(struct str *out, uint64_t h)
{
    for (int i = 0; i < 8; i++)
        str_addch(out, (char)(h >> (8 * i)));
}

static int get_hash(struct bytes *in, uint64_t *h)
{
    if (in->end - in->p < 8)
        return -1;
    *h = 0;
    for (int i = 0; i < 8; i++)
        *h |= (uint64_t)*in->p++ << (8 * i);
    return 0;
}

static uint64_t layout(void)
{
    struct str s = STR_INIT;
    for (enum input_type t = IN_SITE; t <= IN_TICK; t++) {
        str_addf(&s, "%s ", input_type_name(t));
        fields_layout(&s, input_fields(t));
    }
    fields_layout(&s, &fields_op);
    fields_layout(&s, &fields_effect);
    fields_layout(&s, &fields_config);
    uint64_t h = hash_of(s.p, s.len);
    str_release(&s);
    return h;
}

/* Which hash function the brain was given, as far as its values tell. */
static uint64_t probe(hash_fn *hash)
{
    struct sha256 d;
    hash(&(struct span){magic, MAGIC_LEN}, 1, &d);
    return hash_of(d.b, sizeof d.b);
}

/* ---- writing --------------------------------------------------------------------------------- */

void trace_head(struct str *out)
{
    str_addmem(out, magic, MAGIC_LEN);
    put_hash(out, layout());
}

/* Takes the body. */
static void put_frame(struct str *out, enum trace_kind kind, struct str *body)
{
    put_u64(out, body->len + 1);
    str_addch(out, (char)kind);
    str_addmem(out, body->p, body->len);
    str_release(body);
}

void trace_world(struct str *out, const struct brain_config *c)
{
    struct str body = STR_INIT;
    fields_put(&body, &fields_config, c);
    put_hash(&body, probe(c->hash));
    put_frame(out, TRACE_WORLD, &body);
}

void trace_input(struct str *out, const struct input *in, bf_time now)
{
    struct str body = STR_INIT;
    put_i64(&body, now);
    put_u64(&body, in->type);
    fields_put(&body, input_fields(in->type), in);
    put_frame(out, TRACE_INPUT, &body);
}

static int64_t about(const struct op *op)
{
    return op->job ? op->job : op->worker ? op->worker : op->command ? op->command : op->bucket;
}

static void put_op(struct str *out, const struct op *op, struct str *scratch)
{
    str_clear(scratch);
    fields_put(scratch, &fields_op, op);
    put_u64(out, op->type);
    put_i64(out, about(op));
    put_hash(out, hash_of(scratch->p, scratch->len));
}

void trace_output(struct str *out, const struct effects *e, size_t op, size_t after)
{
    struct str body = STR_INIT, scratch = STR_INIT;
    put_u64(&body, e->n_ops - op);
    for (; op < e->n_ops; op++)
        put_op(&body, &e->ops[op], &scratch);
    str_clear(&scratch);
    for (; after < e->n_after; after++)
        fields_put(&scratch, &fields_effect, &e->after[after]);
    put_hash(&body, hash_of(scratch.p, scratch.len));
    str_release(&scratch);
    put_frame(out, TRACE_OUTPUT, &body);
}

void trace_end(struct str *out, enum trace_why why)
{
    struct str body = STR_INIT;
    put_u64(&body, why);
    put_frame(out, TRACE_END, &body);
}

/* ---- reading --------------------------------------------------------------------------------- */

int trace_open(struct trace_reader *r, const void *p, size_t n, struct err *e)
{
    uint64_t written;
    *r = (struct trace_reader){.whole = {p, (const uint8_t *)p + n}};
    if (n < HEAD_LEN || memcmp(p, magic, MAGIC_LEN) != 0)
        return err_set(e, ERR_INPUT, "this is no trace: it does not begin with \"bf-trace 1\"");
    r->rest = r->whole;
    r->rest.p += MAGIC_LEN;
    if (get_hash(&r->rest, &written) || written != layout())
        return err_set(e, ERR_INPUT,
                       "the trace was written by a version whose inputs look different: replay "
                       "it with that one");
    return 0;
}

void trace_close(struct trace_reader *r)
{
    arena_release(&r->arena);
}

static int get_count(struct bytes *in, uint64_t max, uint64_t *out)
{
    return get_u64(in, out) || *out > max ? -1 : 0;
}

static const char *get_world(struct bytes *in, struct trace_record *out, struct arena *a)
{
    const char *bad = fields_get(in, &fields_config, &out->config, a);
    if (!bad && get_hash(in, &out->hash_probe))
        bad = "hash";
    return bad;
}

static const char *get_input(struct bytes *in, struct trace_record *out, struct arena *a)
{
    uint64_t type;
    if (get_i64(in, &out->now))
        return "now";
    if (get_count(in, IN_TICK, &type))
        return "type";
    const char *bad = fields_get(in, input_fields((enum input_type)type), &out->input, a);
    out->input.type = (enum input_type)type;
    return bad;
}

static const char *get_output(struct bytes *in, struct trace_record *out, struct arena *a)
{
    uint64_t n, type;
    if (get_count(in, (uint64_t)(in->end - in->p), &n))
        return "ops";
    struct trace_op *ops = arena_get(a, (size_t)n, sizeof *ops);
    for (size_t i = 0; i < n; i++) {
        if (get_count(in, OP_LAST, &type) || get_i64(in, &ops[i].about) ||
            get_hash(in, &ops[i].hash))
            return "ops";
        ops[i].type = (enum op_type)type;
    }
    out->ops = ops;
    out->n_ops = (size_t)n;
    return get_hash(in, &out->after_hash) ? "effects" : NULL;
}

static const char *get_end(struct bytes *in, struct trace_record *out)
{
    uint64_t why;
    if (get_count(in, TRACE_SIZE, &why))
        return "why";
    out->why = (enum trace_why)why;
    return NULL;
}

static const char *get_body(struct bytes *in, struct trace_record *out, struct arena *a)
{
    switch (out->kind) {
    case TRACE_WORLD:
        return get_world(in, out, a);
    case TRACE_INPUT:
        return get_input(in, out, a);
    case TRACE_OUTPUT:
        return get_output(in, out, a);
    case TRACE_END:
        return get_end(in, out);
    }
    BUG("record %d", (int)out->kind);
}

int trace_next(struct trace_reader *r, struct trace_record *out, struct err *e)
{
    uint64_t n;
    *out = (struct trace_record){.at = (size_t)(r->rest.p - r->whole.p)};
    arena_clear(&r->arena);
    if (r->rest.p == r->rest.end)
        return 0;
    if (get_u64(&r->rest, &n) || n > (uint64_t)(r->rest.end - r->rest.p))
        return err_set(e, ERR_INPUT, "at byte %zu: the file is cut off here", out->at);
    if (n == 0 || n > TRACE_FRAME_MAX || *r->rest.p > TRACE_END)
        return err_set(e, ERR_INPUT, "at byte %zu: this is no record", out->at);
    out->kind = (enum trace_kind) * r->rest.p;
    struct bytes in = {r->rest.p + 1, r->rest.p + n};
    out->body = in;
    r->rest.p += n;
    const char *bad = get_body(&in, out, &r->arena);
    if (!bad && in.p != in.end)
        bad = "its end";
    return bad ? err_set(e, ERR_INPUT, "at byte %zu: the record is broken at %s", out->at, bad) : 1;
}

bool trace_is_hash(const struct trace_record *world, hash_fn *hash)
{
    return world->hash_probe == probe(hash);
}

/* ---- words ----------------------------------------------------------------------------------- */

void trace_input_text(struct str *out, const struct input *in)
{
    str_add(out, input_type_name(in->type));
    fields_text(out, input_fields(in->type), in);
}

/* The type stands first in the table, as " type=claim". */
void trace_op_text(struct str *out, const struct op *op)
{
    str_add(out, op_type_name(op->type));
    fields_text(out, &(struct fields){fields_op.v + 1, fields_op.n - 1, fields_op.size}, op);
}

void trace_effect_text(struct str *out, const struct effect *e)
{
    str_add(out, e->type == EFF_ORDERS ? "orders" : "reload");
    fields_text(out, &(struct fields){fields_effect.v + 1, fields_effect.n - 1, 0}, e);
}
