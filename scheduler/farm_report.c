/* farm_report.c - what the wire says → what the brain takes, and what PostgreSQL stores of it. */
#include "scheduler/farm_private.h"

#include "common/base/mem.h"
#include <jansson.h>

static enum fail_class fail_class_of(Bootfarm__FailClass c)
{
    switch (c) {
    case BOOTFARM__FAIL_CLASS__FAIL_CLASS_NONE:
        return FAIL_NONE;
    case BOOTFARM__FAIL_CLASS__FAIL_CLASS_USER:
        return FAIL_USER;
    case BOOTFARM__FAIL_CLASS__FAIL_CLASS_INFRA:
        return FAIL_INFRA;
    case BOOTFARM__FAIL_CLASS__FAIL_CLASS_TIMEOUT:
        return FAIL_TIMEOUT;
    case _BOOTFARM__FAIL_CLASS_IS_INT_SIZE:
        break;
    }
    BUG("fail class %d passed the wire", (int)c);
}

static enum outcome outcome_of(Bootfarm__Outcome o)
{
    switch (o) {
    case BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED:
        return OUTCOME_SUCCEEDED;
    case BOOTFARM__OUTCOME__OUTCOME_FAILED:
        return OUTCOME_FAILED;
    case BOOTFARM__OUTCOME__OUTCOME_CANCELLED:
        return OUTCOME_CANCELLED;
    case BOOTFARM__OUTCOME__OUTCOME_UNSPECIFIED:
    case _BOOTFARM__OUTCOME_IS_INT_SIZE:
        break;
    }
    BUG("outcome %d passed the wire", (int)o);
}

static void fill_running(const wire_report *m, struct running_report *out)
{
    for (size_t i = 0; i < m->n_running; i++) {
        const Bootfarm__Running *x = m->running[i];
        out[i] = (struct running_report){.attempt = wire_id(x->attempt_id),
                                         .started = x->started,
                                         .phase = x->phase,
                                         .started_ago = (bf_time)x->started_ago_ms * BF_MSEC};
    }
}

/* By the worker's clock; 0: it does not say. */
static bf_time took_of(const Bootfarm__Result *x)
{
    uint64_t from = x->started_ago_ms, to = x->ended_ago_ms;
    return from > to ? (bf_time)(from - to) * BF_MSEC : 0;
}

static void fill_results(const wire_report *m, struct result_report *out)
{
    for (size_t i = 0; i < m->n_results; i++) {
        const Bootfarm__Result *x = m->results[i];
        out[i] = (struct result_report){.attempt = wire_id(x->attempt_id),
                                        .outcome = outcome_of(x->outcome),
                                        .fail_class = fail_class_of(x->fail_class),
                                        .code = x->code,
                                        .took = took_of(x),
                                        .cookie = x};
        if (*x->digest && digest_parse(x->digest, &out[i].digest))
            BUG("a bad digest passed the wire");
    }
}

void farm_step_report(struct farm *f, const struct report_in *r)
{
    const wire_report *m = r->msg.report;
    struct running_report *running = xcalloc(m->n_running + 1, sizeof *running);
    struct result_report *results = xcalloc(m->n_results + 1, sizeof *results);
    fill_running(m, running);
    fill_results(m, results);
    static const Bootfarm__Pressure unknown = BOOTFARM__PRESSURE__INIT;
    const Bootfarm__Pressure *p = m->pressure ? m->pressure : &unknown;
    struct worker_report w = {
        .worker = r->worker,
        .boot = wire_id(m->boot_id),
        .arch = m->capacity->arch,
        .slots = m->capacity->slots,
        .accepting = r->usable && !m->draining && p->accepting,
        .full = r->usable && !m->draining && !p->accepting,
        .cpus = m->capacity->cpus,
        .memory_free_mib = p->memory_free_bytes >> 20,
        .disk_free_mib = p->disk_free_bytes >> 20,
        .cpu_psi = p->cpu_psi_avg10,
        .io_psi = p->io_psi_avg10,
        .memory_psi = p->memory_psi_avg10,
        .capabilities = (const char *const *)m->capacity->capabilities,
        .n_capabilities = m->capacity->n_capabilities,
        .running = running,
        .n_running = m->n_running,
        .results = results,
        .n_results = m->n_results,
    };
    f->current = r;
    farm_step(f, &(struct input){.type = IN_REPORT, .report = &w});
    f->current = NULL;
    free(running);
    free(results);
}

/* ---- JSON for PostgreSQL ----------------------------------------------------------------------
 */

static const char *outcome_name(Bootfarm__Outcome o)
{
    switch (outcome_of(o)) {
    case OUTCOME_SUCCEEDED:
        return "succeeded";
    case OUTCOME_FAILED:
        return "failed";
    case OUTCOME_CANCELLED:
        return "cancelled";
    }
    BUG("outcome %d", (int)o);
}

static void set_text(json_t *o, const char *key, const char *value)
{
    if (value && *value)
        json_object_set_new(o, key, json_string(value));
}

static void set_number(json_t *o, const char *key, uint64_t value)
{
    json_object_set_new(o, key, json_integer((json_int_t)value));
}

/* The worker's bytes. What is not JSON (jansson also refuses \u0000, which jsonb does) is left out
 * and said, so that it cannot stop the batch. */
static json_t *detail_of(const Bootfarm__Result *x)
{
    if (!x->detail.len)
        return json_object();
    json_t *d = json_loadb((const char *)x->detail.data, x->detail.len, 0, NULL);
    return d ? d : json_pack("{ss}", "error", "the worker sent a detail that is not JSON");
}

static char *result_json(const Bootfarm__Result *x)
{
    json_t *o = json_object();
    enum fail_class c = fail_class_of(x->fail_class);
    json_object_set_new(o, "outcome", json_string(outcome_name(x->outcome)));
    set_text(o, "class", fail_class_name(c));
    set_text(o, "code", x->code);
    set_text(o, "step", x->step);
    set_text(o, "message", x->message);
    set_text(o, "digest", x->digest);
    if (x->size_bytes)
        set_number(o, "size", x->size_bytes & INT64_MAX);
    json_object_set_new(o, "detail", detail_of(x));
    set_number(o, "started_ago_us", x->started_ago_ms * 1000);
    set_number(o, "ended_ago_us", x->ended_ago_ms * 1000);
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    BUG_ON(!text);
    return text;
}

static json_t *pressure_json(const Bootfarm__Pressure *p)
{
    if (!p)
        return json_null();
    json_t *o = json_object();
    set_number(o, "disk_free", p->disk_free_bytes & INT64_MAX);
    set_number(o, "disk_total", p->disk_total_bytes & INT64_MAX);
    set_number(o, "memory_free", p->memory_free_bytes & INT64_MAX);
    set_number(o, "cpu_psi", p->cpu_psi_avg10);
    set_number(o, "io_psi", p->io_psi_avg10);
    set_number(o, "memory_psi", p->memory_psi_avg10);
    json_object_set_new(o, "accepting", json_boolean(p->accepting));
    set_text(o, "why_not", p->why_not);
    return o;
}

static char *facts_json(const wire_report *m)
{
    const Bootfarm__Capacity *c = m->capacity;
    json_t *o = json_object(), *list = json_array();
    for (size_t i = 0; i < c->n_capabilities; i++)
        json_array_append_new(list, json_string(c->capabilities[i]));
    set_text(o, "arch", c->arch);
    set_number(o, "slots", c->slots);
    json_object_set_new(o, "capabilities", list);
    set_text(o, "version", m->binary);
    json_object_set_new(o, "pressure", pressure_json(m->pressure));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    BUG_ON(!text);
    return text;
}

static bool is_plain_success(const struct op *op, const Bootfarm__Result *x)
{
    return op->job && op->next == JOB_SUCCEEDED && x && outcome_of(x->outcome) == OUTCOME_SUCCEEDED;
}

static char *detail_text(const Bootfarm__Result *x)
{
    if (!x->detail.len)
        return NULL;
    json_t *d = detail_of(x);
    char *text = json_dumps(d, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(d);
    return text;
}

char *farm_op_payload(const struct farm *f, const struct op *op, struct op_payload *p)
{
    char *json = NULL;
    *p = (struct op_payload){0};
    if (op->type == OP_FINISH) {
        const Bootfarm__Result *x = op->cookie;
        if (is_plain_success(op, x)) {
            p->success = true;
            p->digest = *x->digest ? x->digest : NULL;
            p->size = (int64_t)(x->size_bytes & INT64_MAX);
            p->started_ago = (int64_t)(x->started_ago_ms * 1000);
            p->detail = json = detail_text(x);
            return json;
        }
        json = x ? result_json(x) : xstrdup("{}");
    }
    bool reported = f->current && f->current->worker == op->worker;
    if (op->type == OP_WORKER_SEEN && reported)
        json = facts_json(f->current->msg.report);
    p->json = json;
    return json;
}
