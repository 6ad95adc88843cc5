/* Every message there and back, the header, the routes, the versions, the frame limits. */
#include "tests/unit/wire/sample.h"
#include <criterion/criterion.h>

static struct err e;

static void encode(enum wire_type type, const void *msg, struct str *out)
{
    cr_assert_eq(wire_encode(type, msg, out, &e), 0, "%s", e.msg);
}

static int decode(enum wire_route route, const struct str *f, struct wire_msg *m)
{
    return wire_decode(route, f->p, f->len, m, &e);
}

Test(wire, report_there_and_back)
{
    struct sample s;
    struct str f = STR_INIT;
    struct wire_msg m;
    sample_init(&s);
    encode(WIRE_REPORT, &s.report, &f);
    cr_assert_eq(decode(WIRE_CONTROL_TO_SCHEDULER, &f, &m), 0, "%s", e.msg);
    cr_assert_eq(m.type, WIRE_REPORT);
    cr_assert_eq(m.version, WIRE_VERSION);
    cr_assert(id128_eq(wire_id(m.report->boot_id), s.boot));
    cr_assert_eq(m.report->seq, 7);
    cr_assert_str_eq(m.report->capacity->capabilities[1], "secret:activation-key");
    cr_assert(id128_eq(wire_id(m.report->running[0]->attempt_id), s.attempt[0]));
    cr_assert_str_eq(m.report->results[0]->digest, s.result.digest);
    wire_release(&m);
    wire_release(&m); /* twice is fine */
    str_release(&f);
}

Test(wire, orders_there_and_back)
{
    struct sample s;
    struct str f = STR_INIT;
    struct wire_msg m;
    sample_init(&s);
    encode(WIRE_ORDERS, &s.orders, &f);
    cr_assert_eq(decode(WIRE_CONTROL_TO_WORKER, &f, &m), 0, "%s", e.msg);
    cr_assert_eq(m.orders->term, 3);
    cr_assert_eq(m.orders->wanted[0]->order.len, s.wanted.order.len);
    cr_assert_eq(m.orders->acks[0]->kind, BOOTFARM__ACK_KIND__ACK_ACCEPTED);
    wire_release(&m);
    str_release(&f);
}

Test(wire, every_type_travels_on_its_route_only)
{
    struct sample s;
    sample_init(&s);
    const struct {
        enum wire_type type;
        enum wire_route route;
        const void *msg;
    } all[] = {
        {WIRE_REPORT, WIRE_CONTROL_TO_SCHEDULER, &s.report},
        {WIRE_ORDERS, WIRE_CONTROL_TO_WORKER, &s.orders},
        {WIRE_NOT_LEADER, WIRE_CONTROL_TO_WORKER, &s.not_leader},
        {WIRE_LOG_CHUNK, WIRE_LOG_TO_SCHEDULER, &s.chunk},
        {WIRE_LOG_SEAL, WIRE_LOG_TO_SCHEDULER, &s.seal},
        {WIRE_LOG_ACK, WIRE_LOG_TO_WORKER, &s.log_ack},
    };
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        struct str f = STR_INIT;
        encode(all[i].type, all[i].msg, &f);
        cr_expect_leq(f.len, wire_max_frame(all[i].route));
        for (int route = WIRE_CONTROL_TO_SCHEDULER; route <= WIRE_LOG_TO_WORKER; route++) {
            struct wire_msg m;
            bool taken = decode((enum wire_route)route, &f, &m) == 0;
            cr_expect_eq(taken, route == (int)all[i].route, "%s on route %d",
                         wire_type_name(all[i].type), route);
            wire_release(&m);
        }
        str_release(&f);
    }
}

Test(wire, the_next_version_is_understood_and_later_ones_are_not)
{
    struct sample s;
    struct str f = STR_INIT;
    struct wire_msg m;
    sample_init(&s);
    encode(WIRE_LOG_SEAL, &s.seal, &f);
    f.p[1] = WIRE_VERSION + 1;
    /* field 2000, varint: something that only the next version knows */
    str_addmem(&f, "\x80\x7d\x01", 3);
    cr_assert_eq(decode(WIRE_LOG_TO_SCHEDULER, &f, &m), 0, "%s", e.msg);
    cr_expect_eq(m.version, WIRE_VERSION + 1);
    wire_release(&m);
    f.p[1] = WIRE_VERSION + 2;
    cr_expect_eq(decode(WIRE_LOG_TO_SCHEDULER, &f, &m), -1);
    f.p[1] = 0;
    cr_expect_eq(decode(WIRE_LOG_TO_SCHEDULER, &f, &m), -1);
    str_release(&f);
}

Test(wire, header_is_checked)
{
    struct sample s;
    struct str f = STR_INIT;
    struct wire_msg m;
    sample_init(&s);
    encode(WIRE_LOG_SEAL, &s.seal, &f);
    for (size_t n = 0; n < WIRE_HEADER; n++)
        cr_expect_eq(wire_decode(WIRE_LOG_TO_SCHEDULER, f.p, n, &m, &e), -1);
    f.p[3] = 1;
    cr_expect_eq(decode(WIRE_LOG_TO_SCHEDULER, &f, &m), -1);
    f.p[3] = 0;
    f.p[0] = 99;
    cr_expect_eq(decode(WIRE_LOG_TO_SCHEDULER, &f, &m), -1);
    cr_expect(strstr(e.msg, "type 99") != NULL, "%s", e.msg);
    str_release(&f);
}

Test(wire, sender_learns_that_a_message_does_not_fit)
{
    struct sample s;
    struct str f = STR_INIT;
    static uint8_t big[WIRE_MAX_ORDER];
    static Bootfarm__Assignment a[5];
    static Bootfarm__Assignment *list[5];
    struct id128 ids[5];
    sample_init(&s);
    memset(big, ' ', sizeof big);
    big[0] = '{';
    for (size_t i = 0; i < 5; i++) {
        memset(ids[i].b, (int)i + 1, sizeof ids[i].b);
        bootfarm__assignment__init(&a[i]);
        a[i].attempt_id = wire_id_bytes(&ids[i]);
        a[i].order = (ProtobufCBinaryData){.len = sizeof big, .data = big};
        list[i] = &a[i];
    }
    s.orders.wanted = list;
    s.orders.n_wanted = 5;
    cr_assert_eq(wire_encode(WIRE_ORDERS, &s.orders.base, &f, &e), -1);
    cr_expect(strstr(e.msg, "Orders") != NULL, "%s", e.msg);
    cr_expect_eq(f.len, 0);
    s.orders.n_wanted = 3;
    cr_assert_eq(wire_encode(WIRE_ORDERS, &s.orders.base, &f, &e), 0, "%s", e.msg);
    str_release(&f);
}
