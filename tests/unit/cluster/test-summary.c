#include <string.h>

#include "daemon/cluster/counters.h"
#include "tests/lib/fault.h"
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

static bool has_one_error(Peer *peer) {
        ClusterCounters counters;

        g_assert_cmpint(cluster_counters(peer->cluster, &counters), ==, 0);
        cluster_counters_done(&counters);
        return counters.n_pin_error == 1 && counters.n_pin_queued + counters.n_pinning == 0;
}

/* What is counted is what has happened. */
static void test_counters(void) {
        ClusterCounters counters;
        char text[CID_TEXT_MAX];
        Peer peer;

        peer_init(&peer);
        peer_start(&peer);
        fake_kubo_plan(peer.kubo,
                       "pin/add",
                       peer_cid_text(2, text),
                       &(FakeAnswer){ .status = 500, .body = "no" });
        peer_fill(&peer, 1, 3, NULL);
        PEER_UNTIL(&peer, has_one_error(&peer));
        peer_until_metric(&peer, "freespace");

        g_assert_cmpint(cluster_counters(peer.cluster, &counters), ==, 0);
        g_assert_cmpuint(counters.summary.n_pins, ==, 3);
        g_assert_true(peer_id_equal(&counters.self, &peer.identity.id));
        g_assert_cmpuint(histogram_count(&counters.commits), >, 0);
        g_assert_cmpuint(counters.n_commit_failures, ==, 0);
        g_assert_cmpuint(counters.oldest_pin_usec + counters.oldest_unpin_usec, ==, 0);
        g_assert_cmpint(counters.role, ==, CLUSTER_ROLE_VOTER);
        g_assert_cmpuint(counters.last_index, ==, counters.summary.applied_index);
        g_assert_cmpuint(counters.term, >, 0);
        g_assert_true(counters.has_disk);
        g_assert_cmpuint(counters.n_members, ==, 1);
        g_assert_true(counters.members[0].is_up);
        for (size_t i = 0; i < counters.n_kubo; i++)
                if (strcmp(counters.kubo[i].command, "pin/add") == 0) {
                        g_assert_cmpuint(histogram_count(&counters.kubo[i].latency), ==, 3);
                        g_assert_cmpuint(counters.kubo[i].n_failures, ==, 1);
                }
        cluster_counters_done(&counters);

        FOREACH_FAULT {
                int r = cluster_counters(peer.cluster, &counters);

                g_assert_cmpint(r == 0 || r == -ENOMEM, ==, true);
                if (r == 0)
                        cluster_counters_done(&counters);
        }
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/summary/counts", test_counts);
        g_test_add_func("/cluster/summary/counters", test_counters);
        return g_test_run();
}
