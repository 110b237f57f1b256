#include <string.h>

#include "daemon/base/le.h"
#include "daemon/consensus/entry.h"
#include "tests/unit/peers/members.h"

typedef struct Answer {
        unsigned n_done;
        ErrorCode code;
        size_t size;
        uint64_t index;
} Answer;

static void on_answer(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        Answer *answer = userdata;

        answer->n_done++;
        answer->code = r < 0 ? error->code : ERROR_NONE;
        answer->size = size;
        if (r >= 0 && size == PEERS_SUBMIT_ANSWER)
                answer->index = le_get64(body);
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

/* ---- bodies */

static void begin(Str *to, uint64_t term, uint64_t clear, uint64_t number) {
        uint8_t head[PEERS_SUBMIT_HEAD], tag[CONSENSUS_TAG_SIZE] = "a-random";
        const ConsensusOp op = { CONSENSUS_TAG, tag, sizeof(tag) };

        le_put64(head, term);
        le_put64(head + 8, clear);
        le_put64(tag + PEERS_ORIGIN_SIZE, number);
        str_reset(to);
        g_assert_cmpint(str_append_bytes(to, head, sizeof(head)), ==, 0);
        g_assert_cmpint(consensus_entry_begin(to), ==, 0);
        g_assert_cmpint(consensus_entry_add(to, &op), ==, 0);
}

static void add_unpin(Str *to) {
        ConsensusOp op = { .kind = CONSENSUS_UNPIN };
        Cid cid;

        member_cid(7, &cid);
        op.body = cid.bytes;
        op.size = cid.size;
        g_assert_cmpint(consensus_entry_add(to, &op), ==, 0);
}

static void ask_for(Members *members, uint64_t term, uint64_t clear, uint64_t number, Answer *ret) {
        _cleanup_(str_done) Str body = {};

        begin(&body, term, clear, number);
        add_unpin(&body);
        ask(members, body.data, body.len, ret);
}

/* Cut anywhere, with more than there may be, or without a tag, it is refused; whole it is taken. */
static void test_bad_entries(void) {
        _cleanup_(str_done) Str entry = {}, many = {};
        Members members;
        Answer answer;
        uint64_t term;

        members_open(&members, 2);
        term = member_status(members_leader(&members)).term;
        begin(&entry, term, 0, 1);
        add_unpin(&entry);
        begin(&many, term, 0, 2);
        for (size_t i = 0; i <= CONSENSUS_OPS_MAX; i++)
                add_unpin(&many);

        for (size_t n = 0; n < entry.len; n++) {
                ask(&members, entry.data, n, &answer);
                g_assert_cmpint(answer.code, ==, ERROR_INVALID);
        }
        ask(&members, many.data, many.len, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_INVALID);
        ask(&members, entry.data, entry.len, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        g_assert_cmpuint(answer.size, ==, PEERS_SUBMIT_ANSWER);

        str_reset(&many);
        g_assert_cmpint(str_append_bytes(&many, entry.data, PEERS_SUBMIT_HEAD), ==, 0);
        g_assert_cmpint(consensus_entry_begin(&many), ==, 0);
        add_unpin(&many);
        ask(&members, many.data, many.len, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_INVALID);
        members_close(&members);
}

/* The same again has the same answer, and nothing is appended; another one is another. */
static void test_again(void) {
        Answer first, again, other;
        Members members;
        Member *leader;
        uint64_t term;

        members_open(&members, 2);
        leader = members_leader(&members);
        term = member_status(leader).term;
        ask_for(&members, term, 0, 1, &first);
        g_assert_cmpint(first.code, ==, ERROR_NONE);
        g_assert_cmpuint(first.index, ==, member_status(leader).last_index);
        ask_for(&members, term, 0, 1, &again);
        g_assert_cmpint(again.code, ==, ERROR_NONE);
        g_assert_cmpuint(again.index, ==, first.index);
        g_assert_cmpuint(member_status(leader).last_index, ==, first.index);
        ask_for(&members, term, 0, 2, &other);
        g_assert_cmpuint(other.index, ==, first.index + 1);
        g_assert_cmpuint(leader->n_unpins, ==, 2);
        members_close(&members);
}

/* It is appended in the term that it was sent for, or never. */
static void test_other_term(void) {
        Answer answer;
        Members members;
        Member *leader;
        uint64_t term;

        members_open(&members, 2);
        leader = members_leader(&members);
        term = member_status(leader).term;
        for (uint64_t other = term - 1; other <= term + 1; other += 2) {
                ask_for(&members, other, 0, 1, &answer);
                g_assert_cmpint(answer.code, ==, ERROR_NO_LEADER);
        }
        g_assert_cmpuint(leader->n_unpins, ==, 0);
        members_close(&members);
}

/* Of what was forgotten nobody can say that it is new, except who has looked. */
static void test_forgotten(void) {
        Members members;
        Member *leader;
        Answer answer;
        uint64_t term, first;

        members_open(&members, 2);
        leader = members_leader(&members);
        term = member_status(leader).term;
        ask_for(&members, term, 0, 1, &answer);
        first = answer.index;
        leader->peers->forwarded_max = 2;
        ask_for(&members, term, 0, 2, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        ask_for(&members, term, 0, 3, &answer); /* 1 is forgotten */
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        ask_for(&members, term, first - 1, 1, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_BUSY);
        ask_for(&members, term, first - 1, 2, &answer); /* known */
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        g_assert_cmpuint(answer.index, ==, first + 1);
        ask_for(&members, term, first, 4, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        g_assert_cmpuint(answer.index, ==, first + 3);
        g_assert_cmpuint(leader->n_unpins, ==, 4);
        members_close(&members);
}

/* What is being written is not forgotten. */
static void test_full(void) {
        Members members;
        Member *leader, *follower;
        Answer answer;
        uint64_t term;
        RpcCall *call;

        members_open(&members, 2);
        leader = members_leader(&members);
        follower = members_follower(&members);
        term = member_status(leader).term;
        leader->peers->forwarded_max = 1;
        follower->is_starved = true; /* nothing is committed */
        {
                static const RpcCallHandler handler = {};
                _cleanup_(str_done) Str body = {};
                uint64_t last = member_status(leader).last_index;

                begin(&body, term, 0, 1);
                add_unpin(&body);
                g_assert_cmpint(rpc_call(peers_rpc(follower->peers),
                                         &call,
                                         &(RpcCallOptions){ .peer = &leader->id,
                                                            .method = PEERS_SUBMIT_METHOD,
                                                            .body = body.data,
                                                            .size = body.len,
                                                            .timeout_usec = 10 * USEC_PER_SEC,
                                                            .handler = &handler }),
                                ==,
                                0);
                MEMBERS_UNTIL(members.event, member_status(leader).last_index > last);
        }
        ask_for(&members, term, 0, 2, &answer);
        g_assert_cmpint(answer.code, ==, ERROR_BUSY);
        rpc_call_unref(call);
        follower->is_starved = false;
        ask_for(&members, term, 0, 1, &answer); /* nobody waited for it any more */
        g_assert_cmpint(answer.code, ==, ERROR_NONE);
        g_assert_cmpuint(leader->n_unpins, ==, 1);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/forwarded/bad-entries", test_bad_entries);
        g_test_add_func("/peers/forwarded/again", test_again);
        g_test_add_func("/peers/forwarded/other-term", test_other_term);
        g_test_add_func("/peers/forwarded/forgotten", test_forgotten);
        g_test_add_func("/peers/forwarded/full", test_full);
        return g_test_run();
}
