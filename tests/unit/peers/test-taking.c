#include <string.h>

#include "daemon/join/call.h"
#include "tests/lib/scripted.h"
#include "tests/unit/peers/members.h"

/* A stranger asks a member to be taken in. */
typedef struct Asking {
        Scripted *stranger;
        JoinCall *call;
        bool only_ask;
        const char *body; /* this instead */
        unsigned n_done;
        int result;
        Error error;
        JoinedBody joined;
        bool is_proved;
} Asking;

static Members members;
static Scripted stranger;

static void set_up(size_t n, const char *secret) {
        members_open(&members, n);
        for (size_t i = 0; i < n && *secret; i++) {
                members.member[i].secret = secret;
                member_stop(&members.member[i]);
        }
        for (size_t i = 0; i < n && *secret; i++)
                member_start(&members.member[i]);
        for (size_t i = 0; i < n; i++)
                MEMBERS_UNTIL(members.event, members.member[i].n_ready > 0);
        stranger = (Scripted){};
        scripted_open(&stranger, members.event, 77);
}

static void tear_down(void) {
        scripted_close(&stranger);
        members_close(&members);
}

static int write_body(const uint8_t proof[static JOIN_PROOF_SIZE], Str *to, void *userdata) {
        JoinBody body = { .peername = (char *) "stranger" };
        Asking *asking = userdata;
        int r;

        if (asking->body)
                return str_append(to, asking->body);
        memcpy(body.proof, proof, sizeof(body.proof));
        body.only_ask = asking->only_ask;
        r = str_list_append(&body.addresses, asking->stranger->address);
        if (r >= 0)
                r = json_write(&join_body_shape, &body, to);
        str_list_done(&body.addresses);
        return r;
}

static void on_done(int r, const Error *error, const void *bytes, size_t size, void *userdata) {
        Asking *asking = userdata;

        asking->n_done++;
        asking->result = r;
        if (r < 0)
                (void) error_copy(&asking->error, error);
        else {
                g_assert_cmpint(join_body_read(&join_body_joined_shape,
                                               bytes,
                                               size,
                                               JOIN_BODY_ANSWER_MAX,
                                               &asking->joined,
                                               NULL),
                                ==,
                                0);
                asking->is_proved = join_call_is_proved(
                                asking->call, JOIN_PURPOSE_JOINED, asking->joined.proof);
        }
        asking->call = join_call_unref(asking->call);
}

static void ask(Member *member, const char *secret, Asking *asking) {
        asking->stranger = &stranger;
        g_assert_cmpint(join_call_new(&asking->call,
                                      stranger.rpc,
                                      &(JoinCallOptions){
                                                      .secret = secret,
                                                      .method = JOIN_PURPOSE_JOIN,
                                                      .peer = &member->id,
                                                      .address = member->addresses.items[0],
                                                      .timeout_usec = 20 * USEC_PER_SEC,
                                                      .write = write_body,
                                                      .done = on_done,
                                                      .userdata = asking,
                                      }),
                        ==,
                        0);
}

static void on_managed(
                int r G_GNUC_UNUSED,
                const Error *error G_GNUC_UNUSED,
                uint64_t raft_id G_GNUC_UNUSED,
                uint64_t index G_GNUC_UNUSED,
                void *userdata G_GNUC_UNUSED) {
}

static void wait_for(Asking *asking) {
        MEMBERS_UNTIL(members.event, asking->n_done > 0);
}

static void asking_done(Asking *asking) {
        join_call_unref(asking->call);
        error_done(&asking->error);
        json_done(&join_body_joined_shape, &asking->joined);
        *asking = (Asking){};
}

static size_t n_members(const Member *member) {
        return consensus_member_table(member->consensus)->n;
}

static void test_takes_in(void) {
        const char *const secrets[] = { SCRIPTED_SECRET, "" };

        for (size_t i = 0; i < G_N_ELEMENTS(secrets); i++) {
                const ConsensusMember *member;
                Asking asking = {};
                Member *by;

                set_up(2, secrets[i]);
                by = members_follower(&members);
                ask(by, secrets[i], &asking);
                wait_for(&asking);
                g_assert_cmpstr(asking.error.message, ==, NULL);
                g_assert_true(asking.is_proved);
                MEMBERS_UNTIL(members.event, n_members(by) == 3);
                member = consensus_members_find(
                                consensus_member_table(by->consensus), asking.joined.raft_id);
                g_assert_nonnull(member);
                g_assert_true(peer_id_equal(&member->peer, rpc_self(stranger.rpc)));
                g_assert_cmpint(memcmp(asking.joined.cluster_id,
                                       consensus_cluster_id(by->consensus),
                                       STATE_CLUSTER_ID_SIZE),
                                ==,
                                0);
                g_assert_true(str_list_contains(
                                &asking.joined.addresses, members.member[0].addresses.items[0]));
                g_assert_true(str_list_contains(
                                &asking.joined.addresses, members.member[1].addresses.items[0]));

                /* where it is, and its name, are known of it */
                g_assert_cmpstr(peers_name(by->peers, rpc_self(stranger.rpc)), ==, "stranger");
                g_assert_cmpstr(peers_addresses(by->peers, rpc_self(stranger.rpc))->items[0],
                                ==,
                                stranger.full_address);
                asking_done(&asking);
                tear_down();
        }
}

static void test_only_asked(void) {
        Asking asking = { .only_ask = true };

        set_up(1, SCRIPTED_SECRET);
        ask(&members.member[0], SCRIPTED_SECRET, &asking);
        wait_for(&asking);
        g_assert_cmpint(asking.result, ==, 0);
        g_assert_true(asking.is_proved);
        g_assert_cmpuint(asking.joined.raft_id, ==, 0);
        g_assert_cmpuint(n_members(&members.member[0]), ==, 1);
        asking_done(&asking);
        tear_down();
}

static void test_refuses(void) {
        static const struct {
                const char *secret, *body;
                ErrorCode code;
                const char *words;
        } cases[] = {
                { SCRIPTED_OTHER_SECRET, NULL, ERROR_FORBIDDEN, "the cluster secret of peer " },
                { "", NULL, ERROR_FORBIDDEN, "the cluster secret of peer " },
                { SCRIPTED_SECRET, "", ERROR_INVALID, "join: expected a JSON object" },
                { SCRIPTED_SECRET, "{}", ERROR_INVALID, "join: proof: " },
                { SCRIPTED_SECRET,
                  "{\"proof\":\"0000000000000000000000000000000000000000000000000000000000000000\"}",
                  ERROR_FORBIDDEN,
                  "the cluster secret of peer " },
        };

        set_up(1, SCRIPTED_SECRET);
        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                Asking asking = { .body = cases[i].body };

                g_test_message("%zu", i);
                ask(&members.member[0], cases[i].secret, &asking);
                wait_for(&asking);
                g_assert_cmpint(asking.error.code, ==, cases[i].code);
                if (!strstr(asking.error.message, cases[i].words))
                        g_error("'%s' is not in '%s'", cases[i].words, asking.error.message);
                asking_done(&asking);
        }
        g_assert_cmpuint(n_members(&members.member[0]), ==, 1);
        tear_down();
}

/* What is told is what was the matter. */
static void test_too_many(void) {
        static PeersManaged *managed[512];
        size_t n = 0;
        Asking asking = {};

        set_up(2, "");
        member_stop(&members.member[1]); /* nothing can be decided */
        while (peers_manage(members.member[0].peers,
                            &managed[n],
                            PEERS_ADD,
                            rpc_self(stranger.rpc),
                            on_managed,
                            NULL) >= 0)
                n++;
        ask(&members.member[0], "", &asking);
        wait_for(&asking);
        g_assert_cmpint(asking.error.code, ==, ERROR_BUSY);
        g_assert_cmpstr(asking.error.message, ==, "join: too many peers are being taken in; try again");
        asking_done(&asking);
        while (n > 0)
                peers_managed_unref(managed[--n]);
        tear_down();
}

/* Of two that would join each other one stays. */
static void test_goes_itself(void) {
        bool has_lower;
        Asking asking = { .only_ask = true };
        Member *member = &members.member[0];

        set_up(1, "");
        has_lower = peer_id_compare(rpc_self(stranger.rpc), &member->id) < 0;
        g_assert_cmpint(str_list_append(&member->bootstrap, stranger.full_address), ==, 0);
        stranger.busy = UINT_MAX;
        ask(member, "", &asking);
        wait_for(&asking);
        if (has_lower) {
                g_assert_cmpint(asking.error.code, ==, ERROR_BUSY);
                g_assert_nonnull(strstr(asking.error.message, "is about to join a cluster itself"));
        } else
                g_assert_cmpint(asking.result, ==, 0);
        asking_done(&asking);

        /* one that has pins does not go, and takes anybody in */
        member_pin_wait(member, 1);
        asking.only_ask = true;
        ask(member, "", &asking);
        wait_for(&asking);
        g_assert_cmpint(asking.result, ==, 0);
        asking_done(&asking);
        tear_down();
}

/* Who has asked goes away; the peer that was asked is stopped. */
static void test_ends(void) {
        Asking asking = {};

        set_up(2, "");
        member_stop(&members.member[1]); /* nothing can be decided */
        ask(&members.member[0], "", &asking);
        MEMBERS_UNTIL(members.event, members.member[0].peers->n_takings == 1);
        asking_done(&asking);
        MEMBERS_UNTIL(members.event, members.member[0].peers->n_takings == 0);

        ask(&members.member[0], "", &asking);
        MEMBERS_UNTIL(members.event, members.member[0].peers->n_takings == 1);
        member_stop(&members.member[0]);
        wait_for(&asking);
        g_assert_cmpint(asking.error.code, ==, ERROR_CANCELED);
        asking_done(&asking);
        tear_down();
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/taking/takes-in", test_takes_in);
        g_test_add_func("/peers/taking/only-asked", test_only_asked);
        g_test_add_func("/peers/taking/refuses", test_refuses);
        g_test_add_func("/peers/taking/too-many", test_too_many);
        g_test_add_func("/peers/taking/goes-itself", test_goes_itself);
        g_test_add_func("/peers/taking/ends", test_ends);
        return g_test_run();
}
