#include <string.h>

#include "daemon/cluster/counters.h"
#include "daemon/cluster/member.h"
#include "tests/lib/fault.h"
#include "tests/unit/cluster/set.h"

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

/* ---- the members */

static const char *name_of(const Set *set, unsigned asked, unsigned of) {
        return cluster_member_name(set->peers[asked].cluster, &set->peers[of].identity.id);
}

/* Each greets the others: nobody has to ask. What was known stays known. */
static void test_members(Set *set, const void *data G_GNUC_UNUSED) {
        PeerIdList members = {};

        for (unsigned i = 0; i < SET_N; i++)
                for (unsigned k = 0; k < SET_N; k++) {
                        g_autofree char *name = g_strdup_printf("peer%u", k);

                        PEER_UNTIL(&set->peers[i], str_equal(name_of(set, i, k), name));
                }
        g_assert_cmpint(cluster_members(set->peers[0].cluster, &members), ==, 0);
        g_assert_cmpuint(members.n, ==, SET_N);
        peer_id_list_done(&members);

        set_stop_third(set);
        g_assert_cmpstr(name_of(set, 0, 2), ==, "peer2");
        g_assert_cmpuint(
                        cluster_member_addresses(set->peers[0].cluster, &set->peers[2].identity.id)->n,
                        >,
                        0);
}

static void test_stranger(void) {
        Peer peer;
        PeerId id;

        peer_open(&peer);
        g_assert_cmpint(peer_id_parse("12D3KooWM2WYcBTEbzc6TZhTMNCTDGdE1qN6AKskWYpbG4uVBJTc", &id), ==, 0);
        g_assert_cmpstr(cluster_member_name(peer.cluster, &id), ==, "");
        g_assert_null(cluster_member_addresses(peer.cluster, &id));
        peer_close(&peer);
}

int main(int argc, char **argv) {
        g_test_init(&argc, &argv, NULL);
        g_test_add_func("/cluster/summary/counts", test_counts);
        g_test_add_func("/cluster/summary/counters", test_counters);
        SET_TEST("/cluster/summary/members", test_members);
        g_test_add_func("/cluster/summary/stranger", test_stranger);
        return g_test_run();
}
