#include <string.h>

#include "tests/unit/peers/members.h"

static void test_links(void) {
        Members members;
        Member *one, *other;

        members_open(&members, 2);
        one = &members.member[0];
        other = &members.member[1];
        MEMBERS_UNTIL(members.event, one->n_ups > 0 && other->n_ups > 0);
        g_assert_true(peers_is_up(one->peers, &other->id));
        g_assert_true(peers_is_up(one->peers, &one->id));
        g_assert_true(peers_is_member(one->peers, &other->id));
        member_stop(other);
        MEMBERS_UNTIL(members.event, one->n_downs > 0);
        g_assert_false(peers_is_up(one->peers, &other->id));
        member_start(other);
        MEMBERS_UNTIL(members.event, one->n_ups > 1);
        members_close(&members);
}

/* The others do not wait for heartbeats that cannot come. */
static void test_leader_lost(void) {
        Members members;
        Member *leader, *follower;

        members_open(&members, 3);
        leader = members_leader(&members);
        follower = members_follower(&members);
        member_pin_wait(follower, 1);
        member_stop(leader);
        g_assert_true(members_leader(&members) != leader);
        member_pin_wait(follower, 2);
        members_close(&members);
}

/* Two that were not founded together do not listen to each other. */
static void test_another_cluster(void) {
        Members members;
        Member *one, *other;
        Submitted submitted;

        members_prepare(&members, 3);
        one = &members.member[0];
        other = &members.member[1];
        one->first.n = 2;
        other->first.n = 3;
        member_start(one);
        member_start(other);
        g_assert_cmpint(memcmp(consensus_cluster_id(one->consensus),
                               consensus_cluster_id(other->consensus),
                               STATE_CLUSTER_ID_SIZE),
                        !=,
                        0);
        g_assert_cmpint(member_pin(one, &submitted, 1), ==, 0);
        MEMBERS_UNTIL(members.event, submitted.n_done > 0);
        g_assert_cmpint(submitted.code, ==, ERROR_NO_LEADER);
        g_assert_cmpuint(one->n_ready + other->n_ready, ==, 0);
        submitted_done(&submitted);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/peers/links", test_links);
        g_test_add_func("/peers/peers/leader-lost", test_leader_lost);
        g_test_add_func("/peers/peers/another-cluster", test_another_cluster);
        return g_test_run();
}
