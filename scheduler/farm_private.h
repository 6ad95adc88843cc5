/* farm_private.h - shared by farm.c (turns), farm_load.c (rows), farm_take.c (commands) and
 * farm_report.c (Reports) only. */
#ifndef BF_FARM_PRIVATE_H
#define BF_FARM_PRIVATE_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "scheduler/farm.h"
#include "scheduler/store_turn.h"

enum farm_state { FARM_OFF, FARM_LOADING, FARM_ON };

struct report_in {
    int64_t worker;
    struct wire_msg msg;
    bool usable;
};

struct command_in {
    enum input_type type; /* a command, or IN_LINK_DOWN with `object` */
    int64_t id, object;
    char *who;
};

struct work {
    int64_t worker;
    struct id128 attempt;
    char *json; /* NULL: asked for */
};

struct answer {
    int64_t worker;
    struct id128 boot;
    uint64_t seq;
};
typedef VEC(struct answer) answers;

struct wanted_rows {
    unsigned kinds; /* enum farm_rows */
    pg_ids jobs, images;
    VEC(struct id128) work;
};

struct farm {
    uv_loop_t *loop;
    struct db *db, *claims;
    struct farm_config cfg;
    enum farm_state state;
    int64_t term;
    struct world *world;
    bf_time offset; /* brain's time = clock_mono() + offset */

    uv_prepare_t *prepare; /* before the loop sleeps: the turn */
    uv_timer_t *timer;     /* brain_deadline */

    struct map reports;   /* worker → struct report_in, newest */
    VEC(int64_t) waiting; /* their workers, as they came; also such as have none any more */
    VEC(struct command_in) commands;
    struct wanted_rows wanted;
    struct farm_take take; /* wanted where it has callbacks */

    struct effects effects; /* of the open turn */
    struct turn *turn;
    answers answers;
    const struct report_in *current; /* the Report that is being stepped */
    bool flying;                     /* a turn or a read is under way; its own turn and effects: */
    struct effects sent_effects;
    struct turn *sent_turn;
    answers sent_answers;
    uint64_t epoch; /* changes with each farm_lead and farm_drop */

    struct map work; /* id128_key → struct work */
};

/* farm.c */
bf_time farm_now(const struct farm *f);
void farm_step(struct farm *f, const struct input *in);
void farm_doubt(struct farm *f, const char *why);
/* A transaction did not commit: doubt, and `what` in the log unless only the leadership is over. */
void farm_failed(struct farm *f, const struct db_reply *r, const char *what);
struct work *work_put(struct farm *f, int64_t worker, struct id128 attempt, const char *json);

/* Steps the brain through what has arrived. */
void farm_inputs(struct farm *f);
/* The ops of the open turn are those that are sent, by the transaction that begins now. */
void farm_seal(struct farm *f);
/* The answers to the ops begin behind the first one of `r`. */
void farm_committed(struct farm *f, const struct db_reply *r);

/* farm_take.c: a turn that begins with commands. */
void farm_take_turn(struct farm *f);

/* farm_load.c */
void farm_load(struct farm *f);
bool farm_wants_rows(const struct farm *f);
void farm_read_rows(struct farm *f);
void wanted_clear(struct wanted_rows *w);

/* farm_report.c */
void farm_step_report(struct farm *f, const struct report_in *r);
/* What an op carries beside itself. The caller frees the text that is returned (or NULL), when the
 * payload is no longer needed. */
char *farm_op_payload(const struct farm *f, const struct op *op, struct op_payload *p);

#endif
