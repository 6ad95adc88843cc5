/* trace.h - what went into the brain and what it made of it, as bytes. The scheduler writes them
 * (scheduler/record.h), tests/sim/replay.h feeds them to a fresh brain.
 *
 *     file:  "bf-trace 1\n", eight bytes of the tables' layout, frames
 *     frame: length of what follows (LEB128), a byte of enum trace_kind, its body
 *     world  the configuration, and eight bytes that tell one hash function from another
 *     input  its time, type and members (trace_rows.c)
 *     output of that input: for each op its type, the job, worker or command that it is about, and
 *            a hash of all its members; a hash of the effects
 *     end    why
 *
 * A trace holds one world after another, each from its first row on. An input stands in it before
 * the brain sees it, so that the last one of a file without an end is the one that nobody survived.
 *
 * What the shell alone knows is not in it: cookies, the JSON of results, work orders, keys. Names,
 * references, errors of registries, and who asked for what are. Attempts' ids follow from the seed:
 * no secret (views show them), yet nothing for everybody. */
#ifndef BF_CORE_TRACE_H
#define BF_CORE_TRACE_H

#include "common/base/err.h"
#include "scheduler/core/brain.h"
#include "scheduler/core/fields.h"

#define TRACE_FRAME_MAX ((size_t)4 << 20)

enum trace_kind { TRACE_WORLD, TRACE_INPUT, TRACE_OUTPUT, TRACE_END };

enum trace_why {
    TRACE_ASKED, /* somebody said so, or the scheduler ended */
    TRACE_TIME,
    TRACE_SIZE
};

/* ---- writing: each appends ------------------------------------------------------------------- */

void trace_head(struct str *out);
void trace_world(struct str *out, const struct brain_config *c);
void trace_input(struct str *out, const struct input *in, bf_time now);
/* What a step added: ops and effects from these indices on. */
void trace_output(struct str *out, const struct effects *e, size_t op, size_t after);
void trace_end(struct str *out, enum trace_why why);

/* ---- reading --------------------------------------------------------------------------------- */

struct trace_op {
    enum op_type type;
    int64_t about; /* the job, worker or command */
    uint64_t hash;
};

struct trace_record {
    enum trace_kind kind;
    size_t at;         /* in the file */
    struct bytes body; /* as it stands there */
    /* TRACE_WORLD */
    struct brain_config config; /* hash is NULL: see trace_is_hash */
    uint64_t hash_probe;
    /* TRACE_INPUT; what it points at lives until the next record */
    struct input input;
    bf_time now;
    /* TRACE_OUTPUT */
    const struct trace_op *ops;
    size_t n_ops;
    uint64_t after_hash;
    /* TRACE_END */
    enum trace_why why;
};

struct trace_reader {
    struct bytes whole, rest;
    struct arena arena;
};

/* The bytes are borrowed. -1: no trace, or one of another layout. */
int trace_open(struct trace_reader *r, const void *p, size_t n, struct err *e) BF_MUST_CHECK;
/* 1: a record; 0: there is no other; -1: what follows is broken or cut off. */
int trace_next(struct trace_reader *r, struct trace_record *out, struct err *e) BF_MUST_CHECK;
void trace_close(struct trace_reader *r);

bool trace_is_hash(const struct trace_record *world, hash_fn *hash);

/* In words, on one line. */
void trace_input_text(struct str *out, const struct input *in);
void trace_op_text(struct str *out, const struct op *op);
void trace_effect_text(struct str *out, const struct effect *e);
const char *op_type_name(enum op_type t);

/* ---- for trace.c and its tests: the tables (trace_rows.c) ------------------------------------ */

const char *input_type_name(enum input_type t);
/* Members of struct input that this type uses. */
const struct fields *input_fields(enum input_type t);
extern const struct fields fields_op, fields_effect, fields_config;
extern const struct fields fields_site, fields_worker, fields_base, fields_image, fields_job,
    fields_report, fields_running, fields_result, fields_pin;

#endif
