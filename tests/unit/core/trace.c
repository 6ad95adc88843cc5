/* Traces: every input there and back, every member of every row, broken files. */
#include "scheduler/core/trace.h"

#include "common/base/map.h"
#include <criterion/criterion.h>
#include <stdio.h>

/* ---- rows in which no member is empty -------------------------------------------------------- */

static uint64_t salt;

static void fill(void *row, const struct fields *t, struct arena *a);

static const char *some_text(struct arena *a)
{
    char *text = arena_get(a, 24, 1);
    snprintf(text, 24, "text %llu", (unsigned long long)++salt);
    return text;
}

static const void *some_list(const struct field *f, size_t n, struct arena *a)
{
    if (f->kind == FIELD_IDS) {
        int64_t *ids = arena_get(a, n, sizeof *ids);
        for (size_t i = 0; i < n; i++)
            ids[i] = (int64_t)++salt * 1000000007;
        return ids;
    }
    if (f->kind == FIELD_TEXTS) {
        const char **texts = arena_get(a, n, sizeof *texts);
        for (size_t i = 0; i < n; i++)
            texts[i] = some_text(a);
        return texts;
    }
    char *rows = arena_get(a, n, f->of->size);
    for (size_t i = 0; i < n; i++)
        fill(rows + i * f->of->size, f->of, a);
    return rows;
}

static void fill_pointer(void *at, const struct field *f, void *row, struct arena *a)
{
    const size_t n = 3;
    const void *p = f->kind == FIELD_TEXT  ? some_text(a)
                    : f->kind == FIELD_ROW ? some_list(f, 1, a)
                                           : some_list(f, n, a);
    memcpy(at, &p, sizeof p);
    if (f->kind != FIELD_TEXT && f->kind != FIELD_ROW)
        memcpy((char *)row + f->count, &n, sizeof n);
}

static void fill_field(const struct field *f, void *row, struct arena *a)
{
    void *at = (char *)row + f->offset;
    const bool yes = true;
    const unsigned word = f->last, number = UINT32_MAX - (unsigned)++salt;
    const int small = -(int)salt;
    const int64_t big = INT64_MIN + (int64_t)salt;
    switch (f->kind) {
    case FIELD_BOOL:
        memcpy(at, &yes, sizeof yes);
        return;
    case FIELD_INT:
        memcpy(at, &small, sizeof small);
        return;
    case FIELD_UNSIGNED:
        memcpy(at, &number, sizeof number);
        return;
    case FIELD_I64:
        memcpy(at, &big, sizeof big);
        return;
    case FIELD_ENUM:
        memcpy(at, &word, sizeof word);
        return;
    case FIELD_ID128:
        memset(at, (int)salt, sizeof(struct id128));
        return;
    case FIELD_SHA256:
        memset(at, (int)salt, sizeof(struct sha256));
        return;
    case FIELD_TEXT:
    case FIELD_IDS:
    case FIELD_TEXTS:
    case FIELD_ROWS:
    case FIELD_ROW:
        fill_pointer(at, f, row, a);
        return;
    }
}

static void fill(void *row, const struct fields *t, struct arena *a)
{
    for (size_t i = 0; i < t->n; i++)
        fill_field(&t->v[i], row, a);
}

static struct input full_input(enum input_type t, struct arena *a)
{
    struct input in = {.type = t};
    fill(&in, input_fields(t), a);
    in.type = t;
    return in;
}

/* ---- there and back -------------------------------------------------------------------------- */

static hash_fn fake_hash;
static void fake_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    memset(out->b, (int)(n + parts[0].n), sizeof out->b);
}

static hash_fn other_hash;
static void other_hash(const struct span *parts, size_t n, struct sha256 *out)
{
    memset(out->b, (int)(n + parts[0].n + 1), sizeof out->b);
}

static struct brain_config full_config(void)
{
    struct arena none = {0};
    struct brain_config c = {.hash = fake_hash};
    fill(&c, &fields_config, &none);
    return c;
}

static void next(struct trace_reader *r, struct trace_record *rec, enum trace_kind kind)
{
    struct err e = ERR_INIT;
    cr_assert_eq(trace_next(r, rec, &e), 1, "%s", e.msg);
    cr_assert_eq(rec->kind, kind);
}

static void there_and_back(enum input_type t)
{
    struct arena a = {0};
    struct str file = STR_INIT, again = STR_INIT, one = STR_INIT, two = STR_INIT;
    struct trace_reader r;
    struct trace_record rec;
    struct err e = ERR_INIT;
    struct input in = full_input(t, &a);
    trace_head(&file);
    trace_input(&file, &in, 77);
    cr_assert_eq(trace_open(&r, file.p, file.len, &e), 0, "%s", e.msg);
    next(&r, &rec, TRACE_INPUT);
    cr_assert_eq(rec.now, 77);
    cr_assert_eq(rec.input.type, t);
    trace_head(&again);
    trace_input(&again, &rec.input, rec.now);
    cr_assert_eq(again.len, file.len);
    cr_assert_arr_eq(again.p, file.p, file.len);
    trace_input_text(&one, &in);
    trace_input_text(&two, &rec.input);
    cr_assert_str_eq(one.p, two.p);
    cr_assert(str_starts(one.p, input_type_name(t)));
    cr_assert_eq(trace_next(&r, &rec, &e), 0);
    trace_close(&r);
    arena_release(&a);
    str_release(&file);
    str_release(&again);
    str_release(&one);
    str_release(&two);
}

Test(core_trace, every_input_comes_back)
{
    for (enum input_type t = IN_SITE; t <= IN_TICK; t++)
        there_and_back(t);
}

Test(core_trace, what_is_empty_comes_back_empty)
{
    struct str file = STR_INIT, text = STR_INIT;
    struct trace_reader r;
    struct trace_record rec;
    const struct image_row row = {.id = -1, .name = ""};
    trace_head(&file);
    trace_input(&file, &(struct input){.type = IN_IMAGE, .image = &row}, INT64_MAX);
    cr_assert_eq(trace_open(&r, file.p, file.len, NULL), 0);
    next(&r, &rec, TRACE_INPUT);
    const struct image_row *got = rec.input.image;
    cr_assert_eq(rec.now, INT64_MAX);
    cr_assert_eq(got->id, -1);
    cr_assert_str_eq(got->name, "");
    cr_assert_null(got->arch);
    cr_assert_eq(got->n_parents, 0);
    cr_assert(sha256_is_none(&got->recipe));
    trace_input_text(&text, &rec.input);
    cr_assert_str_eq(text.p, "image id=-1 name=\"\"");
    trace_close(&r);
    str_release(&file);
    str_release(&text);
}

Test(core_trace, the_configuration_and_which_hash_it_names)
{
    struct str file = STR_INIT, again = STR_INIT;
    struct trace_reader r;
    struct trace_record rec;
    struct brain_config c = full_config();
    trace_head(&file);
    trace_world(&file, &c);
    trace_end(&file, TRACE_SIZE);
    cr_assert_eq(trace_open(&r, file.p, file.len, NULL), 0);
    next(&r, &rec, TRACE_WORLD);
    cr_assert_null(rec.config.hash);
    cr_assert(trace_is_hash(&rec, fake_hash));
    cr_assert_not(trace_is_hash(&rec, other_hash));
    rec.config.hash = c.hash;
    trace_head(&again);
    trace_world(&again, &rec.config);
    cr_assert_arr_eq(again.p, file.p, again.len);
    next(&r, &rec, TRACE_END);
    cr_assert_eq(rec.why, TRACE_SIZE);
    trace_close(&r);
    str_release(&file);
    str_release(&again);
}

/* ---- outputs --------------------------------------------------------------------------------- */

static struct str output_of(const struct op *op, const struct effect *after)
{
    struct str s = STR_INIT;
    struct op copy = *op;
    struct effect copy_after = *after;
    struct effects e = {.ops = &copy, .n_ops = 1, .after = &copy_after, .n_after = 1};
    trace_output(&s, &e, 0, 0);
    return s;
}

static bool same(struct str a, struct str b)
{
    bool eq = a.len == b.len && memcmp(a.p, b.p, a.len) == 0;
    str_release(&a);
    str_release(&b);
    return eq;
}

Test(core_trace, every_member_of_an_op_counts)
{
    struct arena a = {0};
    struct op op = {0}, none = {.type = OP_WAIT};
    struct effect orders = {.type = EFF_ORDERS, .worker = 3}, reload = {.type = EFF_RELOAD_JOB};
    fill(&op, &fields_op, &a);
    cr_assert(same(output_of(&op, &orders), output_of(&op, &orders)));
    cr_assert_not(same(output_of(&op, &orders), output_of(&op, &reload)));
    for (size_t i = 1; i < fields_op.n; i++) {
        struct op changed = none;
        fill_field(&fields_op.v[i], &changed, &a);
        cr_assert_not(same(output_of(&none, &orders), output_of(&changed, &orders)), "%s",
                      fields_op.v[i].name);
    }
    arena_release(&a);
}

Test(core_trace, outputs_name_their_ops)
{
    struct str file = STR_INIT;
    struct trace_reader r;
    struct trace_record rec;
    struct op ops[3] = {{.type = OP_CLAIM, .job = 9},
                        {.type = OP_CLAIM, .job = 4, .worker = 2},
                        {.type = OP_COMMAND_DONE, .command = 7}};
    struct effects e = {.ops = ops, .n_ops = 3};
    trace_head(&file);
    trace_output(&file, &e, 1, 0);
    cr_assert_eq(trace_open(&r, file.p, file.len, NULL), 0);
    next(&r, &rec, TRACE_OUTPUT);
    cr_assert_eq(rec.n_ops, 2);
    cr_assert_eq(rec.ops[0].type, OP_CLAIM);
    cr_assert_eq(rec.ops[0].about, 4);
    cr_assert_eq(rec.ops[1].about, 7);
    trace_close(&r);
    str_release(&file);
}

/* ---- broken files ---------------------------------------------------------------------------- */

static struct str whole_file(void)
{
    struct arena a = {0};
    struct str file = STR_INIT;
    struct brain_config c = full_config();
    struct op op = {0};
    struct effects e = {.ops = &op, .n_ops = 1};
    fill(&op, &fields_op, &a);
    trace_head(&file);
    trace_world(&file, &c);
    for (enum input_type t = IN_SITE; t <= IN_TICK; t++) {
        struct input in = full_input(t, &a);
        trace_input(&file, &in, 1);
        trace_output(&file, &e, 0, 0);
    }
    trace_end(&file, TRACE_ASKED);
    arena_release(&a);
    return file;
}

/* How many records; -1 and the error when it is broken. */
static int read_through(const char *p, size_t n, struct err *e)
{
    struct trace_reader r;
    struct trace_record rec;
    struct str text = STR_INIT;
    int rc, records = 0;
    if (trace_open(&r, p, n, e))
        return -1;
    while ((rc = trace_next(&r, &rec, e)) == 1) {
        records++;
        if (rec.kind == TRACE_INPUT)
            trace_input_text(&text, &rec.input);
    }
    trace_close(&r);
    str_release(&text);
    return rc ? -1 : records;
}

/* A copy of exactly its size, so that a sanitizer sees a read behind the end. */
Test(core_trace, cut_off_anywhere_is_an_error_or_a_shorter_file)
{
    struct str file = whole_file();
    int whole = read_through(file.p, file.len, NULL), last = -1;
    cr_assert_eq(whole, 2 * ((int)IN_TICK + 1) + 2);
    for (size_t n = 0; n < file.len; n++) {
        char *cut = xmemdup(file.p, n);
        struct err e = ERR_INIT;
        int got = read_through(cut, n, &e);
        cr_assert(got < whole);
        if (got < 0)
            cr_assert_neq(e.msg[0], 0);
        else
            cr_assert_eq(got, ++last);
        free(cut);
    }
    str_release(&file);
}

Test(core_trace, a_changed_byte_never_reads_outside)
{
    struct str file = whole_file();
    for (size_t i = 0; i < file.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            char *copy = xmemdup(file.p, file.len);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            (void)read_through(copy, file.len, NULL);
            free(copy);
        }
    }
    str_release(&file);
}

Test(core_trace, files_that_are_none)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *said;
    } broken[] = {
        {"", 0, "this is no trace"},
        {"#!/bin/sh\nexit 0\nexit 0\nexit 0\n", 30, "this is no trace"},
        {"bf-trace 1\n12345678", 19, "another version"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
        struct err e = ERR_INIT;
        cr_assert_eq(read_through(broken[i].bytes, broken[i].n, &e), -1);
        if (i < 2)
            cr_assert_not_null(strstr(e.msg, broken[i].said), "%s", e.msg);
        else
            cr_assert_not_null(strstr(e.msg, "written by a version"), "%s", e.msg);
    }
}

/* ---- the tables and the headers -------------------------------------------------------------- */

static char *read_source(const char *name)
{
    char path[512];
    snprintf(path, sizeof path, SOURCE_DIR "/scheduler/core/%s", name);
    FILE *f = fopen(path, "r");
    cr_assert_not_null(f, "%s", path);
    char *text = xcalloc(1, 1 << 20);
    cr_assert_gt(fread(text, 1, (1 << 20) - 1, f), 0);
    fclose(f);
    return text;
}

/* Comments become blanks. */
static void strip(char *text)
{
    for (char *p = text; (p = strstr(p, "/*")) != NULL;) {
        char *end = strstr(p, "*/") + 2;
        memset(p, ' ', (size_t)(end - p));
    }
}

static bool has_field(const struct fields *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->v[i].name, name) == 0)
            return true;
    }
    return false;
}

static bool is_left_out(const char *name)
{
    return str_starts(name, "n_") || strcmp(name, "cookie") == 0 || strcmp(name, "hash") == 0;
}

/* The last word before each ';' or ',' inside the braces is a member. */
static size_t check_members(const char *header, const char *text, const char *type,
                            const struct fields *t)
{
    char opening[64], name[64];
    size_t n = 0;
    snprintf(opening, sizeof opening, "struct %s {", type);
    const char *p = strstr(text, opening);
    cr_assert_not_null(p, "%s in %s", type, header);
    for (p += strlen(opening); *p != '}'; p++) {
        if (*p != ';' && *p != ',')
            continue;
        const char *end = p;
        while (end[-1] == ' ')
            end--;
        const char *begin = end;
        while (strchr("abcdefghijklmnopqrstuvwxyz_0123456789", begin[-1]))
            begin--;
        snprintf(name, sizeof name, "%.*s", (int)(end - begin), begin);
        if (is_left_out(name))
            continue;
        cr_assert(has_field(t, name), "%s: struct %s has a member %s: add it in trace_rows.c",
                  header, type, name);
        n++;
    }
    return n;
}

Test(core_trace, every_member_of_every_row_stands_in_a_table)
{
    static const struct {
        const char *header, *type;
        const struct fields *table;
    } all[] = {
        {"model.h", "site_row", &fields_site}, {"model.h", "worker_row", &fields_worker},
        {"model.h", "base_row", &fields_base}, {"model.h", "image_row", &fields_image},
        {"model.h", "job_row", &fields_job},   {"brain.h", "worker_report", &fields_report},
        {"brain.h", "pin", &fields_pin},       {"brain.h", "running_report", &fields_running},
        {"brain.h", "op", &fields_op},         {"brain.h", "result_report", &fields_result},
        {"brain.h", "effect", &fields_effect}, {"brain.h", "brain_config", &fields_config},
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        char *text = read_source(all[i].header);
        strip(text);
        cr_assert_eq(check_members(all[i].header, text, all[i].type, all[i].table),
                     all[i].table->n);
        free(text);
    }
}
