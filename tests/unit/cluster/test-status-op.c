#include <string.h>

#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/set.h"

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

/* ---- of several peers */

static void test_several(Set *set, gconstpointer data G_GNUC_UNUSED) {
        set_pin_three(set);
        for (unsigned i = 0; i < SET_N; i++) {
                set_assert_told(set_status(set, i, 1), "1 0=pinned 1=pinned 2=pinned");
                set_assert_told(set_status(set, i, 2), "2 0=pinned 1=remote 2=pinned");
                set_assert_told(set_status(set, i, 9), "9 0=unpinned 1=unpinned 2=unpinned");
        }
        set_stop_third(set);
        for (unsigned i = 0; i < 2; i++) {
                g_autofree char *dead = set_status(set, i, 1);

                g_assert_true(g_str_has_prefix(dead, "1 0=pinned 1=pinned 2=cluster_error(peer 12D3Koo"));
                asked_assert_has(dead, " was not reached within 50ms: /ip4/127.0.0.1/tcp/");
                /* what it should not know is not asked of it */
                set_assert_told(set_status(set, i, 3), "3 0=remote 1=pinned 2=remote");
                set_assert_told(set_status(set, i, 9), "9 0=unpinned 1=unpinned 2=unpinned");
        }
}

static void test_several_recover(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const char lost[] = "(the item should be pinned but it is not)";
        g_autofree char *expected = g_strdup_printf("1 0=pinned 1=pinned 2=unexpectedly_unpinned%s", lost);
        char text[CID_TEXT_MAX];

        set_pin_three(set);
        fake_kubo_pin(set->peers[2].kubo, peer_cid_text(1, text), NULL);
        set_assert_told(set_status(set, 0, 1), expected);
        set_assert_told(set_recover(set, 0, 1), "1 0=pinned 1=pinned 2=pin_queued");
        set_until_status(set, 1, 2, PIN_STATUS_PINNED);
        set_assert_told(set_recover(set, 1, 1), "1 0=pinned 1=pinned 2=pinned");
}

/* A failed unpin is not hidden when the CID has left the pinset. */
static void test_several_unpin(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const Cid cid = peer_cid(1);
        Asked asked = {};

        set_pin_three(set);
        fake_kubo_plan(set->peers[2].kubo, "pin/rm", NULL, &set_refusal);
        g_assert_cmpint(cluster_unpin(set->peers[0].cluster, &asked.call, &cid, NULL, asked_on_pin, &asked),
                        ==,
                        0);
        asked_wait(&set->peers[0], &asked);
        asked_done(&asked);
        set_until_status(set, 1, 2, PIN_STATUS_UNPIN_ERROR);
        set_until_status(set, 1, 1, PIN_STATUS_UNPINNED);
        set_until_status(set, 1, 0, PIN_STATUS_UNPINNED);
        set_assert_told(set_status(set, 0, 1), "1 0=unpinned 1=unpinned 2=unpin_error(no)");
}

#define HEAD "\1\5peer2\0\0"

static void test_several_nonsense(Set *set, gconstpointer data G_GNUC_UNUSED) {
        static const struct {
                const char *answer, *told;
                size_t size;
        } cases[] = {
                { "", "cluster_error(the peer has given no proper answer)", 0 },
                { HEAD, "cluster_error(the peer has given no proper answer)", 9 },
                { HEAD "\0", "cluster_error(the peer has given no proper answer)", 10 },
                { HEAD "\x21\5\0\0\2no", "pinned(no)", 16 },
        };

        set_pin(set, 1, "");
        set_until_status(set, 1, 0, PIN_STATUS_PINNED);
        set_until_status(set, 1, 1, PIN_STATUS_PINNED);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                g_autofree char *expected = g_strdup_printf("1 0=pinned 1=pinned 2=%s", cases[i].told);

                set->impostor.answer = cases[i].answer;
                set->impostor.size = cases[i].size;
                set_assert_told(set_status(set, 0, 1), expected);
        }
}

/* The others are not held up; the question is, until its deadline. */
static void test_several_silent(Set *set, gconstpointer data G_GNUC_UNUSED) {
        g_autofree char *text = NULL;

        set_pin(set, 1, "");
        set_until_status(set, 1, 0, PIN_STATUS_PINNED);
        set_until_status(set, 1, 1, PIN_STATUS_PINNED);
        set->impostor.is_silent = true;
        set->peers[0].cluster->gather_usec = 50 * USEC_PER_MSEC;
        text = set_status(set, 0, 1);
        g_assert_true(g_str_has_prefix(text, "1 0=pinned 1=pinned 2=cluster_error(peer 12D3Koo"));
        asked_assert_has(text, " has not answered within 50ms)");
}

static void test_several_dropped(Set *set, gconstpointer data G_GNUC_UNUSED) {
        const Cid cid = peer_cid(1);

        set_pin(set, 1, "");
        for (unsigned turns = 0; turns < 30; turns++) {
                Asked asked = {};

                g_assert_cmpint(cluster_status(set->peers[0].cluster,
                                               &asked.call,
                                               &cid,
                                               false,
                                               asked_on_status,
                                               &asked),
                                ==,
                                0);
                for (unsigned k = 0; k < turns && asked.n == 0; k++)
                        g_assert_cmpint(sd_event_run(set->peers[0].event, 1000), >=, 0);
                asked_done(&asked);
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
        SET_TEST("/cluster/status-op/several-peers", test_several);
        SET_TEST("/cluster/status-op/several-recover", test_several_recover);
        SET_TEST("/cluster/status-op/several-failed-unpin", test_several_unpin);
        SET_IMPOSTOR_TEST("/cluster/status-op/several-nonsense", test_several_nonsense);
        SET_IMPOSTOR_TEST("/cluster/status-op/several-silent", test_several_silent);
        SET_TEST("/cluster/status-op/several-dropped", test_several_dropped);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
