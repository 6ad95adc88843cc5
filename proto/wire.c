#include "proto/wire.h"
#include "proto/arena.h"

struct kind {
    enum wire_type type;
    const char *name;
    const ProtobufCMessageDescriptor *desc;
    bool log;       /* which socket */
    bool by_worker; /* who sends it */
    size_t max;
};

enum { SOCKET_CONTROL, SOCKET_LOG };
enum { SENDER_SCHEDULER, SENDER_WORKER };

static const struct kind kinds[] = {
#define MESSAGE(num, Name, prefix, socket, sender, max_bytes) \
    {num,                                                     \
     #Name,                                                   \
     &bootfarm__##prefix##__descriptor,                       \
     SOCKET_##socket == SOCKET_LOG,                           \
     SENDER_##sender == SENDER_WORKER,                        \
     max_bytes},
#include "proto/messages.def"
#undef MESSAGE
};

/* The short names of wire.h stand for what messages.def names. */
#define MESSAGE(num, Name, prefix, socket, sender, max_bytes) \
    _Static_assert(sizeof(wire_##prefix) == sizeof(Bootfarm__##Name), #Name);
#include "proto/messages.def"
#undef MESSAGE

static const struct kind *find_kind(unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i].type == number)
            return &kinds[i];
    return NULL;
}

static bool on_route(const struct kind *k, enum wire_route route)
{
    switch (route) {
    case WIRE_CONTROL_TO_SCHEDULER:
        return !k->log && k->by_worker;
    case WIRE_CONTROL_TO_WORKER:
        return !k->log && !k->by_worker;
    case WIRE_LOG_TO_SCHEDULER:
        return k->log && k->by_worker;
    case WIRE_LOG_TO_WORKER:
        return k->log && !k->by_worker;
    }
    BUG("route %d", (int)route);
}

size_t wire_max_frame(enum wire_route route)
{
    size_t max = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (on_route(&kinds[i], route) && kinds[i].max > max)
            max = kinds[i].max;
    return max;
}

const char *wire_type_name(enum wire_type type)
{
    const struct kind *k = find_kind(type);
    return k ? k->name : "?";
}

struct sink {
    ProtobufCBuffer base;
    struct str *out;
};

static void append(ProtobufCBuffer *buffer, size_t n, const uint8_t *p)
{
    str_addmem(((struct sink *)(void *)buffer)->out, p, n);
}

int wire_encode(enum wire_type type, const ProtobufCMessage *msg, struct str *out, struct err *e)
{
    const struct kind *k = find_kind(type);
    BUG_ON(k == NULL || msg->descriptor != k->desc);
    if (wire_validate(type, msg, e))
        return -1;
    size_t n = WIRE_HEADER + protobuf_c_message_get_packed_size(msg);
    if (n > k->max)
        return err_set(e, ERR_INPUT, "%s: %zu bytes, at most %zu fit a frame", k->name, n, k->max);
    const unsigned char header[WIRE_HEADER] = {(unsigned char)type, WIRE_VERSION, 0, 0};
    str_addmem(out, header, sizeof header);
    struct sink sink = {.base = {.append = append}, .out = out};
    protobuf_c_message_pack_to_buffer(msg, &sink.base);
    return 0;
}

static const struct kind *read_header(enum wire_route route, const unsigned char *p, size_t n,
                                      struct err *e)
{
    if (n < WIRE_HEADER) {
        err_set(e, ERR_INPUT, "frame of %zu bytes, expected at least %d", n, WIRE_HEADER);
        return NULL;
    }
    const struct kind *k = find_kind(p[0]);
    if (p[1] == 0 || p[1] > WIRE_VERSION_MAX)
        err_set(e, ERR_INPUT, "protocol version %u, expected 1 to %d", (unsigned)p[1],
                WIRE_VERSION_MAX);
    else if (k == NULL)
        err_set(e, ERR_INPUT, "message type %u is unknown", (unsigned)p[0]);
    else if (!on_route(k, route))
        err_set(e, ERR_INPUT, "%s does not belong on this socket and direction", k->name);
    else if (p[2] != 0 || p[3] != 0)
        err_set(e, ERR_INPUT, "%s: reserved bytes of the header are not zero", k->name);
    else if (n > k->max)
        err_set(e, ERR_INPUT, "%s: frame of %zu bytes, at most %zu", k->name, n, k->max);
    else
        return k;
    return NULL;
}

/* A valid message unpacks into little more than its own size; one made of a million empty elements
 * wants fifty times as much. */
static size_t budget_of(size_t frame)
{
    return 4 * frame + ((size_t)64 << 10);
}

int wire_decode(enum wire_route route, const void *p, size_t n, struct wire_msg *out, struct err *e)
{
    const unsigned char *frame = p;
    *out = (struct wire_msg){0};
    const struct kind *k = read_header(route, frame, n, e);
    if (k == NULL)
        return -1;
    struct arena *arena = arena_new(budget_of(n));
    ProtobufCAllocator allocator = arena_allocator(arena);
    ProtobufCMessage *msg =
        protobuf_c_message_unpack(k->desc, &allocator, n - WIRE_HEADER, frame + WIRE_HEADER);
    if (msg == NULL && arena_exhausted(arena))
        err_set(e, ERR_INPUT, "%s: needs more memory than a frame of %zu bytes may", k->name, n);
    else if (msg == NULL)
        err_set(e, ERR_INPUT, "%s: not a valid protobuf", k->name);
    else if (wire_validate(k->type, msg, e) == 0) {
        *out = (struct wire_msg){.type = k->type, .version = frame[1], .any = msg, .arena = arena};
        return 0;
    }
    arena_free(arena);
    return -1;
}

void wire_release(struct wire_msg *m)
{
    arena_free(m->arena);
    *m = (struct wire_msg){0};
}
