#include "daemon/cluster/host.h"
#include "daemon/cluster/internal.h"
#include "tests/unit/cluster/asked.h"

static Peer peer;

static bool is_reachable(void) {
        return ipfs_is_reachable(peer.cluster->ipfs);
}

/* A pin that Kubo breaks off while it ends is queued again as if nothing had been, and pinned when it is
 * back. */
static void test_a_restart_costs_no_attempt(void) {
        g_autofree char *before = NULL, *after = NULL;

        peer_open(&peer);
        fake_kubo_plan(peer.kubo, "pin/add", NULL, &(FakeAnswer){ .trailer = "context canceled" });
        asked_pin(&peer, 1, NULL);
        PEER_UNTIL(&peer, (g_free(before), before = asked_status(&peer, 1), asked_has(before, "pin_error")));
        cluster_ipfs_unit(peer.cluster, CLUSTER_IPFS_CHANGES);
        g_assert_false(is_reachable());
        after = asked_status(&peer, 1);
        asked_assert_has(after, "pin_queued");
        asked_assert_has(after, "\"attempt_count\":0");

        fake_kubo_forget_plans(peer.kubo);
        cluster_ipfs_unit(peer.cluster, CLUSTER_IPFS_RUNS);
        PEER_UNTIL(&peer, fake_kubo_pinned(peer.kubo, peer_cid_text(1, (char[CID_TEXT_MAX]){})) != NULL);
        peer_close(&peer);
}

static void test_another_host_is_not_meant(void) {
        peer_open(&peer);
        g_assert_cmpint(str_copy(&peer.config->ipfs.node_multiaddress, "/dns4/kubo.example/tcp/5001"),
                        ==,
                        0);
        cluster_ipfs_unit(peer.cluster, CLUSTER_IPFS_CHANGES);
        g_assert_true(is_reachable());
        g_assert_cmpint(str_copy(&peer.config->ipfs.node_multiaddress, "/unix/run/ipfs/api"), ==, 0);
        cluster_ipfs_unit(peer.cluster, CLUSTER_IPFS_CHANGES);
        g_assert_false(is_reachable());
        cluster_ipfs_unit(peer.cluster, CLUSTER_IPFS_UNKNOWN);
        PEER_UNTIL(&peer, is_reachable());
        peer_close(&peer);
}

static void test_alone_there_is_nobody_to_lead(void) {
        peer_open(&peer);
        g_assert_cmpint(cluster_hand_over(peer.cluster), ==, 0);
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/host/a-restart-costs-no-attempt", test_a_restart_costs_no_attempt);
        g_test_add_func("/cluster/host/another-host-is-not-meant", test_another_host_is_not_meant);
        g_test_add_func("/cluster/host/alone", test_alone_there_is_nobody_to_lead);
        return g_test_run();
}
