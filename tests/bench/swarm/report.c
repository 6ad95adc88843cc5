/* report.c - a node's state as a Report. */
#include "swarm.h"

#define DISK_FREE (UINT64_C(100) << 30)
#define MEMORY_FREE (UINT64_C(8) << 30)

struct report {
    wire_report msg;
    Bootfarm__Capacity capacity;
    Bootfarm__Pressure pressure;
    Bootfarm__Running running[WIRE_MAX_RUNNING], *running_list[WIRE_MAX_RUNNING];
    Bootfarm__Result results[WIRE_MAX_RESULTS], *result_list[WIRE_MAX_RESULTS];
    struct id128 boot, ids[WIRE_MAX_RUNNING + WIRE_MAX_RESULTS];
    char digests[WIRE_MAX_RESULTS][DIGEST_TEXT];
    size_t n_ids;
    bf_time now, hold;
};

static char binary[] = "swarm", none[] = "";

struct report *report_new(const struct swarm *s)
{
    struct report *r = xcalloc(1, sizeof *r);
    r->hold = s->options->hold;
    bootfarm__capacity__init(&r->capacity);
    r->capacity.slots = (uint32_t)s->options->slots;
    r->capacity.arch = s->options->arch;
    r->capacity.roles = s->roles;
    while (s->roles[r->capacity.n_roles])
        r->capacity.n_roles++;
    r->capacity.memory_bytes = 2 * MEMORY_FREE;
    r->capacity.cpus = 4;
    bootfarm__pressure__init(&r->pressure);
    r->pressure.disk_free_bytes = DISK_FREE;
    r->pressure.disk_total_bytes = 2 * DISK_FREE;
    r->pressure.memory_free_bytes = MEMORY_FREE;
    r->pressure.accepting = true;
    return r;
}

void report_free(struct report *r)
{
    free(r);
}

static ProtobufCBinaryData new_id(struct report *r, struct id128 id)
{
    r->ids[r->n_ids] = id;
    return wire_id_bytes(&r->ids[r->n_ids++]);
}

static uint64_t ago_ms(const struct report *r, bf_time t)
{
    return t < r->now ? (uint64_t)(r->now - t) / BF_MSEC : 0;
}

static void add_running(struct report *r, const struct attempt *a)
{
    static char phase[] = "run";
    if (r->msg.n_running == WIRE_MAX_RUNNING)
        return;
    Bootfarm__Running *x = &r->running[r->msg.n_running];
    bootfarm__running__init(x);
    x->attempt_id = new_id(r, a->run.id);
    x->started = a->run.state != RUN_PENDING;
    x->phase = x->started ? phase : none;
    x->started_ago_ms = ago_ms(r, x->started ? a->due - r->hold : a->taken);
    x->phase_ago_ms = x->started_ago_ms;
    r->running_list[r->msg.n_running++] = x;
}

static void set_failure(Bootfarm__Result *x, enum ending ending)
{
    static char run_failed[] = "run-failed", lost[] = "lease-lost",
                message[] = "as the swarm was told";
    bool lapsed = ending == END_LAPSED;
    x->outcome = BOOTFARM__OUTCOME__OUTCOME_FAILED;
    x->fail_class =
        lapsed ? BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA : BOOTFARM__FAIL_CLASS__FAIL_CLASS_USER;
    x->code = lapsed ? lost : run_failed;
    x->message = message;
}

/* A build "makes" a digest that no other attempt makes. */
static char *digest_of(struct report *r, const struct attempt *a)
{
    struct sha256 d;
    char *text = r->digests[r->msg.n_results];
    memcpy(d.b, a->run.id.b, sizeof a->run.id.b);
    memcpy(d.b + sizeof a->run.id.b, a->run.id.b, sizeof a->run.id.b);
    digest_format(&d, text);
    return text;
}

static void add_result(struct report *r, const struct attempt *a)
{
    if (r->msg.n_results == WIRE_MAX_RESULTS)
        return;
    Bootfarm__Result *x = &r->results[r->msg.n_results];
    bootfarm__result__init(x);
    x->attempt_id = new_id(r, a->run.id);
    x->started_ago_ms = ago_ms(r, a->taken);
    x->ended_ago_ms = ago_ms(r, a->due);
    switch (a->ending) {
    case END_SUCCESS:
        x->outcome = BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED;
        x->digest = a->build ? digest_of(r, a) : none;
        break;
    case END_FAILURE:
    case END_LAPSED:
        set_failure(x, a->ending);
        break;
    case END_CANCELLED:
        x->outcome = BOOTFARM__OUTCOME__OUTCOME_CANCELLED;
        break;
    }
    r->result_list[r->msg.n_results++] = x;
}

static void add_attempt(struct report *r, const struct attempt *a)
{
    switch (a->run.state) {
    case RUN_PENDING:
    case RUN_RUNNING:
    case RUN_STOPPING:
        add_running(r, a);
        return;
    case RUN_FINISHED:
        add_result(r, a);
        return;
    case RUN_ACKED:
        return;
    }
    BUG("state %d", (int)a->run.state);
}

int report_encode(struct report *r, const struct node *n, bf_time now, struct str *out,
                  struct err *e)
{
    bootfarm__report__init(&r->msg);
    r->now = now;
    r->n_ids = 0;
    r->boot = n->boot;
    r->msg.boot_id = wire_id_bytes(&r->boot);
    r->msg.seq = n->seq;
    r->msg.echo_term = n->seen.last.term;
    r->msg.echo_seq = n->seen.last.seq;
    r->msg.binary = binary;
    r->msg.capacity = &r->capacity;
    r->msg.pressure = &r->pressure;
    r->msg.running = r->running_list;
    r->msg.results = r->result_list;
    vec_for_each (i, &n->attempts)
        add_attempt(r, &n->attempts.v[i]);
    return wire_encode(WIRE_REPORT, &r->msg.base, out, e);
}
