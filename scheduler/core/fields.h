/* fields.h - structs described as tables of their members: one line for each member gives its
 * encoding, its decoding and its text.
 *
 * Encoded: numbers as LEB128 (signed ones zigzag), text as its length + 1 and its bytes (0: NULL),
 * ids and digests as one byte, 0: none, else 1 and their bytes; lists as their length and their
 * elements; members in the order of the table, with nothing between them. */
#ifndef BF_CORE_FIELDS_H
#define BF_CORE_FIELDS_H

#include "common/base/str.h"
#include "common/base/vec.h"

enum field_kind {
    FIELD_BOOL,
    FIELD_INT,
    FIELD_UNSIGNED,
    FIELD_I64,
    FIELD_ENUM,
    FIELD_TEXT,
    FIELD_ID128,
    FIELD_SHA256,
    FIELD_IDS,   /* const int64_t *, with a count */
    FIELD_TEXTS, /* const char *const *, with a count */
    FIELD_ROWS,  /* structs of another table, with a count */
    FIELD_ROW    /* a pointer to one, never NULL */
};

struct field {
    const char *name;
    size_t offset;
    size_t count; /* of lists: offset of the member that says how many */
    const struct fields *of;
    const char *(*word)(unsigned value); /* of an enum */
    unsigned last;                       /* of an enum: its highest value */
    enum field_kind kind;
};

struct fields {
    const struct field *v;
    size_t n;
    size_t size; /* of the struct */
};

/* What is left to read. */
struct bytes {
    const uint8_t *p, *end;
};

/* Owns what decoded rows point at. */
struct arena {
    VEC(void *) blocks;
};
void *arena_get(struct arena *a, size_t n, size_t size); /* zeroed */
void arena_clear(struct arena *a);
void arena_release(struct arena *a);

void put_u64(struct str *out, uint64_t v);
void put_i64(struct str *out, int64_t v);
int get_u64(struct bytes *in, uint64_t *out) BF_MUST_CHECK;
int get_i64(struct bytes *in, int64_t *out) BF_MUST_CHECK;

void fields_put(struct str *out, const struct fields *t, const void *row);
/* NULL, or the name of the member that is not as it should be. `row` is zeroed before. */
const char *fields_get(struct bytes *in, const struct fields *t, void *row, struct arena *a);
/* " name=value" for each member that is neither zero nor empty. */
void fields_text(struct str *out, const struct fields *t, const void *row);
/* Adds what the tables look like: what one layout wrote another cannot read. */
void fields_layout(struct str *out, const struct fields *t);

#endif
