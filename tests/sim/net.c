/* The network: loses, doubles, delays and so reorders; a site may be cut off in either direction,
 * a worker in both.
 */
#include "tests/sim/sim.h"

struct msg *msg_new(void)
{
    struct msg *m = xcalloc(1, sizeof *m);
    m->refs = 1;
    return m;
}

void msg_put(struct msg *m)
{
    if (m && --m->refs == 0)
        free(m);
}

static void drop(void *what)
{
    msg_put(what);
}

static bool is_cut(const struct sim *s, const struct msg *m)
{
    int64_t site = s->nodes[m->node].site;
    return s->cut_node[m->node] || (m->orders ? s->cut_down[site] : s->cut_up[site]);
}

static void deliver(struct sim *s, void *what, uint64_t n)
{
    (void)n;
    struct msg *m = what;
    if (is_cut(s, m))
        msg_put(m);
    else if (m->orders) {
        node_take(s, &s->nodes[m->node], m);
        msg_put(m);
    } else {
        hub_take(s, &s->hubs[m->hub], m);
    }
}

static bf_time transit(struct sim *s)
{
    return rnd_time(s, BF_MSEC, 20 * BF_MSEC) + (chance(s, 3) ? rnd_time(s, 0, s->delay) : 0);
}

void net_send(struct sim *s, struct msg *m)
{
    s->messages++;
    if (is_cut(s, m) || chance(s, s->loss)) {
        msg_put(m);
        return;
    }
    if (chance(s, s->doubled)) {
        m->refs++;
        sim_at_owned(s, s->now + transit(s), deliver, m, drop);
    }
    sim_at_owned(s, s->now + transit(s), deliver, m, drop);
}
