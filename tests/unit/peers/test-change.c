#include <string.h>
#include <sysexits.h>

#include "tests/lib/fault.h"
#include "tests/unit/peers/members.h"

#define SECRET "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

typedef struct Changed {
        PeersChange *slot;
        unsigned n_done;
        int result;
        ErrorCode code;
        char *words;
        PeerId peer;
} Changed;

static void on_changed(PeersChange *change, int r, const Error *error, const PeerId *peer, void *userdata) {
        Changed *changed = userdata;

        g_assert_true(change == changed->slot);
        changed->n_done++;
        changed->result = r;
        changed->peer = *peer;
        if (r < 0) {
                changed->code = error->code;
                changed->words = g_strdup(error_message(error));
        }
}

static void changed_done(Changed *changed) {
        peers_change_unref(changed->slot);
        g_free(changed->words);
        *changed = (Changed){};
}

static void start_add(Member *at, const Member *other, bool by_address, Changed *ret) {
        *ret = (Changed){};
        g_assert_cmpint(peers_add(at->peers,
                                  &ret->slot,
                                  by_address ? NULL : &other->id,
                                  other->addresses.items[0],
                                  on_changed,
                                  ret),
                        ==,
                        0);
        g_assert_cmpuint(ret->n_done, ==, 0);
}

static void start_remove(Member *at, const PeerId *peer, Changed *ret) {
        *ret = (Changed){};
        g_assert_cmpint(peers_remove(at->peers, &ret->slot, peer, on_changed, ret), ==, 0);
        g_assert_cmpuint(ret->n_done, ==, 0);
}

static void wait_for(Member *at, Changed *changed) {
        MEMBERS_UNTIL(at->event, changed->n_done > 0);
        g_assert_cmpuint(changed->n_done, ==, 1);
}

static void assert_ok(const Changed *changed, const PeerId *peer) {
        g_assert_cmpstr(changed->words, ==, NULL);
        g_assert_cmpint(changed->result, ==, 0);
        g_assert_true(peer_id_equal(&changed->peer, peer));
}

static void assert_failed(const Changed *changed, ErrorCode code, const char *words) {
        g_assert_cmpint(changed->result, <, 0);
        g_assert_cmpint(changed->code, ==, code);
        if (!strstr(changed->words, words))
                g_error("'%s' is not in '%s'", words, changed->words);
}

static size_t n_members(const Member *member) {
        return consensus_member_table(member->consensus)->n;
}

static bool votes(const Member *at, const Member *other) {
        const ConsensusMembers *members = consensus_member_table(at->consensus);

        for (size_t i = 0; i < members->n; i++)
                if (peer_id_equal(&members->items[i].peer, &other->id))
                        return members->items[i].role == CONSENSUS_VOTER;
        return false;
}

/* OTHER comes, by way of its end. */
static void add(Member *at, Member *other, bool by_address) {
        Changed changed;

        start_add(at, other, by_address, &changed);
        MEMBERS_UNTIL(at->event, other->n_leaves > 0);
        g_assert_cmpint(other->leave_status, ==, EX_TEMPFAIL);
        g_assert_cmpuint(changed.n_done, ==, 0);
        member_leave(other);
        wait_for(at, &changed);
        assert_ok(&changed, &other->id);
        MEMBERS_UNTIL(at->event, other->n_ready > 0 && n_members(other) == n_members(at));
        changed_done(&changed);
}

/* ---- add */

static void test_add(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1], *c = &members.member[2];

        members_apart(&members, 3);
        a->secret = b->secret = c->secret = SECRET;
        for (size_t i = 0; i < 3; i++) {
                member_stop(&members.member[i]);
                member_start(&members.member[i]);
                MEMBERS_UNTIL(members.event, members.member[i].n_ready > 0);
        }
        member_pin_wait(a, 1);
        add(a, b, true);
        MEMBERS_UNTIL(members.event, member_has(b, 1));
        add(b, c, false); /* whoever leads */
        MEMBERS_UNTIL(members.event, member_has(c, 1));
        member_pin_wait(c, 2);
        MEMBERS_UNTIL(members.event, member_has(a, 2));
        members_close(&members);
}

static void test_add_again(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Changed changed;

        members_apart(&members, 2);
        start_add(a, a, false, &changed);
        wait_for(a, &changed);
        assert_ok(&changed, &a->id);
        changed_done(&changed);

        add(a, b, true);
        for (int i = 0; i < 2; i++) {
                start_add(i ? a : b, i ? b : a, false, &changed);
                wait_for(a, &changed);
                assert_ok(&changed, i ? &b->id : &a->id);
                changed_done(&changed);
        }
        g_assert_cmpuint(a->n_leaves + b->n_leaves, ==, 0);
        members_close(&members);
}

static void check_refused(Member *at, Member *other, ErrorCode code, const char *words) {
        Changed changed;

        start_add(at, other, true, &changed);
        wait_for(at, &changed);
        assert_failed(&changed, code, words);
        changed_done(&changed);
        g_assert_cmpuint(other->n_leaves, ==, 0);
}

static void test_add_refused(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1], *c = &members.member[2];
        Changed changed;

        members_apart(&members, 3);
        member_pin_wait(b, 1);
        check_refused(a, b, ERROR_REFUSED, "has pins of its own (1)");

        add(b, c, true);
        MEMBERS_UNTIL(members.event, votes(b, c));
        check_refused(a, c, ERROR_REFUSED, "is in a cluster of 2 peers: remove it there first");

        member_stop(c);
        c->secret = SECRET;
        member_start(c);
        check_refused(a, c, ERROR_FORBIDDEN, "the cluster secret of peer ");
        member_stop(c);
        check_refused(a, c, ERROR_CANCELED, "cannot reach ");

        /* its own leader is gone with c */
        MEMBERS_UNTIL(members.event, !member_leads(b));
        start_add(b, a, true, &changed);
        wait_for(b, &changed);
        assert_failed(&changed, ERROR_NO_LEADER, "there is no leader");
        changed_done(&changed);
        members_close(&members);
}

/* ---- remove */

static void test_remove(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Changed changed;

        members_apart(&members, 2);
        add(a, b, true);
        start_remove(a, &b->id, &changed);
        wait_for(a, &changed);
        assert_ok(&changed, &b->id);
        changed_done(&changed);
        g_assert_cmpuint(n_members(a), ==, 1);
        MEMBERS_UNTIL(members.event, b->n_leaves > 0);
        g_assert_cmpint(b->leave_status, ==, EXIT_SUCCESS);
        g_assert_nonnull(strstr(b->leave_words, "this peer was removed from its cluster"));

        /* it begins anew, and may come back */
        member_leave(b);
        MEMBERS_UNTIL(members.event, b->n_ready > 0);
        g_assert_cmpuint(n_members(b), ==, 1);
        add(a, b, false);
        members_close(&members);
}

/* What it founds anew has the id of the cluster that it had founded, and is another one. */
static void test_remove_founder(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Changed changed;

        members_apart(&members, 2);
        add(a, b, true);
        MEMBERS_UNTIL(members.event, votes(a, b));
        start_remove(b, &a->id, &changed);
        MEMBERS_UNTIL(members.event, a->n_leaves > 0);
        wait_for(b, &changed);
        assert_ok(&changed, &a->id);
        changed_done(&changed);
        member_pin_wait(b, 1);

        member_leave(a);
        MEMBERS_UNTIL(members.event, a->n_ready > 0);
        g_assert_cmpuint(n_members(a), ==, 1);
        add(b, a, true);
        MEMBERS_UNTIL(members.event, member_has(a, 1));
        members_close(&members);
}

static void test_remove_itself(void) {
        Members members;
        Member *leader, *other;
        Changed changed;

        members_open(&members, 2);
        leader = members_leader(&members);
        other = members_follower(&members);
        start_remove(leader, &leader->id, &changed);
        wait_for(leader, &changed);
        assert_ok(&changed, &leader->id);
        changed_done(&changed);
        g_assert_cmpuint(leader->n_leaves, ==, 1);
        g_assert_cmpint(leader->leave_status, ==, EXIT_SUCCESS);
        g_assert_cmpuint(n_members(other), ==, 1);

        start_remove(other, &leader->id, &changed);
        wait_for(other, &changed);
        assert_failed(&changed, ERROR_NOT_FOUND, " is not a peer");
        changed_done(&changed);
        start_remove(other, &other->id, &changed);
        wait_for(other, &changed);
        assert_failed(&changed, ERROR_REFUSED, "cannot remove ourselves from a 1-peer cluster");
        changed_done(&changed);
        members_close(&members);
}

/* Who leaves takes nothing any more. */
static void test_leaving(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Submitted submitted;
        Changed changed;

        members_apart(&members, 2);
        start_add(a, b, true, &changed);
        MEMBERS_UNTIL(members.event, b->n_leaves > 0);
        g_assert_cmpint(member_pin(b, &submitted, 1), <, 0);
        g_assert_cmpint(submitted.code, ==, ERROR_CANCELED);
        submitted_done(&submitted);
        changed_done(&changed);
        g_assert_cmpint(peers_remove(b->peers, &changed.slot, &a->id, on_changed, &changed), ==, -ESHUTDOWN);
        members_close(&members);
}

/* ---- ends */

static void test_stop(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Changed adds = {}, removes;

        members_open(&members, 2);
        member_stop(b);
        MEMBERS_UNTIL(members.event, !peers_is_up(a->peers, &b->id));
        g_assert_cmpint(peers_add(a->peers, &adds.slot, &b->id, NULL, on_changed, &adds), ==, 0);
        start_remove(a, &b->id, &removes);
        for (int i = 0; i < 5; i++)
                members_turn(members.event, INT64_MAX);
        member_stop(a);
        assert_failed(&adds, ERROR_CANCELED, "the peer is being stopped");
        assert_failed(&removes, ERROR_CANCELED, "the peer is being stopped");
        changed_done(&adds);
        changed_done(&removes);
        members_close(&members);
}

static void test_dropped_anywhere(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Changed changed;

        members_apart(&members, 2);
        member_pin_wait(b, 1);
        for (int turns = 0; turns < 12; turns++) {
                start_add(a, b, true, &changed);
                for (int i = 0; i < turns; i++)
                        members_turn(members.event, INT64_MAX);
                changed_done(&changed);
        }
        members_close(&members);
}

static void test_out_of_memory(void) {
        Members members;
        Member *a = &members.member[0];

        members_apart(&members, 1);
        FOREACH_FAULT {
                Changed changed = {};
                int r;

                r = peers_add(a->peers, &changed.slot, &a->id, a->addresses.items[0], on_changed, &changed);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                changed_done(&changed);
        }
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/change/add", test_add);
        g_test_add_func("/peers/change/add-again", test_add_again);
        g_test_add_func("/peers/change/add-refused", test_add_refused);
        g_test_add_func("/peers/change/remove", test_remove);
        g_test_add_func("/peers/change/remove-founder", test_remove_founder);
        g_test_add_func("/peers/change/remove-itself", test_remove_itself);
        g_test_add_func("/peers/change/leaving", test_leaving);
        g_test_add_func("/peers/change/stop", test_stop);
        g_test_add_func("/peers/change/dropped-anywhere", test_dropped_anywhere);
        g_test_add_func("/peers/change/out-of-memory", test_out_of_memory);
        return g_test_run();
}
