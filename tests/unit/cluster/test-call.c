#include <string.h>

#include "daemon/cluster/internal.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static void test_too_many(void) {
        Asked *asked = g_new0(Asked, CLUSTER_CALLS_MAX + 1);
        Cid cid = peer_cid(1);

        for (size_t i = 0; i < CLUSTER_CALLS_MAX; i++)
                g_assert_cmpint(cluster_status(peer.cluster,
                                               &asked[i].call,
                                               &cid,
                                               false,
                                               asked_on_status,
                                               &asked[i]),
                                ==,
                                0);
        g_assert_cmpint(cluster_id(peer.cluster, &asked[CLUSTER_CALLS_MAX].call, asked_on_peer, NULL),
                        ==,
                        -EBUSY);
        for (size_t i = 0; i < CLUSTER_CALLS_MAX; i++)
                asked_wait(&peer, &asked[i]);
        for (size_t i = 0; i < CLUSTER_CALLS_MAX; i++)
                asked_done(&asked[i]);
        g_free(asked);
}

static const Asked *find_answered(const Asked *asked, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (asked[i].n > 0)
                        return &asked[i];
        return NULL;
}

/* A Kubo that is silent does not take all room from the tracker: what is pinned is pinned there. */
static void test_too_many_wait_for_kubo(void) {
        Asked *asked = g_new0(Asked, CLUSTER_ASKING_MAX + 1);
        const Asked *refused;
        char text[CID_TEXT_MAX];

        fake_kubo_plan(peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        for (size_t i = 0; i <= CLUSTER_ASKING_MAX; i++)
                g_assert_cmpint(cluster_id(peer.cluster, &asked[i].call, asked_on_peer, &asked[i]), ==, 0);
        PEER_UNTIL(&peer, (refused = find_answered(asked, CLUSTER_ASKING_MAX + 1)));
        g_assert_cmpint(refused->code, ==, ERROR_BUSY);
        g_assert_cmpstr(refused->words, ==, "768 requests wait for Kubo already, try again");
        for (size_t i = 0; i <= CLUSTER_ASKING_MAX; i++)
                asked_done(&asked[i]);
        g_assert_cmpuint(peer.cluster->n_asking, ==, 0);
        fake_kubo_forget_plans(peer.kubo);
        asked_pin(&peer, 5, NULL);
        PEER_UNTIL(&peer, fake_kubo_pinned(peer.kubo, peer_cid_text(5, text)));
        g_free(asked);
}

/* Each allocation of a question fails in turn: it is not asked, or answered with an error. */
static void test_out_of_memory(void) {
        Pin pin = asked_pin_of(2);

        pin.name = (char *) "name";
        FOREACH_FAULT {
                Asked asked = {};
                int r = cluster_pin(peer.cluster, &asked.call, &pin, NULL, asked_on_pin, &asked);

                fault_arm(-1);
                if (r >= 0)
                        asked_wait(&peer, &asked);
                else
                        g_assert_cmpint(r, ==, -ENOMEM);
                asked_done(&asked);
        }
}

static void test_words(void) {
        static const struct {
                int result;
                ErrorCode code;
        } cases[] = {
                { -ETIMEDOUT, ERROR_TIMEOUT },
                { -ENOMEM, ERROR_NO_MEMORY },
                { -EIO, ERROR_IO },
                { 0, ERROR_NONE },
        };

        for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
                ClusterCall call = {};

                cluster_call_settle_error(&call, cases[i].result);
                g_assert_cmpint(call.error.code, ==, cases[i].code);
                cluster_call_settle_error(&call, -EPROTO); /* the first words stay */
                g_assert_cmpint(call.error.code, ==, cases[i].code ? cases[i].code : ERROR_INTERNAL);
                error_done(&call.error);
        }
}

/* What waits is ended, and what is in the log goes on; the answers come from the loop. */
static void test_stop(void) {
        Asked waiting = {}, committing = {}, late = {};
        Pin pin = asked_pin_of(3);

        fake_kubo_plan(peer.kubo, "id", NULL, &(FakeAnswer){ .fault = FAKE_SILENCE });
        g_assert_cmpint(cluster_id(peer.cluster, &waiting.call, asked_on_peer, &waiting), ==, 0);
        g_assert_cmpint(cluster_pin(peer.cluster, &committing.call, &pin, NULL, asked_on_pin, &committing),
                        ==,
                        0);
        PEER_UNTIL(&peer, committing.call->submit);
        cluster_stop(peer.cluster);
        g_assert_cmpint(cluster_id(peer.cluster, &late.call, asked_on_peer, &late), ==, 0);
        g_assert_cmpuint(waiting.n + committing.n + late.n, ==, 0);
        asked_wait(&peer, &waiting);
        asked_wait(&peer, &committing);
        asked_wait(&peer, &late);
        g_assert_cmpint(waiting.code, ==, ERROR_CANCELED);
        g_assert_cmpstr(waiting.words, ==, "the peer is being stopped");
        g_assert_cmpint(late.code, ==, ERROR_CANCELED);
        g_assert_cmpint(committing.r, ==, 0);
        asked_done(&waiting);
        asked_done(&committing);
        asked_done(&late);
}

int main(int argc, char **argv) {
        int r;

        g_test_init(&argc, &argv, NULL);
        peer_open(&peer);
        g_test_add_func("/cluster/call/too-many", test_too_many);
        g_test_add_func("/cluster/call/too-many-wait-for-kubo", test_too_many_wait_for_kubo);
        g_test_add_func("/cluster/call/out-of-memory", test_out_of_memory);
        g_test_add_func("/cluster/call/words", test_words);
        g_test_add_func("/cluster/call/stop", test_stop);
        r = g_test_run();
        peer_close(&peer);
        return r;
}
