/* farm_take.c - a turn that begins with commands.
 *
 *     BEGIN, check_term, command_take, load_taken ──► the brain is given the jobs that were made,
 * its own commands, and all else that has arrived ──► the calls of its ops, COMMIT ──► act
 *
 * As in any turn nothing is said to anybody before the commit. What is refused before the brain has
 * decided leaves the world as it was; from then on it is a turn like any other, and doubt follows.
 */
#include "scheduler/farm_private.h"

#include "common/base/log.h"
#include "scheduler/store_pg.h"

#define TAKE_RESULTS 2 /* behind check_term */

struct taking {
    struct farm *farm;
    uint64_t epoch;
    bool decided;
    struct farm_take take;
};

/* A job of an image that the world has not heard of came before its plan did: both are read later,
 * in the right order. */
static void on_job(void *arg, const struct job_row *j)
{
    struct farm *f = arg;
    bool known = true;
    if (j->image_arch)
        known = world_has_image(f->world, j->image_arch);
    for (size_t i = 0; i < j->n_image_archs; i++)
        known &= world_has_image(f->world, j->image_archs[i]);
    if (known) {
        farm_step(f, &(struct input){.type = IN_JOB, .job = j});
        return;
    }
    *vec_push(&f->wanted.jobs) = j->id;
    if (j->image_arch)
        *vec_push(&f->wanted.images) = j->image_arch;
    for (size_t i = 0; i < j->n_image_archs; i++)
        *vec_push(&f->wanted.images) = j->image_archs[i];
}

static bool decide(void *arg, struct db_tx *tx, const struct db_reply *r)
{
    struct taking *t = arg;
    struct farm *f = t->farm;
    if (t->epoch != f->epoch || !f->cfg.may_act(f->cfg.arg))
        return false;
    t->decided = true;
    st_each_job(r->result[2], on_job, f);
    st_each_command(r->result[1], t->take.on_found, t->take.arg);
    farm_inputs(f);
    farm_seal(f);
    turn_calls(f->sent_turn, tx);
    return true;
}

/* The ops' answers stand behind those of the commands. */
static void done(struct farm *f, const struct db_reply *r)
{
    struct db_reply ops = *r;
    ops.result += TAKE_RESULTS;
    ops.n -= TAKE_RESULTS;
    farm_committed(f, &ops);
}

static void on_end(void *arg, const struct db_reply *r)
{
    struct taking t = *(struct taking *)arg;
    struct farm *f = t.farm;
    free(arg);
    if (t.epoch != f->epoch)
        return;
    f->flying = false;
    bool undone = r->end == DB_REFUSED && !t.decided && strcmp(r->sqlstate, ST_NOT_LEADER) != 0;
    if (r->end == DB_DONE)
        done(f, r);
    else if (undone)
        log_error("commands cannot be taken up", "sqlstate", r->sqlstate, "error", r->message);
    else
        farm_failed(f, r, "a turn with commands was refused");
    if (t.epoch == f->epoch && (r->end == DB_DONE || undone))
        t.take.on_end(t.take.arg, undone ? NULL : r->result[1]);
}

void farm_take_turn(struct farm *f)
{
    struct taking *t = xcalloc(1, sizeof *t);
    struct db_tx *tx = st_write(f->db, f->term);
    t->farm = f;
    t->epoch = f->epoch;
    t->take = f->take;
    st_few_rows(tx, true);
    st_command_take(tx, &t->take.elsewhere, FARM_TAKES_AT_MOST);
    vec_release(&t->take.elsewhere);
    f->take = (struct farm_take){0};
    f->flying = true;
    db_tx_more(tx, decide);
    db_submit(tx, on_end, t);
}
