#include <string.h>

#include "tests/unit/cluster/asked.h"

static Peer peer;

typedef int (*Question)(Asked *asked, const Cid *cid);

static int ask_status(Asked *asked, const Cid *cid) {
        return cluster_status(peer.cluster, &asked->call, cid, false, asked_on_status, asked);
}

static int ask_local(Asked *asked, const Cid *cid) {
        return cluster_status(peer.cluster, &asked->call, cid, true, asked_on_status, asked);
}

static int ask_sync(Asked *asked, const Cid *cid) {
        return cluster_sync(peer.cluster, &asked->call, cid, asked_on_status, asked);
}

static int ask_recover(Asked *asked, const Cid *cid) {
        return cluster_recover(peer.cluster, &asked->call, cid, false, asked_on_status, asked);
}

static const Question questions[] = { ask_status, ask_local, ask_sync, ask_recover };

static void settle(uint64_t n, const char *status) {
        for (;;) {
                _cleanup_free_ char *json = asked_status(&peer, n);

                if (strstr(json, status))
                        return;
                peer_turn(&peer, G_MAXINT64);
        }
}

static void test_not_in_the_pinset(void) {
        Cid cid = peer_cid(999);

        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
                Asked asked = {};

                g_assert_cmpint(questions[i](&asked, &cid), ==, 0);
                g_assert_cmpuint(asked.n, ==, 0);
                asked_wait(&peer, &asked);
                g_assert_cmpint(asked.r, ==, 0);
                asked_assert_has(asked.json, "\"status\":\"unpinned\"");
                asked_assert_has(
                                asked.json,
                                questions[i] == ask_local ? "\"allocations\":null" : "\"allocations\":[]");
                asked_done(&asked);
        }
}

static void test_pinned(void) {
        Cid cid = peer_cid(1);

        asked_pin(&peer, 1, NULL);
        settle(1, "\"status\":\"pinned\"");
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++) {
                Asked asked = {};

                g_assert_cmpint(questions[i](&asked, &cid), ==, 0);
                asked_wait(&peer, &asked);
                asked_assert_has(asked.json, "\"status\":\"pinned\"");
                asked_assert_has(asked.json, "\"peername\":\"tester\"");
                asked_assert_has(asked.json, "\"ipfs_peer_id\":\"" FAKE_KUBO_ID "\"");
                asked_done(&asked);
        }
}

/* What was unpinned behind the tracker's back is found by asking, and repaired by recover. */
static void test_lost_and_recovered(void) {
        char text[CID_TEXT_MAX];
        Cid cid = peer_cid(2);
        Asked asked = {};

        asked_pin(&peer, 2, NULL);
        settle(2, "\"status\":\"pinned\"");
        fake_kubo_pin(peer.kubo, peer_cid_text(2, text), NULL);
        settle(2, "\"status\":\"unexpectedly_unpinned\"");

        g_assert_cmpint(ask_recover(&asked, &cid), ==, 0);
        asked_wait(&peer, &asked);
        g_assert_cmpint(asked.r, ==, 0);
        g_assert_false(asked_has(asked.json, "unexpectedly_unpinned"));
        asked_done(&asked);
        settle(2, "\"status\":\"pinned\"");
}

static void test_kubo_fails(void) {
        static const FakeAnswer answers[] = {
                { .status = 500, .body = "{\"Message\":\"no\",\"Code\":0,\"Type\":\"error\"}" },
                { .fault = FAKE_CUT },
                { .body = "garbage" },
                { .fault = FAKE_SILENCE }, /* until the time-out */
        };
        Cid cid = peer_cid(3);

        asked_pin(&peer, 3, NULL);
        settle(3, "\"status\":\"pinned\"");
        for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
                Asked asked = {};

                fake_kubo_plan(peer.kubo, "pin/ls", NULL, &answers[i]);
                g_assert_cmpint(ask_status(&asked, &cid), ==, 0);
                asked_wait(&peer, &asked);
                g_assert_cmpint(asked.r, ==, 0); /* a Kubo that fails is part of the answer */
                asked_assert_has(asked.json, "\"status\":\"cluster_error\"");
                g_assert_false(asked_has(asked.json, "\"error\":\"\""));
                asked_done(&asked);
                fake_kubo_forget_plans(peer.kubo);
        }
        settle(3, "\"status\":\"pinned\"");
}

static void test_drop_in_every_state(void) {
        Cid cid = peer_cid(4);

        asked_pin(&peer, 4, NULL);
        settle(4, "\"status\":\"pinned\"");
        for (size_t i = 0; i < G_N_ELEMENTS(questions); i++)
                for (unsigned turns = 0;; turns++) {
                        Asked asked = {};
                        bool answered;

                        g_assert_cmpint(questions[i](&asked, &cid), ==, 0);
                        for (unsigned k = 0; k < turns && asked.n == 0; k++)
                                g_assert_cmpint(sd_event_run(peer.event, 1000), >=, 0);
                        answered = asked.n > 0;
                        asked_done(&asked);
                        if (answered)
                                break;
                }
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_init(&peer);
        peer.config->ipfs.ipfs_request_timeout = USEC_PER_SEC;
        peer_start(&peer);

        g_test_add_func("/cluster/status-op/not-in-the-pinset", test_not_in_the_pinset);
        g_test_add_func("/cluster/status-op/pinned", test_pinned);
        g_test_add_func("/cluster/status-op/lost-and-recovered", test_lost_and_recovered);
        g_test_add_func("/cluster/status-op/kubo-fails", test_kubo_fails);
        g_test_add_func("/cluster/status-op/drop-in-every-state", test_drop_in_every_state);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
