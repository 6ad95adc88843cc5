#include "tests/unit/wire/sample.h"

static char digest[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static uint8_t json[] = "{\"v\": 1}";

static void sample_report(struct sample *s)
{
    bootfarm__capacity__init(&s->capacity);
    bootfarm__pressure__init(&s->pressure);
    bootfarm__running__init(&s->running);
    bootfarm__result__init(&s->result);
    bootfarm__report__init(&s->report);
    s->roles[0] = "build";
    s->roles[1] = "test";
    s->capabilities[0] = "kvm";
    s->capabilities[1] = "secret:activation-key";
    s->capacity.slots = 2;
    s->capacity.arch = "amd64";
    s->capacity.n_roles = s->capacity.n_capabilities = 2;
    s->capacity.roles = s->roles;
    s->capacity.capabilities = s->capabilities;
    s->pressure.accepting = true;
    s->running.attempt_id = wire_id_bytes(&s->attempt[0]);
    s->running.phase = "pull";
    s->result.attempt_id = wire_id_bytes(&s->attempt[1]);
    s->result.outcome = BOOTFARM__OUTCOME__OUTCOME_SUCCEEDED;
    s->result.digest = digest;
    s->result.detail = (ProtobufCBinaryData){.len = sizeof json - 1, .data = json};
    s->running_list[0] = s->running_list[1] = &s->running;
    s->result_list[0] = s->result_list[1] = &s->result;
    s->report.boot_id = wire_id_bytes(&s->boot);
    s->report.seq = 7;
    s->report.capacity = &s->capacity;
    s->report.pressure = &s->pressure;
    s->report.n_running = s->report.n_results = 1;
    s->report.running = s->running_list;
    s->report.results = s->result_list;
    s->report.binary = "0.1.0";
}

static void sample_orders(struct sample *s)
{
    bootfarm__assignment__init(&s->wanted);
    bootfarm__ack__init(&s->ack);
    bootfarm__orders__init(&s->orders);
    s->wanted.attempt_id = wire_id_bytes(&s->attempt[0]);
    s->wanted.order = s->result.detail;
    s->ack.attempt_id = wire_id_bytes(&s->attempt[1]);
    s->ack.kind = BOOTFARM__ACK_KIND__ACK_ACCEPTED;
    s->wanted_list[0] = s->wanted_list[1] = &s->wanted;
    s->ack_list[0] = s->ack_list[1] = &s->ack;
    s->orders.term = 3;
    s->orders.seq = 9;
    s->orders.boot_id = wire_id_bytes(&s->boot);
    s->orders.n_wanted = s->orders.n_acks = 1;
    s->orders.wanted = s->wanted_list;
    s->orders.acks = s->ack_list;
    s->orders.lease_ms = 60000;
    bootfarm__not_leader__init(&s->not_leader);
    s->not_leader.term = 3;
}

static void sample_logs(struct sample *s)
{
    bootfarm__log_chunk__init(&s->chunk);
    bootfarm__log_seal__init(&s->seal);
    bootfarm__log_ack__init(&s->log_ack);
    s->chunk.attempt_id = s->seal.attempt_id = s->log_ack.attempt_id =
        wire_id_bytes(&s->attempt[2]);
    s->chunk.raw_bytes = 8;
    s->chunk.data = s->result.detail;
    s->seal.length = s->seal.stored = 8;
    s->seal.sha256 = (ProtobufCBinaryData){.len = sizeof s->sha, .data = s->sha};
    s->log_ack.stored = 8;
    s->log_ack.credit_bytes = 65536;
}

void sample_init(struct sample *s)
{
    *s = (struct sample){0};
    memset(s->boot.b, 0xb0, sizeof s->boot.b);
    for (size_t i = 0; i < ARRAY_SIZE(s->attempt); i++)
        memset(s->attempt[i].b, (int)(0xa0 + i), sizeof s->attempt[i].b);
    sample_report(s);
    sample_orders(s);
    sample_logs(s);
}
