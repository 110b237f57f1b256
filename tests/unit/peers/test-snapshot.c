#include <inttypes.h>

#include "tests/unit/peers/members.h"

/* More entries than stay in the log behind a snapshot, and more bytes than its files have. */
#define AWAY_PINS 3000
#define AT_ONCE 500

static void on_snapshot(int r, void *userdata) {
        unsigned *n = userdata;

        g_assert_cmpint(r, ==, 0);
        ++*n;
}

static void pin_many(Member *member, uint64_t first, size_t n) {
        g_autofree Submitted *submitted = g_new0(Submitted, n);

        for (size_t i = 0; i < n; i++)
                g_assert_cmpint(member_pin(member, &submitted[i], first + i), ==, 0);
        for (size_t i = 0; i < n; i++) {
                MEMBERS_UNTIL(member->event, submitted[i].n_done > 0);
                g_assert_cmpint(submitted[i].result, ==, 0);
                submitted_done(&submitted[i]);
        }
}

static uint64_t applied(const Member *member) {
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        return status.applied_index;
}

/* A member that was away for longer than the log remembers gets a snapshot, and then the log. */
static void test_away(void) {
        unsigned n_snapshots = 0;
        Member *leader, *away;
        Members members;

        members_open(&members, 3);
        leader = members_leader(&members);
        away = members_follower(&members);
        member_pin_wait(leader, 1);
        member_stop(away);
        for (uint64_t i = 0; i < AWAY_PINS; i += AT_ONCE)
                pin_many(leader, 10 + i, AT_ONCE);
        g_assert_cmpint(consensus_snapshot(leader->consensus, on_snapshot, &n_snapshots), >=, 0);
        MEMBERS_UNTIL(members.event, n_snapshots == 1);
        member_pin_wait(leader, 2);

        member_start(away);
        MEMBERS_UNTIL(members.event, applied(away) == applied(leader));
        for (uint64_t i = 0; i < AWAY_PINS; i++)
                g_assert_true(member_has(away, 10 + i));
        g_assert_true(member_has(away, 1));
        g_assert_true(member_has(away, 2));
        g_assert_cmpuint(away->n_failed, ==, 0);
        {
                ConsensusStatus status;

                consensus_status(away->consensus, &status);
                g_assert_cmpuint(status.snapshot_index, >, AWAY_PINS); /* not by the log alone */
        }
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/snapshot/away", test_away);
        return g_test_run();
}
