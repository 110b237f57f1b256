#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static void test_ready_when_kubo_answers(void) {
        peer_init(&peer);
        fake_kubo_stop(peer.kubo);
        peer_begin(&peer);
        PEER_UNTIL(&peer, peer.cluster->consensus_ready);
        asked_pin(&peer, 1, NULL); /* serves before it is ready */
        g_assert_false(peer.cluster->is_ready);
        g_assert_cmpint(fake_kubo_start(peer.kubo), ==, 0);
        PEER_UNTIL(&peer, peer.n_ready > 0);
        g_assert_true(peer.cluster->is_ready);
        g_assert_cmpuint(peer.n_ready, ==, 1);
        g_assert_true(peer_id_equal(cluster_self(peer.cluster), &peer.identity.id));
        peer_close(&peer);
}

static void test_pins_survive_a_restart(void) {
        Cid cid = peer_cid(1);
        Pin pin = {};

        peer_open(&peer);
        asked_pin(&peer, 1, NULL);
        peer_fill(&peer, 10, 500, NULL);
        peer_stop(&peer);
        peer_start(&peer);
        g_assert_cmpint(cluster_pin_get(peer.cluster, &cid, &pin), ==, 1);
        pin_done(&pin);
        g_assert_cmpuint(state_pinset_count(consensus_pinset(peer.cluster->consensus)), ==, 501);
        peer_close(&peer);
}

/* The log applies what is durable while it closes: the informers are gone by then. */
static void test_close_with_commits_under_way(void) {
        peer_init(&peer);
        peer.config->ipfs.informer_trigger_interval = 1;
        peer_start(&peer);
        for (unsigned turns = 0; turns < 6; turns++) {
                for (uint64_t n = 0; n < 50; n++) {
                        Pin pin = asked_pin_of(n);
                        Asked asked = {};

                        g_assert_cmpint(cluster_pin(peer.cluster,
                                                    &asked.call,
                                                    &pin,
                                                    NULL,
                                                    asked_on_pin,
                                                    &asked),
                                        ==,
                                        0);
                        for (unsigned i = 0; i < turns; i++)
                                g_assert_cmpint(sd_event_run(peer.event, 0), >=, 0);
                        asked_done(&asked);
                }
                peer_stop(&peer);
                peer_start(&peer);
        }
        g_assert_cmpuint(peer.n_failed, ==, 0);
        peer_close(&peer);
}

static void test_a_bad_address_of_kubo(void) {
        Error error = {};
        Cluster *cluster = NULL;

        peer_init(&peer);
        g_assert_cmpint(str_copy(&peer.config->ipfs.node_multiaddress, "/ip4/127.0.0.1/udp/1"), ==, 0);
        g_assert_cmpint(cluster_new(&cluster,
                                    peer.event,
                                    &(ClusterOptions){
                                                    .config = peer.config,
                                                    .identity = &peer.identity,
                                                    .state_folder = peer.folder,
                                    },
                                    &error),
                        <,
                        0);
        g_assert_cmpint(error.code, ==, ERROR_INVALID);
        error_done(&error);
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/cluster/ready-when-kubo-answers", test_ready_when_kubo_answers);
        g_test_add_func("/cluster/cluster/pins-survive-a-restart", test_pins_survive_a_restart);
        g_test_add_func("/cluster/cluster/close-with-commits-under-way", test_close_with_commits_under_way);
        g_test_add_func("/cluster/cluster/a-bad-address-of-kubo", test_a_bad_address_of_kubo);
        return g_test_run();
}
