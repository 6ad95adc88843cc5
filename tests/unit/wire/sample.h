/* sample.h - one valid message of each type, to be broken by the tests. */
#ifndef BF_TEST_WIRE_SAMPLE_H
#define BF_TEST_WIRE_SAMPLE_H

#include "common/base/mem.h"
#include "proto/wire.h"

struct sample {
    struct id128 boot, attempt[3];
    uint8_t sha[32];
    char *roles[2], *capabilities[2];
    Bootfarm__Capacity capacity;
    Bootfarm__Pressure pressure;
    Bootfarm__Running running, *running_list[2];
    Bootfarm__Result result, *result_list[2];
    Bootfarm__Assignment wanted, *wanted_list[2];
    Bootfarm__Ack ack, *ack_list[2];
    wire_report report;
    wire_orders orders;
    wire_not_leader not_leader;
    wire_log_chunk chunk;
    wire_log_seal seal;
    wire_log_ack log_ack;
};

void sample_init(struct sample *s);

#endif
