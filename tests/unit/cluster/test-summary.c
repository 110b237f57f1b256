#include "tests/unit/cluster/asked.h"

static void test_counts(void) {
        ClusterSummary summary;
        Peer peer;

        peer_init(&peer);
        fake_kubo_stop(peer.kubo);
        peer_begin(&peer);
        cluster_summary(peer.cluster, &summary);
        g_assert_false(summary.is_serving);
        g_assert_false(summary.ipfs_is_reachable);

        peer_fill(&peer, 1, 3, NULL);
        cluster_summary(peer.cluster, &summary);
        g_assert_true(summary.is_serving);
        g_assert_true(summary.is_leader);
        g_assert_true(peer_id_equal(&summary.leader, &peer.identity.id));
        g_assert_cmpuint(summary.n_pins, ==, 3);
        g_assert_cmpuint(summary.n_queued, ==, 3); /* until Kubo is there */
        g_assert_cmpuint(summary.n_errors, ==, 0);
        g_assert_cmpuint(summary.applied_index, >, 0);

        g_assert_cmpint(fake_kubo_start(peer.kubo), ==, 0);
        PEER_UNTIL(&peer, (cluster_summary(peer.cluster, &summary), summary.n_queued == 0));
        g_assert_true(summary.ipfs_is_reachable);
        g_assert_cmpuint(summary.n_pins, ==, 3);
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/summary/counts", test_counts);
        return g_test_run();
}
