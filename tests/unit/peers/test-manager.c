#include <string.h>

#include "tests/unit/peers/members.h"

typedef struct Managed {
        PeersManaged *slot;
        unsigned n_done;
        int result;
        ErrorCode code;
        char *words;
        uint64_t raft_id, index;
} Managed;

static void on_managed(int r, const Error *error, uint64_t raft_id, uint64_t index, void *userdata) {
        Managed *managed = userdata;

        managed->n_done++;
        managed->result = r;
        managed->raft_id = raft_id;
        managed->index = index;
        if (r < 0) {
                managed->code = error->code;
                managed->words = g_strdup(error_message(error));
        }
}

static void manage(Member *at, PeersChangeKind kind, const PeerId *peer, Managed *ret) {
        *ret = (Managed){};
        g_assert_cmpint(peers_manage(at->peers, &ret->slot, kind, peer, on_managed, ret), ==, 0);
        MEMBERS_UNTIL(at->event, ret->n_done > 0);
        ret->slot = peers_managed_unref(ret->slot);
}

static void manage_ok(Member *at, PeersChangeKind kind, const PeerId *peer, Managed *ret) {
        manage(at, kind, peer, ret);
        g_assert_cmpstr(ret->words, ==, NULL);
        g_assert_cmpint(ret->result, ==, 0);
}

static size_t n_members(const Member *member) {
        return consensus_member_table(member->consensus)->n;
}

static PeerId stranger(void) {
        static const char text[] = "12D3KooWDpp7U7W9Q8feMZPPEpPP5FKXTUakLgnVLbavfjb9mzrT";
        PeerId id;

        g_assert_cmpint(peer_id_parse(text, &id), ==, 0);
        return id;
}

/* One that is not there becomes a standby, and nobody waits for it. */
static void test_add(void) {
        PeerId id = stranger();
        const ConsensusMember *member;
        Members members;
        Managed added, again;

        members_open(&members, 3);
        manage_ok(members_follower(&members), PEERS_ADD, &id, &added);
        g_assert_cmpuint(added.raft_id, !=, 0);
        for (size_t i = 0; i < 3; i++)
                MEMBERS_UNTIL(members.event, n_members(&members.member[i]) == 4);
        member = consensus_members_find(consensus_member_table(members.member[0].consensus), added.raft_id);
        g_assert_nonnull(member);
        g_assert_true(peer_id_equal(&member->peer, &id));
        g_assert_cmpint(member->role, ==, CONSENSUS_STANDBY);

        /* It lost its folder, and asks again: another Raft id. */
        manage_ok(members_leader(&members), PEERS_ADD, &id, &again);
        g_assert_cmpuint(again.raft_id, !=, added.raft_id);
        g_assert_cmpuint(again.index, >, added.index);
        for (size_t i = 0; i < 3; i++)
                MEMBERS_UNTIL(members.event,
                              n_members(&members.member[i]) == 4 &&
                                              consensus_members_find(
                                                              consensus_member_table(
                                                                              members.member[i].consensus),
                                                              again.raft_id));
        member_pin_wait(&members.member[0], 1);
        members_close(&members);
}

static void test_remove_follower(void) {
        Members members;
        Member *leader, *follower;
        Managed removed;

        members_open(&members, 3);
        leader = members_leader(&members);
        follower = members_follower(&members);
        manage_ok(leader, PEERS_REMOVE, &follower->id, &removed);
        g_assert_cmpuint(n_members(leader), ==, 2);
        g_assert_false(peers_is_member(leader->peers, &follower->id));
        manage_ok(leader, PEERS_REMOVE, &follower->id, &removed); /* it is gone already */
        member_stop(follower);
        member_pin_wait(leader, 1);
        members_close(&members);
}

/* The leader goes: it hands over first, and whoever asked asks the next one. */
static void test_remove_leader(void) {
        Members members;
        Member *leader, *follower;
        Managed removed;

        members_open(&members, 3);
        leader = members_leader(&members);
        follower = members_follower(&members);
        manage_ok(follower, PEERS_REMOVE, &leader->id, &removed);
        MEMBERS_UNTIL(members.event, n_members(follower) == 2);
        g_assert_false(peers_is_member(follower->peers, &leader->id));
        member_stop(leader);
        member_pin_wait(follower, 1);
        members_close(&members);
}

static void test_down_to_one(void) {
        Members members;
        Member *last;
        Managed removed;

        members_open(&members, 2);
        last = members_follower(&members);
        manage_ok(last, PEERS_REMOVE, &members_leader(&members)->id, &removed);
        MEMBERS_UNTIL(members.event, n_members(last) == 1);
        MEMBERS_UNTIL(members.event, member_leads(last));
        for (size_t i = 0; i < 2; i++)
                if (&members.member[i] != last)
                        member_stop(&members.member[i]);
        member_pin_wait(last, 1);

        manage(last, PEERS_REMOVE, &last->id, &removed);
        g_assert_cmpint(removed.code, ==, ERROR_REFUSED);
        g_assert_cmpstr(removed.words, ==, "cannot remove ourselves from a 1-peer cluster");
        g_free(removed.words);
        members_close(&members);
}

static void test_add_self(void) {
        Members members;
        Managed added;

        members_open(&members, 1);
        manage(&members.member[0], PEERS_ADD, &members.member[0].id, &added);
        g_assert_cmpint(added.code, ==, ERROR_REFUSED);
        g_free(added.words);
        members_close(&members);
}

static void on_answer(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        *(ErrorCode *) userdata = r < 0 ? error->code : ERROR_NONE;
}

static void test_bad_bodies(void) {
        static const RpcCallHandler handler = { .on_done = on_answer };
        static const char *const bad[] = { "", "\1", "\2abc", "\1abc", "\0" };
        Members members;
        Member *leader, *follower;

        members_open(&members, 2);
        leader = members_leader(&members);
        follower = members_follower(&members);
        for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
                ErrorCode code = _ERROR_N;
                RpcCall *call;

                g_assert_cmpint(rpc_call(follower->peers->rpc,
                                         &call,
                                         &(RpcCallOptions){ .peer = &leader->id,
                                                            .method = "change",
                                                            .body = bad[i],
                                                            .size = strlen(bad[i]),
                                                            .timeout_usec = 10 * USEC_PER_SEC,
                                                            .handler = &handler,
                                                            .userdata = &code }),
                                ==,
                                0);
                MEMBERS_UNTIL(members.event, code != _ERROR_N);
                g_assert_cmpint(code, ==, ERROR_INVALID);
                rpc_call_unref(call);
        }
        g_assert_cmpuint(n_members(leader), ==, 2);
        members_close(&members);
}

/* Those who wait are told when the peer stops. */
static void test_stop(void) {
        Members members;
        Managed added = {};
        PeerId id = stranger();

        members_open(&members, 2);
        member_stop(&members.member[1]);
        g_assert_cmpint(peers_manage(members.member[0].peers,
                                     &added.slot,
                                     PEERS_ADD,
                                     &id,
                                     on_managed,
                                     &added),
                        ==,
                        0);
        peers_detach(members.member[0].peers);
        g_assert_cmpuint(added.n_done, ==, 1);
        g_assert_cmpint(added.code, ==, ERROR_CANCELED);
        g_free(added.words);
        peers_managed_unref(added.slot);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/manager/add", test_add);
        g_test_add_func("/peers/manager/remove-follower", test_remove_follower);
        g_test_add_func("/peers/manager/remove-leader", test_remove_leader);
        g_test_add_func("/peers/manager/down-to-one", test_down_to_one);
        g_test_add_func("/peers/manager/add-self", test_add_self);
        g_test_add_func("/peers/manager/bad-bodies", test_bad_bodies);
        g_test_add_func("/peers/manager/stop", test_stop);
        return g_test_run();
}
