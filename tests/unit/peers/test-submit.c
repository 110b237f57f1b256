#include <string.h>

#include "daemon/base/le.h"
#include "daemon/consensus/entry.h"
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

/* ---- from another peer */

typedef struct Answer {
        unsigned n_done;
        ErrorCode code;
        size_t size;
} Answer;

static void on_answer(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body G_GNUC_UNUSED,
                size_t size,
                void *userdata) {
        Answer *answer = userdata;

        answer->n_done++;
        answer->code = r < 0 ? error->code : ERROR_NONE;
        answer->size = size;
}

static void ask(Members *members, const void *body, size_t size, Answer *ret) {
        static const RpcCallHandler handler = { .on_done = on_answer };
        Member *leader = members_leader(members), *follower = members_follower(members);
        RpcCall *call;

        *ret = (Answer){};
        g_assert_cmpint(rpc_call(peers_rpc(follower->peers),
                                 &call,
                                 &(RpcCallOptions){ .peer = &leader->id,
                                                    .method = "submit",
                                                    .body = body,
                                                    .size = size,
                                                    .timeout_usec = 10 * USEC_PER_SEC,
                                                    .handler = &handler,
                                                    .userdata = ret }),
                        ==,
                        0);
        MEMBERS_UNTIL(members->event, ret->n_done > 0);
        rpc_call_unref(call);
}

/* Cut anywhere, and with more than there may be, it is refused; whole it is taken. */
static void test_bad_entries(void) {
        _cleanup_(str_done) Str entry = {}, many = {};
        Members members;
        ConsensusOp op = { .kind = CONSENSUS_UNPIN };
        Answer answer;
        Cid cid;

        member_cid(7, &cid);
        op.body = cid.bytes;
        op.size = cid.size;
        g_assert_cmpint(consensus_entry_begin(&entry), ==, 0);
        g_assert_cmpint(consensus_entry_add(&entry, &op), ==, 0);
        g_assert_cmpint(consensus_entry_begin(&many), ==, 0);
        for (size_t i = 0; i <= CONSENSUS_OPS_MAX; i++)
                g_assert_cmpint(consensus_entry_add(&many, &op), ==, 0);

        members_open(&members, 2);
        for (size_t n = 0; n < entry.len; n++) {
                ask(&members, entry.data, n, &answer);
                g_assert_cmpint(answer.code, ==, ERROR_INVALID);
        }
        ask(&members, many.data, many.len, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_INVALID);
        ask(&members, entry.data, entry.len, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        g_assert_cmpuint(answer.size, ==, 8);
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
        g_test_add_func("/peers/submit/bad-entries", test_bad_entries);
        return g_test_run();
}
