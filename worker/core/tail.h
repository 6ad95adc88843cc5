/* tail.h - what is worth keeping of a tool's output: the last lines, the step it was at, and its
 * own word on why it failed. */
#ifndef BF_WORKER_TAIL_H
#define BF_WORKER_TAIL_H

#include "worker/core/lines.h"

#define TAIL_LINES 30
#define TAIL_WIDTH 400

struct tail {
    struct lines lines;
    char *line[TAIL_LINES]; /* a ring; oldest at `next` once it is full */
    size_t next, n;
    char *step;  /* "RUN false" of the last "STEP 2/2: RUN false"; NULL: none */
    char *error; /* the last line, where it is an error of the tool itself; else NULL */
};

void tail_init(struct tail *t);
void tail_release(struct tail *t);
void tail_feed(struct tail *t, const char *p, size_t n);
void tail_end(struct tail *t);
/* i = 0 is the oldest of t->n. */
const char *tail_get(const struct tail *t, size_t i);
/* The tool's own error, else the last line, else "". Never NULL. */
const char *tail_reason(const struct tail *t);

#endif
