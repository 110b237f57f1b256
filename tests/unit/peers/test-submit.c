#include <string.h>

#include "tests/unit/peers/members.h"

static void test_follower(void) {
        Members members;
        Member *follower;

        members_open(&members, 3);
        follower = members_follower(&members);
        member_pin_wait(follower, 1);
        g_assert_cmpint(member_has(follower, 1), ==, true); /* it shows what it has acknowledged */
        for (size_t i = 0; i < members.n; i++)
                MEMBERS_UNTIL(members.event, member_has(&members.member[i], 1));
        members_close(&members);
}

static void test_leader(void) {
        Members members;
        Member *leader;

        members_open(&members, 3);
        leader = members_leader(&members);
        member_pin_wait(leader, 1);
        g_assert_cmpint(member_has(leader, 1), ==, true);
        members_close(&members);
}

/* Those under way when the leader goes are taken by the next one. */
static void test_leader_lost(void) {
        Submitted submitted[16];
        Member *leader, *follower;
        Members members;

        members_open(&members, 3);
        leader = members_leader(&members);
        follower = members_follower(&members);
        for (size_t i = 0; i < G_N_ELEMENTS(submitted); i++)
                g_assert_cmpint(member_pin(follower, &submitted[i], i), ==, 0);
        member_stop(leader);
        for (size_t i = 0; i < G_N_ELEMENTS(submitted); i++) {
                MEMBERS_UNTIL(members.event, submitted[i].n_done > 0);
                g_assert_cmpstr(submitted[i].words, ==, NULL);
                g_assert_cmpint(member_has(follower, i), ==, true);
                submitted_done(&submitted[i]);
        }
        members_close(&members);
}

static void test_no_leader(void) {
        Submitted submitted;
        Members members;

        members_open(&members, 3);
        member_stop(&members.member[0]);
        member_stop(&members.member[1]);
        for (size_t i = 0; i < 2; i++) /* nothing can be on its way to them */
                MEMBERS_UNTIL(members.event, !peers_is_up(members.member[2].peers, &members.member[i].id));
        MEMBERS_UNTIL(members.event, !member_leads(&members.member[2])); /* nor in its own log */
        g_assert_cmpint(member_pin(&members.member[2], &submitted, 1), ==, 0);
        MEMBERS_UNTIL(members.event, submitted.n_done > 0);
        g_assert_cmpint(submitted.code, ==, ERROR_NO_LEADER);
        g_assert_cmpstr(submitted.words,
                        ==,
                        "there is no leader: too few peers of this cluster can be reached");
        submitted_done(&submitted);
        members_close(&members);
}

static void test_invalid(void) {
        static const ConsensusOp bad = { .kind = CONSENSUS_PIN, .body = "\377", .size = 1 };
        _cleanup_(error_done) Error error = {};
        Members members;

        members_open(&members, 1);
        g_assert_cmpint(peers_submit(members.member[0].peers, NULL, &bad, 1, NULL, NULL, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        error_done(&error);
        g_assert_cmpint(peers_submit(members.member[0].peers, NULL, &bad, 0, NULL, NULL, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        g_assert_cmpuint(peers_n_submits(members.member[0].peers), ==, 0);
        members_close(&members);
}

static void test_dropped(void) {
        Member *follower;
        Submitted submitted;
        Members members;

        members_open(&members, 3);
        follower = members_follower(&members);
        g_assert_cmpint(member_pin(follower, &submitted, 1), ==, 0);
        submitted.submit = peers_submit_unref(submitted.submit);
        member_pin_wait(follower, 2);
        g_assert_cmpuint(submitted.n_done, ==, 0);
        members_close(&members);
}

/* Ends with words when the peer stops. */
static void test_stop(void) {
        Member *follower;
        Submitted submitted;
        Members members;

        members_open(&members, 3);
        follower = members_follower(&members);
        g_assert_cmpint(member_pin(follower, &submitted, 1), ==, 0);
        member_stop(follower);
        g_assert_cmpuint(submitted.n_done, ==, 1);
        g_assert_cmpint(submitted.code, ==, ERROR_CANCELED);
        submitted_done(&submitted);
        members_close(&members);
}

/* ---- its end */

static void test_refused_for_long(void) {
        Submitted submitted;
        Members members;
        Member *follower;

        members_open(&members, 3);
        follower = members_follower(&members);
        members_leader(&members)->peers->is_leaving = true;
        follower->peers->submit_timeout_usec = 300 * USEC_PER_MSEC;
        g_assert_cmpint(member_pin(follower, &submitted, 1), ==, 0);
        MEMBERS_UNTIL(members.event, submitted.n_done > 0);
        g_assert_cmpint(submitted.code, ==, ERROR_TIMEOUT);
        g_assert_cmpstr(submitted.words,
                        ==,
                        "the leader has not taken it within 300ms: the peer is shutting down");
        submitted_done(&submitted);
        members_close(&members);
}

/* It was committed, and is not shown here. */
static void test_lagging_for_long(void) {
        Submitted submitted;
        Members members;
        Member *follower;

        members_open(&members, 3);
        follower = members_follower(&members);
        follower->is_starved = true;
        follower->peers->submit_timeout_usec = 300 * USEC_PER_MSEC;
        g_assert_cmpint(member_pin(follower, &submitted, 1), ==, 0);
        MEMBERS_UNTIL(members.event, submitted.n_done > 0);
        g_assert_cmpint(submitted.code, ==, ERROR_TIMEOUT);
        g_assert_cmpstr(submitted.words,
                        ==,
                        "the change was carried out, but has not reached this peer within 300ms");
        submitted_done(&submitted);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/submit/by-a-follower", test_follower);
        g_test_add_func("/peers/submit/by-the-leader", test_leader);
        g_test_add_func("/peers/submit/leader-is-lost", test_leader_lost);
        g_test_add_func("/peers/submit/no-leader", test_no_leader);
        g_test_add_func("/peers/submit/invalid", test_invalid);
        g_test_add_func("/peers/submit/dropped", test_dropped);
        g_test_add_func("/peers/submit/stop", test_stop);
        g_test_add_func("/peers/submit/refused-for-long", test_refused_for_long);
        g_test_add_func("/peers/submit/lagging-for-long", test_lagging_for_long);
        return g_test_run();
}
