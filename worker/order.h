/* order.h - what the daemon itself must know of a work order. The executor reads the rest. */
#ifndef BF_WORKER_ORDER_H
#define BF_WORKER_ORDER_H

#include "common/base/err.h"

#define ORDER_MAX_SECRETS 64

struct order {
    char *kind; /* build, test, publish, mirror */
    char *job;  /* readable id, for logs */
    bf_time timeout;
    char **secrets; /* names, NULL-terminated; safe as file names */
};

/* -1: no usable order (the error says why). */
int order_parse(const void *json, size_t n, struct order *o, struct err *e) BF_MUST_CHECK;
void order_release(struct order *o); /* accepts a zeroed one */
/* A-Z a-z 0-9 - _ and inner dots: a secret's name, and so a file's. */
bool secret_name_ok(const char *name);

#endif
