/* record.h - a trace of this leader's brain, written to STATE_DIR/traces/NAME (core/trace.h has the
 * format, tests/sim/replay.h reads it).
 *
 *     OFF ──debug_record──► WAITING ──record_world──► ON ──time, size, --off, a write failed──► OFF
 *
 * Off unless an operator asks. A trace begins with the rows of a take-over: whoever carried the
 * command out drops the world, and the next leadership is what is recorded. It goes on through
 * later ones. A file that cannot be written ends the trace and nothing else.
 *
 * An input is in the file before the brain sees it (rows excepted, which decide nothing), so that
 * what kills the brain can be looked at. */
#ifndef BF_RECORD_H
#define BF_RECORD_H

#include "common/base/err.h"
#include "scheduler/core/brain.h"
#include <uv.h>

struct record; /* opaque */

/* A trace that grows beyond `max_size` ends. */
struct record *record_new(uv_loop_t *loop, const char *state_dir, uint64_t max_size);
/* The command's arguments: {"file": NAME, "period": "60s"} or {"off": true}. The same name again
 * while it waits is success. -1: refused, with words for the operator. */
int record_command(struct record *r, const char *args, struct err *e) BF_MUST_CHECK;
/* It waits for a new world. */
bool record_waits(const struct record *r);
void record_free(struct record *r); /* accepts NULL */

/* From the farm; nothing happens while OFF. `r` may be NULL. */
void record_world(struct record *r, const struct brain_config *c);
void record_input(struct record *r, const struct input *in, bf_time now);
void record_output(struct record *r, const struct effects *e, size_t op, size_t after);

#endif
