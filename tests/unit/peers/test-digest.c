#include <string.h>

#include "daemon/base/le.h"
#include "tests/unit/peers/members.h"

#define RECORD (8 + STATE_DIGEST_SIZE)

static uint64_t applied(const Member *member) {
        return state_pinset_index(consensus_pinset(member->consensus));
}

/* All have applied the same entries. */
static void level(Members *members) {
        const Member *leader = members_leader(members);

        for (size_t i = 0; i < members->n; i++)
                MEMBERS_UNTIL(members->event, applied(&members->member[i]) == applied(leader));
}

/* Pin N is lost from MEMBER's pinset behind its back. */
static void lose_pin(Member *member, uint64_t n) {
        StatePinset *pinset = consensus_pinset(member->consensus);
        Cid cid;

        member_cid(n, &cid);
        g_assert_cmpint(state_pinset_remove(pinset, &cid), ==, 1);
        g_assert_cmpint(state_pinset_commit(pinset, state_pinset_index(pinset)), ==, 0);
}

static void tick_all(Members *members) {
        for (size_t i = 0; i < members->n; i++)
                if (members->member[i].consensus)
                        peers_digests_tick(members->member[i].peers);
        for (unsigned i = 0; i < 30; i++)
                g_assert_cmpint(sd_event_run(members->event, 1000), >=, 0);
}

static unsigned n_diverged(const Members *members) {
        unsigned n = 0;

        for (size_t i = 0; i < members->n; i++)
                n += members->member[i].n_diverged;
        return n;
}

static void open_level(Members *members) {
        members_open(members, 3);
        for (uint64_t n = 1; n <= 5; n++)
                member_pin_wait(members_leader(members), n);
        level(members);
}

static void test_same(void) {
        Members members;

        open_level(&members);
        for (int i = 0; i < 3; i++)
                tick_all(&members);
        g_assert_cmpuint(n_diverged(&members), ==, 0);
        members_close(&members);
}

/* Told once on each side, until it has gone, and then anew. */
static void test_told_once(void) {
        Member *odd, *leader;
        Members members;

        open_level(&members);
        leader = members_leader(&members);
        odd = members_follower(&members);
        for (unsigned round = 1; round <= 2; round++) {
                lose_pin(odd, round);
                for (int i = 0; i < 3; i++)
                        tick_all(&members);
                g_assert_cmpuint(odd->n_diverged, ==, 2 * round);
                g_assert_cmpuint(n_diverged(&members), ==, 4 * round);
                g_assert_true(peer_id_equal(&leader->diverged, &odd->id));

                member_pin_wait(leader, round); /* it is there again */
                level(&members);
                tick_all(&members);
        }
        g_assert_cmpuint(odd->n_failed, ==, 0); /* no repair so soon after the start */
        members_close(&members);
}

/* ---- notes */

static void put_record(uint8_t *at, uint64_t index, const uint8_t *digest) {
        le_put64(at, index);
        memcpy(at + 8, digest, STATE_DIGEST_SIZE);
}

/* Of an entry that is still to come: compared when it is applied. */
static void test_ahead(void) {
        static const uint8_t other[STATE_DIGEST_SIZE] = { 1 };
        uint8_t record[RECORD];
        Member *member;
        Members members;

        members_open(&members, 1);
        member = &members.member[0];
        put_record(record, applied(member) + 2, other);
        peers_digests_receive(member->peers, &member->id, record, sizeof(record));
        member_pin_wait(member, 1);
        g_assert_cmpuint(member->n_diverged, ==, 0);
        member_pin_wait(member, 2);
        g_assert_cmpuint(member->n_diverged, ==, 1);

        put_record(record, applied(member) - 2, other); /* older than what was compared */
        peers_digests_receive(member->peers, &member->id, record, sizeof(record));
        g_assert_cmpuint(member->n_diverged, ==, 1);
        members_close(&members);
}

/* All stop at a boundary, whatever else comes at the same time, and remember it. */
static void test_boundary(void) {
        g_autofree Submitted *submitted = g_new0(Submitted, 3 * CONSENSUS_BOUNDARY);
        static const uint8_t other[STATE_DIGEST_SIZE] = { 1 };
        uint8_t record[RECORD];
        Member *member;
        Members members;

        members_open(&members, 1);
        member = &members.member[0];
        for (unsigned i = 0; i < 3 * CONSENSUS_BOUNDARY; i++)
                g_assert_cmpint(member_pin(member, &submitted[i], i + 1), ==, 0);
        for (unsigned i = 0; i < 3 * CONSENSUS_BOUNDARY; i++) {
                MEMBERS_UNTIL(members.event, submitted[i].n_done > 0);
                submitted_done(&submitted[i]);
        }
        g_assert_cmpuint(applied(member), >, 2 * CONSENSUS_BOUNDARY);
        put_record(record, 2 * CONSENSUS_BOUNDARY, other);
        peers_digests_receive(member->peers, &member->id, record, sizeof(record));
        g_assert_cmpuint(member->n_diverged, ==, 1);
        members_close(&members);
}

static void test_bad_notes(void) {
        static const uint8_t zero[9 * RECORD];
        static const uint8_t other[STATE_DIGEST_SIZE] = { 1 };
        uint8_t records[2 * RECORD];
        PeerId stranger;
        Member *member;
        Members members;

        members_open(&members, 1);
        member = &members.member[0];
        for (size_t n = 0; n <= sizeof(zero); n++)
                peers_digests_receive(member->peers, &member->id, zero, n);
        put_record(records, UINT64_MAX, other);
        put_record(records + RECORD, applied(member), other);
        peers_digests_receive(member->peers, &member->id, records, RECORD);
        g_assert_cmpuint(member->n_diverged, ==, 0);

        g_assert_cmpint(peer_id_parse("12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN", &stranger),
                        ==,
                        0);
        peers_digests_receive(member->peers, &stranger, records, sizeof(records));
        g_assert_cmpuint(member->n_diverged, ==, 0);

        peers_digests_receive(member->peers, &member->id, records, sizeof(records));
        g_assert_cmpuint(member->n_diverged, ==, 1); /* what stands beside it counts */
        members_close(&members);
}

/* ---- repairs */

static void allow_repairs(Members *members) {
        for (size_t i = 0; i < members->n; i++)
                members->member[i].peers->repair_from_usec = 0;
}

static void check_same_pins(Members *members) {
        uint8_t first[STATE_DIGEST_SIZE], other[STATE_DIGEST_SIZE];

        level(members);
        state_pinset_digest(consensus_pinset(members->member[0].consensus), first);
        for (size_t i = 1; i < members->n; i++) {
                state_pinset_digest(consensus_pinset(members->member[i].consensus), other);
                g_assert_cmpmem(first, sizeof(first), other, sizeof(other));
        }
}

/* Ticks until ODD has ended, then it is started again: with the pins of the others. */
static void repair(Members *members, Member *odd) {
        for (unsigned i = 0; odd->n_failed == 0; i++) {
                g_assert_cmpuint(i, <, 200);
                allow_repairs(members);
                tick_all(members);
        }
        g_assert_cmpint(odd->failed_status, ==, 75);
        member_stop(odd);
        member_start(odd);
        MEMBERS_UNTIL(members->event, odd->n_ready > 0);
        check_same_pins(members);
        for (size_t i = 0; i < members->n; i++)
                g_assert_cmpuint(members->member[i].n_failed, ==, 0);
}

static void test_follower_repairs(void) {
        Members members;
        Member *odd;

        open_level(&members);
        odd = members_follower(&members);
        lose_pin(odd, 3);
        repair(&members, odd);
        g_assert_true(member_has(odd, 3));
        members_close(&members);
}

/* With two peers there is no majority: the leader counts. */
static void test_one_of_two_repairs(void) {
        Members members;
        Member *odd;

        members_open(&members, 2);
        member_pin_wait(members_leader(&members), 1);
        member_pin_wait(members_leader(&members), 2);
        level(&members);
        odd = members_follower(&members);
        lose_pin(odd, 2);
        repair(&members, odd);
        g_assert_true(member_has(odd, 2));
        members_close(&members);
}

/* The one that leads is wrong: it lets another one lead, and nobody takes over what it has. */
static void test_leader_repairs(void) {
        Members members;
        Member *odd;

        open_level(&members);
        odd = members_leader(&members);
        lose_pin(odd, 3);
        repair(&members, odd);
        g_assert_true(member_has(odd, 3));
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/digest/same", test_same);
        g_test_add_func("/peers/digest/told-once", test_told_once);
        g_test_add_func("/peers/digest/ahead", test_ahead);
        g_test_add_func("/peers/digest/boundary", test_boundary);
        g_test_add_func("/peers/digest/bad-notes", test_bad_notes);
        g_test_add_func("/peers/digest/follower-repairs", test_follower_repairs);
        g_test_add_func("/peers/digest/one-of-two-repairs", test_one_of_two_repairs);
        g_test_add_func("/peers/digest/leader-repairs", test_leader_repairs);
        return g_test_run();
}
