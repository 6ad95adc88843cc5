/* What a hostile or broken peer may send: the decoder says no, in bounded memory and time. */
#include "tests/unit/wire/sample.h"
#include <criterion/criterion.h>
#include <malloc.h>

static struct err e;

static void header(struct str *f, enum wire_type type)
{
    const char h[WIRE_HEADER] = {(char)type, WIRE_VERSION, 0, 0};
    str_addmem(f, h, sizeof h);
}

static void expect_refused(enum wire_route route, const struct str *f, const char *why)
{
    struct wire_msg m;
    cr_expect_eq(wire_decode(route, f->p, f->len, &m, &e), -1, "%s", why);
    cr_expect_eq(e.kind, ERR_INPUT);
    cr_expect_null(m.arena);
}

static struct str encoded_report(void)
{
    struct sample s;
    struct str f = STR_INIT;
    sample_init(&s);
    cr_assert_eq(wire_encode(WIRE_REPORT, &s.report.base, &f, &e), 0, "%s", e.msg);
    return f;
}

Test(hostile, every_truncation_is_harmless)
{
    struct str f = encoded_report();
    for (size_t n = 0; n < f.len; n++) {
        struct wire_msg m;
        char *copy = xmemdup(f.p, n ? n : 1); /* its own block, so that ASan sees an overread */
        if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, copy, n, &m, &e) == 0)
            wire_release(&m); /* cut between two fields: complete but shorter */
        free(copy);
    }
    str_release(&f);
}

Test(hostile, every_flipped_byte_is_harmless)
{
    struct str f = encoded_report();
    for (size_t i = 0; i < f.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct wire_msg m;
            f.p[i] = (char)(f.p[i] ^ (1 << bit));
            if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, f.p, f.len, &m, &e) == 0)
                wire_release(&m);
            f.p[i] = (char)(f.p[i] ^ (1 << bit));
        }
    str_release(&f);
}

/* xorshift64: the same garbage in every run */
static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

Test(hostile, random_garbage_is_harmless)
{
    uint64_t x = 88172645463325252u;
    const enum wire_type types[] = {WIRE_REPORT, WIRE_ORDERS, WIRE_NOT_LEADER, WIRE_LOG_ACK};
    for (int round = 0; round < 20000; round++) {
        struct str f = STR_INIT;
        header(&f, types[round % 4]);
        for (size_t n = next(&x) % 120; n > 0; n--)
            str_addch(&f, (char)next(&x));
        for (int route = WIRE_CONTROL_TO_SCHEDULER; route <= WIRE_LOG_TO_WORKER; route++) {
            struct wire_msg m;
            if (wire_decode((enum wire_route)route, f.p, f.len, &m, &e) == 0)
                wire_release(&m);
        }
        str_release(&f);
    }
}

Test(hostile, mutated_reports_are_harmless)
{
    struct str f = encoded_report();
    uint64_t x = 0x9e3779b97f4a7c15u;
    char *copy = xmalloc(f.len);
    for (int round = 0; round < 50000; round++) {
        struct wire_msg m;
        memcpy(copy, f.p, f.len);
        for (int k = 0; k < 4; k++)
            copy[WIRE_HEADER + next(&x) % (f.len - WIRE_HEADER)] = (char)next(&x);
        if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, copy, f.len, &m, &e) == 0)
            wire_release(&m);
    }
    free(copy);
    str_release(&f);
}

Test(hostile, oversized_frames_are_refused_before_unpacking)
{
    struct str f = STR_INIT;
    header(&f, WIRE_NOT_LEADER);
    while (f.len <= 64)
        str_addch(&f, 0);
    expect_refused(WIRE_CONTROL_TO_WORKER, &f, "NotLeader of 65 bytes");
    cr_expect(strstr(e.msg, "at most 64") != NULL, "%s", e.msg);
    str_release(&f);
}

Test(hostile, half_a_million_empty_elements_stay_within_the_budget)
{
    struct str f = STR_INIT;
    header(&f, WIRE_REPORT);
    while (f.len + 2 <= 1048576)
        str_addmem(&f, "\x42\x00", 2); /* field 8, running: an empty message */
    struct mallinfo2 before = mallinfo2();
    expect_refused(WIRE_CONTROL_TO_SCHEDULER, &f, "empty running[]");
    cr_expect(strstr(e.msg, "more memory") != NULL, "%s", e.msg);
    cr_expect_lt(mallinfo2().uordblks, before.uordblks + (64u << 10));
    str_release(&f);
}

Test(hostile, a_million_unknown_fields_stay_within_the_budget)
{
    struct str f = STR_INIT;
    header(&f, WIRE_ORDERS);
    while (f.len + 4 <= 4194304)
        str_addmem(&f, "\x80\x7d\x01\x00", 3); /* field 2000 */
    expect_refused(WIRE_CONTROL_TO_WORKER, &f, "unknown fields");
    str_release(&f);
}

Test(hostile, deep_nesting_costs_nothing)
{
    /* Groups in groups, and messages in messages of an unknown field: neither recurses. */
    struct str f = STR_INIT;
    header(&f, WIRE_ORDERS);
    for (int i = 0; i < 100000; i++)
        str_addch(&f, 0x0b); /* start group 1 */
    expect_refused(WIRE_CONTROL_TO_WORKER, &f, "groups");
    str_release(&f);

    str_init(&f);
    header(&f, WIRE_REPORT);
    for (size_t left = 100000; left > 4; left -= 4) { /* field 5, length of the rest */
        str_addch(&f, 0x2a);
        size_t n = left - 4;
        str_addch(&f, (char)(0x80 | (n & 0x7f)));
        str_addch(&f, (char)(0x80 | (n >> 7 & 0x7f)));
        str_addch(&f, (char)(n >> 14));
    }
    expect_refused(WIRE_CONTROL_TO_SCHEDULER, &f, "capacity in capacity");
    str_release(&f);
}

Test(hostile, a_length_beyond_the_frame_is_refused)
{
    struct str f = STR_INIT;
    header(&f, WIRE_REPORT);
    str_addmem(&f, "\x0a\xff\xff\xff\xff\x0f", 6); /* boot_id of 4 GiB */
    expect_refused(WIRE_CONTROL_TO_SCHEDULER, &f, "length");
    str_clear(&f);
    header(&f, WIRE_REPORT);
    str_addmem(&f, "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    expect_refused(WIRE_CONTROL_TO_SCHEDULER, &f, "64-bit length");
    str_release(&f);
}
