#include "scheduler/core/fields.h"

/* ---- memory ---------------------------------------------------------------------------------- */

void *arena_get(struct arena *a, size_t n, size_t size)
{
    void *p = xcalloc(n ? n : 1, size);
    *vec_push(&a->blocks) = p;
    return p;
}

void arena_clear(struct arena *a)
{
    vec_for_each (i, &a->blocks)
        free(a->blocks.v[i]);
    vec_clear(&a->blocks);
}

void arena_release(struct arena *a)
{
    arena_clear(a);
    vec_release(&a->blocks);
}

/* ---- numbers --------------------------------------------------------------------------------- */

void put_u64(struct str *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        str_addch(out, (char)(v | 0x80));
    str_addch(out, (char)v);
}

void put_i64(struct str *out, int64_t v)
{
    put_u64(out, ((uint64_t)v << 1) ^ (v < 0 ? UINT64_MAX : 0));
}

int get_u64(struct bytes *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; in->p < in->end && shift < 64; shift += 7) {
        uint8_t b = *in->p++;
        if (shift == 63 && b > 1)
            return -1;
        *out |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80)
            return 0;
    }
    return -1;
}

int get_i64(struct bytes *in, int64_t *out)
{
    uint64_t v;
    if (get_u64(in, &v))
        return -1;
    *out = (int64_t)((v >> 1) ^ (v & 1 ? UINT64_MAX : 0));
    return 0;
}

static size_t left(const struct bytes *in)
{
    return (size_t)(in->end - in->p);
}

static int get_bytes(struct bytes *in, void *out, size_t n)
{
    if (left(in) < n)
        return -1;
    memcpy(out, in->p, n);
    in->p += n;
    return 0;
}

/* Every element takes a byte at least, so what is left bounds how many there can be. */
static int get_count(struct bytes *in, size_t *out)
{
    uint64_t n;
    if (get_u64(in, &n) || n > left(in))
        return -1;
    *out = (size_t)n;
    return 0;
}

/* ---- members --------------------------------------------------------------------------------- */

/* Members are copied out and in: a table knows where one stands, not its type. */
static void load(const void *row, size_t offset, void *out, size_t n)
{
    memcpy(out, (const char *)row + offset, n);
}

static void store(void *row, size_t offset, const void *value, size_t n)
{
    memcpy((char *)row + offset, value, n);
}

static bool load_bool(const void *row, const struct field *f)
{
    bool v;
    load(row, f->offset, &v, sizeof v);
    return v;
}

static int load_int(const void *row, const struct field *f)
{
    int v;
    load(row, f->offset, &v, sizeof v);
    return v;
}

static unsigned load_unsigned(const void *row, const struct field *f)
{
    unsigned v;
    load(row, f->offset, &v, sizeof v);
    return v;
}

static int64_t load_i64(const void *row, const struct field *f)
{
    int64_t v;
    load(row, f->offset, &v, sizeof v);
    return v;
}

static const void *load_pointer(const void *row, const struct field *f)
{
    const void *v;
    load(row, f->offset, &v, sizeof v);
    return v;
}

static size_t load_count(const void *row, const struct field *f)
{
    size_t v;
    load(row, f->count, &v, sizeof v);
    return v;
}

static void put_text(struct str *out, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    put_u64(out, text ? n + 1 : 0);
    if (text)
        str_addmem(out, text, n);
}

static int get_text(struct bytes *in, const char **out, struct arena *a)
{
    uint64_t n; /* with a NUL */
    *out = NULL;
    if (get_u64(in, &n) || (n && n - 1 > left(in)))
        return -1;
    if (n == 0)
        return 0;
    char *text = arena_get(a, (size_t)n, 1);
    *out = text;
    return get_bytes(in, text, (size_t)n - 1) || memchr(text, 0, (size_t)n - 1) ? -1 : 0;
}

static bool is_none(const void *p, size_t n)
{
    static const uint8_t none[sizeof(struct sha256)];
    return memcmp(p, none, n) == 0;
}

static void put_block(struct str *out, const void *p, size_t n)
{
    str_addch(out, is_none(p, n) ? 0 : 1);
    if (!is_none(p, n))
        str_addmem(out, p, n);
}

static int get_block(struct bytes *in, void *out, size_t n)
{
    uint8_t there;
    if (get_bytes(in, &there, 1) || there > 1)
        return -1;
    return there ? get_bytes(in, out, n) : 0;
}

static void put_list(struct str *out, const struct field *f, const void *row)
{
    size_t n = load_count(row, f);
    put_u64(out, n);
    if (f->kind == FIELD_IDS) {
        const int64_t *v = load_pointer(row, f);
        for (size_t i = 0; i < n; i++)
            put_i64(out, v[i]);
    } else if (f->kind == FIELD_TEXTS) {
        const char *const *v = load_pointer(row, f);
        for (size_t i = 0; i < n; i++)
            put_text(out, v[i]);
    } else {
        const char *v = load_pointer(row, f);
        for (size_t i = 0; i < n; i++)
            fields_put(out, f->of, v + i * f->of->size);
    }
}

static void put_field(struct str *out, const struct field *f, const void *row)
{
    const char *at = (const char *)row + f->offset;
    switch (f->kind) {
    case FIELD_BOOL:
        str_addch(out, load_bool(row, f) ? 1 : 0);
        return;
    case FIELD_INT:
        put_i64(out, load_int(row, f));
        return;
    case FIELD_UNSIGNED:
    case FIELD_ENUM:
        put_u64(out, load_unsigned(row, f));
        return;
    case FIELD_I64:
        put_i64(out, load_i64(row, f));
        return;
    case FIELD_TEXT:
        put_text(out, load_pointer(row, f));
        return;
    case FIELD_ID128:
        put_block(out, at, sizeof(struct id128));
        return;
    case FIELD_SHA256:
        put_block(out, at, sizeof(struct sha256));
        return;
    case FIELD_IDS:
    case FIELD_TEXTS:
    case FIELD_ROWS:
        put_list(out, f, row);
        return;
    case FIELD_ROW:
        fields_put(out, f->of, load_pointer(row, f));
        return;
    }
    BUG("field %s", f->name);
}

void fields_put(struct str *out, const struct fields *t, const void *row)
{
    for (size_t i = 0; i < t->n; i++)
        put_field(out, &t->v[i], row);
}

/* ---- reading --------------------------------------------------------------------------------- */

static const char *get_ids(struct bytes *in, const struct field *f, void *row, size_t n,
                           struct arena *a)
{
    int64_t *v = arena_get(a, n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        if (get_i64(in, &v[i]))
            return f->name;
    }
    store(row, f->offset, &v, sizeof v);
    return NULL;
}

static const char *get_texts(struct bytes *in, const struct field *f, void *row, size_t n,
                             struct arena *a)
{
    const char **v = arena_get(a, n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        if (get_text(in, &v[i], a) || !v[i])
            return f->name;
    }
    store(row, f->offset, &v, sizeof v);
    return NULL;
}

static const char *get_rows(struct bytes *in, const struct field *f, void *row, size_t n,
                            struct arena *a)
{
    char *v = arena_get(a, n, f->of->size);
    const char *bad = NULL;
    for (size_t i = 0; i < n && !bad; i++)
        bad = fields_get(in, f->of, v + i * f->of->size, a);
    store(row, f->offset, &v, sizeof v);
    return bad;
}

static const char *get_list(struct bytes *in, const struct field *f, void *row, struct arena *a)
{
    size_t n;
    if (get_count(in, &n))
        return f->name;
    store(row, f->count, &n, sizeof n);
    if (f->kind == FIELD_IDS)
        return get_ids(in, f, row, n, a);
    if (f->kind == FIELD_TEXTS)
        return get_texts(in, f, row, n, a);
    return get_rows(in, f, row, n, a);
}

static int get_signed(struct bytes *in, const struct field *f, void *row)
{
    int64_t v;
    if (get_i64(in, &v) || (f->kind == FIELD_INT && (v < INT32_MIN || v > INT32_MAX)))
        return -1;
    int small = (int)v;
    if (f->kind == FIELD_INT)
        store(row, f->offset, &small, sizeof small);
    else
        store(row, f->offset, &v, sizeof v);
    return 0;
}

static int get_unsigned(struct bytes *in, const struct field *f, void *row)
{
    uint64_t v;
    uint64_t max = f->kind == FIELD_BOOL ? 1 : f->kind == FIELD_ENUM ? f->last : UINT32_MAX;
    if (get_u64(in, &v) || v > max)
        return -1;
    bool yes = v != 0;
    unsigned small = (unsigned)v;
    if (f->kind == FIELD_BOOL)
        store(row, f->offset, &yes, sizeof yes);
    else
        store(row, f->offset, &small, sizeof small);
    return 0;
}

static const char *get_field(struct bytes *in, const struct field *f, void *row, struct arena *a)
{
    char *at = (char *)row + f->offset;
    const char *text;
    switch (f->kind) {
    case FIELD_BOOL:
    case FIELD_UNSIGNED:
    case FIELD_ENUM:
        return get_unsigned(in, f, row) ? f->name : NULL;
    case FIELD_INT:
    case FIELD_I64:
        return get_signed(in, f, row) ? f->name : NULL;
    case FIELD_TEXT:
        if (get_text(in, &text, a))
            return f->name;
        store(row, f->offset, &text, sizeof text);
        return NULL;
    case FIELD_ID128:
        return get_block(in, at, sizeof(struct id128)) ? f->name : NULL;
    case FIELD_SHA256:
        return get_block(in, at, sizeof(struct sha256)) ? f->name : NULL;
    case FIELD_IDS:
    case FIELD_TEXTS:
    case FIELD_ROWS:
        return get_list(in, f, row, a);
    case FIELD_ROW: {
        void *of = arena_get(a, 1, f->of->size);
        store(row, f->offset, &of, sizeof of);
        return fields_get(in, f->of, of, a);
    }
    }
    BUG("field %s", f->name);
}

const char *fields_get(struct bytes *in, const struct fields *t, void *row, struct arena *a)
{
    const char *bad = NULL;
    memset(row, 0, t->size);
    for (size_t i = 0; i < t->n && !bad; i++)
        bad = get_field(in, &t->v[i], row, a);
    return bad;
}

/* ---- text ------------------------------------------------------------------------------------ */

static void text_digest(struct str *out, const struct sha256 *d)
{
    str_add(out, "sha256:");
    str_addhex(out, d->b, 8); /* enough to tell one from another */
}

static void text_element(struct str *out, const struct field *f, const void *list, size_t i)
{
    const int64_t *ids = list;
    const char *const *texts = list;
    if (f->kind == FIELD_IDS) {
        str_addf(out, "%lld", (long long)ids[i]);
    } else if (f->kind == FIELD_TEXTS) {
        text_add_safe(out, texts[i]);
    } else {
        str_add(out, "{");
        fields_text(out, f->of, (const char *)list + i * f->of->size);
        str_add(out, " }");
    }
}

static void text_list(struct str *out, const struct field *f, const void *row)
{
    str_addf(out, " %s=[", f->name);
    for (size_t i = 0; i < load_count(row, f); i++) {
        if (i)
            str_addch(out, ' ');
        text_element(out, f, load_pointer(row, f), i);
    }
    str_addch(out, ']');
}

static void text_enum(struct str *out, const struct field *f, unsigned v)
{
    const char *word = f->word(v);
    if (word)
        str_addf(out, " %s=%s", f->name, word);
}

static void text_quoted(struct str *out, const struct field *f, const char *text)
{
    str_addf(out, " %s=\"", f->name);
    text_add_safe(out, text);
    str_addch(out, '"');
}

static void text_block(struct str *out, const struct field *f, const void *row)
{
    char text[ID128_TEXT];
    size_t size = f->kind == FIELD_ID128 ? sizeof(struct id128) : sizeof(struct sha256);
    if (is_none((const char *)row + f->offset, size))
        return;
    str_addf(out, " %s=", f->name);
    if (f->kind == FIELD_ID128) {
        struct id128 id;
        load(row, f->offset, &id, sizeof id);
        id128_format(id, text);
        str_add(out, text);
    } else {
        struct sha256 d;
        load(row, f->offset, &d, sizeof d);
        text_digest(out, &d);
    }
}

static void text_number(struct str *out, const struct field *f, int64_t v)
{
    if (v)
        str_addf(out, " %s=%lld", f->name, (long long)v);
}

static void text_field(struct str *out, const struct field *f, const void *row)
{
    switch (f->kind) {
    case FIELD_BOOL:
        if (load_bool(row, f))
            str_addf(out, " %s", f->name);
        return;
    case FIELD_INT:
        text_number(out, f, load_int(row, f));
        return;
    case FIELD_UNSIGNED:
        text_number(out, f, load_unsigned(row, f));
        return;
    case FIELD_I64:
        text_number(out, f, load_i64(row, f));
        return;
    case FIELD_ENUM:
        text_enum(out, f, load_unsigned(row, f));
        return;
    case FIELD_TEXT:
        if (load_pointer(row, f))
            text_quoted(out, f, load_pointer(row, f));
        return;
    case FIELD_ID128:
    case FIELD_SHA256:
        text_block(out, f, row);
        return;
    case FIELD_IDS:
    case FIELD_TEXTS:
    case FIELD_ROWS:
        if (load_count(row, f))
            text_list(out, f, row);
        return;
    case FIELD_ROW:
        fields_text(out, f->of, load_pointer(row, f));
        return;
    }
}

void fields_text(struct str *out, const struct fields *t, const void *row)
{
    for (size_t i = 0; i < t->n; i++)
        text_field(out, &t->v[i], row);
}

void fields_layout(struct str *out, const struct fields *t)
{
    for (size_t i = 0; i < t->n; i++) {
        str_addf(out, "%s:%d:%u(", t->v[i].name, (int)t->v[i].kind, t->v[i].last);
        if (t->v[i].of)
            fields_layout(out, t->v[i].of);
        str_addch(out, ')');
    }
}
