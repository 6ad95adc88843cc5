/* farm.h - many jobs and equal slots in virtual time, to see what policy is worth.
 *
 * Only the brain is real. Images have durations, slots take what they get at once and run it for
 * just so long; nothing is lost and nothing fails (tests/sim has that). Image i of `images` is
 * built by job 2i + 1 and tested by job 2i + 2. */
#ifndef BF_CORE_FARM_H
#define BF_CORE_FARM_H

#include "common/base/vec.h"
#include "scheduler/core/brain.h"

#define FARM_PARENTS 4

struct farm_image {
    int64_t repo;
    unsigned weight;
    size_t parents[FARM_PARENTS]; /* their places */
    size_t n_parents;
    uint32_t build_ms, test_ms; /* it takes */
    bool known;                 /* and the rows say so */
};

struct farm_run {
    struct id128 attempt;
    int64_t job;
    bf_time ends;
};

struct farm {
    VEC(struct farm_image) images;
    int64_t workers;
    unsigned slots; /* of each */
    struct world *w;
    struct effects e;
    bf_time now; /* since the start */
    VEC(struct farm_run) running;
    VEC(bf_time) began;     /* of each job; -1: not yet */
    VEC(int64_t) worker_of; /* of each job */
};

void farm_add(struct farm *f, struct farm_image image);
void farm_begin(struct farm *f);              /* its workers say hello */
void farm_plan(struct farm *f, size_t first); /* rows of the images from there on */
void farm_row(struct farm *f, size_t image);  /* its row is read again */
bool farm_next(struct farm *f);               /* until something ends; false: nothing runs */
void farm_end(struct farm *f);

#endif
