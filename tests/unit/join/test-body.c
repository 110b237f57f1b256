#include <glib.h>
#include <string.h>

#include "daemon/join/body.h"
#include "tests/lib/fault.h"

#define PROOF "\"proof\":\"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\""
#define CLUSTER "\"cluster_id\":\"ffeeddccbbaa99887766554433221100\""
#define RAFT "\"raft_id\":18446744073709551615"
#define ADDRESSES "\"addresses\":[\"/ip4/10.0.0.1/tcp/9096\"]"

typedef union AnyBody {
        JoinBody join;
        JoinedBody joined;
        JoinInviteBody invite;
        JoinInvitedBody invited;
        JoinMembershipBody membership;
        JoinMembershipAnswer answer;
        JoinFoundingBody founding;
        JoinFoundingAnswer founding_answer;
} AnyBody;

static int read_text(const JsonShape *shape, const char *text, AnyBody *to, Error *reterr) {
        *to = (AnyBody){};
        return join_body_read(shape, text, strlen(text), JOIN_BODY_MAX, to, reterr);
}

/* Read, and written again as they were. */
static void test_golden(void) {
        static const struct {
                const JsonShape *shape;
                const char *text;
        } cases[] = {
                { &join_body_shape, "{" PROOF ",\"only_ask\":true,\"peername\":\"b\"," ADDRESSES "}" },
                { &join_body_shape, "{" PROOF ",\"peername\":\"\",\"addresses\":[]}" },
                { &join_body_joined_shape, "{" PROOF "," CLUSTER "," RAFT ",\"index\":12," ADDRESSES "}" },
                { &join_body_invite_shape, "{" PROOF "," CLUSTER "," ADDRESSES "}" },
                { &join_body_invited_shape, "{\"is_member\":true}" },
                { &join_body_membership_shape, "{" CLUSTER "," RAFT "}" },
                { &join_body_membership_shape, "{" CLUSTER "," RAFT ",\"index\":9}" },
                { &join_body_membership_answer_shape,
                  "{\"index\":7,\"is_member\":false,\"is_leader\":true}" },
                { &join_body_membership_answer_shape,
                  "{\"index\":7,\"is_member\":false,\"is_leader\":false,\"is_another\":true,"
                  "\"leader\":[\"/ip4/10.0.0.1/tcp/9096\"]}" },
                { &join_body_founding_shape, "{" CLUSTER "}" },
                { &join_body_founding_answer_shape, "{\"exists\":true,\"is_member\":false," ADDRESSES "}" },
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

        g_assert_cmpint(read_text(&join_body_joined_shape,
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
        json_done(&join_body_joined_shape, &body);
}

static void test_refused(void) {
        static const struct {
                const JsonShape *shape;
                const char *text, *words;
        } cases[] = {
                { &join_body_shape, "", "join: expected a JSON object" },
                { &join_body_shape, "[]", "join: expected a JSON object" },
                { &join_body_shape, "null", "join: expected a JSON object" },
                { &join_body_shape, "{}", "join: proof: '' is not allowed, expected 64 hex digits" },
                { &join_body_shape, "{\"proof\":1}", "join: proof: '1' is not allowed" },
                { &join_body_shape, "{\"proof\":\"00\"}", "join: proof: '\"00\"' is not allowed" },
                { &join_body_shape,
                  "{\"proof\":\"0g112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"}",
                  "join: proof: " },
                { &join_body_shape,
                  "{" PROOF ",\"addresses\":[\"node\"]}",
                  "expected a list of multiaddresses" },
                { &join_body_shape, "{" PROOF ",\"only_ask\":1}", "join: only_ask: '1'" },
                { &join_body_membership_shape,
                  "{" CLUSTER ",\"raft_id\":-1}",
                  "membership: raft_id: '-1' is not allowed" },
                { &join_body_membership_shape,
                  "{\"cluster_id\":\"ff\"," RAFT "}",
                  "membership: cluster_id: '\"ff\"' is not allowed, expected 32 hex digits" },
                { &join_body_membership_shape, "{" CLUSTER "}", "membership: raft_id: '' is not allowed" },
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
                g_assert_cmpint(read_text(&join_body_joined_shape, cut, &body, NULL), <, 0);
        }
}

static void test_too_big(void) {
        g_autofree char *text = g_strnfill(JOIN_BODY_MAX + 1, ' ');
        _cleanup_(error_done) Error error = {};
        AnyBody body;

        memcpy(text, "{\"is_member\":true}", strlen("{\"is_member\":true}"));
        g_assert_cmpint(read_text(&join_body_invited_shape, text, &body, &error), <, 0);
        g_assert_cmpint(error.code, ==, ERROR_TOO_BIG);
        g_assert_cmpstr(error.message, ==, "invited: 65537 bytes, expected at most 65536");

        text[JOIN_BODY_MAX] = '\0';
        g_assert_cmpint(read_text(&join_body_invited_shape, text, &body, NULL), ==, 0);
}

static void test_out_of_memory(void) {
        FOREACH_FAULT {
                _cleanup_(error_done) Error error = {};
                AnyBody body;
                int r;

                r = read_text(&join_body_invite_shape,
                              "{" PROOF "," CLUSTER "," ADDRESSES "}",
                              &body,
                              &error);
                g_assert_cmpint(r, ==, fault_fired() ? -ENOMEM : 0);
                json_done(&join_body_invite_shape, &body);
        }
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/join/body/golden", test_golden);
        g_test_add_func("/join/body/values", test_values);
        g_test_add_func("/join/body/refused", test_refused);
        g_test_add_func("/join/body/cut", test_cut);
        g_test_add_func("/join/body/too-big", test_too_big);
        g_test_add_func("/join/body/out-of-memory", test_out_of_memory);
        return g_test_run();
}
