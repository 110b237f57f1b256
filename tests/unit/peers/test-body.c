#include <glib.h>
#include <string.h>

#include "daemon/peers/body.h"
#include "tests/lib/fault.h"

#define PROOF "\"proof\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
#define CLUSTER "\"cluster_id\":\"ffeeddccbbaa99887766554433221100\""
#define RAFT "\"raft_id\":18446744073709551615"
#define ADDRESSES "\"addresses\":[\"/ip4/10.0.0.1/tcp/9096\"]"

typedef union AnyBody {
        PeersJoinBody join;
        PeersJoinedBody joined;
        PeersInviteBody invite;
        PeersInvitedBody invited;
        PeersMembershipBody membership;
        PeersMembershipAnswer answer;
} AnyBody;

static int read_text(const JsonShape *shape, const char *text, AnyBody *to, Error *reterr) {
        *to = (AnyBody){};
        return peers_body_read(shape, text, strlen(text), PEERS_BODY_MAX, to, reterr);
}

/* Read, and written again as they were. */
static void test_golden(void) {
        static const struct {
                const JsonShape *shape;
                const char *text;
        } cases[] = {
                { &peers_join_body_shape, "{" PROOF ",\"only_ask\":true,\"peername\":\"b\"," ADDRESSES "}" },
                { &peers_join_body_shape, "{" PROOF ",\"peername\":\"\",\"addresses\":[]}" },
                { &peers_joined_body_shape, "{" PROOF "," CLUSTER "," RAFT ",\"index\":12," ADDRESSES "}" },
                { &peers_invite_body_shape, "{" PROOF "," CLUSTER "," ADDRESSES "}" },
                { &peers_invited_body_shape, "{\"is_member\":true}" },
                { &peers_membership_body_shape, "{" CLUSTER "," RAFT "}" },
                { &peers_membership_body_shape, "{" CLUSTER "," RAFT ",\"index\":9}" },
                { &peers_membership_answer_shape, "{\"index\":7,\"is_member\":false,\"is_leader\":true}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(str_done) Str again = {};
                AnyBody body;

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(read_text(cases[i].shape, cases[i].text, &body, NULL), ==, 0);
                g_assert_cmpint(json_write(cases[i].shape, &body, &again), ==, 0);
                g_assert_cmpstr(again.data, ==, cases[i].text);
                json_done(cases[i].shape, &body);
        }
}

static void test_values(void) {
        AnyBody body;

        g_assert_cmpint(read_text(&peers_joined_body_shape,
                                  "{" PROOF "," CLUSTER "," RAFT ",\"index\":12," ADDRESSES "}",
                                  &body,
                                  NULL),
                        ==,
                        0);
        g_assert_cmpuint(body.joined.proof[0], ==, 0x00);
        g_assert_cmpuint(body.joined.proof[31], ==, 0xff);
        g_assert_cmpuint(body.joined.cluster_id[0], ==, 0xff);
        g_assert_cmpuint(body.joined.raft_id, ==, UINT64_MAX);
        g_assert_cmpuint(body.joined.index, ==, 12);
        g_assert_cmpstr(body.joined.addresses.items[0], ==, "/ip4/10.0.0.1/tcp/9096");
        json_done(&peers_joined_body_shape, &body);
}

static void test_refused(void) {
        static const struct {
                const JsonShape *shape;
                const char *text, *words;
        } cases[] = {
                { &peers_join_body_shape, "", "join: expected a JSON object" },
                { &peers_join_body_shape, "[]", "join: expected a JSON object" },
                { &peers_join_body_shape, "null", "join: expected a JSON object" },
                { &peers_join_body_shape, "{}", "join: proof: '' is not allowed, expected 64 hex digits" },
                { &peers_join_body_shape, "{\"proof\":1}", "join: proof: '1' is not allowed" },
                { &peers_join_body_shape, "{\"proof\":\"00\"}", "join: proof: '\"00\"' is not allowed" },
                { &peers_join_body_shape,
                  "{\"proof\":\"0g112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}",
                  "join: proof: " },
                { &peers_join_body_shape,
                  "{" PROOF ",\"addresses\":[\"node\"]}",
                  "expected a list of multiaddresses" },
                { &peers_join_body_shape, "{" PROOF ",\"only_ask\":1}", "join: only_ask: '1'" },
                { &peers_membership_body_shape,
                  "{" CLUSTER ",\"raft_id\":-1}",
                  "membership: raft_id: '-1' is not allowed" },
                { &peers_membership_body_shape,
                  "{\"cluster_id\":\"ff\"," RAFT "}",
                  "membership: cluster_id: '\"ff\"' is not allowed, expected 32 hex digits" },
                { &peers_membership_body_shape, "{" CLUSTER "}", "membership: raft_id: '' is not allowed" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(error_done) Error error = {};
                AnyBody body;

                g_test_message("%s", cases[i].text);
                g_assert_cmpint(read_text(cases[i].shape, cases[i].text, &body, &error), <, 0);
                g_assert_cmpint(error.code, ==, ERROR_INVALID);
                if (!strstr(error.message, cases[i].words))
                        g_error("'%s' is not in '%s'", cases[i].words, error.message);
        }
}

static void test_cut(void) {
        static const char text[] = "{" PROOF "," CLUSTER "," RAFT ",\"index\":12," ADDRESSES "}";

        for (size_t n = 0; n < sizeof(text) - 1; n++) {
                g_autofree char *cut = g_strndup(text, n);
                AnyBody body;

                g_test_message("%s", cut);
                g_assert_cmpint(read_text(&peers_joined_body_shape, cut, &body, NULL), <, 0);
        }
}

static void test_too_big(void) {
        g_autofree char *text = g_strnfill(PEERS_BODY_MAX + 1, ' ');
        _cleanup_(error_done) Error error = {};
        AnyBody body;

        memcpy(text, "{\"is_member\":true}", strlen("{\"is_member\":true}"));
        g_assert_cmpint(read_text(&peers_invited_body_shape, text, &body, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_TOO_BIG);
        g_assert_cmpstr(error.message, ==, "invited: 65537 bytes, expected at most 65536");

        text[PEERS_BODY_MAX] = '\0';
        g_assert_cmpint(read_text(&peers_invited_body_shape, text, &body, NULL), ==, 0);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                AnyBody body;
                int r;

                r = read_text(&peers_invite_body_shape,
                              "{" PROOF "," CLUSTER "," ADDRESSES "}",
                              &body,
                              &error);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                json_done(&peers_invite_body_shape, &body);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/peers/body/golden", test_golden);
        g_test_add_func("/peers/body/values", test_values);
        g_test_add_func("/peers/body/refused", test_refused);
        g_test_add_func("/peers/body/cut", test_cut);
        g_test_add_func("/peers/body/too-big", test_too_big);
        g_test_add_func("/peers/body/out-of-memory", test_out_of_memory);
        return g_test_run();
}
