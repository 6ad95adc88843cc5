/* One broken rule per row: the sender may not send it, the receiver refuses it. */
#include "tests/unit/wire/sample.h"
#include <criterion/criterion.h>

static struct err e;

/* Refused by wire_encode(), and by wire_decode() when a peer packs it all the same. */
static void expect_broken(enum wire_type type, enum wire_route route, const ProtobufCMessage *msg,
                          const char *field)
{
    struct str f = STR_INIT;
    cr_expect_eq(wire_encode(type, msg, &f, &e), -1, "%s", field);
    cr_expect(strstr(e.msg, field) != NULL, "%s: \"%s\"", field, e.msg);
    cr_expect_eq(f.len, 0);

    size_t n = WIRE_HEADER + protobuf_c_message_get_packed_size(msg);
    unsigned char *frame = xcalloc(1, n);
    struct wire_msg m;
    frame[0] = (unsigned char)type;
    frame[1] = WIRE_VERSION;
    protobuf_c_message_pack(msg, frame + WIRE_HEADER);
    cr_expect_eq(wire_decode(route, frame, n, &m, &e), -1, "%s", field);
    cr_expect(strstr(e.msg, field) != NULL, "%s: \"%s\"", field, e.msg);
    free(frame);
    str_release(&f);
}

#define REPORT_RULE(name, field, change)                                              \
    Test(report_rules, name)                                                          \
    {                                                                                 \
        struct sample s;                                                              \
        sample_init(&s);                                                              \
        change;                                                                       \
        expect_broken(WIRE_REPORT, WIRE_CONTROL_TO_SCHEDULER, &s.report.base, field); \
    }
#define ORDERS_RULE(name, field, change)                                           \
    Test(orders_rules, name)                                                       \
    {                                                                              \
        struct sample s;                                                           \
        sample_init(&s);                                                           \
        change;                                                                    \
        expect_broken(WIRE_ORDERS, WIRE_CONTROL_TO_WORKER, &s.orders.base, field); \
    }

static char long_line[WIRE_MAX_LINE + 2];

static char *too_long(void)
{
    memset(long_line, 'x', WIRE_MAX_LINE + 1);
    return long_line;
}

REPORT_RULE(short_boot_id, "boot_id", s.report.boot_id.len = 15)
REPORT_RULE(zero_boot_id, "boot_id", memset(s.boot.b, 0, 16))
REPORT_RULE(no_seq, "seq", s.report.seq = 0)
REPORT_RULE(half_an_echo, "echo_seq", s.report.echo_term = 4)
REPORT_RULE(no_capacity, "capacity", s.report.capacity = NULL)
REPORT_RULE(no_pressure, "pressure", s.report.pressure = NULL)
REPORT_RULE(a_million_slots, "capacity.slots", s.capacity.slots = 1000000)
REPORT_RULE(arch_with_a_slash, "capacity.arch", s.capacity.arch = "arm/v7")
REPORT_RULE(empty_arch, "capacity.arch", s.capacity.arch = "")
REPORT_RULE(role_in_capitals, "capacity.roles", s.roles[1] = "Build")
REPORT_RULE(capability_with_a_blank, "capacity.capabilities", s.capabilities[0] = "k vm")
REPORT_RULE(capability_too_long, "capacity.capabilities", s.capabilities[0] = too_long())
REPORT_RULE(psi_above_all, "pressure.cpu_psi_avg10", s.pressure.cpu_psi_avg10 = 10001)
REPORT_RULE(escape_in_why_not, "pressure.why_not", s.pressure.why_not = "disk \x1b[31mfull")
REPORT_RULE(phase_with_a_newline, "running[0]: phase", s.running.phase = "pull\n")
REPORT_RULE(running_twice, "running[1]: attempt_id", s.report.n_running = 2)
REPORT_RULE(running_for_an_age, "started_ago_ms", s.running.started_ago_ms = UINT64_MAX)
REPORT_RULE(result_twice, "results[1]: attempt_id", s.report.n_results = 2)
REPORT_RULE(no_outcome, "outcome", s.result.outcome = BOOTFARM__OUTCOME__OUTCOME_UNSPECIFIED)
REPORT_RULE(unknown_outcome, "outcome", s.result.outcome = (Bootfarm__Outcome)17)
REPORT_RULE(unknown_class, "fail_class", s.result.fail_class = (Bootfarm__FailClass)9)
REPORT_RULE(class_without_failure, "fail_class",
            s.result.fail_class = BOOTFARM__FAIL_CLASS__FAIL_CLASS_USER)
REPORT_RULE(failure_without_class, "fail_class",
            s.result.outcome = BOOTFARM__OUTCOME__OUTCOME_FAILED)
REPORT_RULE(code_without_failure, "code", s.result.code = "run-failed")
REPORT_RULE(digest_too_short, "digest", s.result.digest = "sha256:0123")
REPORT_RULE(digest_is_a_path, "digest", s.result.digest = "../../etc/passwd")
REPORT_RULE(message_of_two_lines, "message", s.result.message = "one\ntwo")
REPORT_RULE(message_too_long, "message", s.result.message = too_long())
REPORT_RULE(message_with_c1_control, "message", s.result.message = "a\xc2\x9b")
REPORT_RULE(step_not_utf8, "step", s.result.step = "RUN \xff")
REPORT_RULE(detail_is_no_object, "detail", uint8_t list[] = "[]";
            s.result.detail = ((ProtobufCBinaryData){2, list}))
REPORT_RULE(detail_too_long, "detail", static uint8_t d[WIRE_MAX_DETAIL + 1];
            s.result.detail = ((ProtobufCBinaryData){WIRE_MAX_DETAIL + 1, d}))

ORDERS_RULE(no_term, "term", s.orders.term = 0)
ORDERS_RULE(wanted_twice, "wanted[1]: attempt_id", s.orders.n_wanted = 2)
ORDERS_RULE(acked_twice, "acks[1]: attempt_id", s.orders.n_acks = 2)
ORDERS_RULE(unknown_ack, "acks.kind", s.ack.kind = (Bootfarm__AckKind)5)
ORDERS_RULE(no_ack_kind, "acks.kind", s.ack.kind = BOOTFARM__ACK_KIND__ACK_UNSPECIFIED)
ORDERS_RULE(order_not_json, "wanted[0]: order", uint8_t text[] = "rm -rf";
            s.wanted.order = ((ProtobufCBinaryData){6, text}))
ORDERS_RULE(lease_of_a_month, "lease_ms", s.orders.lease_ms = 30ull * 86400 * 1000)
ORDERS_RULE(fence_without_lease, "lease_ms", s.orders.lease_ms = 0;
            s.orders.kill_on_partition = true)

Test(report_rules, at_most_64_results)
{
    struct sample s;
    static Bootfarm__Result r[WIRE_MAX_RESULTS + 1];
    static Bootfarm__Result *list[WIRE_MAX_RESULTS + 1];
    static struct id128 ids[WIRE_MAX_RESULTS + 1];
    sample_init(&s);
    for (size_t i = 0; i < ARRAY_SIZE(r); i++) {
        r[i] = s.result;
        memset(ids[i].b, (int)i + 1, sizeof ids[i].b);
        r[i].attempt_id = wire_id_bytes(&ids[i]);
        list[i] = &r[i];
    }
    s.report.results = list;
    s.report.n_results = WIRE_MAX_RESULTS;
    cr_assert_eq(wire_validate(WIRE_REPORT, &s.report.base, &e), 0, "%s", e.msg);
    s.report.n_results = WIRE_MAX_RESULTS + 1;
    expect_broken(WIRE_REPORT, WIRE_CONTROL_TO_SCHEDULER, &s.report.base, "number of results");
}

Test(log_rules, chunks_and_seals)
{
    struct sample s;
    sample_init(&s);
    s.chunk.raw_bytes = WIRE_MAX_RAW + 1;
    expect_broken(WIRE_LOG_CHUNK, WIRE_LOG_TO_SCHEDULER, &s.chunk.base, "raw_bytes");
    sample_init(&s);
    s.chunk.gap_bytes = 1;
    expect_broken(WIRE_LOG_CHUNK, WIRE_LOG_TO_SCHEDULER, &s.chunk.base, "gap_bytes");
    sample_init(&s);
    s.chunk.data.len = 0;
    expect_broken(WIRE_LOG_CHUNK, WIRE_LOG_TO_SCHEDULER, &s.chunk.base, "data");
    s.seal.sha256.len = 31;
    expect_broken(WIRE_LOG_SEAL, WIRE_LOG_TO_SCHEDULER, &s.seal.base, "sha256");
    s.log_ack.credit_bytes = UINT32_MAX;
    expect_broken(WIRE_LOG_ACK, WIRE_LOG_TO_WORKER, &s.log_ack.base, "credit_bytes");
}

Test(text, words_capabilities_lines)
{
    cr_expect(wire_is_word("run-failed"));
    cr_expect(!wire_is_word("-run"));
    cr_expect(!wire_is_word(""));
    cr_expect(!wire_is_word(too_long()));
    cr_expect(wire_is_capability("secret:activation-key"));
    cr_expect(!wire_is_capability(":x"));
    cr_expect(!wire_is_capability("a;b"));
    cr_expect(wire_is_line("größer als 1 µs"));
    cr_expect(wire_is_line(""));
    cr_expect(!wire_is_line("a\tb"));
    cr_expect(!wire_is_line("\x7f"));
}
