/* The link's rules about one worker: sequence numbers, boots, echoes. */
#include "scheduler/link_peer.h"

#include <criterion/criterion.h>

#define LIMIT (45 * BF_SEC)

static const struct id128 boot_a = {{1}}, boot_b = {{2}};

static enum peer_verdict hear(struct peer *p, struct id128 boot, uint64_t seq, uint64_t echo,
                              bf_time now)
{
    return peer_report(p, boot, seq, echo != 0, echo, LIMIT, now);
}

Test(peer, takes_only_newer_reports)
{
    struct peer p = {.worker = 1};
    cr_assert_eq(hear(&p, boot_a, 5, 0, 1), PEER_TAKE);
    cr_assert_eq(hear(&p, boot_a, 5, 0, 2), PEER_DROP, "repeated");
    cr_assert_eq(hear(&p, boot_a, 4, 0, 3), PEER_DROP, "overtaken");
    cr_assert_eq(hear(&p, boot_a, 6, 0, 4), PEER_TAKE);
}

Test(peer, a_new_boot_counts_from_the_start_and_the_old_one_is_over)
{
    struct peer p = {.worker = 1};
    cr_assert_eq(hear(&p, boot_a, 9, 0, 1), PEER_TAKE);
    cr_assert_eq(hear(&p, boot_b, 1, 0, 2), PEER_TAKE);
    cr_assert_eq(hear(&p, boot_a, 10, 0, 3), PEER_DROP, "delayed in the old connection");
    cr_assert(id128_eq(p.boot, boot_b));
    cr_assert_eq(hear(&p, boot_a, 11, 0, 3 + LIMIT), PEER_TAKE, "the newer one has gone silent");
}

Test(peer, is_usable_once_orders_of_this_term_were_echoed)
{
    struct peer p = {.worker = 1};
    cr_assert_eq(hear(&p, boot_a, 1, 0, 1), PEER_TAKE);
    cr_assert_not(p.echoed);
    peer_sent(&p, 1, 2);
    cr_assert_eq(peer_report(&p, boot_a, 2, false, 1, LIMIT, 3), PEER_TAKE);
    cr_assert_not(p.echoed, "an echo of another term says nothing");
    cr_assert_eq(hear(&p, boot_a, 3, 7, 4), PEER_TAKE);
    cr_assert_not(p.echoed, "an echo of what was never sent says nothing");
    cr_assert_eq(hear(&p, boot_a, 4, 1, 5), PEER_TAKE);
    cr_assert(p.echoed);
    cr_assert_eq(hear(&p, boot_b, 1, 0, 6), PEER_TAKE);
    cr_assert_not(p.echoed, "a new boot has heard nothing");
}

Test(peer, a_one_way_link_is_stale_until_an_echo_catches_up)
{
    struct peer p = {.worker = 1};
    cr_assert_eq(hear(&p, boot_a, 1, 0, 0), PEER_TAKE);
    peer_sent(&p, 1, 0);
    cr_assert_eq(hear(&p, boot_a, 2, 1, BF_SEC), PEER_TAKE);
    peer_sent(&p, 2, 2 * BF_SEC);
    cr_assert_eq(hear(&p, boot_a, 3, 1, 40 * BF_SEC), PEER_TAKE);
    cr_assert_not(peer_is_stale(&p, LIMIT, 47 * BF_SEC));
    cr_assert(peer_is_stale(&p, LIMIT, 47 * BF_SEC + 1));
    cr_assert_eq(hear(&p, boot_a, 4, 1, 50 * BF_SEC), PEER_STALE);
    peer_sent(&p, 3, 51 * BF_SEC);
    cr_assert_eq(hear(&p, boot_a, 5, 2, 52 * BF_SEC), PEER_TAKE, "number 3 is young");
}

Test(peer, remembers_the_oldest_of_many_unechoed_orders)
{
    struct peer p = {.worker = 1};
    cr_assert_eq(hear(&p, boot_a, 1, 0, 0), PEER_TAKE);
    for (uint64_t seq = 1; seq <= 100; seq++)
        peer_sent(&p, seq, (bf_time)seq * BF_SEC);
    cr_assert_eq(p.n_unechoed, PEER_ECHOES);
    cr_assert(peer_is_stale(&p, LIMIT, 47 * BF_SEC));
    cr_assert_eq(hear(&p, boot_a, 2, 99, 101 * BF_SEC), PEER_STALE,
                 "the last entry is judged by its oldest");
    cr_assert_eq(hear(&p, boot_a, 3, 100, 101 * BF_SEC), PEER_TAKE);
    cr_assert_eq(p.n_unechoed, 0);
}
