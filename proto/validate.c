/* validate.c - the rules of every message. One function per message; a check returns 0, or -1 with
 * an error that names the field and what was expected (never the content: it may be a secret, and
 * it is hostile). */
#include "proto/wire.h"

static int bad(struct err *e, const char *field, const char *expected)
{
    return err_set(e, ERR_INPUT, "%s: expected %s", field, expected);
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool wire_is_word(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0'; n++) {
        bool ok =
            (s[n] >= 'a' && s[n] <= 'z') || (s[n] >= '0' && s[n] <= '9') || (s[n] == '-' && n > 0);
        if (!ok || n == WIRE_MAX_WORD)
            return false;
    }
    return n > 0;
}

bool wire_is_capability(const char *s)
{
    size_t n = 0;
    for (; s[n] != '\0'; n++) {
        bool ok = is_alnum(s[n]) || (n > 0 && strchr(":._+/-", s[n]) != NULL);
        if (!ok || n == WIRE_MAX_WORD)
            return false;
    }
    return n > 0;
}

bool wire_is_line(const char *s)
{
    size_t n = strlen(s);
    if (n > WIRE_MAX_LINE || !utf8_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        bool c1 = c == 0xc2 && (unsigned char)s[i + 1] < 0xa0; /* U+0080..U+009F */
        if (c < 0x20 || c == 0x7f || c1)
            return false;
    }
    return true;
}

static int check_id(const ProtobufCBinaryData *d, const char *field, struct err *e)
{
    if (d->len != sizeof(struct id128) || id128_is_none(wire_id(*d)))
        return bad(e, field, "16 bytes, not all zero");
    return 0;
}

static int check_word(const char *s, const char *field, struct err *e)
{
    return wire_is_word(s) ? 0 : bad(e, field, "1 to 64 of a-z, 0-9 and '-'");
}

static int check_line(const char *s, const char *field, struct err *e)
{
    return wire_is_line(s) ? 0 : bad(e, field, "a line of UTF-8 of at most 1024 bytes");
}

static int check_max(uint64_t value, uint64_t max, const char *field, struct err *e)
{
    if (value > max)
        return err_set(e, ERR_INPUT, "%s: expected at most %llu", field, (unsigned long long)max);
    return 0;
}

/* A JSON object as far as the wire is concerned: who uses it parses it. */
static int check_json(const ProtobufCBinaryData *d, size_t max, const char *field, struct err *e)
{
    if (d->len > max)
        return err_set(e, ERR_INPUT, "%s: expected at most %zu bytes", field, max);
    if (d->len > 0 &&
        (d->data[0] != '{' || memchr(d->data, 0, d->len) != NULL || !utf8_valid(d->data, d->len)))
        return bad(e, field, "a JSON object in UTF-8");
    return 0;
}

/* Lists are short (at most 256) and this runs once a message: no need for a set. */
static bool id_seen(struct id128 id, const struct id128 *seen, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (id128_eq(seen[i], id))
            return true;
    return false;
}

static int check_new_id(const ProtobufCBinaryData *d, struct id128 *seen, size_t n, struct err *e)
{
    if (check_id(d, "attempt_id", e))
        return -1;
    seen[n] = wire_id(*d);
    return id_seen(seen[n], seen, n) ? bad(e, "attempt_id", "no id twice") : 0;
}

static int check_capacity(const Bootfarm__Capacity *c, struct err *e)
{
    if (c == NULL)
        return bad(e, "capacity", "to be present");
    if (check_max(c->slots, WIRE_MAX_SLOTS, "capacity.slots", e) ||
        check_word(c->arch, "capacity.arch", e) ||
        check_max(c->n_roles, WIRE_MAX_ROLES, "number of capacity.roles", e) ||
        check_max(c->n_capabilities, WIRE_MAX_CAPABILITIES, "number of capacity.capabilities", e) ||
        check_max(c->memory_bytes, WIRE_MAX_LOG, "capacity.memory_bytes", e) ||
        check_max(c->cpus, 65536, "capacity.cpus", e))
        return -1;
    for (size_t i = 0; i < c->n_roles; i++)
        if (check_word(c->roles[i], "capacity.roles", e))
            return -1;
    for (size_t i = 0; i < c->n_capabilities; i++)
        if (!wire_is_capability(c->capabilities[i]))
            return bad(e, "capacity.capabilities", "1 to 64 of A-Z, a-z, 0-9 and :._+/-");
    return 0;
}

static int check_pressure(const Bootfarm__Pressure *p, struct err *e)
{
    if (p == NULL)
        return bad(e, "pressure", "to be present");
    if (check_max(p->disk_free_bytes, WIRE_MAX_LOG * 1024, "pressure.disk_free_bytes", e) ||
        check_max(p->disk_total_bytes, WIRE_MAX_LOG * 1024, "pressure.disk_total_bytes", e) ||
        check_max(p->memory_free_bytes, WIRE_MAX_LOG, "pressure.memory_free_bytes", e) ||
        check_max(p->cpu_psi_avg10, 10000, "pressure.cpu_psi_avg10", e) ||
        check_max(p->io_psi_avg10, 10000, "pressure.io_psi_avg10", e) ||
        check_max(p->memory_psi_avg10, 10000, "pressure.memory_psi_avg10", e))
        return -1;
    return check_line(p->why_not, "pressure.why_not", e);
}

static int check_running(const wire_report *r, struct err *e)
{
    struct id128 seen[WIRE_MAX_RUNNING];
    if (check_max(r->n_running, WIRE_MAX_RUNNING, "number of running", e))
        return -1;
    for (size_t i = 0; i < r->n_running; i++) {
        const Bootfarm__Running *a = r->running[i];
        if (check_new_id(&a->attempt_id, seen, i, e) ||
            (a->phase[0] != '\0' && check_word(a->phase, "phase", e)) ||
            check_max(a->started_ago_ms, WIRE_MAX_AGO_MS, "started_ago_ms", e) ||
            check_max(a->phase_ago_ms, WIRE_MAX_AGO_MS, "phase_ago_ms", e))
            return err_wrap(e, "running[%zu]", i);
    }
    return 0;
}

static int check_outcome(const Bootfarm__Result *r, struct err *e)
{
    bool failed = false;
    switch (r->outcome) {
    case BOOTFARM__OUTCOME__OUTCOME_FAILED:
        failed = true;
        break;
    case BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED:
    case BOOTFARM__OUTCOME__OUTCOME_CANCELLED:
        break;
    case BOOTFARM__OUTCOME__OUTCOME_UNSPECIFIED:
    case _BOOTFARM__OUTCOME_IS_INT_SIZE:
    default: /* the peer may send any number */
        return bad(e, "outcome", "1 to 3");
    }
    if ((unsigned)r->fail_class > BOOTFARM__FAIL_CLASS__FAIL_CLASS_TIMEOUT)
        return bad(e, "fail_class", "0 to 3");
    if (failed != (r->fail_class != BOOTFARM__FAIL_CLASS__FAIL_CLASS_NONE))
        return bad(e, "fail_class", "a class if and only if it failed");
    if (failed != (r->code[0] != '\0'))
        return bad(e, "code", "a code if and only if it failed");
    return failed ? check_word(r->code, "code", e) : 0;
}

static int check_result(const Bootfarm__Result *r, struct err *e)
{
    struct sha256 digest;
    if (check_outcome(r, e) || check_line(r->step, "step", e) ||
        check_line(r->message, "message", e) ||
        check_max(r->size_bytes, WIRE_MAX_LOG, "size_bytes", e) ||
        check_json(&r->detail, WIRE_MAX_DETAIL, "detail", e) ||
        check_max(r->started_ago_ms, WIRE_MAX_AGO_MS, "started_ago_ms", e) ||
        check_max(r->ended_ago_ms, WIRE_MAX_AGO_MS, "ended_ago_ms", e))
        return -1;
    if (r->digest[0] != '\0' && digest_parse(r->digest, &digest))
        return bad(e, "digest", "\"sha256:\" and 64 hex digits");
    return 0;
}

static int check_results(const wire_report *r, struct err *e)
{
    struct id128 seen[WIRE_MAX_RESULTS];
    if (check_max(r->n_results, WIRE_MAX_RESULTS, "number of results", e))
        return -1;
    for (size_t i = 0; i < r->n_results; i++)
        if (check_new_id(&r->results[i]->attempt_id, seen, i, e) || check_result(r->results[i], e))
            return err_wrap(e, "results[%zu]", i);
    return 0;
}

static int check_report(const wire_report *r, struct err *e)
{
    if (check_id(&r->boot_id, "boot_id", e))
        return -1;
    if (r->seq == 0)
        return bad(e, "seq", "1 or more");
    if ((r->echo_term == 0) != (r->echo_seq == 0))
        return bad(e, "echo_seq", "zero if and only if echo_term is");
    if (check_capacity(r->capacity, e) || check_pressure(r->pressure, e) || check_running(r, e) ||
        check_results(r, e))
        return -1;
    return check_line(r->binary, "binary", e);
}

static int check_wanted(const wire_orders *o, struct err *e)
{
    struct id128 seen[WIRE_MAX_RUNNING];
    if (check_max(o->n_wanted, WIRE_MAX_RUNNING, "number of wanted", e))
        return -1;
    for (size_t i = 0; i < o->n_wanted; i++) {
        const Bootfarm__Assignment *a = o->wanted[i];
        if (check_new_id(&a->attempt_id, seen, i, e) ||
            check_json(&a->order, WIRE_MAX_ORDER, "order", e))
            return err_wrap(e, "wanted[%zu]", i);
    }
    return 0;
}

static int check_acks(const wire_orders *o, struct err *e)
{
    struct id128 seen[WIRE_MAX_RUNNING];
    if (check_max(o->n_acks, WIRE_MAX_RUNNING, "number of acks", e))
        return -1;
    for (size_t i = 0; i < o->n_acks; i++) {
        const Bootfarm__Ack *a = o->acks[i];
        if (check_new_id(&a->attempt_id, seen, i, e))
            return err_wrap(e, "acks[%zu]", i);
        if (a->kind == BOOTFARM__ACK_KIND__ACK_UNSPECIFIED ||
            (unsigned)a->kind > BOOTFARM__ACK_KIND__ACK_UNKNOWN)
            return bad(e, "acks.kind", "1 to 4");
    }
    return 0;
}

static int check_orders(const wire_orders *o, struct err *e)
{
    if (o->term == 0 || o->seq == 0)
        return bad(e, "term and seq", "1 or more");
    if (check_id(&o->boot_id, "boot_id", e) || check_wanted(o, e) || check_acks(o, e) ||
        check_max(o->lease_ms, WIRE_MAX_LEASE_MS, "lease_ms", e))
        return -1;
    if (o->kill_on_partition && o->lease_ms == 0)
        return bad(e, "lease_ms", "a lease where kill_on_partition is set");
    return 0;
}

static int check_log_chunk(const wire_log_chunk *c, struct err *e)
{
    if (check_id(&c->attempt_id, "attempt_id", e) ||
        check_max(c->offset, WIRE_MAX_LOG, "offset", e) ||
        check_max(c->gap_bytes, c->offset, "gap_bytes", e) ||
        check_max(c->raw_bytes, WIRE_MAX_RAW, "raw_bytes", e))
        return -1;
    if (c->raw_bytes == 0 || c->data.len == 0)
        return bad(e, "data", "at least one byte");
    return 0;
}

static int check_log_seal(const wire_log_seal *s, struct err *e)
{
    if (check_id(&s->attempt_id, "attempt_id", e) ||
        check_max(s->length, WIRE_MAX_LOG, "length", e) ||
        check_max(s->stored, WIRE_MAX_LOG, "stored", e))
        return -1;
    return s->sha256.len == sizeof(struct sha256) ? 0 : bad(e, "sha256", "32 bytes");
}

static int check_log_ack(const wire_log_ack *a, struct err *e)
{
    if (check_id(&a->attempt_id, "attempt_id", e) ||
        check_max(a->stored, WIRE_MAX_LOG, "stored", e))
        return -1;
    return check_max(a->credit_bytes, WIRE_MAX_CREDIT, "credit_bytes", e);
}

static int check_any(enum wire_type type, const void *msg, struct err *e)
{
    switch (type) {
    case WIRE_REPORT:
        return check_report(msg, e);
    case WIRE_ORDERS:
        return check_orders(msg, e);
    case WIRE_NOT_LEADER:
        return 0;
    case WIRE_LOG_CHUNK:
        return check_log_chunk(msg, e);
    case WIRE_LOG_SEAL:
        return check_log_seal(msg, e);
    case WIRE_LOG_ACK:
        return check_log_ack(msg, e);
    }
    BUG("message type %d", (int)type);
}

int wire_validate(enum wire_type type, const ProtobufCMessage *msg, struct err *e)
{
    if (check_any(type, msg, e))
        return err_wrap(e, "%s", wire_type_name(type));
    return 0;
}
