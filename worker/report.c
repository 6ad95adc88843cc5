#include "worker/report.h"
#include "common/base/mem.h"
#include "worker/now.h"
#include "worker/secrets.h"
#include <unistd.h>

#define RESULTS_BYTES ((size_t)700 << 10) /* of a frame of 1 MiB; the rest is for what runs */

/* ---- who we are ------------------------------------------------------------------------------ */

static void add_secret(void *arg, const char *name)
{
    struct str *list = arg;
    str_addf(list, ",secret:%s", name);
}

/* Each word once, in the order of the list. */
static void drop_repeated(char **list)
{
    size_t kept = 0;
    for (size_t i = 0; list[i] != NULL; i++) {
        bool known = false;
        for (size_t k = 0; k < kept && !known; k++)
            known = strcmp(list[k], list[i]) == 0;
        if (!known)
            list[kept++] = list[i];
    }
    list[kept] = NULL;
}

void identity_init(struct identity *id, struct id128 boot, const struct options *o,
                   const char *probed)
{
    struct pressure p;
    struct str list = STR_INIT;
    size_t n = 0;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    str_add(&list, o->capabilities);
    secrets_list(o->secrets_dir, add_secret, &list);
    str_addf(&list, ",%s", probed ? probed : "");
    pressure_read(o, &p);
    *id = (struct identity){.boot = boot,
                            .arch = xstrdup(o->arch),
                            .roles = list_split(o->roles, WIRE_MAX_ROLES, &n),
                            .capabilities = list_split(list.p, WIRE_MAX_CAPABILITIES, &n),
                            .memory = p.memory_all,
                            .cpus = cpus > 0 ? (unsigned)cpus : 1};
    drop_repeated(id->capabilities);
    str_release(&list);
}

void identity_release(struct identity *id)
{
    free(id->arch);
    free(id->roles);
    free(id->capabilities);
    *id = (struct identity){0};
}

/* ---- the message ----------------------------------------------------------------------------- */

struct build {
    wire_report msg;
    Bootfarm__Capacity capacity;
    Bootfarm__Pressure pressure;
    Bootfarm__Running running[WIRE_MAX_RUNNING], *running_list[WIRE_MAX_RUNNING];
    Bootfarm__Result results[WIRE_MAX_RESULTS], *result_list[WIRE_MAX_RESULTS];
    struct id128 boot, ids[WIRE_MAX_RUNNING + WIRE_MAX_RESULTS];
    size_t n_ids;
    size_t result_bytes;
    bf_time now;
};

static size_t count_words(char **list)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n;
}

static uint64_t ago_ms(const struct build *b, bf_time t)
{
    uint64_t ms = t < b->now ? (uint64_t)(b->now - t) / BF_MSEC : 0;
    return ms < WIRE_MAX_AGO_MS ? ms : WIRE_MAX_AGO_MS;
}

static ProtobufCBinaryData new_id(struct build *b, struct id128 id)
{
    b->ids[b->n_ids] = id;
    return wire_id_bytes(&b->ids[b->n_ids++]);
}

static void add_running(struct build *b, struct attempt *a)
{
    if (b->msg.n_running == WIRE_MAX_RUNNING)
        return;
    Bootfarm__Running *r = &b->running[b->msg.n_running];
    bootfarm__running__init(r);
    r->attempt_id = new_id(b, a->run.id);
    r->phase = a->phase;
    r->started = a->run.state != RUN_PENDING;
    r->started_ago_ms = ago_ms(b, r->started ? a->started : a->taken);
    r->phase_ago_ms = ago_ms(b, a->phase_at ? a->phase_at : a->taken);
    b->running_list[b->msg.n_running++] = r;
}

static void add_result(struct build *b, struct attempt *a)
{
    const struct result *from = &a->result;
    size_t bytes = result_wire_size(from);
    if (b->msg.n_results == WIRE_MAX_RESULTS ||
        (b->msg.n_results > 0 && b->result_bytes + bytes > RESULTS_BYTES))
        return;
    Bootfarm__Result *r = &b->results[b->msg.n_results];
    bootfarm__result__init(r);
    r->attempt_id = new_id(b, a->run.id);
    r->outcome = (Bootfarm__Outcome)from->outcome;
    r->fail_class = (Bootfarm__FailClass)from->fail_class;
    r->code = from->code;
    r->step = from->step;
    r->message = from->message;
    r->digest = from->digest;
    r->size_bytes = from->size;
    r->detail.data = (uint8_t *)from->detail;
    r->detail.len = strlen(from->detail);
    r->started_ago_ms = ago_ms(b, a->started ? a->started : a->taken);
    r->ended_ago_ms = ago_ms(b, a->ended);
    b->result_list[b->msg.n_results++] = r;
    b->result_bytes += bytes;
}

static void add_attempt(struct build *b, struct attempt *a)
{
    switch (a->run.state) {
    case RUN_PENDING:
    case RUN_RUNNING:
    case RUN_STOPPING:
        add_running(b, a);
        return;
    case RUN_FINISHED:
        add_result(b, a);
        return;
    case RUN_ACKED:
        return;
    }
    BUG("state %d", (int)a->run.state);
}

static void fill_capacity(struct build *b, const struct identity *id, const struct options *o)
{
    bootfarm__capacity__init(&b->capacity);
    b->capacity.slots = (uint32_t)o->slots;
    b->capacity.arch = id->arch;
    b->capacity.roles = id->roles;
    b->capacity.n_roles = count_words(id->roles);
    b->capacity.capabilities = id->capabilities;
    b->capacity.n_capabilities = count_words(id->capabilities);
    b->capacity.memory_bytes = id->memory;
    b->capacity.cpus = id->cpus;
    b->msg.capacity = &b->capacity;
}

static void fill_pressure(struct build *b, struct pressure *p)
{
    bootfarm__pressure__init(&b->pressure);
    b->pressure.disk_free_bytes = p->disk_free;
    b->pressure.disk_total_bytes = p->disk_total;
    b->pressure.memory_free_bytes = p->memory_free;
    b->pressure.cpu_psi_avg10 = p->cpu;
    b->pressure.io_psi_avg10 = p->io;
    b->pressure.memory_psi_avg10 = p->memory;
    b->pressure.accepting = p->accepting;
    b->pressure.why_not = p->why_not;
    b->msg.pressure = &b->pressure;
}

int report_encode(const struct identity *id, const struct options *o, const struct agent_view *v,
                  uint64_t seq, struct str *out, struct err *e)
{
    struct pressure pressure = *v->pressure;
    static char version[] = BOOTFARM_VERSION;
    struct build *b = xcalloc(1, sizeof *b);
    bootfarm__report__init(&b->msg);
    b->now = now_boot();
    b->boot = id->boot;
    b->msg.boot_id = wire_id_bytes(&b->boot);
    b->msg.seq = seq;
    b->msg.echo_term = v->last.term;
    b->msg.echo_seq = v->last.seq;
    b->msg.draining = v->draining;
    b->msg.binary = version;
    b->msg.running = b->running_list;
    b->msg.results = b->result_list;
    fill_capacity(b, id, o);
    fill_pressure(b, &pressure);
    for (size_t i = 0; i < v->n; i++)
        add_attempt(b, v->attempts[i]);
    int rc = wire_encode(WIRE_REPORT, &b->msg.base, out, e);
    free(b);
    return rc;
}
