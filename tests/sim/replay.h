/* replay.h - a trace (scheduler/core/trace.h) is fed to a fresh brain, without a database: does it
 * decide the same? */
#ifndef BF_SIM_REPLAY_H
#define BF_SIM_REPLAY_H

#include "scheduler/core/trace.h"

enum replay_end {
    REPLAY_SAME,
    REPLAY_DIFFERS, /* `said`: which input, and the first decision that is another one */
    REPLAY_BROKEN   /* `said`: where the file is not what it should be; all before was the same */
};

struct replay {
    /* May change what the worlds are configured with, to see what that would have done. */
    void (*configure)(void *arg, struct brain_config *c);
    /* Before each input: what is about to be fed. */
    void (*before)(void *arg, size_t input);
    /* With each line of a dump. NULL: none. */
    void (*line)(void *arg, const char *text);
    void *arg;
    /* Out: */
    size_t worlds, inputs, ops;
    bool ended;         /* the trace says itself that it ends */
    enum trace_why why; /* if so */
};

enum replay_end replay_run(struct replay *r, const void *p, size_t n, struct str *said);

#endif
