/* link.h - the control socket: Reports in, Orders out (proto/README.md is the protocol).
 *
 * A Report counts when its key is enrolled now, the frame decodes, its seq is newer than the last
 * one of that boot, and the boot is not one that was left behind. The worker may be given work once
 * a Report has echoed Orders of this term; when an echo is older than `lease` the link works in one
 * direction only and the worker counts as disconnected until an echo catches up.
 *
 * Orders leave when the farm says that they changed, and in answer to a Report; one message for
 * each worker and turn of the loop. The work order of an attempt travels until a Report lists it.
 * A standby answers NotLeader; a leader that is none any more says so to all who have spoken. */
#ifndef BF_LINK_H
#define BF_LINK_H

#include "common/loop/zloop.h"
#include "scheduler/farm.h"
#include "scheduler/roster.h"

struct link; /* opaque */

struct link_config {
    const char *endpoint;
    const char *secret_key; /* CURVE, Z85 */
    bf_time lease;
    /* Attempts whose phase changed, as these workers say, once a second: array literals for
     * st_phases. Not while phases_wait says that the last ones are not stored yet. */
    bool (*phases_wait)(void *arg);
    void (*on_phases)(void *arg, const char *workers, const char *attempts, const char *phases);
    void *arg;
};

int link_open(uv_loop_t *loop, struct zloop *z, struct roster *roster, struct farm *farm,
              const struct link_config *config, struct link **out, struct err *e) BF_MUST_CHECK;
const char *link_endpoint(const struct link *l);
/* term 0: standby. `known`: the highest term seen, for NotLeader. */
void link_set_term(struct link *l, int64_t term, int64_t known);
/* The farm's on_orders and on_answer. */
void link_orders(struct link *l, int64_t worker);
void link_answer(struct link *l, int64_t worker, struct id128 boot, uint64_t seq);
void link_close(struct link *l); /* accepts NULL */

#endif
