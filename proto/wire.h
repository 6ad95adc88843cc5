/* wire.h - frames in and out: bounded packing, unpacking and validation of every message.
 *
 * A frame is one ZeroMQ message part: byte 0 the message type (messages.def), byte 1 the protocol
 * version, bytes 2 and 3 zero, then the protobuf. Nothing outside proto/ calls protobuf-c's unpack.
 *
 * What wire_decode() accepts has been checked completely: the frame's size before unpacking, the
 * memory of unpacking, then every count, length, enum, id, digest and character. Callers rely on
 * it: ids are 16 bytes and not zero, text has no control characters, lists have no duplicates.
 *
 *     struct wire_msg m = {0};
 *     if (wire_decode(WIRE_CONTROL_TO_SCHEDULER, part->p, part->n, &m, &e)) ...drop, count, log
 *     switch (m.type) {                    -Wswitch-enum: a message that is not listed does not
 *     case WIRE_REPORT: ... m.report ...   compile; types of other routes never come out
 *     }
 *     wire_release(&m);
 */
#ifndef BF_WIRE_H
#define BF_WIRE_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "proto/bootfarm.pb-c.h"

/* We speak this version and understand it and the next (fields are only ever added). */
#define WIRE_VERSION 1
#define WIRE_VERSION_MAX (WIRE_VERSION + 1)
#define WIRE_HEADER 4

/* Names of the protobuf-c structs of messages.def. */
typedef Bootfarm__Report wire_report;
typedef Bootfarm__Orders wire_orders;
typedef Bootfarm__NotLeader wire_not_leader;
typedef Bootfarm__LogChunk wire_log_chunk;
typedef Bootfarm__LogSeal wire_log_seal;
typedef Bootfarm__LogAck wire_log_ack;

enum wire_type {
    WIRE_REPORT = 1,
    WIRE_ORDERS = 2,
    WIRE_NOT_LEADER = 3,
    WIRE_LOG_CHUNK = 16,
    WIRE_LOG_SEAL = 17,
    WIRE_LOG_ACK = 18
};

/* Which socket, which direction: what a receiver is willing to see. */
enum wire_route {
    WIRE_CONTROL_TO_SCHEDULER,
    WIRE_CONTROL_TO_WORKER,
    WIRE_LOG_TO_SCHEDULER,
    WIRE_LOG_TO_WORKER
};

/* Limits. Senders split or cut to them; receivers refuse what is beyond. */
#define WIRE_MAX_SLOTS 256
#define WIRE_MAX_RUNNING 256 /* Report.running, Orders.wanted, Orders.acks */
#define WIRE_MAX_RESULTS 64  /* Report.results */
#define WIRE_MAX_ROLES 8
#define WIRE_MAX_CAPABILITIES 512
#define WIRE_MAX_WORD 64       /* roles, capabilities, codes, phases, architectures */
#define WIRE_MAX_LINE 1024     /* message, step, why_not, binary */
#define WIRE_MAX_DETAIL 65536  /* Result.detail */
#define WIRE_MAX_ORDER 1048576 /* Assignment.order */
#define WIRE_MAX_LEASE_MS 86400000
#define WIRE_MAX_AGO_MS UINT64_C(315576000000) /* ten years */
#define WIRE_MAX_LOG (UINT64_C(1) << 50)       /* an offset in a log */
#define WIRE_MAX_RAW 262144 /* LogChunk.raw_bytes; its compressed form must fit the frame */
#define WIRE_MAX_CREDIT (64U << 20)

struct arena; /* private */

struct wire_msg {
    enum wire_type type;
    uint8_t version; /* of the sender */
    union {
        const ProtobufCMessage *any;
        const wire_report *report;
        const wire_orders *orders;
        const wire_not_leader *not_leader;
        const wire_log_chunk *log_chunk;
        const wire_log_seal *log_seal;
        const wire_log_ack *log_ack;
    };
    struct arena *arena; /* owns the message */
};

/* Appends one frame to *out. -1 with ERR_INPUT, *out unchanged, if the message breaks a rule or a
 * limit: a sender that gets this has a bug or must split. `msg` is &report->base and so on. */
int wire_encode(enum wire_type type, const ProtobufCMessage *msg, struct str *out,
                struct err *e) BF_MUST_CHECK;

/* Decodes a frame from a peer. The message does not point into `p`. On failure *out holds nothing;
 * the error (ERR_INPUT) names the message, the field and what was expected, never its content. */
int wire_decode(enum wire_route route, const void *p, size_t n, struct wire_msg *out,
                struct err *e) BF_MUST_CHECK;
/* Accepts a zeroed or released message. */
void wire_release(struct wire_msg *m);

/* The largest frame of a route: for zsock_spec.max_message. */
size_t wire_max_frame(enum wire_route route);
const char *wire_type_name(enum wire_type type);

/* The rules alone, without packing; wire_encode() and wire_decode() call it. */
int wire_validate(enum wire_type type, const ProtobufCMessage *msg, struct err *e) BF_MUST_CHECK;

/* Text rules, so that a sender can ask before it sends. */
bool wire_is_word(const char *s);       /* 1..64 of a-z 0-9 '-', begins with a letter or digit */
bool wire_is_capability(const char *s); /* 1..64 of A-Z a-z 0-9 : . _ + / -, begins alphanumeric */
bool wire_is_line(const char *s);       /* at most 1024 bytes of UTF-8, no control characters */

/* Bytes ↔ ids. wire_id() is for messages that were decoded: the length was checked. */
static inline struct id128 wire_id(ProtobufCBinaryData d)
{
    struct id128 id;
    BUG_ON(d.len != sizeof id.b);
    memcpy(id.b, d.data, sizeof id.b);
    return id;
}

/* Points at *id, which must outlive the message. */
static inline ProtobufCBinaryData wire_id_bytes(struct id128 *id)
{
    return (ProtobufCBinaryData){.len = sizeof id->b, .data = id->b};
}

#endif
