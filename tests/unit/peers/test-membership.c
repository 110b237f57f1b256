#include <glib/gstdio.h>
#include <string.h>

#include "daemon/join/body.h"
#include "daemon/join/folder.h"
#include "tests/lib/loopback.h"
#include "tests/lib/scripted.h"
#include "tests/unit/peers/members.h"

/* A question to a member, and what came back. */
typedef struct Answered {
        RpcCall *call;
        unsigned n_done;
        ErrorCode code;
        char *words;
        JoinMembershipAnswer answer;
        bool has_answer;
} Answered;

static void on_answer(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error,
                const void *body,
                size_t size,
                void *userdata) {
        Answered *answered = userdata;

        answered->n_done++;
        if (r < 0) {
                answered->code = error->code;
                answered->words = g_strdup(error_message(error));
        } else if (size > 0) {
                g_assert_cmpint(join_body_read(&join_body_membership_answer_shape,
                                               body,
                                               size,
                                               JOIN_BODY_MAX,
                                               &answered->answer,
                                               NULL),
                                ==,
                                0);
                answered->has_answer = true;
        }
}

static void ask_text(Rpc *rpc, const Member *to, const char *method, const char *text, Answered *ret) {
        static const RpcCallHandler handler = { .on_done = on_answer };

        *ret = (Answered){};
        g_assert_cmpint(rpc_call(rpc,
                                 &ret->call,
                                 &(RpcCallOptions){
                                                 .peer = &to->id,
                                                 .address = rpc_is_linked(rpc, &to->id)
                                                                            ? NULL
                                                                            : to->addresses.items[0],
                                                 .method = method,
                                                 .body = text,
                                                 .size = strlen(text),
                                                 .timeout_usec = 5 * USEC_PER_SEC,
                                                 .handler = &handler,
                                                 .userdata = ret,
                                 }),
                        ==,
                        0);
        MEMBERS_UNTIL(to->event, ret->n_done > 0);
}

static void ask(Rpc *rpc,
                const Member *to,
                const char *method,
                const JoinMembershipBody *body,
                Answered *ret) {
        _cleanup_(str_done) Str text = {};

        g_assert_cmpint(json_write(&join_body_membership_shape, body, &text), ==, 0);
        ask_text(rpc, to, method, text.data, ret);
}

static void answered_done(Answered *answered) {
        rpc_call_unref(answered->call);
        json_done(&join_body_membership_answer_shape, &answered->answer);
        g_free(answered->words);
        *answered = (Answered){};
}

static void assert_refused(Answered *answered, ErrorCode code, const char *words) {
        g_assert_cmpint(answered->code, ==, code);
        if (!strstr(answered->words, words))
                g_error("'%s' is not in '%s'", words, answered->words);
        answered_done(answered);
}

static JoinMembershipBody about(const Member *member, uint64_t index) {
        JoinMembershipBody body = { .index = index };
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        memcpy(body.cluster_id, status.cluster_id, sizeof(body.cluster_id));
        body.raft_id = status.raft_id;
        return body;
}

static uint64_t applied(const Member *member) {
        ConsensusStatus status;

        consensus_status(member->consensus, &status);
        return status.applied_index;
}

/* ---- "membership" */

static void test_question(void) {
        JoinMembershipBody body;
        Scripted stranger = {};
        Members members;
        Member *leader;
        Answered answered;

        members_open(&members, 2);
        leader = members_leader(&members);
        scripted_open(&stranger, members.event, 77);
        body = about(members_follower(&members), 0);

        ask(stranger.rpc, leader, "membership", &body, &answered);
        g_assert_true(answered.has_answer);
        g_assert_true(answered.answer.is_member);
        g_assert_true(answered.answer.is_leader);
        g_assert_cmpuint(answered.answer.leader.n, ==, 0);
        g_assert_cmpuint(answered.answer.index, ==, applied(leader));
        answered_done(&answered);

        body.raft_id++;
        ask(stranger.rpc, members_follower(&members), "membership", &body, &answered);
        g_assert_true(answered.has_answer);
        g_assert_false(answered.answer.is_member);
        g_assert_false(answered.answer.is_leader);
        g_assert_cmpstr(answered.answer.leader.items[0], ==, leader->addresses.items[0]);
        answered_done(&answered);

        body.cluster_id[0]++; /* who does not know the cluster learns nothing */
        ask(stranger.rpc, leader, "membership", &body, &answered);
        assert_refused(&answered, ERROR_REFUSED, "this is another cluster");
        ask_text(stranger.rpc, leader, "membership", "{}", &answered);
        assert_refused(&answered, ERROR_INVALID, "membership: cluster_id: ");
        scripted_close(&stranger);
        members_close(&members);
}

/* ---- "founding" */

typedef struct FoundingAnswered {
        bool is_done;
        JoinFoundingAnswer answer;
} FoundingAnswered;

static void on_founding_answer(
                RpcCall *call G_GNUC_UNUSED,
                int r,
                const Error *error G_GNUC_UNUSED,
                const void *body,
                size_t size,
                void *userdata) {
        FoundingAnswered *answered = userdata;

        answered->is_done = true;
        g_assert_cmpint(r, ==, 0);
        g_assert_cmpint(join_body_read(&join_body_founding_answer_shape,
                                       body,
                                       size,
                                       JOIN_BODY_ANSWER_MAX,
                                       &answered->answer,
                                       NULL),
                        ==,
                        0);
}

static JoinFoundingAnswer ask_founding(Rpc *rpc, const Member *to, const uint8_t *cluster_id) {
        static const RpcCallHandler handler = { .on_done = on_founding_answer };
        FoundingAnswered answered = {};
        _cleanup_(str_done) Str text = {};
        JoinFoundingBody body;
        RpcCall *call;

        memcpy(body.cluster_id, cluster_id, sizeof(body.cluster_id));
        g_assert_cmpint(json_write(&join_body_founding_shape, &body, &text), ==, 0);
        g_assert_cmpint(rpc_call(rpc,
                                 &call,
                                 &(RpcCallOptions){
                                                 .peer = &to->id,
                                                 .address = to->addresses.items[0],
                                                 .method = "founding",
                                                 .body = text.data,
                                                 .size = text.len,
                                                 .timeout_usec = 5 * USEC_PER_SEC,
                                                 .handler = &handler,
                                                 .userdata = &answered,
                                 }),
                        ==,
                        0);
        MEMBERS_UNTIL(to->event, answered.is_done);
        rpc_call_unref(call);
        return answered.answer;
}

static void assert_founding(Rpc *rpc, const Member *to, const uint8_t *id, bool exists, bool is_member) {
        JoinFoundingAnswer answer = ask_founding(rpc, to, id);

        g_assert_cmpint(answer.exists, ==, exists);
        g_assert_cmpint(answer.is_member, ==, is_member);
        g_assert_cmpuint(answer.addresses.n > 0, ==, exists && is_member);
        json_done(&join_body_founding_answer_shape, &answer);
}

static void remove_disks(const Member *member) {
        g_autofree char *path = g_build_filename(member->folder, "raft", "disks", NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
}

/* That it was founded is not enough; that it has a log is, without a leader, too. */
static void test_founding(void) {
        static const uint8_t other[STATE_CLUSTER_ID_SIZE] = { 1 };
        uint8_t id[STATE_CLUSTER_ID_SIZE];
        Scripted stranger = {}, second = {};
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];

        members_prepare(&members, 2);
        scripted_open(&second, members.event, 2); /* it is B, with nothing */
        scripted_open(&stranger, members.event, 77);
        g_assert_cmpint(consensus_founding_id(&a->first, id, NULL), ==, 0);
        member_start(a);
        assert_founding(second.rpc, a, id, false, true);
        g_assert_true(peers_disks_check(
                        a->peers, &b->id, consensus_raft_id(&b->id), other)); /* was here once */
        assert_founding(second.rpc, a, id, true, true);
        member_stop(a);
        remove_disks(a);
        member_start(a);
        scripted_close(&second);

        member_start(b);
        MEMBERS_UNTIL(members.event, a->n_ready > 0 && b->n_ready > 0);
        member_stop(b);
        scripted_open(&second, members.event, 2);
        assert_founding(second.rpc, a, id, true, true);
        assert_founding(stranger.rpc, a, id, true, false);
        assert_founding(second.rpc, a, other, false, false);
        scripted_close(&second);
        scripted_close(&stranger);
        members_close(&members);
}

/* ---- "removed" */

static void test_not_removed(void) {
        JoinMembershipBody body;
        Scripted stranger = {};
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];
        Answered answered;

        members_open(&members, 2);
        scripted_open(&stranger, members.event, 77);

        body = about(a, applied(a) + 1);
        ask(stranger.rpc, a, "removed", &body, &answered);
        assert_refused(&answered, ERROR_FORBIDDEN, "only members are listened to");

        /* it has seen itself as a member at that entry, or at a later one */
        body.index = applied(a);
        ask(peers_rpc(b->peers), a, "removed", &body, &answered);
        assert_refused(&answered, ERROR_REFUSED, "this peer is a member as of entry ");

        body.index = applied(a) + 1;
        body.raft_id++;
        ask(peers_rpc(b->peers), a, "removed", &body, &answered);
        assert_refused(&answered, ERROR_REFUSED, "this is not the peer that is meant");
        body = about(a, applied(a) + 1);
        body.cluster_id[3]++;
        ask(peers_rpc(b->peers), a, "removed", &body, &answered);
        assert_refused(&answered, ERROR_REFUSED, "this is not the peer that is meant");
        ask_text(peers_rpc(b->peers), a, "removed", "[]", &answered);
        assert_refused(&answered, ERROR_INVALID, "membership: expected a JSON object");
        g_assert_cmpuint(a->n_leaves, ==, 0);

        /* that it is told so is a reason to ask, and no more */
        body = about(a, 1000000);
        ask(peers_rpc(b->peers), a, "removed", &body, &answered);
        g_assert_cmpstr(answered.words, ==, NULL);
        answered_done(&answered);
        member_pin_wait(a, 1);
        g_assert_cmpuint(a->n_leaves, ==, 0);
        scripted_close(&stranger);
        members_close(&members);
}

/* ---- one that is confused */

/* In the place of a member: it says that who asks was removed, whatever is true. */
typedef struct Confused {
        Rpc *rpc;
        bool is_leader;
        const Member *leader; /* that it tells of */
        unsigned n_asked;
} Confused;

static void on_asked(
                RpcRequest *request,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata) {
        Confused *confused = userdata;
        JoinMembershipAnswer answer = { .index = 1000000, .is_leader = confused->is_leader };

        confused->n_asked++;
        if (confused->leader)
                answer.leader = confused->leader->addresses;
        peers_reply(request, &join_body_membership_answer_shape, &answer);
}

static bool trusts_all(const PeerId *peer G_GNUC_UNUSED, void *userdata G_GNUC_UNUSED) {
        return true;
}

static void on_note(
                const PeerId *from G_GNUC_UNUSED,
                const void *bytes G_GNUC_UNUSED,
                size_t size G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

static void confuse(Member *member, Confused *confused) {
        static const RpcMethod methods[] = { { "membership", RPC_OPEN, on_asked }, {} };
        static const RpcEvents events = { .is_member = trusts_all, .note = on_note };
        int fd;

        member_stop(member);
        fd = loopback_listen(&member->port);
        g_assert_cmpint(rpc_new(&confused->rpc,
                                member->event,
                                &(RpcOptions){ .private_key = member->key,
                                               .fds = &fd,
                                               .n_fds = 1,
                                               .dial_timeout_usec = USEC_PER_SEC,
                                               .methods = methods,
                                               .events = &events,
                                               .userdata = confused },
                                NULL),
                        ==,
                        0);
}

/* It says so again and again, and that it leads; the other member knows better. */
static void test_confused(void) {
        Confused confused = { .is_leader = true };
        JoinMembershipBody body;
        Answered answered;
        Members members;
        Member *a = &members.member[0], *c = &members.member[2];

        members_open(&members, 3);
        confuse(c, &confused);
        (void) members_leader(&members);
        body = about(a, 1000000);
        for (int i = 0; i < 2; i++) {
                unsigned n = confused.n_asked;

                ask(confused.rpc, a, "removed", &body, &answered);
                g_assert_cmpstr(answered.words, ==, NULL);
                answered_done(&answered);
                MEMBERS_UNTIL(members.event, confused.n_asked >= n + 5);
        }
        member_pin_wait(a, 1);
        g_assert_cmpuint(a->n_leaves + members.member[1].n_leaves, ==, 0);
        rpc_free(confused.rpc);
        members_close(&members);
}

/* There is nobody else to ask: a leader is believed when it does not change its mind, another one never. */
static void test_nobody_else(void) {
        for (int is_leader = 0; is_leader < 2; is_leader++) {
                Confused confused = { .is_leader = is_leader };
                Members members;
                Member *a = &members.member[0], *b = &members.member[1];

                members_open(&members, 2);
                confuse(b, &confused);
                MEMBERS_UNTIL(members.event, confused.n_asked >= 6 || a->n_leaves > 0);
                g_assert_cmpuint(a->n_leaves, ==, is_leader);
                g_assert_cmpuint(confused.n_asked, >=, 3);
                rpc_free(confused.rpc);
                members_close(&members);
        }
}

/* Those whom it knows lead no more, and tell it who does. */
static void test_told_of_the_leader(void) {
        Confused confused[2] = { { .is_leader = false }, { .is_leader = true } };
        Members members;
        Member *a = &members.member[0], *b = &members.member[1], *c = &members.member[2];

        members_prepare(&members, 3);
        str_list_done(&a->known);
        g_assert_cmpint(str_list_append(&a->known, b->addresses.items[0]), ==, 0);
        for (size_t i = 0; i < 2; i++) {
                Member *member = &members.member[i];

                peer_id_list_done(&member->first);
                g_assert_cmpint(peer_id_list_append(&member->first, &a->id), ==, 0);
                g_assert_cmpint(peer_id_list_append(&member->first, &b->id), ==, 0);
                member_start(member);
        }
        MEMBERS_UNTIL(members.event, a->n_ready > 0 && b->n_ready > 0);
        confuse(c, &confused[1]);
        confused[0].leader = c;
        confuse(b, &confused[0]);
        MEMBERS_UNTIL(members.event, a->n_leaves > 0);
        g_assert_cmpint(a->leave_status, ==, EXIT_SUCCESS);
        g_assert_cmpuint(confused[1].n_asked, >, 0);
        for (size_t i = 0; i < 2; i++)
                rpc_free(confused[i].rpc);
        members_close(&members);
}

/* ---- removed while it was away */

static void on_removed(
                PeersChange *change G_GNUC_UNUSED,
                int r,
                const Error *error,
                const PeerId *peer G_GNUC_UNUSED,
                void *userdata) {
        g_assert_cmpstr(error->message, ==, NULL);
        g_assert_cmpint(r, ==, 0);
        *(bool *) userdata = true;
}

static void test_away(void) {
        PeersChange *change;
        Members members;
        Member *a = &members.member[0], *c = &members.member[2];
        bool is_removed = false;

        members_open(&members, 3);
        member_stop(c);
        g_assert_cmpint(peers_remove(a->peers, &change, &c->id, on_removed, &is_removed), ==, 0);
        MEMBERS_UNTIL(members.event, is_removed);
        peers_change_unref(change);

        member_start(c);
        MEMBERS_UNTIL(members.event, c->n_leaves > 0);
        g_assert_cmpint(c->leave_status, ==, EXIT_SUCCESS);
        g_assert_nonnull(strstr(c->leave_words, "this peer was removed from its cluster, as peer "));
        members_close(&members);
}

/* Its own log does not say that it ever was a member: a leader has to say so more than once. */
static void test_never_seen(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];

        members_apart(&members, 2);
        member_stop(b);
        {
                g_autofree char *raft = g_build_filename(b->folder, "raft", NULL);

                g_assert_cmpint(join_folder_put_aside(raft, 1, NULL), ==, 1);
        }
        b->joined.raft_id = 4711;
        memcpy(b->joined.cluster_id, consensus_cluster_id(a->consensus), STATE_CLUSTER_ID_SIZE);
        g_assert_cmpint(str_list_append(&b->known, a->addresses.items[0]), ==, 0);
        member_start(b);
        MEMBERS_UNTIL(members.event, b->n_leaves > 0);
        g_assert_cmpint(b->leave_status, ==, EXIT_SUCCESS);
        members_close(&members);
}

/* Nobody answers: it stays, and waits. */
static void test_others_are_away(void) {
        Members members;
        Member *a = &members.member[0], *b = &members.member[1];

        members_open(&members, 2);
        member_stop(b);
        MEMBERS_UNTIL(members.event, a->peers->leaderless_usec > 0);
        for (int i = 0; i < 100; i++)
                members_turn(members.event, INT64_MAX);
        g_assert_cmpuint(a->n_leaves, ==, 0);
        member_start(b);
        MEMBERS_UNTIL(members.event, b->n_ready > 0);
        member_pin_wait(a, 1);
        g_assert_cmpuint(a->n_leaves + b->n_leaves, ==, 0);
        members_close(&members);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/membership/question", test_question);
        g_test_add_func("/peers/membership/founding", test_founding);
        g_test_add_func("/peers/membership/not-removed", test_not_removed);
        g_test_add_func("/peers/membership/confused", test_confused);
        g_test_add_func("/peers/membership/nobody-else", test_nobody_else);
        g_test_add_func("/peers/membership/told-of-the-leader", test_told_of_the_leader);
        g_test_add_func("/peers/membership/away", test_away);
        g_test_add_func("/peers/membership/never-seen", test_never_seen);
        g_test_add_func("/peers/membership/others-are-away", test_others_are_away);
        return g_test_run();
}
